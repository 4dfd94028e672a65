// SPDX-License-Identifier: Apache-2.0
// The one gate: `npm run check`. Every step runs even when an earlier one failed, so that one run
// tells all. Steps can be named: `npm run check -- lint types`; --write repairs what it can.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { importViolations, includeViolations, type Violation } from "./layers.ts";

type StepResult = { readonly isOk: boolean; readonly output: string };

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values, positionals } = parseArgs({
  options: { write: { type: "boolean", default: false } },
  allowPositionals: true,
});
const write = values.write ? ["--write"] : [];
const biomeLimits = ["--max-diagnostics=40", "--colors=off"];

const steps: Readonly<Record<string, () => StepResult | Promise<StepResult>>> = {
  format: () => bin("@biomejs/biome/bin/biome", ["format", ...write, ...biomeLimits, "."]),
  lint: () =>
    bin("@biomejs/biome/bin/biome", [
      "check",
      ...write,
      "--formatter-enabled=false",
      "--error-on-warnings",
      ...biomeLimits,
      ".",
    ]),
  types: () => bin("typescript/bin/tsc", ["-p", ".", "--pretty", "false"]),
  "types:console": () => bin("typescript/bin/tsc", ["-p", "console", "--pretty", "false"]),
  layers: async () => verdict(await importViolations(root)),
  includes: () => verdict(includeViolations(root)),
  "wire:check": () => tool(["scripts/wire-gen.ts", "--check"]),
  "dead-code": () => bin("knip/bin/knip.js", ["--no-progress"]),
  build: () => tool(["scripts/build.ts"]),
  publint: () => bin("publint/src/cli.js", ["--strict", "--pack", "npm"]),
};

const chosen = positionals.length > 0 ? positionals : Object.keys(steps);
const failed: string[] = [];
for (const name of chosen) {
  const step = steps[name];
  if (step === undefined) {
    console.error(`no step ${name}; steps: ${Object.keys(steps).join(" ")}`);
    process.exit(2);
  }
  const startMs = performance.now();
  const result = await step();
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(`${result.isOk ? "ok    " : "FAILED"} ${name.padEnd(12)} ${seconds.padStart(6)} s`);
  if (result.isOk) continue;
  failed.push(name);
  console.log(result.output.trimEnd().replaceAll(/^/gm, "    "));
}
const passedCount = chosen.length - failed.length;
console.log(
  failed.length === 0
    ? `check: ${passedCount} steps passed`
    : `check: ${passedCount} steps passed, failed: ${failed.join(", ")}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;

function bin(path: string, args: readonly string[]): StepResult {
  return tool([join(root, "node_modules", path), ...args]);
}

function tool(args: readonly string[]): StepResult {
  const result: SpawnSyncReturns<string> = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  const output = `${result.stdout}${result.stderr}${result.error?.message ?? ""}`;
  return { isOk: result.status === 0, output };
}

function verdict(violations: readonly Violation[]): StepResult {
  const lines = violations.map(({ rule, from, to }) => `${rule}: ${from} -> ${to}`);
  return { isOk: lines.length === 0, output: lines.join("\n") };
}
