// SPDX-License-Identifier: Apache-2.0
// D5: a million indicators loaded and looked up, one core, each run a process of its own. Beside a
// Map of texts; no server of threat intelligence runs on the machine of these figures.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type BenchRow, costRow, rateRow, spreadOf } from "./row.ts";

const CHILD = fileURLToPath(new URL("./intel-child.ts", import.meta.url));
const RUNS = 5;
const RUN_MS_MAX = 240_000;

/** Kinds that the goal names; a domain below a listed one has its parents looked up. */
const GOALS: ReadonlySet<string> = new Set(["ip", "domain", "subdomain"]);

interface Run {
  readonly seconds: number;
  readonly indicators: number;
  readonly peakMegabytes: number;
  readonly rates: Readonly<Record<string, number>>;
}

function run(mode: string): Run {
  const args = ["-c", "1", process.execPath, "--expose-gc", CHILD, mode];
  const { status, stdout, stderr } = spawnSync("taskset", args, {
    encoding: "utf8",
    timeout: RUN_MS_MAX,
  });
  if (status !== 0) throw new Error(`${mode} ended with ${status}: ${stderr.slice(-500)}`);
  return JSON.parse(stdout) as Run;
}

/** D5, a line a figure. */
export function* intelBench(): Generator<BenchRow> {
  const runs = new Map<string, Run[]>();
  for (let round = 0; round < RUNS; round++) {
    for (const mode of ["list", "map", "stix"]) {
      process.stderr.write(`round ${round + 1} of ${RUNS}: ${mode}\n`);
      const known = runs.get(mode) ?? [];
      known.push(run(mode));
      runs.set(mode, known);
    }
  }
  const of = (mode: string, value: (one: Run) => number) =>
    spreadOf((runs.get(mode) ?? []).map(value));
  const perSecond = (one: Run): number => 1_000_000 / one.seconds;
  const peer = "Map of texts";
  const seconds = (one: Run): number => one.seconds;
  const memory = (one: Run): number => one.peakMegabytes;
  yield rateRow("D5", "indicators loaded", "/s", of("list", perSecond), peer, of("map", perSecond));
  yield costRow("D5", "1 M loaded", "s", of("list", seconds), peer, of("map", seconds));
  yield costRow("D5", "memory of 1 M", "MB", of("list", memory), peer, of("map", memory));
  yield costRow("-", "1 M loaded from STIX", "s", of("stix", seconds), "", undefined);
  yield costRow("-", "memory of 1 M from STIX", "MB", of("stix", memory), "", undefined);
  for (const kind of Object.keys(runs.get("list")?.[0]?.rates ?? {})) {
    const rate = (one: Run): number => one.rates[kind] ?? Number.NaN;
    const theirs = kind === "subdomain" ? of("map", rate) : undefined;
    const name = theirs === undefined ? "" : peer;
    const goal = GOALS.has(kind) ? "D5" : "-";
    yield rateRow(goal, `${kind} look-ups`, "/s", of("list", rate), name, theirs);
  }
}
