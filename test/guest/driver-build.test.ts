// SPDX-License-Identifier: Apache-2.0
// The driver build on a small tree of its own: both kernels, warnings refused, errors readable.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildDriver, kernelSeries, obtainKernel } from "../../lib/hypervisor/hypervisor.ts";

let tree: string;

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), "undercroft-tree-"));
  for (const folder of ["linux", "core", "wire"]) mkdirSync(join(tree, folder));
  writeFileSync(join(tree, "linux/Kbuild"), "obj-m := undercroft.o\nundercroft-y := main.o\n");
});

afterEach(() => {
  rmSync(tree, { recursive: true });
});

function writeDriver(body: string): void {
  const text = [
    "#include <linux/module.h>",
    `static int __init uc_init(void) { ${body} }`,
    "module_init(uc_init);",
    'MODULE_LICENSE("Dual MIT/GPL");',
    'MODULE_DESCRIPTION("test");',
    "",
  ];
  writeFileSync(join(tree, "linux/main.c"), text.join("\n"));
}

test.each(kernelSeries)("builds for %s, once for equal sources", async (series) => {
  const kernel = await obtainKernel(series);
  writeDriver("return 0;");
  const first = await buildDriver(kernel, tree);
  expect(first).toContain(kernel.version);
  const start = performance.now();
  expect(await buildDriver(kernel, tree)).toBe(first);
  expect(performance.now() - start).toBeLessThan(500);
  writeDriver("return -1;");
  expect(await buildDriver(kernel, tree)).not.toBe(first);
});

test("a warning is refused, also the second time", async () => {
  const kernel = await obtainKernel("6.1");
  writeDriver("int unused; return 0;");
  const expected = {
    code: "ERR_UC_DRIVER_BUILD",
    message: expect.stringMatching(/has warnings.*guest-drivers\/linux\/main\.c:2.*unused/s),
  };
  await expect(buildDriver(kernel, tree)).rejects.toMatchObject(expected);
  await expect(buildDriver(kernel, tree)).rejects.toMatchObject(expected);
});

test("an error names the file", async () => {
  const kernel = await obtainKernel("6.1");
  writeDriver("return nothing;");
  await expect(buildDriver(kernel, tree)).rejects.toMatchObject({
    code: "ERR_UC_DRIVER_BUILD",
    message: expect.stringMatching(/does not build.*main\.c:2.*nothing/s),
  });
});
