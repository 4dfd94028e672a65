// SPDX-License-Identifier: Apache-2.0
// Turns the protection of a libvirt domain on and off: its shared-memory device, in the stored
// definition and, where asked, in the running machine. Called by the commands and by vendors.
// Doing it twice changes nothing. A running machine that does not take the device has it from its
// next start.
import { UndercroftError } from "../../errors/errors.ts";
import { checkRegionBytes } from "../../wire/wire.ts";
import {
  type DomainDescription,
  readDomainXml,
  regionDeviceXml,
  type ShmemDevice,
  type WakeUps,
} from "./domain-xml.ts";
import type { Libvirt } from "./libvirt.ts";
import { provisionRegion, removeRegion } from "./region-provision.ts";

export interface ProtectOptions {
  /** Size of the region, a power of two. Default 32 MiB. */
  readonly bytes?: number;
  /** Default: polling. */
  readonly wakeUps?: WakeUps;
  /** Also plug the device into the running machine. */
  readonly live?: boolean;
}

/** What was done to a domain. */
export interface ProtectionChange {
  readonly name: string;
  readonly uuid: string;
  /** False where the stored definition was so already. */
  readonly isChanged: boolean;
  /** now: the running machine has, or has lost, the device; otherwise at its next start. */
  readonly holds: "now" | "next start";
  /** Why the running machine did not take the device, where that was asked for. */
  readonly problem?: string;
}

const defaultBytes = 32 << 20;
const unplugMsMax = 10_000;
const unplugLookMs = 250;

/**
 * Gives a domain its region.
 * @throws {UndercroftError} ERR_UC_DOMAIN_UNKNOWN, ERR_UC_DOMAIN_STATE, ERR_UC_LIBVIRT,
 * ERR_UC_REGION_SIZE, ERR_UC_REGION_OPEN, ERR_UC_HOLDER
 */
export async function protectDomain(
  libvirt: Libvirt,
  nameOrUuid: string,
  options: ProtectOptions = {},
): Promise<ProtectionChange> {
  const { uuid, name, state } = await libvirt.domain(nameOrUuid);
  const stored = readDomainXml(await libvirt.xml(uuid, "stored"));
  const bytes = options.bytes ?? stored.region?.bytes ?? defaultBytes;
  checkRegionBytes(bytes);
  const wakeUps = options.wakeUps ?? (stored.region ? wakeUpsOf(stored.region) : "polling");
  if (stored.region !== undefined) refuseChange(name, stored.region, bytes, wakeUps);
  const isChanged = stored.region === undefined;
  const device = regionDeviceXml(uuid, bytes, wakeUps);
  if (isChanged) await libvirt.attach(uuid, device, "stored");
  const running = state === "off" ? undefined : readDomainXml(await libvirt.xml(uuid, "live"));
  if (running?.region !== undefined) return { name, uuid, isChanged, holds: "now" };
  if (options.live !== true || running === undefined) {
    return { name, uuid, isChanged, holds: "next start" };
  }
  try {
    await plug(libvirt, running, device);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    return { name, uuid, isChanged, holds: "next start", problem };
  }
  return { name, uuid, isChanged, holds: "now" };
}

/**
 * Takes a domain's region away.
 * @throws {UndercroftError} ERR_UC_DOMAIN_UNKNOWN, ERR_UC_DOMAIN_STATE, ERR_UC_LIBVIRT,
 * ERR_UC_REGION_OPEN, ERR_UC_HOLDER
 */
export async function unprotectDomain(
  libvirt: Libvirt,
  nameOrUuid: string,
  options: Pick<ProtectOptions, "live"> = {},
): Promise<ProtectionChange> {
  const { uuid, name, state } = await libvirt.domain(nameOrUuid);
  const stored = readDomainXml(await libvirt.xml(uuid, "stored"));
  const isChanged = stored.region !== undefined;
  if (stored.region !== undefined) {
    await libvirt.detach(uuid, deviceXml(uuid, stored.region), "stored");
  }
  const running = state === "off" ? undefined : readDomainXml(await libvirt.xml(uuid, "live"));
  if (running?.region === undefined) {
    removeRegion(stored);
    return { name, uuid, isChanged, holds: "now" };
  }
  if (options.live !== true) return { name, uuid, isChanged, holds: "next start" };
  await libvirt.detach(uuid, deviceXml(uuid, running.region), "live");
  await unplugged(libvirt, running);
  removeRegion(running);
  return { name, uuid, isChanged, holds: "now" };
}

function wakeUpsOf({ model }: ShmemDevice): WakeUps {
  return model === "ivshmem-doorbell" ? "doorbells" : "polling";
}

function deviceXml(uuid: string, region: ShmemDevice): string {
  return regionDeviceXml(uuid, region.bytes, wakeUpsOf(region));
}

function refuseChange(name: string, region: ShmemDevice, bytes: number, wakeUps: WakeUps): void {
  const first = `; run \`undercroft unprotect ${name}\` before changing that`;
  if (region.bytes !== bytes) {
    throw domainState(name, `its region has ${region.bytes / 2 ** 20} MiB${first}`);
  }
  if (wakeUpsOf(region) === wakeUps) return;
  throw domainState(name, `its device is of the kind for ${wakeUpsOf(region)}${first}`);
}

async function plug(libvirt: Libvirt, running: DomainDescription, device: string): Promise<void> {
  const { uuid } = running;
  const domain = `<domain><name>x</name><uuid>${uuid}</uuid><devices>${device}</devices></domain>`;
  const plugged = { ...running, region: readDomainXml(domain).region };
  provisionRegion(plugged);
  try {
    await libvirt.attach(uuid, device, "live");
  } catch (cause) {
    removeRegion(plugged);
    throw cause;
  }
}

/** A device leaves when the guest lets go of it, if ever. */
async function unplugged(libvirt: Libvirt, domain: DomainDescription): Promise<void> {
  const endMs = performance.now() + unplugMsMax;
  while (performance.now() < endMs) {
    const { region } = readDomainXml(await libvirt.xml(domain.uuid, "live"));
    if (region === undefined) return;
    await new Promise((resolve) => setTimeout(resolve, unplugLookMs));
  }
  throw domainState(domain.name, "its guest does not let go of the device; stop the domain");
}

function domainState(name: string, reason: string): UndercroftError {
  return new UndercroftError("ERR_UC_DOMAIN_STATE", `domain ${name}: ${reason}`, { domain: name });
}
