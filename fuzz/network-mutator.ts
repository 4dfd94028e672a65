// SPDX-License-Identifier: Apache-2.0
// Changes captured packets the way a hostile guest would: the headers stay good enough to get
// through, what they carry does not. Called by the network fuzzer; the same seed, the same packets.
import type { Random } from "../test/sim/random.ts";

/** One packet of a capture. */
export interface FuzzPacket {
  readonly linkType: number;
  readonly bytes: Uint8Array;
}

type Change = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

const packetBytesMax = 4096;
const edges = [0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 127, 128, 254, 255];
const edges16 = [0, 1, 255, 256, 0x7fff, 0x8000, 0xfffe, 0xffff];
const edges32 = [0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const words = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
  "Content-Length: 999999999999999\r\n",
  "ffffffffffff\r\n",
  "SSH-2.0-x\r\n",
  "\u0016\u0003\u0001\u00ff\u00ff\u0001\u0000",
  "\u0000\u0000\u0000\u0044\u00feSMB@\u0000",
  "\u0000\u0000\u0000\u0023\u00ffSMBr",
  "NTLMSSP\u0000\u0003\u0000\u0000\u0000",
  "\u00c0\u000c\u00c0\u000c",
  "\u0063\u0082\u0053\u0063\u0035\u00ff",
];

/** Some packets of a capture, changed. */
export function mutate(
  packets: readonly FuzzPacket[],
  random: Random,
  others: readonly Uint8Array[],
): FuzzPacket[] {
  const made: FuzzPacket[] = [];
  for (const packet of packets) {
    if (random.chance(0.05)) continue;
    let bytes = packet.bytes;
    const changes = random.chance(0.5) ? 0 : 1 + random.below(4);
    for (let count = 0; count < changes; count += 1) bytes = changeOne(bytes, random, others);
    made.push({ linkType: packet.linkType, bytes });
    if (random.chance(0.05)) made.push({ linkType: packet.linkType, bytes });
  }
  for (let swaps = random.below(3); swaps > 0 && made.length > 1; swaps -= 1) {
    const at = random.below(made.length - 1);
    made.splice(at, 2, made[at + 1] as FuzzPacket, made[at] as FuzzPacket);
  }
  return made;
}

function changeOne(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const changed = random.pick(changes)(bytes, random, others).subarray(0, packetBytesMax);
  if (random.chance(0.9)) repairLengths(changed);
  return changed;
}

/** Where the payload of TCP or UDP over IPv4 or IPv6 probably begins; else somewhere. */
function payloadStart(bytes: Uint8Array, random: Random): number {
  const ip = findIp(bytes);
  if (ip === undefined || random.chance(0.15)) return random.below(bytes.length + 1);
  const isTcp = bytes[ip.protocolAt] === 6;
  const header = isTcp ? ((bytes[ip.bodyAt + 12] ?? 0) >> 4) * 4 : 8;
  return Math.min(ip.bodyAt + header, bytes.length);
}

function findIp(
  bytes: Uint8Array,
): { readonly at: number; readonly bodyAt: number; readonly protocolAt: number } | undefined {
  for (const at of [14, 0, 4, 16, 18, 20]) {
    const first = bytes[at] ?? 0;
    if (first >> 4 === 4 && (first & 15) >= 5) {
      const bodyAt = at + (first & 15) * 4;
      if (bodyAt < bytes.length && [6, 17].includes(bytes[at + 9] ?? 0)) {
        return { at, bodyAt, protocolAt: at + 9 };
      }
    }
    if (first >> 4 === 6 && at + 40 < bytes.length && [6, 17].includes(bytes[at + 6] ?? 0)) {
      return { at, bodyAt: at + 40, protocolAt: at + 6 };
    }
  }
  return undefined;
}

/** Lets the lengths of IP and UDP agree with what is there. */
function repairLengths(bytes: Uint8Array): void {
  const ip = findIp(bytes);
  if (ip === undefined) return;
  const isV6 = (bytes[ip.at] as number) >> 4 === 6;
  const put = (at: number, value: number): void => {
    bytes[at] = value >> 8;
    bytes[at + 1] = value & 0xff;
  };
  put(ip.at + (isV6 ? 4 : 2), bytes.length - (isV6 ? ip.bodyAt : ip.at));
  if (bytes[ip.protocolAt] === 17) put(ip.bodyAt + 4, bytes.length - ip.bodyAt);
}

function putNumber(bytes: Uint8Array, at: number, size: number, value: number): void {
  for (let index = 0; index < size; index += 1) {
    if (at + index < bytes.length) bytes[at + index] = Math.floor(value / 256 ** index) & 0xff;
  }
}

function spliced(bytes: Uint8Array, at: number, cut: number, added: Uint8Array): Uint8Array {
  const end = Math.min(bytes.length, at + cut);
  const result = new Uint8Array(at + added.length + bytes.length - end);
  result.set(bytes.subarray(0, at));
  result.set(added, at);
  result.set(bytes.subarray(end), at + added.length);
  return result;
}

const somewhere = (bytes: Uint8Array, random: Random): number => {
  const start = payloadStart(bytes, random);
  return Math.min(bytes.length, start + random.below(bytes.length - start + 1));
};

const changes: readonly Change[] = [
  (bytes, random) => {
    const copy = bytes.slice();
    for (let count = 1 + random.below(4); count > 0 && copy.length > 0; count -= 1) {
      const at = random.below(copy.length);
      copy[at] = (copy[at] as number) ^ (1 << random.below(8));
    }
    return copy;
  },
  (bytes, random) => {
    const copy = bytes.slice();
    putNumber(copy, somewhere(bytes, random), 1, random.pick(edges));
    return copy;
  },
  (bytes, random) => {
    const copy = bytes.slice();
    const left = bytes.length & 0xffff;
    const value = random.chance(0.3) ? left - 8 + random.below(16) : random.pick(edges16);
    putNumber(copy, somewhere(bytes, random), 2, value & 0xffff);
    return copy;
  },
  (bytes, random) => {
    const copy = bytes.slice();
    putNumber(copy, somewhere(bytes, random), 4, random.pick(edges32));
    return copy;
  },
  (bytes, random) =>
    spliced(bytes, somewhere(bytes, random), 1 + random.below(40), new Uint8Array()),
  (bytes, random) => spliced(bytes, somewhere(bytes, random), 0, random.bytes(random.below(24))),
  (bytes, random) => {
    const text = random.pick(words);
    const word = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const at = random.chance(0.5) ? payloadStart(bytes, random) : somewhere(bytes, random);
    return spliced(bytes, at, random.chance(0.5) ? word.length : 0, word);
  },
  (bytes, random) => {
    const from = somewhere(bytes, random);
    const piece = bytes.subarray(from, from + random.below(200));
    return spliced(bytes, somewhere(bytes, random), 0, piece);
  },
  (bytes, random, others) => {
    const other = random.pick(others);
    const from = payloadStart(other, random);
    return spliced(bytes, payloadStart(bytes, random), bytes.length, other.subarray(from));
  },
  (bytes, random) => bytes.subarray(0, somewhere(bytes, random)).slice(),
];
