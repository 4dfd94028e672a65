// SPDX-License-Identifier: Apache-2.0
// QUIC's Initial packets: the keys of RFC 9001 appendix A.1, and packets sealed here by its rules.
import { createCipheriv } from "node:crypto";
import { expect, test } from "vitest";
import type { TlsEvent } from "../../../lib/model/model.ts";
import { initialKeys, quicVersion } from "../../../lib/network/quic-keys.ts";
import { networkDigests } from "../../../lib/server/network-digests.ts";
import { analyze } from "../../corpora/analyze.ts";
import { concat } from "./concat.ts";
import { ascii, ends, hex, pcap, udp } from "./packets.ts";

const connectionId = hex("8394c8f03e515708");
const version = quicVersion(1);

function keysOf(isFromClient: boolean) {
  if (version === undefined) throw new Error("version 1 is not known");
  return initialKeys(version, connectionId, isFromClient, networkDigests);
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("keys are those of the RFC's example", () => {
  const client = keysOf(true);
  expect(toHex(client.key)).toBe("1f369613dd76d5467730efcbe3b1a22d");
  expect(toHex(client.iv)).toBe("fa044b2f42a3fd3b46fb255c");
  expect(toHex(client.mask)).toBe("9f50449e04a0e810283a1e9933adedd2");
  const server = keysOf(false);
  expect(toHex(server.key)).toBe("cf3a5331653c364c88f0f379b6067e37");
  expect(toHex(server.iv)).toBe("0ac1493ca1905853b0bba03e");
  expect(toHex(server.mask)).toBe("c206b8d9b9f0f37644430b490eeaa314");
});

const u16 = (value: number): Uint8Array => Uint8Array.from([value >> 8, value & 255]);

function clientHello(serverName: string): Uint8Array {
  const name = ascii(serverName);
  const names = concat(u16(name.length + 3), hex("00"), u16(name.length), name);
  const extension = concat(hex("0000"), u16(names.length), names);
  const alpn = hex("0010 0005 0003 02 6833");
  const extensions = concat(extension, alpn);
  const body = concat(
    hex("0303"),
    new Uint8Array(32),
    hex("00 0002 1301 01 00"),
    u16(extensions.length),
    extensions,
  );
  return concat(hex("01 00"), u16(body.length), body);
}

/** A client's Initial with one packet number byte, of 1200 bytes as the first has to be. */
function initial(number: number, frames: Uint8Array): Uint8Array {
  const { key, iv, mask } = keysOf(true);
  const payload = concat(frames, new Uint8Array(1150 - frames.length));
  const length = 0x4000 | (1 + payload.length + 16);
  const header = concat(
    hex("c0 00000001 08"),
    connectionId,
    hex("00 00"),
    u16(length),
    Uint8Array.from([number]),
  );
  const nonce = iv.slice();
  nonce[11] = (nonce[11] as number) ^ number;
  const cipher = createCipheriv("aes-128-gcm", key, nonce, { authTagLength: 16 });
  cipher.setAAD(header);
  const sealed = concat(cipher.update(payload), cipher.final(), cipher.getAuthTag());
  const packet = concat(header, sealed);
  const sample = packet.subarray(header.length + 3, header.length + 19);
  const cover = createCipheriv("aes-128-ecb", mask, null).update(sample);
  packet[0] = (packet[0] as number) ^ ((cover[0] as number) & 0x0f);
  const numberAt = header.length - 1;
  packet[numberAt] = (packet[numberAt] as number) ^ (cover[1] as number);
  return packet;
}

function crypto(offset: number, part: Uint8Array): Uint8Array {
  return concat(hex("06"), u16(0x4000 | offset), u16(0x4000 | part.length), part);
}

function tlsOf(datagrams: readonly Uint8Array[]): TlsEvent[] {
  const packets = datagrams.map((datagram) => udp(ends(443), datagram));
  return analyze(pcap(packets)).filter((event) => event.kind === "tls");
}

test("a hello in two packets that come in the wrong order is read", () => {
  const hello = clientHello("quic.example");
  const [first, second] = [hello.subarray(0, 20), hello.subarray(20)];
  const [event] = tlsOf([initial(1, crypto(20, second)), initial(0, crypto(0, first))]);
  expect(event).toMatchObject({ serverName: "quic.example", offeredProtocols: ["h3"], quic: true });
  expect(event?.ja4).toMatch(/^q12d0102h3_/);
});

test("a packet whose tag does not fit tells nothing", () => {
  const packet = initial(0, crypto(0, clientHello("quic.example")));
  packet[600] = (packet[600] as number) ^ 1;
  expect(tlsOf([packet])).toEqual([]);
});

test("handshake bytes beyond any need are refused, not kept", () => {
  const far = concat(hex("06 80010000 4004"), hex("01020304"));
  const events = analyze(pcap([udp(ends(443), initial(0, far))]));
  const names = events.flatMap((event) => (event.kind === "anomaly" ? [event.name] : []));
  expect(names).toEqual(["quic_crypto_too_long"]);
});
