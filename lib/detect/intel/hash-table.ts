// SPDX-License-Identifier: Apache-2.0
// Open-address tables from 32-bit hashes, or from addresses as they are, to rows. Linear probing
// with entries moved back on removal, so that look-ups meet no graves. Used by the stores.

const CAPACITY_MIN = 16;
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
  // Hash and row of a place beside each other: one line of the cache. A row is stored as one more,
  // 0 is an empty place.
  #slots = new Uint32Array(2 * CAPACITY_MIN);
  #mask = CAPACITY_MIN - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#slots.byteLength;
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
    return (this.#slots[2 * place + 1] ?? 0) - 1;
  }

  setRow(place: number, row: number): void {
    this.#slots[2 * place + 1] = row + 1;
  }

  add(hash: number, row: number): void {
    // At most 5 of 8 places are taken: probes stay short.
    if ((this.#size + 1) * 8 > (this.#mask + 1) * 5) this.#grow();
    this.#put(hash, row + 1);
    this.#size++;
  }

  /** Empties a place; those behind it move up if they may. */
  removeAt(place: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = place;
    for (let at = (place + 1) & mask; slots[2 * at + 1] !== 0; at = (at + 1) & mask) {
      const wanted = (slots[2 * at] ?? 0) & mask;
      if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
      slots[2 * hole] = slots[2 * at] ?? 0;
      slots[2 * hole + 1] = slots[2 * at + 1] ?? 0;
      hole = at;
    }
    slots[2 * hole + 1] = 0;
    this.#size--;
  }

  #search(hash: number, from: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let at = from; slots[2 * at + 1] !== 0; at = (at + 1) & mask) {
      if (slots[2 * at] === hash) return at;
    }
    return -1;
  }

  #put(hash: number, entry: number): void {
    let at = hash & this.#mask;
    while (this.#slots[2 * at + 1] !== 0) at = (at + 1) & this.#mask;
    this.#slots[2 * at] = hash;
    this.#slots[2 * at + 1] = entry;
  }

  #grow(): void {
    const slots = this.#slots;
    this.#slots = new Uint32Array(slots.length * 2);
    this.#mask = slots.length - 1;
    for (let at = 0; at < slots.length; at += 2) {
      const entry = slots[at + 1] ?? 0;
      if (entry !== 0) this.#put(slots[at] ?? 0, entry);
    }
  }
}
