// SPDX-License-Identifier: Apache-2.0
// The hand-made program of the demo must really run on this machine.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { demoPayload } from "../../../lib/cli/demo-payload.ts";

test("the demo's payload is a program that waits until it is ended", async () => {
  const directory = mkdtempSync(join(tmpdir(), "undercroft-payload-"));
  const path = join(directory, "payload");
  writeFileSync(path, demoPayload(), { mode: 0o755 });
  const child = spawn(path, { stdio: "ignore" });
  const exit = once(child, "exit");
  try {
    await once(child, "spawn");
    const early = await Promise.race([exit, setTimeout(300, "waits")]);
    expect(early).toBe("waits");
    child.kill("SIGKILL");
    expect(await exit).toEqual([null, "SIGKILL"]);
  } finally {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  }
});
