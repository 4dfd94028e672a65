// SPDX-License-Identifier: Apache-2.0
// Hand-made exchanges of each protocol that the network room reads: what the network fuzzer starts
// from beside captures, so that it needs none.
import { concat } from "../test/unit/network/concat.ts";
import { ascii, ends, hex, tcp, udp } from "../test/unit/network/packets.ts";
import type { FuzzPacket } from "./network-mutator.ts";

const rawLink = 101;
const SYN = 2;
const FIN = 1;
const ACK = 16;

/** One list of packets a protocol. */
export function handMade(): FuzzPacket[][] {
  const exchanges = [
    stream(80, [
      [false, ascii("GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nUser-Agent: x\r\n\r\n")],
      [true, ascii("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")],
      [false, ascii("POST /b HTTP/1.1\r\nHost: example.org\r\nContent-Length: 3\r\n\r\nabc")],
      [true, ascii("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")],
    ]),
    stream(22, [
      [false, ascii("SSH-2.0-one\r\n")],
      [true, ascii("SSH-2.0-two\r\n")],
      [false, keyExchange()],
      [true, keyExchange()],
    ]),
    stream(443, [
      [false, clientHello()],
      [true, serverHello()],
    ]),
    stream(445, [
      [false, smb2(0, 0, "24000200010000000000000000".padEnd(72, "0") + "02020003")],
      [true, smb2(0, 1, "41000100000300".padEnd(128, "0"))],
      [false, smb2(3, 0, `0900000048001400${wide("\\\\a\\share12")}`)],
      [true, smb2(3, 1, "10000100".padEnd(32, "0"))],
      [false, smb2(5, 0, `${"39".padEnd(88, "0")}780008000000${"00".repeat(10)}${wide("f.tx")}`)],
      [true, smb2(5, 1, "59".padEnd(176, "0"))],
      [false, smb2(6, 0, "18".padEnd(48, "0"))],
      [true, smb2(6, 1, "3c".padEnd(120, "0"))],
    ]),
    stream(139, [
      [false, smb1(0x72, 0, concat(hex("000c0002"), ascii("NT LM 0.12"), hex("00")))],
      [true, smb1(0x72, 0x80, hex(`11${"00".repeat(34)}1000${"11".repeat(16)}`))],
      [false, smb1(0x75, 0, concat(hex("04ff000000000001000e0000"), ascii("\\\\a\\b\0?????\0")))],
    ]),
    [
      udp(ends(53), dns(0x0100, "")),
      udp(ends(53, true), dns(0x8180, "c00c000100010000003c00047f000001")),
    ],
    stream(53, [[false, concat(hex("001d"), dns(0x0100, ""))]]),
    [udp({ source: 1, destination: 255, sourcePort: 68, destinationPort: 67 }, dhcp())],
  ];
  return exchanges.map((packets) => packets.map((bytes) => ({ linkType: rawLink, bytes })));
}

function stream(port: number, parts: ReadonlyArray<readonly [boolean, Uint8Array]>): Uint8Array[] {
  const sent = [1, 1];
  const packets = [tcp(ends(port), SYN, 0, 0), tcp(ends(port, true), SYN | ACK, 0, 1)];
  for (const [isBack, bytes] of parts) {
    const [own = 0, other = 0] = isBack ? [sent[1], sent[0]] : sent;
    packets.push(tcp(ends(port, isBack), ACK, own, other, bytes));
    sent[isBack ? 1 : 0] = own + bytes.length;
  }
  packets.push(tcp(ends(port), FIN | ACK, sent[0] ?? 0, sent[1] ?? 0));
  packets.push(tcp(ends(port, true), FIN | ACK, sent[1] ?? 0, (sent[0] ?? 0) + 1));
  return packets;
}

/** A length of so many bytes before the bytes. */
function sized(count: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(...parts);
  return concat(hex(body.length.toString(16).padStart(2 * count, "0")), body);
}

function clientHello(): Uint8Array {
  const name = sized(2, sized(2, hex("00"), sized(2, ascii("example.org"))));
  const protocols = sized(2, sized(2, sized(1, ascii("h2")), sized(1, ascii("http/1.1"))));
  const extensions = concat(
    concat(hex("0000"), name),
    concat(hex("0010"), protocols),
    hex("000a00040002001d"),
    hex("000d000400020403"),
    hex("002b0003020304"),
  );
  const random = new Uint8Array(32).fill(7);
  const body = [hex("0303"), random, sized(1), sized(2, hex("13011302c02f")), sized(1, hex("00"))];
  const message = concat(hex("01"), sized(3, ...body, sized(2, extensions)));
  return concat(hex("160301"), sized(2, message));
}

function serverHello(): Uint8Array {
  const random = new Uint8Array(32).fill(9);
  const extensions = sized(2, hex("002b00020304"));
  const body = concat(hex("0303"), random, sized(1), hex("130100"), extensions);
  return concat(hex("160303"), sized(2, hex("02"), sized(3, body)));
}

function keyExchange(): Uint8Array {
  const lists = ["curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr", "hmac-sha2-256"];
  const all = [...lists, "hmac-sha2-256", "none", "none", "", ""];
  const payload = concat(
    hex("14"),
    new Uint8Array(16),
    ...all.map((list) => sized(4, ascii(list))),
    hex("0000000000"),
  );
  return sized(4, hex("04"), payload, new Uint8Array(4));
}

function smb2(command: number, flags: number, body: string): Uint8Array {
  const header = new Uint8Array(64);
  header.set(hex("fe534d4240000000"));
  header.set([command], 12);
  header.set([flags], 16);
  header.set([command], 24);
  header.set([1], 36);
  header.set([1], 40);
  return concat(hex("00"), sized(3, header, hex(body)));
}

function smb1(command: number, flags: number, rest: Uint8Array): Uint8Array {
  const header = new Uint8Array(32);
  header.set(hex("ff534d42"));
  header.set([command, 0, 0, 0, 0, flags, 1, 0x40], 4);
  return concat(hex("00"), sized(3, header, rest));
}

function wide(text: string): string {
  return [...text].map((letter) => `${letter.charCodeAt(0).toString(16)}00`).join("");
}

function dns(flags: number, answer: string): Uint8Array {
  const head = `1234${flags.toString(16).padStart(4, "0")}0001000${answer === "" ? 0 : 1}00000000`;
  return hex(`${head}076578616d706c65036f72670000010001${answer}`);
}

function dhcp(): Uint8Array {
  const message = new Uint8Array(260);
  message.set(hex("0101060012345678"));
  message.set(hex("020000000001"), 28);
  message.set(hex("638253633501010c026161ff"), 236);
  return message;
}
