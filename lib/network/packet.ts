// SPDX-License-Identifier: Apache-2.0
// One decoded packet, filled again and again by the decoder so that the hot path allocates
// nothing, and the address texts made from it.
import { ipv4Text, ipv6Text } from "./bytes.ts";

/** TCP flag bits. */
export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const ACK = 16;

/** IP protocol numbers. */
export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
export const ICMP6 = 58;

/** A transport packet. Valid only during the call it is handed to. */
export class Packet {
  timeMs = 0;
  bytes: Uint8Array = new Uint8Array(0);
  /** Captured payload of the transport: [start, end) of bytes. */
  start = 0;
  end = 0;
  /** Payload bytes by the headers; more than captured where the capture cut the packet. */
  payloadBytes = 0;
  /** Whole IP packet by its header. */
  ipBytes = 0;
  isV6 = false;
  protocol = 0;
  vlan = 0;
  /** Source in words 0 to 3, destination in 4 to 7; IPv4 in the last word of each. */
  readonly address: Int32Array = new Int32Array(8);
  sourcePort = 0;
  destinationPort = 0;
  flags = 0;
  sequence = 0;
  acknowledgement = 0;
  window = 0;
  /** Its transport checksum is wrong, and somebody wanted to know. */
  isDamaged = false;
}

const scratch = new Uint8Array(16);

/** Text of one of a packet's or flow's addresses: `word` is 0 for the source, 4 for the other. */
export function addressText(address: Int32Array, word: number, isV6: boolean): string {
  putAddress(address, word, isV6, scratch, 0);
  return isV6 ? ipv6Text(scratch, 0) : ipv4Text(scratch, 0);
}

/** Writes an address as 4 or 16 bytes and returns how many. */
export function putAddress(
  address: Int32Array,
  word: number,
  isV6: boolean,
  target: Uint8Array,
  at: number,
): number {
  let length = 0;
  for (let index = isV6 ? 0 : 3; index < 4; index += 1) {
    const value = address[word + index] as number;
    target[at + length] = value >>> 24;
    target[at + length + 1] = value >>> 16;
    target[at + length + 2] = value >>> 8;
    target[at + length + 3] = value;
    length += 4;
  }
  return length;
}
