// SPDX-License-Identifier: Apache-2.0
// The addon built with the address and undefined-behaviour sanitizers, inside Node: orderly use in
// two threads and nonsense both end without a report.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { ROOT } from "./compile.ts";

const OUTPUT = `${ROOT}build/sanitized`;
const RECORDS_A_LIFE = 2001;

const run = (command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  spawnSync(command, args, { cwd: ROOT, encoding: "utf8", env: { ...process.env, ...env } });

const library = (name: string): string => run("gcc", [`-print-file-name=${name}`]).stdout.trim();

beforeAll(() => {
  const folder = `${ROOT}build/cmake-sanitized`;
  const settings = ["-DUC_SANITIZE=address,undefined", `-DUC_OUTPUT=${OUTPUT}`];
  for (const args of [
    ["-S", ".", "-B", folder, ...settings],
    ["--build", folder],
  ]) {
    const result = run("cmake", args);
    if (result.status !== 0) throw new Error(`cmake: ${result.error?.message ?? result.stderr}`);
  }
});

const child = (file: URL) =>
  run(process.execPath, ["--expose-gc", fileURLToPath(file), `${OUTPUT}/undercroft.node`], {
    // Node itself is not built with the sanitizer, so its runtime must come first.
    LD_PRELOAD: `${library("libasan.so")}:${library("libubsan.so")}`,
    ASAN_OPTIONS: "detect_leaks=0",
    UBSAN_OPTIONS: "halt_on_error=1",
  });

it("in orderly use", () => {
  const result = child(new URL("orderly-child.ts", import.meta.url));
  expect(result.stderr).toBe("");
  expect([result.status, result.signal]).toEqual([0, null]);
  expect(Number(result.stdout)).toBe(2 * 5 * RECORDS_A_LIFE);
});

it("under nonsense", () => {
  const result = child(new URL("nonsense-child.ts", import.meta.url));
  expect(result.stderr).toBe("");
  expect([result.status, result.signal]).toEqual([0, null]);
  expect(JSON.parse(result.stdout).wrongErrors).toBe(0);
});
