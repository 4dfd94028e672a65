// SPDX-License-Identifier: Apache-2.0
// Packs the package, unpacks it where no repository is near, and uses it as a stranger would:
// every door opens, the program runs, the types are there, and nothing else was packed.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "./repo-files.ts";

type Manifest = {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
};

type Lock = {
  readonly packages: Readonly<Record<string, { readonly dev?: true; readonly optional?: true }>>;
};

let user = "";
let home = "";
let manifest: Manifest;

beforeAll(() => {
  user = mkdtempSync(join(tmpdir(), "undercroft-pack-"));
  home = join(user, "node_modules/undercroft");
  mkdirSync(home, { recursive: true });
  execFileSync(process.execPath, [join(root, "scripts/build.ts")], { cwd: root });
  const args = ["pack", "--silent", "--pack-destination", user];
  execFileSync("npm", args, { cwd: root, encoding: "utf8" });
  const tarball = readdirSync(user).find((name) => name.endsWith(".tgz")) ?? "";
  execFileSync("tar", ["-xzf", join(user, tarball), "-C", home, "--strip-components=1"]);
  manifest = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as Manifest;
  // What an install would fetch beside it, without asking a registry.
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Lock;
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === "" || entry.dev === true || entry.optional === true) continue;
    cpSync(join(root, path), join(user, path), { recursive: true });
  }
});

afterAll(() => rmSync(user, { recursive: true }));

test("every export can be imported, with its types beside it", () => {
  const doors = Object.entries(manifest.exports).filter(([door]) => door !== "./package.json");
  expect(doors.length).toBeGreaterThan(5);
  for (const [door, target] of doors) {
    const name = `undercroft${door.slice(1)}`;
    const program = `const room = await import("${name}"); console.log(Object.keys(room).length);`;
    const count = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
      cwd: user,
      encoding: "utf8",
    });
    expect(Number(count), name).toBeGreaterThanOrEqual(0);
    const types = typeof target === "string" ? target : (target.types ?? "");
    expect(existsSync(join(home, types)), types).toBe(true);
  }
});

test("the examples of the README run", () => {
  const blocks = [
    ...readFileSync(join(home, "README.md"), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm),
  ];
  expect(blocks.length).toBeGreaterThan(0);
  for (const [index, block] of blocks.entries()) {
    const file = join(user, `example-${index}.ts`);
    writeFileSync(file, block[1] ?? "");
    execFileSync(process.execPath, [file], { cwd: user });
  }
});

test("the program runs and knows its version", () => {
  const program = join(home, manifest.bin.undercroft ?? "");
  const said = execFileSync(process.execPath, [program, "--version"], {
    cwd: user,
    encoding: "utf8",
  });
  expect(said).toContain(manifest.version);
});

// A clone has none before `npm run build:prebuilt`, which makes them for publishing.
test("prebuilt binaries, where there are any, are all there and have their sums", () => {
  const folders = existsSync(join(root, "prebuilds")) ? readdirSync(join(root, "prebuilds")) : [];
  for (const folder of folders.map((name) => join(home, "prebuilds", name))) {
    const sums = ["undercroft.node", "undercroft-holder"].map((name) => {
      const bytes = readFileSync(join(folder, name));
      return `${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`;
    });
    expect(readFileSync(join(folder, "SHA256SUMS"), "utf8")).toBe(sums.join(""));
    const said = execFileSync(join(folder, "undercroft-holder"), ["--help"], { encoding: "utf8" });
    expect(said).toContain("Usage: undercroft-holder");
  }
});

test("holds what a build from source needs, and no test or tool", () => {
  const names = readdirSync(home);
  expect(names).toEqual(expect.arrayContaining(["LICENSE", "addon", "binding.gyp", "dist"]));
  expect(names).toEqual(expect.arrayContaining(["guest-drivers", "hypervisor", "CMakeLists.txt"]));
  expect(
    names.filter((name) => ["bench", "fuzz", "lib", "scripts", "test"].includes(name)),
  ).toEqual([]);
});
