// SPDX-License-Identifier: Apache-2.0
// Builds the Windows driver and its simulator: natively under sanitizers, for Wine, and as a .sys.
// Compilers are required: a missing one is a failure that names its Debian package.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../core/programs.ts";

const root = new URL("../..", import.meta.url).pathname;
export const driverFolder: string = join(root, "guest-drivers/windows");
const core = join(root, "guest-drivers/core");
const here = join(root, "test/fltsim");

const cFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".c"))
    .map((name) => join(folder, name));

/** The driver's sources as they are given out. */
export const driverSources: readonly string[] = cFiles(driverFolder).filter(
  (path) => !path.endsWith("/test_region.c"),
);
const simulatorSources = cFiles(here).filter((path) => path.includes("/sim_"));
const simulated = [
  ...["-std=gnu11", "-g", "-O1", "-DUC_SIMULATOR", "-Wall", "-Wextra"],
  ...["-Wno-missing-field-initializers", "-Werror", `-I${here}`, `-I${driverFolder}`],
];

let folder: string | undefined;

/** A path in a folder that {@link removeBuilt} deletes. */
export function builtFile(name: string): string {
  folder ??= mkdtempSync(join(tmpdir(), "undercroft-windows-"));
  return join(folder, name);
}

/** Deletes what was built. */
export function removeBuilt(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
}

/** The simulator under AddressSanitizer and UndefinedBehaviorSanitizer. */
export function buildSimulator(): string {
  const program = builtFile("fltsim");
  if (existsSync(program)) return program;
  compile("gcc", [
    ...simulated,
    ...["-fshort-wchar", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-pthread"],
    ...[...driverSources, ...cFiles(core), ...simulatorSources, join(here, "platform_posix.c")],
    ...["-o", program],
  ]);
  return program;
}

/** The simulator as a Windows program. */
export function buildWineSimulator(): string {
  const program = builtFile("fltsim.exe");
  if (existsSync(program)) return program;
  compile("x86_64-w64-mingw32-gcc", [
    ...[...simulated, "-static"],
    ...[...driverSources, ...cFiles(core), ...simulatorSources, join(here, "platform_win.c")],
    ...["-o", program],
  ]);
  return program;
}

/** The program that loads the driver under Wine. */
export function buildLoader(): string {
  const program = builtFile("wine_loader.exe");
  const options = ["-O1", "-Wall", "-Werror", "-static", join(here, "wine_loader.c")];
  compile("x86_64-w64-mingw32-gcc", [...options, "-ladvapi32", "-o", program]);
  return program;
}

/** The driver by CMake, as build.md says; returns where it is. */
export function buildDriver(options: readonly string[] = []): string {
  const name = options.length === 0 ? "driver" : "driver-test";
  const output = builtFile(name);
  const driver = join(output, "undercroft.sys");
  if (existsSync(driver)) return driver;
  mkdirSync(output);
  const toolchain = join(driverFolder, "mingw-toolchain.cmake");
  run("cmake", [
    "-S",
    driverFolder,
    "-B",
    output,
    `-DCMAKE_TOOLCHAIN_FILE=${toolchain}`,
    ...options,
  ]);
  run("cmake", ["--build", output, "-j2"]);
  return driver;
}

function run(command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 120_000 });
  if (result.error !== undefined) throw new Error(`cannot run ${command}: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`${command}\n${result.stdout}${result.stderr}`);
}
