// SPDX-License-Identifier: Apache-2.0
// Guests as processes for the end-to-end tests: undercroft-guest over a region file that the test
// makes. It knows nothing of the server.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { DEMO } from "../../lib/cli/demo-guest.ts";
import { DEMO_PAYLOAD_SHA256 } from "../../lib/cli/demo-indicators.ts";
import { buildSimulatedGuest } from "../../lib/hypervisor/hypervisor.ts";
import { createRegionFile } from "../../lib/transport/transport.ts";

export const regionBytes: number = 4 << 20;

/** A guest with its region file. */
export interface GuestProcess {
  readonly name: string;
  readonly path: string;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

/**
 * Makes a region and starts a guest on it, which plays the demo's intrusion when told "begin" and
 * writes about so many bytes of other records a minute.
 */
export async function startGuestProcess(
  directory: string,
  name: string,
  bytesPerMinute = 600_000,
): Promise<GuestProcess> {
  const program = await buildSimulatedGuest();
  const path = join(directory, name);
  createRegionFile(path, regionBytes);
  const args = [
    ...["--region", path, "--rate", String(bytesPerMinute), "--scenario", "intrusion"],
    ...["--payload-sha256", DEMO_PAYLOAD_SHA256, "--payload-path", DEMO.payloadPath],
    ...["--secret-path", DEMO.secretPath, "--open-path", DEMO.openPath],
    ...["--miner-path", `/opt/${DEMO.minerName}`, "--stage-url", DEMO.stageUrl],
  ];
  const child = spawn(program, args, { stdio: ["pipe", "ignore", "inherit"] });
  const exit = once(child, "exit");
  await once(child, "spawn");
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exit;
  };
  return { name, path, child, stop };
}
