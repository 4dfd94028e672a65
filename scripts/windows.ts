// SPDX-License-Identifier: Apache-2.0
// `npm run windows`: everything that can be shown about the Windows guest driver without Windows.
// The last line sums up: what was built, what ran natively and under Wine, and that all of it held.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

interface Report {
  readonly numFailedTests: number;
  readonly testResults: ReadonlyArray<{
    readonly name: string;
    readonly assertionResults: ReadonlyArray<{ readonly status: string }>;
  }>;
}

/** What a file of the tier shows, in the order of the last line. */
const SHOWN: ReadonlyArray<readonly [file: string, what: string]> = [
  ["driver-file", "the .sys cross-built and its file checked"],
  ["driver", "its life in the simulated kernel, under sanitizers"],
  ["scenarios", "scenarios with golden events, natively and under Wine"],
  ["wine", "the .sys under Wine, rings between Wine and Linux"],
  ["sigma", "end to end with Sigma rules"],
  ["recordings", "recorded attacks through the driver"],
];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const report = join(root, "build/log/vitest-windows.json");
mkdirSync(dirname(report), { recursive: true });
rmSync(report, { force: true });
const startMs = performance.now();
const run = spawnSync(
  process.execPath,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    ...["run", "--project=windows", "--reporter=default", "--reporter=json"],
    `--outputFile.json=${report}`,
  ],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
);
const { numFailedTests, testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
const parts = SHOWN.map(([file, what]) => {
  const found = testResults.find(({ name }) => basename(name) === `${file}.test.ts`);
  const passed = found?.assertionResults.filter(({ status }) => status === "passed").length ?? 0;
  return `${passed} ${what}`;
});
const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
const isOk = run.status === 0 && numFailedTests === 0;
console.log(
  `windows: ${isOk ? "ok" : `FAILED (${numFailedTests})`} in ${seconds} s; ${parts.join("; ")}; ` +
    "never run on Windows",
);
process.exitCode = isOk ? 0 : 1;
