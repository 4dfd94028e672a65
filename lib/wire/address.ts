// SPDX-License-Identifier: Apache-2.0
// IP addresses between text and the 16 bytes of the wire format: IPv4 in the first four, the rest
// zero. Text that people wrote is read strictly: no octal, no shortened IPv4.
import ipaddr from "ipaddr.js";
import { ADDRESS_IPV4, ADDRESS_IPV6 } from "./layout.gen.ts";

export type AddressFamily = typeof ADDRESS_IPV4 | typeof ADDRESS_IPV6;

/** An address and how many leading bits of it count. */
export interface AddressRange {
  readonly family: AddressFamily;
  /** 16 bytes; bits beyond the prefix are zero. */
  readonly bytes: Uint8Array;
  readonly prefixBits: number;
}

/** Text of an address at a place: dotted IPv4, or IPv6 as RFC 5952 wants it. */
export function addressText(bytes: Uint8Array, at: number, family: number): string {
  if (family === ADDRESS_IPV4) {
    return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  }
  if (family !== ADDRESS_IPV6) return "";
  return new ipaddr.IPv6([...bytes.subarray(at, at + 16)]).toRFC5952String();
}

/** Reads `ADDRESS` or `ADDRESS/BITS`; undefined where it is neither. */
export function parseAddressRange(text: string): AddressRange | undefined {
  const slash = text.indexOf("/");
  const bare = slash < 0 ? text : text.slice(0, slash);
  const isPlain =
    ipaddr.IPv4.isValidFourPartDecimal(bare) || /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(bare);
  if (!isPlain || !ipaddr.isValid(bare)) return undefined;
  const parts = ipaddr.parse(bare).toByteArray();
  const bitsMax = parts.length * 8;
  const bits = slash < 0 ? String(bitsMax) : text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(bits) || Number(bits) > bitsMax) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(parts);
  const prefixBits = Number(bits);
  for (let at = 0; at < parts.length; at++) {
    const kept = Math.min(8, Math.max(0, prefixBits - at * 8));
    bytes[at] = (bytes[at] ?? 0) & (0xff00 >> kept);
  }
  return { family: parts.length === 4 ? ADDRESS_IPV4 : ADDRESS_IPV6, bytes, prefixBits };
}

/** Text of a range; a single address has no prefix length. */
export function addressRangeText(range: AddressRange): string {
  const address = addressText(range.bytes, 0, range.family);
  const bitsMax = range.family === ADDRESS_IPV4 ? 32 : 128;
  return range.prefixBits === bitsMax ? address : `${address}/${range.prefixBits}`;
}
