// SPDX-License-Identifier: Apache-2.0
// Names, makes and removes the region file of a guest that this process starts itself: the main
// job, tests and benchmarks. Guests of libvirt bring their own file.
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { createRegionFile } from "../transport/transport.ts";

/** A region file that this process made. */
export interface RegionFile {
  readonly path: string;
  readonly bytes: number;
  remove(): Promise<void>;
}

/**
 * Makes a zeroed region file under /dev/shm that only this user can open.
 * @throws {UndercroftError} ERR_UC_REGION_SIZE, ERR_UC_REGION_OPEN
 */
export function makeRegionFile(bytes: number): RegionFile {
  const path = `/dev/shm/undercroft-${process.pid}-${randomUUID().slice(0, 8)}`;
  createRegionFile(path, bytes);
  return { path, bytes, remove: () => rm(path, { force: true }) };
}
