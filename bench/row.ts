// SPDX-License-Identifier: Apache-2.0
// One line of a benchmark's result, and the small arithmetic that all benchmarks share.
import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

/** A figure beside its peer. ratio: ours over the peer's, so that more is better. */
export interface BenchRow {
  readonly goal: string;
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  readonly peer: string;
  readonly peer_value: number | null;
  readonly ratio: number | null;
  /** Runs that the median is of. */
  readonly n: number;
  readonly min?: number;
  readonly max?: number;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly n: number;
}

/** Median and range of some runs. */
export function spreadOf(runs: readonly number[]): Spread {
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle] ?? Number.NaN;
  return {
    median: (upper + lower) / 2,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    n: sorted.length,
  };
}

/** A row where more is better. */
export function rateRow(
  goal: string,
  metric: string,
  unit: string,
  ours: Spread,
  peer: string,
  theirs: Spread | undefined,
): BenchRow {
  return {
    goal,
    metric,
    value: ours.median,
    unit,
    peer,
    peer_value: theirs?.median ?? null,
    ratio: theirs === undefined ? null : ours.median / theirs.median,
    n: ours.n,
    min: ours.min,
    max: ours.max,
  };
}

/** A row where less is better. */
export function costRow(
  goal: string,
  metric: string,
  unit: string,
  ours: Spread,
  peer: string,
  theirs: Spread | undefined,
): BenchRow {
  const row = rateRow(goal, metric, unit, ours, peer, theirs);
  return { ...row, ratio: theirs === undefined ? null : theirs.median / ours.median };
}

/** What the figures were taken on. */
export function machineName(): string {
  const memoryGib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length}x ${cpus()[0]?.model ?? "unknown CPU"}, ${memoryGib} GiB, ${release()}`;
}

/** Short commit, with a mark when the tree differs from it. */
export function commitName(root: string): string {
  try {
    const run = (...args: string[]): string =>
      execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
    return run("rev-parse", "--short", "HEAD") + (run("status", "--porcelain") === "" ? "" : "+");
  } catch {
    return "unknown";
  }
}
