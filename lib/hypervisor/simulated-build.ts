// SPDX-License-Identifier: Apache-2.0
// Builds undercroft-guest, the portable core as a process, in the cache. Called by the main job's
// simulated guest and by tests that need a guest without a machine.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import { cacheDirectory, cachedDirectory } from "./cache.ts";
import { readDriverTree } from "./driver-tree.ts";
import { runProgram } from "./subprocess.ts";

const buildTimeoutMs = 300_000;
const toolHint = "install a C compiler: apt install gcc make libc6-dev";

/**
 * Returns the path of undercroft-guest, building it when its sources are new.
 * @throws UndercroftError ERR_UC_DRIVER_BUILD, ERR_UC_TOOL_MISSING
 */
export async function buildSimulatedGuest(): Promise<string> {
  const { root, digest } = await readDriverTree(["simulated", "core", "wire"]);
  const guests = join(cacheDirectory(), "simulated");
  await mkdir(guests, { recursive: true });
  const directory = await cachedDirectory(join(guests, digest), async (draft) => {
    const args = ["-C", join(root, "simulated"), `BUILD=${draft}`];
    const result = await runProgram("make", args, { timeoutMs: buildTimeoutMs, hint: toolHint });
    if (result.status === 0) return;
    const message = `the simulated guest does not build:\n${result.output.trim()}`;
    throw new UndercroftError("ERR_UC_DRIVER_BUILD", message);
  });
  return join(directory, "undercroft-guest");
}
