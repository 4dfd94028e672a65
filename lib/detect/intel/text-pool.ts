// SPDX-License-Identifier: Apache-2.0
// Texts by the million outside the heap: one byte a character where that is enough, half a byte for
// hex digits. Used by the indicator rows; a text is named by its offset. Texts are never changed;
// the owner makes a new pool when too much of this one is dead.
import { UndercroftError } from "../../errors/errors.ts";
import { nibbleOf } from "./address-key.ts";

const SEGMENT_BITS = 20;
const SEGMENT_BYTES = 1 << SEGMENT_BITS;
const OFFSET_MAX = 2 ** 32 - SEGMENT_BYTES;
/** A length of this in the first byte: two more bytes hold it. */
const LONG = 63;
/** Longest text in UTF-16 units. */
const TEXT_LENGTH_MAX = 65_535;

/** How the units of a text are stored; the upper two bits of its first byte. */
const LATIN1 = 0;
const UTF16 = 1;
const HEX = 2;

/** Texts packed into segments; offset 0 is the empty text. */
export class TextPool {
  readonly #segments: Uint8Array[] = [new Uint8Array(SEGMENT_BYTES)];
  #end = 1;
  // Where the text that was asked for last lies; set by #open.
  #bytes: Uint8Array = this.#segments[0] ?? new Uint8Array(SEGMENT_BYTES);
  #start = 0;
  #length = 0;
  #encoding = LATIN1;

  /** Bytes taken from the system. */
  get bytes(): number {
    return this.#segments.length * SEGMENT_BYTES;
  }

  /** Bytes in use. */
  get used(): number {
    return this.#end;
  }

  /**
   * Stores a text and returns its offset.
   * @throws {UndercroftError} ERR_UC_INDICATORS when the pool is full (4 GiB)
   */
  add(text: string): number {
    if (text === "") return 0;
    const length = Math.min(text.length, TEXT_LENGTH_MAX);
    const encoding = encodingOf(text, length);
    const count = encoding === HEX ? length >> 1 : length;
    const size = (count < LONG ? 1 : 3) + (encoding === UTF16 ? 2 * count : count);
    const at = this.#reserve(size);
    const bytes = this.#bytes;
    let place = at & (SEGMENT_BYTES - 1);
    bytes[place++] = (encoding << 6) | Math.min(count, LONG);
    if (count >= LONG) {
      bytes[place++] = count & 255;
      bytes[place++] = count >> 8;
    }
    writeUnits(text, encoding, count, bytes, place);
    return at;
  }

  /** The text at an offset. */
  text(offset: number): string {
    if (offset === 0) return "";
    this.#open(offset);
    const end = this.#start + this.#length;
    if (this.#encoding === HEX) return this.#hexText(end);
    let text = "";
    for (let at = this.#start; at < end; at += this.#encoding === UTF16 ? 2 : 1) {
      text += String.fromCharCode(this.#unit(at));
    }
    return text;
  }

  /**
   * Whether the text at an offset equals `text` from `start` to `end`, when A to Z there are read
   * as a to z if `isFolded`.
   */
  equals(offset: number, text: string, start: number, end: number, isFolded: boolean): boolean {
    if (offset === 0) return start === end;
    this.#open(offset);
    const bytes = this.#bytes;
    let at = this.#start;
    const length = end - start;
    if (this.#encoding === HEX) {
      if (length !== 2 * this.#length) return false;
      for (let place = start; place < end; place += 2) {
        const high = nibbleOf(text.charCodeAt(place));
        if (bytes[at++] !== ((high << 4) | nibbleOf(text.charCodeAt(place + 1)))) return false;
      }
      return true;
    }
    const isWide = this.#encoding === UTF16;
    if ((isWide ? 2 * length : length) !== this.#length) return false;
    for (let place = start; place < end; place++) {
      const code = text.charCodeAt(place);
      const unit = isFolded && code >= 65 && code <= 90 ? code | 32 : code;
      const low = bytes[at++] ?? 0;
      if ((isWide ? low | ((bytes[at++] ?? 0) << 8) : low) !== unit) return false;
    }
    return true;
  }

  #unit(at: number): number {
    const low = this.#bytes[at] ?? 0;
    return this.#encoding === UTF16 ? low | ((this.#bytes[at + 1] ?? 0) << 8) : low;
  }

  #hexText(end: number): string {
    let text = "";
    for (let at = this.#start; at < end; at++) {
      text += ((this.#bytes[at] ?? 0) + 256).toString(16).slice(1);
    }
    return text;
  }

  #open(offset: number): void {
    this.#bytes = this.#segments[offset >>> SEGMENT_BITS] ?? this.#bytes;
    let at = offset & (SEGMENT_BYTES - 1);
    const first = this.#bytes[at++] ?? 0;
    let count = first & LONG;
    if (count === LONG) {
      count = (this.#bytes[at] ?? 0) | ((this.#bytes[at + 1] ?? 0) << 8);
      at += 2;
    }
    this.#encoding = first >> 6;
    this.#start = at;
    this.#length = this.#encoding === UTF16 ? 2 * count : count;
  }

  // A text lies in one segment: what is left of the last one stays empty.
  #reserve(size: number): number {
    if ((this.#end & (SEGMENT_BYTES - 1)) + size > SEGMENT_BYTES || this.#isFull()) {
      if (this.#end >= OFFSET_MAX) {
        const what = "texts of the indicators need more than 4 GiB; load fewer sources";
        throw new UndercroftError("ERR_UC_INDICATORS", what);
      }
      this.#end = this.#segments.length * SEGMENT_BYTES;
      this.#segments.push(new Uint8Array(SEGMENT_BYTES));
    }
    const at = this.#end;
    this.#bytes = this.#segments[at >>> SEGMENT_BITS] ?? this.#bytes;
    this.#end += size;
    return at;
  }

  #isFull(): boolean {
    return this.#end >= this.#segments.length * SEGMENT_BYTES;
  }
}

function encodingOf(text: string, length: number): number {
  let isHex = length % 2 === 0 && length >= 8;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code > 255) return UTF16;
    // Upper case would not come back.
    if (isHex && (nibbleOf(code) < 0 || (code >= 65 && code <= 70))) isHex = false;
  }
  return isHex ? HEX : LATIN1;
}

function writeUnits(
  text: string,
  encoding: number,
  count: number,
  bytes: Uint8Array,
  start: number,
): void {
  let place = start;
  for (let at = 0; at < count; at++) {
    if (encoding === HEX) {
      const high = nibbleOf(text.charCodeAt(2 * at));
      bytes[place++] = (high << 4) | nibbleOf(text.charCodeAt(2 * at + 1));
      continue;
    }
    const code = text.charCodeAt(at);
    bytes[place++] = code & 255;
    if (encoding === UTF16) bytes[place++] = code >> 8;
  }
}
