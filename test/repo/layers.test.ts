// SPDX-License-Identifier: Apache-2.0
// Proves that each rule of scripts/layers.json bites: every test plants one violation in a small
// tree that is clean otherwise, and expects exactly that rule to speak.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { importViolations, includeViolations } from "../../scripts/layers.ts";

const trees: string[] = [];

const cleanTree: Readonly<Record<string, string>> = {
  "lib/errors/errors.ts": "export const a = 1;",
  "lib/model/model.ts": 'export { b } from "./part.ts";',
  "lib/model/part.ts": "export const b = 1;",
  "lib/wire/wire.ts": 'import { b } from "../model/model.ts";\nexport const c = b;',
  "lib/native/native.ts": 'import { a } from "../errors/errors.ts";\nexport const d = a;',
  "lib/native/load.ts": 'export const path = "build/undercroft.node";',
  "lib/ring/ring.ts": "export const e = 1;",
  "lib/transport/transport.ts": 'import { d } from "../native/native.ts";\nexport const f = d;',
  "lib/detect/detect.ts": 'import { b } from "../model/model.ts";\nexport const g = b;',
  "lib/registry/registry.ts": 'import { f } from "../transport/transport.ts";\nexport const h = f;',
  "lib/server/server.ts": 'import { h } from "../registry/registry.ts";\nexport const i = h;',
  "lib/index.ts": 'export { h } from "./registry/registry.ts";',
  "scripts/tool.ts": 'import { a } from "../lib/errors/errors.ts";\nexport const j = a;',
  "guest-drivers/wire/uc_wire.h": "#include <stdint.h>\n",
  "guest-drivers/core/ring.c": '#include <stdint.h>\n#include "uc_wire.h"\n',
  "guest-drivers/linux/main.c": '#include <linux/module.h>\n#include "../wire/uc_wire.h"\n',
  "addon/drain.cc": '#include <node_api.h>\n#include "../guest-drivers/wire/uc_wire.h"\n',
  "addon/drain.h": "#include <sys/mman.h>\n",
};

function plant(extra: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "undercroft-layers-"));
  trees.push(root);
  writeFileSync(join(root, "package.json"), '{ "type": "module" }');
  for (const [name, text] of Object.entries({ ...cleanTree, ...extra })) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${text}\n`);
  }
  return root;
}

afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true });
});

const imported = (place: string): string =>
  `import * as x from ${JSON.stringify(place)};\nexport const y = x;`;

describe("the import law", () => {
  test("accepts a tree that keeps it", async () => {
    expect(await importViolations(plant({}))).toEqual([]);
  });

  const planted: readonly [string, string, string, string][] = [
    ["a ground room that imports another", "floor-errors", "errors/x.ts", "../time/time.ts"],
    ["model importing anything", "floor-model", "model/x.ts", "../errors/errors.ts"],
    ["a neighbour on the same floor", "floor-native", "native/x.ts", "../ring/ring.ts"],
    ["a room that looks up", "floor-detect", "detect/x.ts", "../server/server.ts"],
    ["a type from above", "floor-ring", "ring/x.ts", "../transport/transport.ts"],
    ["a side door", "face", "server/x.ts", "../model/part.ts"],
    ["a pure room with a node module", "pure", "detect/x.ts", "node:fs"],
    ["a pure room that asks the clock", "pure", "wire/x.ts", "node:perf_hooks"],
    ["a manager that touches regions", "never-manager", "manager/x.ts", "../ring/ring.ts"],
    ["an import that leads nowhere", "resolvable", "server/x.ts", "./gone.ts"],
    ["the product importing a tool", "product-only", "server/x.ts", "../../scripts/tool.ts"],
    ["a room without a floor", "known-room", "server/x.ts", "../attic/attic.ts"],
  ];
  test.each(planted)("finds %s", async (_title, rule, file, target) => {
    const extra = {
      "lib/time/time.ts": "export const t = 1;",
      "lib/attic/attic.ts": "export const u = 1;",
      [`lib/${file}`]: imported(target),
    };
    const found = await importViolations(plant(extra));
    expect(found.map((violation) => violation.rule)).toContain(rule);
    expect(found.every((violation) => violation.from === `lib/${file}`)).toBe(true);
  });

  test("finds a type-only import from a higher floor", async () => {
    const text = 'import type { i } from "../server/server.ts";\nexport type Z = typeof i;';
    const found = await importViolations(plant({ "lib/ring/x.ts": text }));
    expect(found.map((violation) => violation.rule)).toEqual(["floor-ring"]);
  });

  test("finds a manager that reaches a region through another room", async () => {
    const text = imported("../registry/registry.ts");
    const found = await importViolations(plant({ "lib/manager/manager.ts": text }));
    expect(found.map((violation) => violation.rule)).toContain("never-manager");
  });

  test("finds a circle inside a room", async () => {
    const extra = { "lib/ring/a.ts": imported("./b.ts"), "lib/ring/b.ts": imported("./a.ts") };
    const found = await importViolations(plant(extra));
    expect(found.map((violation) => violation.rule)).toContain("circular");
  });

  test("finds the addon loaded elsewhere, in either way", async () => {
    const extra = {
      "lib/server/x.ts": 'export const p = "../build/undercroft.node";',
      "scripts/y.ts": imported("./built.node"),
      "scripts/built.node": "",
    };
    const found = await importViolations(plant(extra));
    const rules = found.filter((violation) => violation.rule === "addon-loader");
    expect(rules.map((violation) => violation.from).sort()).toEqual([
      "lib/server/x.ts",
      "scripts/y.ts",
    ]);
  });

  test("lets the console and tools in by their doors only", async () => {
    const extra = {
      "console/a.ts": imported("../lib/errors/errors.ts"),
      "console/b.ts": imported("../lib/model/model.ts"),
      "scripts/c.ts": imported("../lib/model/part.ts"),
    };
    const found = await importViolations(plant(extra));
    expect(found.map(({ rule, from }) => `${rule} ${from}`).sort()).toEqual([
      "console console/a.ts",
      "face scripts/c.ts",
    ]);
  });
});

describe("the include law", () => {
  test("accepts a tree that keeps it", () => {
    expect(includeViolations(plant({}))).toEqual([]);
  });

  const planted: readonly [string, string, string][] = [
    ["an OS header in the core", "guest-drivers/core/x.c", "<stdio.h>"],
    ["a kernel header in the core", "guest-drivers/core/x.h", "<linux/slab.h>"],
    ["the core leaning on a driver", "guest-drivers/core/x.c", '"../linux/main.h"'],
    ["a driver leaving its tree", "guest-drivers/linux/x.c", '"../../addon/drain.h"'],
    ["the wire including anything of ours", "guest-drivers/wire/x.h", '"../core/ring.h"'],
    ["the addon reaching into a driver", "addon/x.cc", '"../guest-drivers/linux/main.h"'],
    ["V8's own interface in the addon", "addon/x.cc", "<v8.h>"],
    ["a header that does not exist", "addon/x.cc", '"gone.h"'],
    ["the holder reaching into the addon", "hypervisor/holder/x.c", '"../../addon/drain.h"'],
  ];
  test.each(planted)("finds %s", (_title, file, target) => {
    const extra = {
      "guest-drivers/linux/main.h": "",
      "guest-drivers/core/ring.h": "",
      [file]: `  #  include ${target}`,
    };
    const found = includeViolations(plant(extra));
    expect(found.map((violation) => violation.from)).toEqual([file]);
  });
});
