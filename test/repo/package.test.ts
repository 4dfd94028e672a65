// SPDX-License-Identifier: Apache-2.0
// Holds package.json, the lock, the two native build files and the rooms of lib/ together.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { version } from "../../lib/index.ts";
import layers from "../../scripts/layers.json" with { type: "json" };
import { type Lock, missingOptional, optionalEntry } from "../../scripts/lock-complete.ts";
import { readRepoFile, repoFiles, root } from "./repo-files.ts";

type Manifest = {
  readonly version: string;
  readonly gypfile: boolean;
  readonly engines: { readonly node: string };
  readonly scripts: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};

const manifest = JSON.parse(readRepoFile("package.json")) as Manifest;
const lockText = readRepoFile("package-lock.json");
const lock = JSON.parse(lockText) as Lock;
const rooms = readdirSync(join(root, "lib"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

describe("package.json", () => {
  test("has the version that the library reports", () => {
    expect(version).toBe(manifest.version);
  });

  test("exports each room by its face, and nothing else", () => {
    const faces = rooms.filter((room) => room !== "cli").map((room) => `./${room}`);
    expect(Object.keys(manifest.exports).sort()).toEqual([".", "./package.json", ...faces].sort());
    for (const face of faces) {
      const place = `./dist${face.slice(1)}${face.slice(1)}`;
      expect(manifest.exports[face]).toEqual({ types: `${place}.d.ts`, default: `${place}.js` });
    }
  });

  test("has no script that an install would run, and at most 20 scripts", () => {
    const names = Object.keys(manifest.scripts);
    const refused = ["preinstall", "install", "postinstall", "prepare", "prepublish"];
    expect(names.filter((name) => refused.includes(name))).toEqual([]);
    expect(names.length).toBeLessThanOrEqual(20);
    expect(manifest.gypfile).toBe(false);
  });

  test("starts every script through the bootstrap, at a file that exists", () => {
    for (const [name, command] of Object.entries(manifest.scripts)) {
      const found = /^node scripts\/bootstrap\.mjs (?:[a-z]+ )*-- (\S+)/.exec(command);
      expect(found, `${name}: ${command}`).not.toBeNull();
      expect(existsSync(join(root, found?.[1] ?? "")), `${name}: ${command}`).toBe(true);
    }
  });

  test("pins every dependency to one version", () => {
    const versions = { ...manifest.dependencies, ...manifest.devDependencies };
    for (const [name, wanted] of Object.entries(versions)) {
      expect(wanted, name).toMatch(/^(npm:[a-z0-9-]+@)?\d+\.\d+\.\d+(-r\.\d+)?$/);
    }
  });
});

describe("the lock", () => {
  test("names no registry", () => {
    expect(lockText).not.toContain('"resolved"');
    expect(readRepoFile(".npmrc")).toContain("omit-lockfile-registry-resolved=true");
  });

  test("holds every optional package, so that npm ci takes it", () => {
    expect([...missingOptional(lock)]).toEqual([]);
  });

  // koffi's looks for the binary of its platform package; without one it compiles, and an
  // optional package that fails to install is left out.
  test("holds no package that runs a script at install, except koffi, which is optional", () => {
    const running = Object.entries(lock.packages).filter(
      ([, entry]) => "hasInstallScript" in entry,
    );
    expect(running.map(([name]) => name)).toEqual(["node_modules/koffi"]);
    expect(lock.packages["node_modules/koffi"]).toMatchObject({ optional: true });
  });

  test("misses a planted optional package", () => {
    const planted = {
      packages: { a: { optionalDependencies: { "b-linux-arm64-musl": "^1.2.3" } } },
    };
    expect([...missingOptional(planted)]).toEqual([["b-linux-arm64-musl", "^1.2.3"]]);
    expect(optionalEntry("b-linux-arm64-musl", "^1.2.3")).toEqual({
      version: "1.2.3",
      cpu: ["arm64"],
      dev: true,
      libc: ["musl"],
      optional: true,
      os: ["linux"],
    });
    expect(() => optionalEntry("b", "1.0.0")).toThrow("platform");
  });
});

describe("the addon and the holder", () => {
  const lists = JSON.parse(readRepoFile("addon/sources.json")) as Record<string, string[]>;

  test.each([
    ["sources", /^addon\/[^/]+\.(c|cc)$/],
    ["holder", /^hypervisor\/holder\/[^/]+\.c$/],
  ])("lists each of its source files under %s, all of which exist", (key, shape) => {
    const listed = lists[key] ?? [];
    const files = repoFiles().map(({ path }) => path);
    expect(listed.length).toBeGreaterThan(0);
    expect(listed.filter((source) => !files.includes(source))).toEqual([]);
    const own = files.filter((path) => shape.test(path));
    expect(own.filter((path) => !listed.includes(path))).toEqual([]);
  });

  test.each(["binding.gyp", "CMakeLists.txt"])("%s takes its sources from that list", (name) => {
    const text = readRepoFile(name);
    expect(text).toMatch(/(readFileSync\('|file\(READ )addon\/sources\.json/);
    expect(text).not.toMatch(/\.(cc?|cpp)\b["\s]/);
  });

  test("are hardened alike in both build files", () => {
    for (const flag of [
      "-fstack-protector-strong",
      "_FORTIFY_SOURCE=3",
      "-Wl,-z,relro,-z,now",
      "-static-libstdc++",
      "-static-libgcc",
    ]) {
      expect(readRepoFile("binding.gyp"), flag).toContain(flag);
      expect(readRepoFile("CMakeLists.txt"), flag).toContain(flag);
    }
  });
});

test("each room of lib/ has a floor and a face", () => {
  expect(rooms.filter((room) => !layers.floors.flat().includes(room))).toEqual([]);
  expect(rooms.filter((room) => !existsSync(join(root, "lib", room, `${room}.ts`)))).toEqual([]);
});
