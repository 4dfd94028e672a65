// SPDX-License-Identifier: Apache-2.0
// Builds the addon to build/undercroft.node and the holder beside it: with CMake, or with node-gyp
// when asked (--gyp). --prebuild also copies both to prebuilds/ with their SHA-256. Called by npm
// scripts and the bootstrap; never by an install.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const products = ["undercroft.node", "undercroft-holder"];
const build = join(root, "build");
const prebuilds = join(root, "prebuilds/linux-x64-glibc");

const { values } = parseArgs({
  options: { gyp: { type: "boolean" }, prebuild: { type: "boolean" } },
});
if (values.gyp === true) buildWithGyp();
else buildWithCmake();
for (const name of products) {
  const built = join(build, name);
  if (!existsSync(built)) throw new Error(`the build ended well but ${built} is missing`);
  console.log(`built ${built}`);
}
if (values.prebuild === true) keepPrebuilds();

function buildWithCmake(): void {
  const folder = join(root, "build/cmake");
  run("cmake", ["-S", root, "-B", folder]);
  run("cmake", ["--build", folder, "--parallel", String(availableParallelism())]);
}

function buildWithGyp(): void {
  const gyp = join(root, "node_modules/node-gyp/bin/node-gyp.js");
  // The npm package `node` ships its own headers, so node-gyp has nothing to download.
  const nodedir = `--nodedir=${join(root, "node_modules/node")}`;
  for (const action of ["configure", "build"]) run(process.execPath, [gyp, action, nodedir]);
}

function keepPrebuilds(): void {
  mkdirSync(prebuilds, { recursive: true });
  const sums = products.map((name) => {
    copyFileSync(join(build, name), join(prebuilds, name));
    const sum = createHash("sha256")
      .update(readFileSync(join(build, name)))
      .digest("hex");
    return `${sum}  ${name}\n`;
  });
  writeFileSync(join(prebuilds, "SHA256SUMS"), sums.join(""));
  console.log(`kept ${prebuilds}`);
}

function run(command: string, args: readonly string[]): void {
  const result: SpawnSyncReturns<Buffer> = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
  });
  if (result.status === 0) return;
  console.error(`${command} ${args[0] ?? ""} failed: ${result.error?.message ?? result.status}`);
  process.exit(1);
}
