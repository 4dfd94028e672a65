// SPDX-License-Identifier: Apache-2.0
// Face of the hypervisor room: obtains kernels, builds drivers and initramfs, runs QEMU guests.
// Called by the main job, guest tests and scripts. It never touches what is inside a region.
import { chooseAccelerator } from "./accelerator.ts";
import { type Guest, type GuestOptions, launchGuest } from "./guest.ts";

export { type AcceleratorChoice, chooseAccelerator } from "./accelerator.ts";
export { cacheDirectory, cachedDirectory } from "./cache.ts";
export { buildDriver } from "./driver-build.ts";
export type {
  Accelerator,
  Guest,
  GuestExit,
  GuestNetwork,
  GuestOptions,
  GuestRegion,
} from "./guest.ts";
export {
  buildInitramfs,
  type GuestFile,
  guestDriverPath,
  type InitramfsParts,
} from "./initramfs.ts";
export { type GuestKernel, type KernelRequest, kernelSeries, obtainKernel } from "./kernels.ts";
export { type NetworkModules, networkModules } from "./network-modules.ts";
export { makeRegionFile, type RegionFile } from "./region-file.ts";
export { buildSimulatedGuest } from "./simulated-build.ts";
export { runProgram } from "./subprocess.ts";

/**
 * Starts a guest on the accelerator that works here; returns once QEMU answers.
 * @throws UndercroftError ERR_UC_QEMU_MISSING, ERR_UC_QEMU_FAILED, ERR_UC_TOOL_MISSING
 */
export async function startGuest(options: GuestOptions): Promise<Guest> {
  // Only the translator can count instructions.
  if (options.icount === true) return launchGuest(options, "tcg");
  const { accelerator } = await chooseAccelerator(options.kernel);
  return launchGuest(options, accelerator);
}
