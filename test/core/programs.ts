// SPDX-License-Identifier: Apache-2.0
// Compiles C programs over the guest core and runs them. Compilers are required: a missing one is
// a failure that names its Debian package, never a skip.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Parser, type Result } from "tap-parser";

const root = new URL("../..", import.meta.url).pathname;
const core = join(root, "guest-drivers/core");
const here = join(root, "test/core");

/** Every source file of the core, and the drain that reads what it writes. */
export const coreSources: readonly string[] = readdirSync(core)
  .filter((name) => name.endsWith(".c"))
  .map((name) => join(core, name));
export const coreHeaders: readonly string[] = readdirSync(core)
  .filter((name) => name.endsWith(".h"))
  .map((name) => join(core, name));
const serverSources: readonly string[] = ["drain.c", "producer.c", "crc32c.c"].map((name) =>
  join(root, "addon", name),
);

export const includes: readonly string[] = [`-I${here}`, `-I${core}`, `-I${core}/port-user`];
export const strict: readonly string[] = [
  "-std=c11",
  "-Wall",
  "-Wextra",
  "-Wconversion",
  "-Wno-sign-conversion",
  "-Werror",
];
export const sanitized: readonly string[] = [
  "-O1",
  "-g",
  "-fsanitize=address,undefined",
  "-fno-sanitize-recover=all",
];
export const raced: readonly string[] = ["-O1", "-g", "-fsanitize=thread", "-pthread"];

const PACKAGES: Readonly<Record<string, string>> = {
  gcc: "gcc",
  "g++": "g++",
  clang: "clang",
  make: "make",
  "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64",
};

let folder: string | undefined;
let built = 0;

/** Runs a compiler; throws with its whole output when it fails or is missing. */
export function compile(compiler: string, options: readonly string[], cwd: string = here): void {
  const run = spawnSync(compiler, options, { encoding: "utf8", timeout: 120_000, cwd });
  if (run.error !== undefined) {
    const advice = `install it with: apt-get install ${PACKAGES[compiler] ?? compiler}`;
    throw new Error(`cannot run ${compiler} (${run.error.message}); ${advice}`);
  }
  if (run.status !== 0) {
    throw new Error(`${compiler} ${options.join(" ")}\n${run.stdout}${run.stderr}`);
  }
}

/** A new path in a folder that {@link removeBuilt} deletes. */
export function scratchFile(name: string): string {
  folder ??= mkdtempSync(join(tmpdir(), "undercroft-core-"));
  return join(folder, `${built++}-${name}`);
}

/** Deletes what was compiled. */
export function removeBuilt(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
  libraries.clear();
}

const libraries = new Map<string, readonly string[]>();

/** Objects of the core and the drain for one set of options, compiled once. */
function objectsFor(options: readonly string[]): readonly string[] {
  const key = options.join(" ");
  const known = libraries.get(key);
  if (known !== undefined) return known;
  const folderOfObjects = scratchFile("objects");
  mkdirSync(folderOfObjects);
  const sources = [...coreSources, ...serverSources];
  compile("gcc", [...options, ...includes, "-c", ...sources], folderOfObjects);
  const objects = sources.map((source) => join(folderOfObjects, `${basename(source, ".c")}.o`));
  libraries.set(key, objects);
  return objects;
}

/**
 * Compiles one program of this folder (or an absolute path) and links the core and the drain,
 * which are compiled with the same code generation and always strictly.
 */
export function buildProgram(
  source: string,
  codegen: readonly string[],
  warnings: readonly string[] = strict,
): string {
  const program = scratchFile(basename(source, ".c"));
  const path = source.startsWith("/") ? source : join(here, source);
  const objects = objectsFor([...strict, ...codegen]);
  const options = [...warnings, ...codegen, "-D_GNU_SOURCE", ...includes];
  compile("gcc", [...options, path, ...objects, "-o", program]);
  return program;
}

/** Builds the simulated guest with the sanitizers that find a driver's usual mistakes. */
export function buildSimulatedGuest(): string {
  const folderOfProgram = scratchFile("simulated");
  const makefile = join(root, "guest-drivers/simulated");
  const flags = `CFLAGS=${sanitized.join(" ")}`;
  compile("make", ["-s", "-C", makefile, `BUILD=${folderOfProgram}`, flags]);
  return join(folderOfProgram, "undercroft-guest");
}

export interface ProgramRun {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a program to its end, at most a minute and a half. */
export function runProgram(program: string, args: readonly string[] = []): ProgramRun {
  const run = spawnSync(program, args, {
    encoding: "utf8",
    timeout: 90_000,
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, TSAN_OPTIONS: "halt_on_error=1", ASAN_OPTIONS: "detect_leaks=1" },
  });
  return { status: run.status, output: run.stdout, errors: run.stderr };
}

export interface TapCase {
  readonly name: string;
  readonly ok: boolean;
}

/** Cases of a program's TAP output; a broken plan or a bad exit appears as one more failed case. */
export function tapCases(run: ProgramRun): TapCase[] {
  const cases: TapCase[] = [];
  const parser = new Parser();
  parser.on("assert", (result: Result) => {
    cases.push({ name: result.name.replace(/^- /, ""), ok: result.ok === true });
  });
  let complete = false;
  parser.on("complete", (summary: { readonly ok: boolean }) => {
    complete = summary.ok;
  });
  parser.end(run.output);
  if (!complete || run.status !== 0) {
    const tail = `${run.output.slice(-2000)}${run.errors.slice(0, 4000)}`;
    cases.push({ name: `program ended with ${run.status}\n${tail}`, ok: false });
  }
  return cases;
}
