// SPDX-License-Identifier: Apache-2.0
// Makes and removes the file under /dev/shm that backs one guest's region. Called by the main job
// and the guest tests for guests they start themselves; libvirt guests bring their own file.
import { randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { UndercroftError } from "../errors/errors.ts";

/** A region file that this process made. */
export interface RegionFile {
  readonly path: string;
  readonly bytes: number;
  remove(): Promise<void>;
}

/**
 * Makes a zeroed region file that only this user can open.
 * @throws UndercroftError ERR_UC_REGION_SIZE, ERR_UC_REGION_OPEN
 */
export async function createRegionFile(bytes: number): Promise<RegionFile> {
  // A PCI BAR has no other sizes, and QEMU refuses one below a page late and less clearly.
  if (!Number.isInteger(Math.log2(bytes)) || bytes < 4096) {
    const message = `a region must be a power of two of at least 4096 bytes, not ${bytes}`;
    throw new UndercroftError("ERR_UC_REGION_SIZE", message, { bytes });
  }
  const path = `/dev/shm/undercroft-${process.pid}-${randomUUID().slice(0, 8)}`;
  try {
    // TRUST: exclusive and 0600 at birth, so that no other user ever holds a guest's telemetry.
    const file = await open(path, "wx", 0o600);
    await file.truncate(bytes).finally(() => file.close());
  } catch (cause) {
    const message = `cannot make the region file ${path}; is /dev/shm mounted and writable?`;
    throw new UndercroftError("ERR_UC_REGION_OPEN", message, { path }, { cause });
  }
  return { path, bytes, remove: () => rm(path, { force: true }) };
}
