// SPDX-License-Identifier: Apache-2.0
// Compiles lib/ and the console to dist/, from nothing each time so that no stale file is packed.
// `npm run build`; with --console only the console, for those who run the sources.
// The new dist/ takes the old one's place whole: who reads it meanwhile finds one or the other.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const work = join(root, `build/dist-${process.pid}`);

const isConsoleOnly = process.argv.includes("--console");

const status = (isConsoleOnly ? 0 : compile()) || bundle();
if (status === 0) replace(isConsoleOnly ? "console" : "");
rmSync(work, { recursive: true, force: true });
process.exitCode = status;

function compile(): number {
  return run(["typescript/bin/tsc", "-p", "tsconfig.build.json", "--outDir", join(work, "new")]);
}

function bundle(): number {
  const to = ["--outDir", join(work, "new/console"), "--logLevel", "warn"];
  return run(["vite/bin/vite.js", "build", "console", "--config", "console/vite.config.ts", ...to]);
}

function run([program = "", ...args]: readonly string[]): number {
  const path = join(root, "node_modules", program);
  const result: SpawnSyncReturns<Buffer> = spawnSync(process.execPath, [path, ...args], {
    cwd: root,
    stdio: "inherit",
  });
  return result.status ?? 1;
}

/** Puts what was made, or one folder of it, in its place. */
function replace(folder: string): void {
  if (folder === "") chmodSync(join(work, "new/cli/cli.js"), 0o755);
  mkdirSync(join(work, "old"));
  mkdirSync(join(root, "dist"), { recursive: true });
  try {
    renameSync(join(root, "dist", folder), join(work, "old/dist"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  renameSync(join(work, "new", folder), join(root, "dist", folder));
}
