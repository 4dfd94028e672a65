// SPDX-License-Identifier: Apache-2.0
// Compiles lib/ to dist/, from nothing each time so that no stale file is packed. `npm run build`.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiler = join(root, "node_modules/typescript/bin/tsc");
const program = join(root, "dist/cli/cli.js");

rmSync(join(root, "dist"), { recursive: true, force: true });
const result = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
if (result.status === 0 && existsSync(program)) chmodSync(program, 0o755);
process.exit(result.status ?? 1);
