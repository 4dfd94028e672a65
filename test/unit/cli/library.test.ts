// SPDX-License-Identifier: Apache-2.0
// The programs of docs/library.md must type-check against the package's own exports and do what
// the text says.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");
const manual = readFileSync(join(root, "docs/library.md"), "utf8");
const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, string | { default: string }>;
};
let directory = "";

/** Source file behind each name that package.json exports. */
function sources(): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, target] of Object.entries(exports)) {
    if (typeof target === "string") continue;
    const file = target.default.replace("./dist/", "lib/").replace(/\.js$/, ".ts");
    found.set(name.replace(/^\./, "undercroft"), join(root, file));
  }
  return found;
}

beforeAll(() => {
  // Inside the repository, so that the compiler finds the types of Node.js.
  mkdirSync(join(root, "build"), { recursive: true });
  directory = mkdtempSync(join(root, "build/library-"));
  for (const [, name, code] of manual.matchAll(/^```ts\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)) {
    writeFileSync(
      join(directory, `typed-${name}`),
      code?.replace("./guest", "./typed-guest") ?? "",
    );
    const linked = code?.replace(/from "(undercroft[^"]*)"/g, (_all, imported: string) => {
      return `from ${JSON.stringify(sources().get(imported))}`;
    });
    writeFileSync(join(directory, name ?? ""), linked ?? "");
  }
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

describe("docs/library.md", () => {
  test("type-checks", () => {
    const config = {
      extends: "../../tsconfig.json",
      compilerOptions: { paths: Object.fromEntries([...sources()].map(([k, v]) => [k, [v]])) },
      include: ["typed-*.ts"],
    };
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    let output = "";
    try {
      execFileSync(process.execPath, [tsc, "-p", directory], { encoding: "utf8" });
    } catch (cause) {
      output = (cause as { stdout: string }).stdout;
    }
    expect(output).toBe("");
  });

  test("runs and does what it says", () => {
    const args = [join(directory, "product.ts")];
    const output = execFileSync(process.execPath, args, { encoding: "utf8", timeout: 60_000 });
    for (const line of [
      "web1 is registered: a driver registered",
      "web1 is monitored: the driver acknowledged start-monitoring",
      "exec /usr/bin/curl",
      "Download from a bad site: pending",
      "command kill-process: confirmed",
      "Download from a bad site: killed",
    ]) {
      expect(output).toContain(line);
    }
    expect(output).not.toContain("lost");
  });

  test("names every room that the package exports", () => {
    const named = new Set([...manual.matchAll(/`(undercroft(?:\/[a-z]+)?)`/g)].map(([, n]) => n));
    for (const name of sources().keys()) expect(named).toContain(name);
  });
});
