// SPDX-License-Identifier: Apache-2.0
// The C tests of the guest core under sanitizers, and the core under every compiler that it must
// pass: gcc, g++, clang, mingw.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import {
  buildProgram,
  compile,
  coreHeaders,
  coreSources,
  includes,
  raced,
  removeBuilt,
  runProgram,
  sanitized,
  scratchFile,
  strict,
  type TapCase,
  tapCases,
} from "./programs.ts";

afterAll(removeBuilt);

function expectAllOk(cases: readonly TapCase[], countMin: number): void {
  expect(cases.filter((one) => !one.ok).map((one) => one.name)).toEqual([]);
  expect(cases.length).toBeGreaterThanOrEqual(countMin);
}

test.each([
  ["ring-cases.c", 14],
  ["link-cases.c", 15],
  ["command-cases.c", 10],
  ["rules-cases.c", 9],
  ["encode-cases.c", 7],
  ["small-cases.c", 4],
  ["dns-cases.c", 5],
])("%s under address and undefined-behaviour sanitizers", (source, countMin) => {
  expectAllOk(tapCases(runProgram(buildProgram(source, sanitized))), countMin);
});

test("two threads on one ring under the thread sanitizer", () => {
  const program = buildProgram("thread-cases.c", raced);
  expectAllOk(tapCases(runProgram(program)), 3);
  const canary = runProgram(program, ["canary"]);
  expect(canary.status).not.toBe(0);
  expect(canary.errors).toContain("data race");
});

test("a rule look-up that misses costs at most 200 instructions", () => {
  const run = runProgram(buildProgram("rules-cost.c", ["-O2"]));
  expectAllOk(tapCases(run), 1);
});

test("a failed check fails its program", () => {
  const source = scratchFile("canary.c");
  writeFileSync(
    source,
    '#include "tap.h"\nstatic void wrong(void)\n{\n\tCHECK_EQUAL(1, 2);\n}\n\n' +
      'int main(void)\n{\n\ttap_run("wrong", wrong);\n\treturn tap_end();\n}\n',
  );
  const run = runProgram(buildProgram(source, sanitized));
  expect(run.status).toBe(1);
  expect(tapCases(run)[0]).toEqual({ name: "wrong", ok: false });
});

// What the kernel's own build would warn about.
const kernelDialect = [
  "-Wdeclaration-after-statement",
  "-Wframe-larger-than=1024",
  "-Wvla",
  "-Wmissing-prototypes",
];

test.each(["gcc", "clang", "x86_64-w64-mingw32-gcc"])("%s compiles the core", (compiler) => {
  const folder = scratchFile(compiler);
  mkdirSync(folder);
  const options = [...strict, ...kernelDialect, "-O2", ...includes];
  compile(compiler, [...options, "-c", ...coreSources], folder);
  expect(readdirSync(folder).length).toBe(coreSources.length);
});

test("g++ takes every header by itself", () => {
  const source = scratchFile("headers.cc");
  for (const header of coreHeaders) {
    writeFileSync(source, `#include "${header}"\n#include "${header}"\n`);
    const options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"];
    compile("g++", [...options, ...includes, source]);
  }
});

test("a missing compiler is named with its package", () => {
  expect(() => compile("no-such-compiler", [])).toThrow(/apt-get install no-such-compiler/);
});
