// SPDX-License-Identifier: Apache-2.0
// The last figures of something, for a chart: a bounded run of samples and the rates that follow
// from counts that only grow. Pure.

/** Ten minutes of a sample every five seconds. */
const SAMPLES_MAX = 120;

/** Seconds since 1970, then one list a series: as the chart takes it. */
export type Series = readonly [
  times: readonly number[],
  ...values: ReadonlyArray<readonly number[]>,
];

/** See the head of this file. */
export class Samples {
  readonly #rows: Array<readonly number[]> = [];
  readonly #width: number;

  constructor(width: number) {
    this.#width = width;
  }

  add(timeMs: number, values: readonly number[]): void {
    this.#rows.push([timeMs / 1000, ...values]);
    if (this.#rows.length > SAMPLES_MAX) this.#rows.shift();
  }

  get series(): Series {
    const column = (at: number): number[] => this.#rows.map((row) => row[at] ?? 0);
    const values = Array.from({ length: this.#width }, (_, at) => column(at + 1));
    return [column(0), ...values];
  }

  /** The newest value of a series. */
  last(at: number): number {
    return this.#rows.at(-1)?.[at + 1] ?? 0;
  }
}

/** Turns a count into a rate; a count that went back was begun anew. */
export class Rate {
  #before: { readonly timeMs: number; readonly count: number } | undefined;

  /** A second; undefined where there is nothing to compare with. */
  next(timeMs: number, count: number): number | undefined {
    const before = this.#before;
    this.#before = { timeMs, count };
    if (before === undefined || timeMs <= before.timeMs || count < before.count) return undefined;
    return ((count - before.count) * 1000) / (timeMs - before.timeMs);
  }
}
