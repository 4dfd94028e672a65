// SPDX-License-Identifier: Apache-2.0
// Turns the protection of a libvirt domain on and off: its shared-memory device, in the stored
// definition and, where asked, in the running machine. Called by the commands and by vendors.
// Doing it twice changes nothing; what fails half-way is taken back.
import { UndercroftError } from "../../errors/errors.ts";
import { checkRegionBytes } from "../../wire/wire.ts";
import { type DomainDescription, readDomainXml, regionDeviceXml } from "./domain-xml.ts";
import type { Libvirt } from "./libvirt.ts";
import { provisionRegion, removeRegion } from "./region-provision.ts";

export interface ProtectOptions {
  /** Size of the region, a power of two. Default 32 MiB. */
  readonly bytes?: number;
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
}

const defaultBytes = 32 << 20;
const unplugMsMax = 10_000;
const unplugLookMs = 250;

/**
 * Gives a domain its region.
 * @throws {UndercroftError} ERR_UC_DOMAIN_UNKNOWN, ERR_UC_DOMAIN_STATE, ERR_UC_LIBVIRT,
 * ERR_UC_REGION_SIZE, ERR_UC_REGION_OPEN
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
  if (stored.region !== undefined && stored.region.bytes !== bytes) {
    const has = `its region has ${stored.region.bytes / 2 ** 20} MiB`;
    throw domainState(name, `${has}; run \`undercroft unprotect ${name}\` before changing that`);
  }
  const isChanged = stored.region === undefined;
  if (isChanged) await libvirt.attach(uuid, regionDeviceXml(uuid, bytes), "stored");
  const running = state === "off" ? undefined : readDomainXml(await libvirt.xml(uuid, "live"));
  if (running?.region !== undefined) return { name, uuid, isChanged, holds: "now" };
  if (options.live !== true) return { name, uuid, isChanged, holds: "next start" };
  if (running === undefined) throw domainState(name, "it is not running; leave out --live");
  try {
    await plug(libvirt, running, bytes);
  } catch (cause) {
    if (isChanged) await libvirt.detach(uuid, regionDeviceXml(uuid, bytes), "stored");
    throw cause;
  }
  return { name, uuid, isChanged, holds: "now" };
}

/**
 * Takes a domain's region away.
 * @throws {UndercroftError} ERR_UC_DOMAIN_UNKNOWN, ERR_UC_DOMAIN_STATE, ERR_UC_LIBVIRT,
 * ERR_UC_REGION_OPEN
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
    await libvirt.detach(uuid, regionDeviceXml(uuid, stored.region.bytes), "stored");
  }
  const running = state === "off" ? undefined : readDomainXml(await libvirt.xml(uuid, "live"));
  if (running?.region === undefined) {
    removeRegion(uuid);
    return { name, uuid, isChanged, holds: "now" };
  }
  if (options.live !== true) return { name, uuid, isChanged, holds: "next start" };
  await libvirt.detach(uuid, regionDeviceXml(uuid, running.region.bytes), "live");
  await unplugged(libvirt, running);
  removeRegion(uuid);
  return { name, uuid, isChanged, holds: "now" };
}

async function plug(libvirt: Libvirt, running: DomainDescription, bytes: number): Promise<void> {
  const { uuid } = running;
  const region = { name: "", bytes, model: "ivshmem-plain", isKept: true };
  provisionRegion({ ...running, region });
  try {
    await libvirt.attach(uuid, regionDeviceXml(uuid, bytes), "live");
  } catch (cause) {
    removeRegion(uuid);
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
