// SPDX-License-Identifier: Apache-2.0
// Runs scripts/bootstrap.mjs in small trees of its own, with an npm that only pretends, and proves
// what every npm script leans on: clean stdout, exit codes, signals, and work done once.
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { root } from "./repo-files.ts";

let tree = "";

// Installs what the lock names, and leaves a line a call behind.
const pretendNpm = `#!/bin/sh
echo "$@" >> "$PWD/npm-calls"
echo "npm says much"
[ ! -e "$PWD/npm-fails" ] || { echo "npm says why" >&2; exit 1; }
mkdir -p node_modules/node/bin
ln -sf "${process.execPath}" node_modules/node/bin/node
cp package-lock.json node_modules/.package-lock.json
`;

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), "undercroft-bootstrap-"));
  for (const folder of ["bin", "scripts"]) mkdirSync(join(tree, folder));
  copyFileSync(join(root, "scripts/bootstrap.mjs"), join(tree, "scripts/bootstrap.mjs"));
  writeFileSync(join(tree, "package.json"), '{ "devDependencies": { "node": "24.0.0" } }');
  writeLock("1.0.0");
  writeFileSync(join(tree, "bin/npm"), pretendNpm);
  chmodSync(join(tree, "bin/npm"), 0o755);
  write("say.mjs", "console.log(JSON.stringify(process.argv.slice(2)));");
});

afterEach(() => rmSync(tree, { recursive: true }));

function write(name: string, text: string): void {
  writeFileSync(join(tree, name), text);
}

function writeLock(version: string): void {
  const packages = {
    "": {},
    "node_modules/node": { version: "24.0.0" },
    "node_modules/a": { version },
  };
  write("package-lock.json", JSON.stringify({ packages }));
}

function bootstrap(...args: readonly string[]): SpawnSyncReturns<string> {
  const path = `${join(tree, "bin")}:/bin:/usr/bin`;
  return bootstrapWith(path, ...args);
}

function bootstrapWith(path: string, ...args: readonly string[]): SpawnSyncReturns<string> {
  const script = join(tree, "scripts/bootstrap.mjs");
  const env = { ...process.env, PATH: path };
  return spawnSync(process.execPath, [script, ...args], { env, encoding: "utf8" });
}

function npmCalls(): number {
  const file = join(tree, "npm-calls");
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n").length : 0;
}

test("installs once, passes arguments on, and keeps stdout for the script", () => {
  const first = bootstrap("--", "say.mjs", "--once", "--json");
  expect(first.stdout).toBe('["--once","--json"]\n');
  expect(first.stderr).toMatch(/npm ci \.\.\.\n.*npm ci: done\n$/);
  expect(npmCalls()).toBe(1);
  const second = bootstrap("--", "say.mjs", "--", "x");
  expect(second.stdout).toBe('["--","x"]\n');
  expect(second.stderr).toBe("");
  expect(npmCalls()).toBe(1);
});

test("installs again when the lock names another version", () => {
  bootstrap("--", "say.mjs");
  writeLock("1.0.1");
  bootstrap("--", "say.mjs");
  expect(npmCalls()).toBe(2);
});

test("shows the end of a failed tool's output and where the rest is", () => {
  write("npm-fails", "");
  const result = bootstrap("--", "say.mjs");
  expect(result.status).toBe(1);
  expect(result.stdout).toBe("");
  expect(result.stderr).toContain("npm says why");
  expect(result.stderr).toContain(join(tree, "build/log/npm-ci.log"));
  expect(existsSync(join(tree, "build/bootstrap.lock"))).toBe(false);
});

test("takes over the lock of a bootstrap that died", () => {
  mkdirSync(join(tree, "build"));
  const gone = spawnSync("true");
  write("build/bootstrap.lock", String(gone.pid));
  expect(bootstrap("--", "say.mjs").status).toBe(0);
});

test("ends with the script's exit code", () => {
  write("fail.mjs", "process.exit(7);");
  expect(bootstrap("--", "fail.mjs").status).toBe(7);
});

test("passes a signal on and ends by it", async () => {
  bootstrap("--", "say.mjs");
  write("wait.mjs", 'setInterval(() => {}, 1000);\nconsole.log("waiting");');
  const child = spawn(process.execPath, [join(tree, "scripts/bootstrap.mjs"), "--", "wait.mjs"]);
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([null, "SIGTERM"]);
});

test("names the Debian packages it cannot install itself", () => {
  bootstrap("--", "say.mjs");
  const result = bootstrapWith(join(tree, "bin"), "mingw", "--", "say.mjs");
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("gcc-mingw-w64-x86-64 g++-mingw-w64-x86-64");
});

test("refuses a need it does not know, and a call without a script", () => {
  expect(bootstrap("everything", "--", "say.mjs").stderr).toContain("usage:");
  expect(bootstrap("native").status).toBe(1);
  expect(npmCalls()).toBe(0);
});
