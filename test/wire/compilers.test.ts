// SPDX-License-Identifier: Apache-2.0
// The wire header under every compiler that builds part of the project: the generated static
// asserts hold in each, and stop the build when a structure moves under them.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const WIRE = fileURLToPath(new URL("../../guest-drivers/wire/", import.meta.url));

const C = ["-x", "c", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
const CXX = ["-x", "c++", "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
const compilers: ReadonlyArray<readonly [compiler: string, options: readonly string[]]> = [
  ["gcc", C],
  ["gcc", ["-m32", "-malign-double", ...C]],
  ["g++", CXX],
  ["clang", C],
  ["x86_64-w64-mingw32-gcc", C],
  ["x86_64-w64-mingw32-gcc", ["-mms-bitfields", ...C]],
  ["x86_64-w64-mingw32-g++", CXX],
];

const source = '#include <stddef.h>\n#include <stdint.h>\n#include "uc_wire_check.gen.h"\n';

const scratch = mkdtempSync(join(tmpdir(), "undercroft-compilers-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Compiles the check header of a folder; the compiler's complaints, empty when it has none. */
function compile(compiler: string, options: readonly string[], folder: string): string {
  const freestanding = options.includes("-m32") ? ["-ffreestanding"] : [];
  const all = [...options, ...freestanding, `-I${folder}`, "-fsyntax-only", "-"];
  const run = spawnSync(compiler, all, { input: source, encoding: "utf8", timeout: 60_000 });
  if (run.error !== undefined) throw new Error(`${compiler} is needed: ${run.error.message}`);
  return run.status === 0 ? "" : run.stderr;
}

/** A copy of the header with one change, and its old asserts. */
function changed(name: string, from: string, to: string): string {
  const folder = join(scratch, name);
  cpSync(join(WIRE, "uc_wire_check.gen.h"), join(folder, "uc_wire_check.gen.h"));
  const header = readFileSync(join(WIRE, "uc_wire.h"), "utf8");
  expect(header).toContain(from);
  writeFileSync(join(folder, "uc_wire.h"), header.replace(from, to));
  return folder;
}

describe.each(compilers)("%s %o", (compiler, options) => {
  it("accepts the header and its asserts", () => {
    expect(compile(compiler, options, WIRE)).toBe("");
  });

  it.each([
    ["wider", "uint32_t protocol_min;", "uint64_t protocol_min;", "uc_superblock"],
    [
      "swapped",
      "uint32_t reason;\n\tuint32_t record_class;",
      "uint32_t record_class;\n\tuint32_t reason;",
      "uc_lost",
    ],
    ["shorter", "uint8_t boot_id[16];", "uint8_t boot_id[8];", "boot_id"],
    ["renamed", "uint64_t hello_seq;", "uint64_t hello_number;", "hello_seq"],
  ])("stops at a field that is %s", (what, from, to, named) => {
    const folder = changed(
      `${compilers.findIndex(([c, o]) => c === compiler && o === options)}-${what}`,
      from,
      to,
    );
    expect(compile(compiler, options, folder)).toContain(named);
  });
});
