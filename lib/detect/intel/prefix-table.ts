// SPDX-License-Identifier: Apache-2.0
// Addresses and ranges of one family to rows: one exact table a prefix length, the longest asked
// first. A look-up asks the table of single addresses, and those of the lengths that are in use
// near the address.
import { maskOf } from "./address-key.ts";
import { hashEnd, hashStart, hashStep } from "./hash-table.ts";

const CAPACITY_MIN = 16;
const EMPTY = -1;

/** Keys of one or four words, stored as they are, to rows. */
class WordTable {
  readonly #width: number;
  /** Words of one place: the row as one more (0 is empty), then the key. */
  readonly #stride: number;
  #slots: Uint32Array<ArrayBuffer>;
  #mask = CAPACITY_MIN - 1;
  #size = 0;

  constructor(width: number) {
    this.#width = width;
    this.#stride = width + 1;
    this.#slots = new Uint32Array(CAPACITY_MIN * this.#stride);
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#slots.byteLength;
  }

  /** The row of a key, or -1. */
  get(key: Uint32Array): number {
    return (this.#slots[this.#startOf(key)] ?? 0) - 1;
  }

  /** Sets the row of a key; -1 removes the key. */
  set(key: Uint32Array, row: number): void {
    let start = this.#startOf(key);
    const isKnown = this.#slots[start] !== 0;
    if (row === EMPTY) {
      if (isKnown) this.#removeAt(start / this.#stride);
      return;
    }
    if (!isKnown) {
      if ((this.#size + 1) * 8 > (this.#mask + 1) * 5) {
        this.#grow();
        start = this.#startOf(key);
      }
      for (let at = 0; at < this.#width; at++) this.#slots[start + 1 + at] = key[at] ?? 0;
      this.#size++;
    }
    this.#slots[start] = row + 1;
  }

  // Where the key is, or the empty place where it would be.
  #startOf(key: Uint32Array): number {
    const slots = this.#slots;
    const stride = this.#stride;
    let place = hashOf(key, 0, this.#width) & this.#mask;
    for (;;) {
      const start = place * stride;
      if (slots[start] === 0 || this.#isAt(key, start)) return start;
      place = (place + 1) & this.#mask;
    }
  }

  #isAt(key: Uint32Array, start: number): boolean {
    for (let at = 0; at < this.#width; at++) {
      if (this.#slots[start + 1 + at] !== key[at]) return false;
    }
    return true;
  }

  #removeAt(place: number): void {
    const slots = this.#slots;
    const stride = this.#stride;
    const mask = this.#mask;
    let hole = place;
    for (let at = (place + 1) & mask; slots[at * stride] !== 0; at = (at + 1) & mask) {
      const wanted = hashOf(slots, at * stride + 1, this.#width) & mask;
      if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
      slots.copyWithin(hole * stride, at * stride, (at + 1) * stride);
      hole = at;
    }
    slots[hole * stride] = 0;
    this.#size--;
  }

  #grow(): void {
    const slots = this.#slots;
    const stride = this.#stride;
    this.#slots = new Uint32Array(slots.length * 2);
    this.#mask = this.#mask * 2 + 1;
    for (let from = 0; from < slots.length; from += stride) {
      if (slots[from] === 0) continue;
      let at = hashOf(slots, from + 1, this.#width) & this.#mask;
      while (this.#slots[at * stride] !== 0) at = (at + 1) & this.#mask;
      this.#slots.set(slots.subarray(from, from + stride), at * stride);
    }
  }
}

function hashOf(words: Uint32Array, start: number, count: number): number {
  let hash = hashStart(0);
  for (let at = start; at < start + count; at++) hash = hashStep(hash, words[at] ?? 0);
  return hashEnd(hash);
}

/** Ranges of one family; a range of the full length is a single address. */
export class PrefixTable {
  readonly #words: 1 | 4;
  readonly #bitsMax: number;
  /** Prefixes of this length and more are filed under their leading bits. */
  readonly #leadingBits: number;
  readonly #tables: Array<WordTable | undefined> = [];
  /** Lengths in use, the longest first. */
  #lengths: number[] = [];
  // Which lengths there are near an address: a bit for each length of IPv4, for each four of IPv6.
  // Never cleared, so it errs to the slow side only.
  readonly #near = new Uint32Array(1 << 16);
  #nearAll = 0;
  readonly #key = new Uint32Array(4);
  /** How long the prefix was that {@link find} found last. */
  foundBits = 0;

  constructor(family: 4 | 6) {
    this.#words = family === 4 ? 1 : 4;
    this.#bitsMax = family === 4 ? 32 : 128;
    this.#leadingBits = family === 4 ? 16 : 32;
  }

  get bytes(): number {
    return this.#tables.reduce((sum, table) => sum + (table?.bytes ?? 0), this.#near.byteLength);
  }

  /** The row of exactly this range, or -1. */
  get(words: Uint32Array, bits: number): number {
    return this.#tables[bits]?.get(words) ?? EMPTY;
  }

  /** Sets the row of a range whose further bits are zero; -1 removes it. */
  set(words: Uint32Array, bits: number, row: number): void {
    const table = this.#tables[bits] ?? new WordTable(this.#words);
    this.#tables[bits] = table;
    table.set(words, row);
    if (row !== EMPTY && bits < this.#bitsMax) this.#markNear(words, bits);
    const isUsed = this.#lengths.includes(bits);
    if (isUsed === table.size > 0) return;
    this.#lengths = isUsed
      ? this.#lengths.filter((length) => length !== bits)
      : [...this.#lengths, bits].sort((one, other) => other - one);
  }

  /**
   * The row of the narrowest range that holds an address or range of this many bits, and that is
   * shorter than `below` bits; -1 where there is none.
   */
  find(words: Uint32Array, bits: number, below: number): number {
    // Most look-ups are for single addresses, and end here when one is listed.
    if (bits === this.#bitsMax && below > bits) {
      const row = this.#tables[bits]?.get(words) ?? EMPTY;
      if (row !== EMPTY) {
        this.foundBits = bits;
        return row;
      }
    }
    const lengths = this.#lengths;
    const near = (this.#near[this.#placeOf(words)] ?? 0) | this.#nearAll;
    const key = this.#key;
    for (let at = 0; at < lengths.length; at++) {
      const length = lengths[at] ?? 0;
      if (length === this.#bitsMax || length > bits || length >= below) continue;
      if ((near & this.#bitOf(length)) === 0) continue;
      for (let word = 0; word < this.#words; word++) {
        key[word] = (words[word] ?? 0) & maskOf(length - word * 32);
      }
      const row = this.#tables[length]?.get(key) ?? EMPTY;
      if (row === EMPTY) continue;
      this.foundBits = length;
      return row;
    }
    return EMPTY;
  }

  #markNear(words: Uint32Array, bits: number): void {
    if (bits < this.#leadingBits) {
      this.#nearAll |= this.#bitOf(bits);
      return;
    }
    const place = this.#placeOf(words);
    this.#near[place] = (this.#near[place] ?? 0) | this.#bitOf(bits);
  }

  #bitOf(length: number): number {
    return 1 << (this.#words === 1 ? length : length >> 2);
  }

  // IPv4: the leading 16 bits themselves; IPv6: a hash of the leading 32.
  #placeOf(words: Uint32Array): number {
    const word = words[0] ?? 0;
    return this.#words === 1 ? word >>> 16 : Math.imul(word, 0x9e3779b1) >>> 16;
  }
}
