// SPDX-License-Identifier: Apache-2.0
// Open-address tables from 32-bit hashes, or from addresses as they are, to rows. Linear probing
// with entries moved back on removal, so that look-ups meet no graves. Used by the stores.

const CAPACITY_MIN = 16;
const EMPTY = -1;

// Nobody who writes a feed can foresee which values collide; no result depends on it.
const SEED = crypto.getRandomValues(new Int32Array(1))[0] ?? 1;

/** Where every hash begins. */
export function hashStart(salt: number): number {
  return SEED ^ Math.imul(salt + 1, 0x9e3779b1);
}

/** Takes one unit of text in. */
export function hashStep(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x01000193);
}

/** The finished hash of what was taken in (the last steps of MurmurHash3). */
export function hashEnd(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Rows by hash. A hash may stand for several; the caller looks which one it wants. */
export class HashTable {
  #hashes = new Uint32Array(CAPACITY_MIN);
  #rows = new Int32Array(CAPACITY_MIN).fill(EMPTY);
  #mask = CAPACITY_MIN - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#rows.length * 8;
  }

  /** The first place at which a hash may be, or -1. */
  first(hash: number): number {
    return this.#search(hash, hash & this.#mask);
  }

  /** The next one after a place. */
  next(hash: number, place: number): number {
    return this.#search(hash, (place + 1) & this.#mask);
  }

  rowAt(place: number): number {
    return this.#rows[place] ?? EMPTY;
  }

  setRow(place: number, row: number): void {
    this.#rows[place] = row;
  }

  add(hash: number, row: number): void {
    // At most 5 of 8 places are taken: probes stay short.
    if ((this.#size + 1) * 8 > this.#rows.length * 5) this.#grow();
    this.#put(hash, row);
    this.#size++;
  }

  /** Empties a place; those behind it move up if they may. */
  removeAt(place: number): void {
    let hole = place;
    for (let at = (place + 1) & this.#mask; this.#rows[at] !== EMPTY; at = (at + 1) & this.#mask) {
      const wanted = (this.#hashes[at] ?? 0) & this.#mask;
      if (((at - wanted) & this.#mask) < ((at - hole) & this.#mask)) continue;
      this.#hashes[hole] = this.#hashes[at] ?? 0;
      this.#rows[hole] = this.#rows[at] ?? EMPTY;
      hole = at;
    }
    this.#rows[hole] = EMPTY;
    this.#size--;
  }

  #search(hash: number, from: number): number {
    for (let at = from; this.#rows[at] !== EMPTY; at = (at + 1) & this.#mask) {
      if (this.#hashes[at] === hash) return at;
    }
    return -1;
  }

  #put(hash: number, row: number): void {
    let at = hash & this.#mask;
    while (this.#rows[at] !== EMPTY) at = (at + 1) & this.#mask;
    this.#hashes[at] = hash;
    this.#rows[at] = row;
  }

  #grow(): void {
    const hashes = this.#hashes;
    const rows = this.#rows;
    this.#hashes = new Uint32Array(rows.length * 2);
    this.#rows = new Int32Array(rows.length * 2).fill(EMPTY);
    this.#mask = this.#rows.length - 1;
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at] ?? EMPTY;
      if (row !== EMPTY) this.#put(hashes[at] ?? 0, row);
    }
  }
}
