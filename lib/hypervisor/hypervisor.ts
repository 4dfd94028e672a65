// SPDX-License-Identifier: Apache-2.0
// Face of the hypervisor room: protects libvirt's domains, obtains kernels, builds drivers and
// initramfs, runs QEMU guests. It never touches what is inside a region.
import { chooseAccelerator } from "./accelerator.ts";
import { type Guest, type GuestOptions, launchGuest } from "./guest.ts";

export { type AcceleratorChoice, chooseAccelerator } from "./accelerator.ts";
export { cacheDirectory, cachedDirectory } from "./cache.ts";
export { type Complaint, diagnose } from "./doctor/checks.ts";
export {
  type DoctorFacts,
  type DoctorPlaces,
  type DomainFact,
  type FileFact,
  gatherFacts,
  type ServedGuest,
} from "./doctor/facts.ts";
export { buildDriver } from "./driver-build.ts";
export type {
  Accelerator,
  Guest,
  GuestExit,
  GuestNetwork,
  GuestOptions,
  GuestRegion,
  GuestRegionFile,
} from "./guest.ts";
export {
  buildInitramfs,
  type GuestFile,
  guestDriverPath,
  type InitramfsParts,
} from "./initramfs.ts";
export { type GuestKernel, type KernelRequest, kernelSeries, obtainKernel } from "./kernels.ts";
export { type BelowRecord, type BelowRequest, respondBelow } from "./libvirt/below.ts";
export {
  DomainKeeper,
  type DomainLiveness,
  type KeeperHooks,
  type KeeperOptions,
} from "./libvirt/domain-keeper.ts";
export {
  type DomainDescription,
  type DomainInterface,
  readDomainXml,
  regionDeviceXml,
  regionName,
  type ShmemDevice,
  type WakeUps,
} from "./libvirt/domain-xml.ts";
export { type HookCall, type HookReport, runHook } from "./libvirt/hook.ts";
export {
  type DomainEvent,
  type DomainState,
  type Libvirt,
  type LibvirtOptions,
  openLibvirt,
} from "./libvirt/libvirt.ts";
export {
  type ProtectionChange,
  type ProtectOptions,
  protectDomain,
  unprotectDomain,
} from "./libvirt/protect.ts";
export {
  provisionRegion,
  type RegionHome,
  type RegionOwner,
  regionOwner,
  regionPath,
  removeRegion,
} from "./libvirt/region-provision.ts";
export { type NetworkModules, networkModules } from "./network-modules.ts";
export { makeRegionFile, type RegionFile } from "./region-file.ts";
export {
  SERVER_VM_PORTS,
  SERVER_VM_REGION_BYTES_MAX,
  ServerVm,
  type ServerVmAnswer,
  type ServerVmRequest,
  serverVmArguments,
  vmDone,
  vmFailed,
} from "./server-vm.ts";
export { buildServerVmImage, type ServerVmParts } from "./server-vm-image.ts";
export {
  askService,
  BELOW_ACTIONS,
  type BelowAction,
  listenService,
  SERVICE_SOCKET,
  type ServiceGuest,
  type ServiceHandler,
  type ServiceRequest,
} from "./service-socket.ts";
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
