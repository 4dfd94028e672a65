// SPDX-License-Identifier: Apache-2.0
// Seeded random numbers for the simulator: the same seed makes the same world. Not for secrets.

/** A stream of numbers (xoshiro128**, seeded through splitmix32). */
export class Random {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    let at = seed >>> 0;
    for (let index = 0; index < 4; index++) {
      at = (at + 0x9e3779b9) >>> 0;
      let word = Math.imul(at ^ (at >>> 16), 0x21f0aaad);
      word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
      this.#state[index] = (word ^ (word >>> 15)) >>> 0;
    }
  }

  /** An unsigned 32-bit number. */
  word(): number {
    const s = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = s;
    const scaled = Math.imul(b, 5);
    const result = Math.imul((scaled << 7) | (scaled >>> 25), 9) >>> 0;
    const third = c ^ a;
    const fourth = d ^ b;
    s[1] = b ^ third;
    s[0] = a ^ fourth;
    s[2] = third ^ (b << 9);
    s[3] = (fourth << 11) | (fourth >>> 21);
    return result;
  }

  /** A whole number from 0 up to and without `limit`. */
  below(limit: number): number {
    return Math.floor((this.word() / 2 ** 32) * limit);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.word() / 2 ** 32 < probability;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.word() & 0xff);
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }
}
