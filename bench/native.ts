// SPDX-License-Identifier: Apache-2.0
// Builds the C and C++ programs of the benchmarks, and says what to install when that fails.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { UndercroftError } from "../lib/errors/errors.ts";

export const ROOT: string = fileURLToPath(new URL("../", import.meta.url));

/** Runs a program and returns what it printed. */
export function output(program: string, args: readonly string[]): string {
  return execFileSync(program, args, { cwd: ROOT, encoding: "utf8", maxBuffer: 64 << 20 });
}

const OPTIMISED = ["-O3", "-march=native", "-fno-strict-aliasing"];
const INCLUDES = ["-Iguest-drivers/core", "-Iguest-drivers/core/port-user", "-Iguest-drivers/wire"];

/**
 * Compiles C sources with gcc and C++ ones with g++ into build/bench/NAME.
 * @throws {UndercroftError} ERR_UC_TOOL_MISSING when a compiler or a peer's header is missing.
 */
export function buildProgram(
  name: string,
  sources: readonly string[],
  flags: readonly string[] = [],
  libraries: readonly string[] = [],
): string {
  const folder = join(ROOT, "build/bench");
  mkdirSync(folder, { recursive: true });
  const objects = sources.map((source) => {
    const object = join(folder, `${name}-${source.replaceAll("/", "-")}.o`);
    const cxx = source.endsWith(".cc");
    compile(cxx ? "g++" : "gcc", [
      cxx ? "-std=c++17" : "-std=c11",
      ...OPTIMISED,
      ...INCLUDES,
      ...flags,
      "-c",
      source,
      "-o",
      object,
    ]);
    return object;
  });
  const program = join(folder, name);
  compile("g++", [...objects, "-o", program, ...libraries, "-lpthread"]);
  return program;
}

/** Compiles C sources into a program for a guest, whose processor and libraries are others. */
export function buildGuestProgram(name: string, sources: readonly string[]): string {
  const folder = join(ROOT, "build/bench");
  mkdirSync(folder, { recursive: true });
  const program = join(folder, name);
  compile("gcc", ["-std=gnu11", "-O2", "-static", ...INCLUDES, ...sources, "-o", program]);
  return program;
}

/** Compiles one C file that needs no C library into build/bench. */
export function buildFreestanding(source: string): string {
  const folder = join(ROOT, "build/bench");
  mkdirSync(folder, { recursive: true });
  const program = join(folder, basename(source, ".c"));
  compile("gcc", ["-O2", "-static", "-nostdlib", source, "-o", program]);
  return program;
}

function compile(tool: string, args: readonly string[]): void {
  const run = spawnSync(tool, args, { cwd: ROOT, encoding: "utf8" });
  if (run.status === 0) return;
  throw new UndercroftError(
    "ERR_UC_TOOL_MISSING",
    `${tool} failed; the benchmarks need: apt-get install g++ libboost-dev dpdk-dev pkg-config\n` +
      (run.stderr ?? String(run.error)),
  );
}
