// SPDX-License-Identifier: Apache-2.0
// D1 and D4: SigmaHQ's rules loaded, and real events through them on one core. The corpora lie
// outside the repository. No peer runs here: rsigma's own figure is 19 to 30 thousand events/s on
// an Apple M4 Pro, pySigma's queries over SQLite made 935 on the reference machine.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { LoadFigures } from "../test/corpora/sigma-load-worker.ts";
import type { DetectionFigures } from "./detection-worker.ts";
import { type BenchRow, costRow, rateRow, type Spread, spreadOf } from "./row.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const CORPORA = resolve(ROOT, "../shared/corpora");
const LOAD_RUNS = 5;
/** As the service's unit has it: without, young objects may take 100 MB more. */
const YOUNG_SPACE = "--max-semi-space-size=16";
const NO_PEER = "none in this run";
const NEEDED = ["sigma-rules", "sigma-events", "otrf-host-logs"];

/** D1 and D4, and what correlations and one more rule cost. */
export async function* detectionBench(): AsyncGenerator<BenchRow> {
  const missing = NEEDED.filter((name) => !existsSync(join(CORPORA, name)));
  if (missing.length > 0) throw new Error(`no corpus ${missing.join(", ")} in ${CORPORA}`);
  yield* loadingRows();
  const rate = (subject: string): Spread => spreadOf(measure(subject).rates);
  const row = (metric: string, spread: Spread): BenchRow =>
    rateRow("D4", metric, "events/s", spread, NO_PEER, undefined);
  const distinct = rate("process distinct");
  yield row("process events, 1,415 rules, each command line new", distinct);
  yield row("process events, 1,415 rules, as recorded", rate("process as recorded"));
  yield row("all Sysmon events of lab logs, all rules", rate("mixed"));
  const more = rate("process 1000 more");
  // A thousand rules more make each event so many nanoseconds dearer, a rule a thousandth of that.
  const perRule = 1e9 / more.median - 1e9 / distinct.median;
  yield costRow(
    "D4",
    "one more rule, picoseconds an event",
    "ps",
    { median: perRule, min: perRule, max: perRule, n: 1 },
    NO_PEER,
    undefined,
  );
  yield row("correlated events, two correlations, 100,000 groups each", rate("correlation"));
}

function* loadingRows(): Generator<BenchRow> {
  const worker = join(ROOT, "test/corpora/sigma-load-worker.ts");
  const runs: LoadFigures[] = [];
  for (let run = 0; run < LOAD_RUNS; run++) {
    runs.push(onOneCore<LoadFigures>([YOUNG_SPACE, worker, join(CORPORA, "sigma-rules")]));
  }
  const seconds = spreadOf(runs.map(({ loadMs, compileMs }) => (loadMs + compileMs) / 1000));
  const megabytes = spreadOf(runs.map(({ peakMegabytes }) => peakMegabytes));
  const rules = runs[0]?.rules ?? 0;
  const what = `${rules} rules read, parsed, compiled for all log sources`;
  yield costRow("D1", what, "s", seconds, NO_PEER, undefined);
  yield costRow(
    "D1",
    "most memory of that process, started as the service is",
    "MB",
    megabytes,
    NO_PEER,
    undefined,
  );
}

function measure(subject: string): DetectionFigures {
  process.stderr.write(`${subject}\n`);
  const worker = join(ROOT, "bench/detection-worker.ts");
  return onOneCore<DetectionFigures>([worker, subject, CORPORA]);
}

/** Runs a program of ours on one processor; it prints one JSON object. */
function onOneCore<Figures>(args: readonly string[]): Figures {
  const command = ["-c", "1", process.execPath, ...args];
  const { status, stdout, stderr } = spawnSync("taskset", command, {
    encoding: "utf8",
    maxBuffer: 64 << 20,
    timeout: 600_000,
  });
  if (status !== 0)
    throw new Error(`${args.join(" ")} ended with ${status}: ${stderr.slice(-500)}`);
  return JSON.parse(stdout) as Figures;
}
