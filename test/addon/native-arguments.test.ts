// SPDX-License-Identifier: Apache-2.0
// The native layer itself, past the checks of lib/native: no argument whatever crashes it.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { ROOT } from "./compile.ts";

it("wrong arguments throw ERR_UC_ARGUMENT or do nothing", () => {
  const child = fileURLToPath(new URL("nonsense-child.ts", import.meta.url));
  const result = spawnSync(process.execPath, [child, `${ROOT}build/undercroft.node`], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  expect(result.stderr).toBe("");
  expect([result.status, result.signal]).toEqual([0, null]);
  const { threw, returned, wrongErrors } = JSON.parse(result.stdout);
  expect(wrongErrors).toBe(0);
  expect(threw).toBeGreaterThan(10_000);
  expect(returned).toBeGreaterThan(0);
});
