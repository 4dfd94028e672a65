// SPDX-License-Identifier: Apache-2.0
// Runs a fast-check property with a seed of this run, which a failure prints. UC_SEED repeats a
// run; UC_RUNS makes it longer.
import fc from "fast-check";

const seed = Number(process.env.UC_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Holds for `runs` random inputs, or throws with the smallest that fails and the seed. */
export function holds<T>(property: fc.IProperty<T>, runs: number): void {
  const numRuns = Number(process.env.UC_RUNS ?? runs);
  const result = fc.check(property, { seed, numRuns, interruptAfterTimeLimit: 90_000 });
  if (!result.failed) return;
  throw new Error(`UC_SEED=${seed} repeats this\n${fc.defaultReportMessage(result)}`);
}
