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
  #keys: Uint32Array;
  #rows = new Int32Array(CAPACITY_MIN).fill(EMPTY);
  #mask = CAPACITY_MIN - 1;
  #size = 0;

  constructor(width: number) {
    this.#width = width;
    this.#keys = new Uint32Array(CAPACITY_MIN * width);
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#keys.byteLength + this.#rows.byteLength;
  }

  /** The row of a key, or -1. */
  get(key: Uint32Array): number {
    return this.#rows[this.#placeOf(key)] ?? EMPTY;
  }

  /** Sets the row of a key; -1 removes the key. */
  set(key: Uint32Array, row: number): void {
    let place = this.#placeOf(key);
    const isKnown = this.#rows[place] !== EMPTY;
    if (row === EMPTY) {
      if (isKnown) this.#removeAt(place);
      return;
    }
    if (!isKnown) {
      if ((this.#size + 1) * 8 > this.#rows.length * 5) {
        this.#grow();
        place = this.#placeOf(key);
      }
      for (let at = 0; at < this.#width; at++) {
        this.#keys[place * this.#width + at] = key[at] ?? 0;
      }
      this.#size++;
    }
    this.#rows[place] = row;
  }

  // Where the key is, or the empty place where it would be.
  #placeOf(key: Uint32Array): number {
    let at = hashOf(key, 0, this.#width) & this.#mask;
    while (this.#rows[at] !== EMPTY && !this.#isAt(key, at)) at = (at + 1) & this.#mask;
    return at;
  }

  #isAt(key: Uint32Array, place: number): boolean {
    const start = place * this.#width;
    for (let at = 0; at < this.#width; at++) {
      if (this.#keys[start + at] !== key[at]) return false;
    }
    return true;
  }

  #removeAt(place: number): void {
    const keys = this.#keys;
    const width = this.#width;
    let hole = place;
    for (let at = (place + 1) & this.#mask; this.#rows[at] !== EMPTY; at = (at + 1) & this.#mask) {
      const wanted = hashOf(keys, at * width, width) & this.#mask;
      if (((at - wanted) & this.#mask) < ((at - hole) & this.#mask)) continue;
      keys.copyWithin(hole * width, at * width, (at + 1) * width);
      this.#rows[hole] = this.#rows[at] ?? EMPTY;
      hole = at;
    }
    this.#rows[hole] = EMPTY;
    this.#size--;
  }

  #grow(): void {
    const keys = this.#keys;
    const rows = this.#rows;
    const width = this.#width;
    this.#keys = new Uint32Array(keys.length * 2);
    this.#rows = new Int32Array(rows.length * 2).fill(EMPTY);
    this.#mask = this.#rows.length - 1;
    for (let from = 0; from < rows.length; from++) {
      const row = rows[from] ?? EMPTY;
      if (row === EMPTY) continue;
      let at = hashOf(keys, from * width, width) & this.#mask;
      while (this.#rows[at] !== EMPTY) at = (at + 1) & this.#mask;
      this.#rows[at] = row;
      this.#keys.set(keys.subarray(from * width, (from + 1) * width), at * width);
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
    const lengths = this.#lengths;
    const near = (this.#near[this.#placeOf(words)] ?? 0) | this.#nearAll;
    const key = this.#key;
    for (let at = 0; at < lengths.length; at++) {
      const length = lengths[at] ?? 0;
      if (length > bits || length >= below) continue;
      if (length < this.#bitsMax && (near & this.#bitOf(length)) === 0) continue;
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
