// SPDX-License-Identifier: Apache-2.0
// Makes the region of a domain before its QEMU opens it, and takes it away afterwards: a file, or
// memory of the holder's where the domain has doorbells. Called by the hook and by `undercroft
// protect`. QEMU would make the file itself, readable by everybody.
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { isUndercroftError, UndercroftError } from "../../errors/errors.ts";
import { type HeldGuest, Holder } from "../../native/native.ts";
import { createRegionFile } from "../../transport/transport.ts";
import { type DomainDescription, holderSocket, regionName } from "./domain-xml.ts";

/** Whose a region file is to be. */
export interface RegionOwner {
  readonly uid: number;
  readonly gid: number;
}

const directory = "/dev/shm";
/** Its QEMU and the server; nobody else. */
const mode = 0o660;
const goneLooks = 40;
const goneLookMs = 50;
const zeroChunkBytes = 1 << 20;
const qemuConfigFile = "/etc/libvirt/qemu.conf";
const defaultUser = "libvirt-qemu";
/** Group of the server where it is not root; made by the Debian package. */
const serverGroup = "undercroft";
const defaultGroup = "kvm";

/** A domain as far as its region goes. */
export type RegionHome = Pick<DomainDescription, "uuid" | "region">;

/** Path of a domain's region: its file, or the holder's socket for its QEMU. */
export function regionPath({ uuid, region }: RegionHome): string {
  const held = region?.held;
  return held === undefined ? `${directory}/${regionName(uuid)}` : holderSocket(held);
}

/**
 * Whose a domain's region must be: QEMU's user, and the server's group where there is one. Looks at
 * the domain's own label first, then at libvirt's configuration, then at Debian's default.
 */
export function regionOwner(domain: DomainDescription): RegionOwner {
  const config = readText(qemuConfigFile);
  const user = domain.owner?.uid ?? idOf("passwd", setting(config, "user") ?? defaultUser) ?? 0;
  const group =
    idOf("group", serverGroup) ??
    domain.owner?.gid ??
    idOf("group", setting(config, "group") ?? defaultGroup) ??
    0;
  return { uid: user, gid: group };
}

/**
 * Makes a domain's region, zeroed; one that an earlier run left is removed first.
 * @throws {UndercroftError} ERR_UC_REGION_SIZE, ERR_UC_REGION_OPEN, ERR_UC_DOMAIN_STATE,
 * ERR_UC_HOLDER
 */
export function provisionRegion(domain: DomainDescription): string {
  const { region, name } = domain;
  if (region === undefined) {
    throw new UndercroftError(
      "ERR_UC_DOMAIN_STATE",
      `domain ${name} is not protected; run: undercroft protect ${name}`,
      { domain: name },
    );
  }
  removeRegion(domain);
  const path = regionPath(domain);
  if (region.held !== undefined) new Holder().add(region.held, region.bytes);
  else createRegionFile(path, region.bytes, { ...regionOwner(domain), mode });
  return path;
}

/**
 * Overwrites and removes a domain's region. Nothing happens where there is none.
 * @throws {UndercroftError} ERR_UC_REGION_OPEN, ERR_UC_HOLDER
 */
export function removeRegion(domain: RegionHome): void {
  if (domain.region?.held !== undefined) removeHeld(domain.region.held);
  else removeFile(regionPath(domain));
}

/** A QEMU that has ended is gone for the holder when the kernel has told it so. */
function removeHeld(held: string): void {
  const holder = new Holder();
  for (let look = 0; look < goneLooks; look++) {
    const guest = heldGuest(holder, held);
    if (guest === undefined) return;
    if (guest.pid === undefined) break;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, goneLookMs);
  }
  holder.remove(held);
}

/** A holder that does not answer keeps nothing that could be removed. */
function heldGuest(holder: Holder, held: string): HeldGuest | undefined {
  try {
    return holder.list().find(({ name }) => name === held);
  } catch (cause) {
    if (!isUndercroftError(cause)) throw cause;
    return undefined;
  }
}

function removeFile(path: string): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot remove the region ${path}: ${reason}`;
    throw new UndercroftError("ERR_UC_REGION_OPEN", message, { path }, { cause });
  }
  try {
    const stat = fstatSync(fd);
    const zeros = new Uint8Array(zeroChunkBytes);
    for (let at = 0; stat.isFile() && at < stat.size; ) {
      at += writeSync(fd, zeros, 0, Math.min(zeros.length, stat.size - at), at);
    }
  } finally {
    closeSync(fd);
  }
  rmSync(path, { force: true });
}

function setting(config: string, key: string): string | undefined {
  return new RegExp(`^\\s*${key}\\s*=\\s*"([^"]*)"`, "m").exec(config)?.[1];
}

/** Number of a user or group by its name, or by "+number" as libvirt writes it. */
function idOf(database: "passwd" | "group", name: string): number | undefined {
  if (/^\+?\d+$/.test(name)) return Number(name.replace("+", ""));
  const line = readText(`/etc/${database}`)
    .split("\n")
    .find((entry) => entry.startsWith(`${name}:`));
  return line === undefined ? undefined : Number(line.split(":")[2]);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
