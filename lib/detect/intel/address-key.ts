// SPDX-License-Identifier: Apache-2.0
// IP addresses and ranges from text to numbers without an allocation, for look-ups by the million.
// A property test holds it equal to the reader of the wire room (ipaddr.js), too slow for this.
import { ADDRESS_IPV6, addressText } from "../../wire/wire.ts";

/** An address or range as numbers; one object is filled again and again. */
export class AddressKey {
  /** 4 or 6. */
  family: 4 | 6 = 4;
  /** IPv4: the first word; IPv6: all four. Bits beyond the prefix are zero. */
  readonly words: Uint32Array = new Uint32Array(4);
  bits = 0;

  /**
   * Reads `ADDRESS` or `ADDRESS/BITS`; false where the text is neither. An IPv4-mapped IPv6 address
   * (RFC 4291 §2.5.5.2) is the IPv4 address in it.
   */
  read(text: string): boolean {
    const plain = readIpv4(text, 0, text.length);
    if (plain >= 0) {
      this.family = 4;
      this.words[0] = plain;
      this.bits = 32;
      return true;
    }
    const slash = text.indexOf("/");
    const end = slash < 0 ? text.length : slash;
    const ipv4 = readIpv4(text, 0, end);
    if (ipv4 >= 0) {
      this.family = 4;
      this.words[0] = ipv4;
    } else if (end > 1 && readIpv6(text, end, this.words)) {
      this.family = 6;
    } else {
      return false;
    }
    const bitsMax = this.family === 4 ? 32 : 128;
    this.bits = slash < 0 ? bitsMax : readBits(text, slash + 1, bitsMax);
    if (this.bits < 0) return false;
    if (this.family === 6) this.#unmap();
    if (slash >= 0) maskWords(this.words, this.family === 4 ? 1 : 4, this.bits);
    return true;
  }

  #unmap(): void {
    const { words } = this;
    if (this.bits < 96 || words[0] !== 0 || words[1] !== 0 || words[2] !== 0xffff) return;
    this.family = 4;
    words[0] = words[3] ?? 0;
    this.bits -= 96;
  }
}

/** Zeroes what lies beyond a prefix. */
function maskWords(words: Uint32Array, count: number, bits: number): void {
  for (let at = 0; at < count; at++) {
    words[at] = (words[at] ?? 0) & maskOf(bits - at * 32);
  }
}

/** The mask of the leading bits of one word; none below 1, all from 32 on. */
export function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;
}

/** Text of an address or range; a single address has no prefix length. */
export function addressKeyText(family: 4 | 6, words: Uint32Array, bits: number): string {
  if (family === 4) {
    const word = words[0] ?? 0;
    const text = `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
    return bits === 32 ? text : `${text}/${bits}`;
  }
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < 4; at++) view.setUint32(at * 4, words[at] ?? 0);
  const text = addressText(bytes, 0, ADDRESS_IPV6);
  return bits === 128 ? text : `${text}/${bits}`;
}

/** Four decimal parts without leading zeros, as a number; -1 where the text is something else. */
export function readIpv4(text: string, start: number, end: number): number {
  if (end - start < 7 || end - start > 15) return -1;
  let value = 0;
  let part = 0;
  let digits = 0;
  let parts = 1;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at) - 48;
    if (code >= 0 && code <= 9) {
      if (digits > 0 && part === 0) return -1;
      part = part * 10 + code;
      if (part > 255) return -1;
      digits++;
    } else {
      if (code !== -2 || digits === 0 || parts === 4) return -1;
      value = value * 256 + part;
      part = 0;
      digits = 0;
      parts++;
    }
  }
  return parts === 4 && digits > 0 ? value * 256 + part : -1;
}

function readBits(text: string, start: number, bitsMax: number): number {
  const length = text.length - start;
  if (length < 1 || length > 3 || (length > 1 && text.charCodeAt(start) === 48)) return -1;
  let bits = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at) - 48;
    if (code < 0 || code > 9) return -1;
    bits = bits * 10 + code;
  }
  return bits > bitsMax ? -1 : bits;
}

const groups = new Uint16Array(8);

// Groups before "::" from the left, those behind it moved to the right at the end.
function readIpv6(text: string, end: number, words: Uint32Array): boolean {
  let count = 0;
  let gap = -1;
  let at = 0;
  if (text.charCodeAt(0) === 58) {
    if (text.charCodeAt(1) !== 58) return false;
    gap = 0;
    at = 2;
  }
  while (at < end) {
    const next = groupEnd(text, at, end);
    if (next === at) return false;
    if (next < end && text.charCodeAt(next) === 46) {
      const ipv4 = readIpv4(text, at, end);
      if (ipv4 < 0 || count > 6) return false;
      groups[count++] = ipv4 >>> 16;
      groups[count++] = ipv4 & 0xffff;
      break;
    }
    if (count === 8) return false;
    groups[count++] = hexValue(text, at, next);
    if (next === end) break;
    if (text.charCodeAt(next) !== 58 || next + 1 === end) return false;
    at = next + 1;
    if (text.charCodeAt(at) !== 58) continue;
    if (gap >= 0) return false;
    gap = count;
    at++;
  }
  return spread(count, gap, words);
}

function groupEnd(text: string, start: number, end: number): number {
  const limit = Math.min(end, start + 4);
  let at = start;
  while (at < limit && nibbleOf(text.charCodeAt(at)) >= 0) at++;
  return at;
}

function hexValue(text: string, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 16 + nibbleOf(text.charCodeAt(at));
  return value;
}

function spread(count: number, gap: number, words: Uint32Array): boolean {
  if (gap < 0 ? count !== 8 : count > 7) return false;
  const moved = gap < 0 ? 0 : count - gap;
  words.fill(0);
  for (let at = 0; at < count; at++) {
    const place = gap >= 0 && at >= gap ? 8 - moved + (at - gap) : at;
    const shift = place % 2 === 0 ? 16 : 0;
    words[place >> 1] = (words[place >> 1] ?? 0) | ((groups[at] ?? 0) << shift);
  }
  return true;
}

/** The value of a hex digit; -1 for any other character. */
export function nibbleOf(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
