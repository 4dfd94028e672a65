// SPDX-License-Identifier: Apache-2.0
// `npm test`: the gate, then each tier of tests, then one line that counts them all.
// `npm run test:all` (--all) adds the slow tests, a longer fuzz run and a longer simulation.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { addTally, type Tally, tallyReport, type VitestReport } from "./tally.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const logDirectory = join(root, "build/log");
const startMs = Date.now();
const { values } = parseArgs({ options: { all: { type: "boolean", default: false } } });

mkdirSync(logDirectory, { recursive: true });
const tallies: Tally[] = [
  command("check", ["scripts/check.ts"]),
  tier("unit"),
  tier("windows"),
  tier("console"),
  tier("guest"),
];
if (values.all) {
  tallies.push(command("fuzz", ["fuzz/fuzz.ts", "--seconds", "60"]));
  tallies.push(command("fuzz network", ["fuzz/fuzz.ts", "network", "--seconds", "60"]));
  tallies.push(command("sim", ["test/sim/sim.ts", "--seed", "1", "--hours", "100"]));
}
const total = tallies.reduce(addTally);
say("done");
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;

/** Runs one tier under vitest; a run that ends badly or runs nothing counts as a failure. */
function tier(name: string): Tally {
  const report = join(logDirectory, `vitest-${name}.json`);
  rmSync(report, { force: true });
  const isOk = run(`tests: ${name}`, [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    `--project=${name}`,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ]);
  return tallyReport(readReport(report), isOk);
}

function readReport(path: string): VitestReport | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as VitestReport;
  } catch {
    return undefined;
  }
}

/** A tool that is not a test adds nothing when it passes and one failure when it does not. */
function command(title: string, args: readonly string[]): Tally {
  return { passed: 0, failed: run(title, args) ? 0 : 1, skipped: 0 };
}

function run(title: string, args: readonly string[]): boolean {
  say(title);
  const env = {
    ...process.env,
    ...(values.all ? { UC_SLOW: "1" } : {}),
    ...(process.stdout.isTTY ? {} : { NO_COLOR: "1" }),
  };
  const result: SpawnSyncReturns<Buffer> = spawnSync(process.execPath, args, {
    cwd: root,
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (result.status !== 0) say(`${title}: FAILED (exit ${result.status ?? result.signal})`);
  return result.status === 0;
}

function say(text: string): void {
  const seconds = ((Date.now() - startMs) / 1000).toFixed(1).padStart(6);
  console.log(`[${seconds} s] ${text}`);
}
