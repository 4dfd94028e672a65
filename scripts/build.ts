// SPDX-License-Identifier: Apache-2.0
// Compiles lib/ to dist/, from nothing each time so that no stale file is packed. `npm run build`.
// The new dist/ takes the old one's place whole: who reads it meanwhile finds one or the other.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiler = join(root, "node_modules/typescript/bin/tsc");
const work = join(root, `build/dist-${process.pid}`);

const status = compile();
if (status === 0) replace();
rmSync(work, { recursive: true, force: true });
process.exitCode = status;

function compile(): number {
  const args = [compiler, "-p", "tsconfig.build.json", "--outDir", join(work, "new")];
  const result: SpawnSyncReturns<Buffer> = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: "inherit",
  });
  return result.status ?? 1;
}

function replace(): void {
  chmodSync(join(work, "new/cli/cli.js"), 0o755);
  mkdirSync(join(work, "old"));
  try {
    renameSync(join(root, "dist"), join(work, "old/dist"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  renameSync(join(work, "new"), join(root, "dist"));
}
