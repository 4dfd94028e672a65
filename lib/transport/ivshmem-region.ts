// SPDX-License-Identifier: Apache-2.0
// A guest's ivshmem region through the native addon: the file behind a libvirt <shmem>, a region of
// the holder's with its doorbells, a memfd of our own, a descriptor passed on, or the BAR of a PCI
// device. Called by the server and the CLI.
import { lstatSync, type Stats } from "node:fs";
import { UndercroftError } from "../errors/errors.ts";
import type { RingConsumer, RingPlacement, RingProducer } from "../model/model.ts";
import { Holder, Mapping, NativeRingConsumer, NativeRingProducer } from "../native/native.ts";
import { RegionDoorbell } from "./doorbell.ts";
import { findPciRegion } from "./pci-region.ts";
import type { DrainLimits, Region } from "./region.ts";

/** A region file and what it must be: TRUST: anything else is refused. */
export interface RegionFileSource {
  readonly path: string;
  /** Size it must have. Default: the size it has, if that is one that regions can have. */
  readonly bytes?: number;
  /** Owner it must have. Default: this process's effective user. */
  readonly uid?: number;
  /** Most permissive mode; group and world may write only if it says so. Default 0o600. */
  readonly mode?: number;
}

export type IvshmemSource =
  | RegionFileSource
  /** A guest that the holder keeps, by the holder's control socket and the guest's name there. */
  | { readonly holder: string; readonly guest: string }
  /** Makes a sealed memory file; its descriptor is for QEMU. */
  | { readonly memfd: string; readonly bytes: number }
  /** A descriptor passed on by another part of the program; the region owns it from then on. */
  | { readonly fd: number; readonly bytes: number; readonly name?: string }
  /** `resource2` of an ivshmem device in sysfs, when the server itself runs in a guest. */
  | { readonly pciBar: string }
  /** The same, named by the PCI port that the device sits behind, such as `0000:00:10.0`. */
  | { readonly pciPort: string };

/** A mapped region that another process shares. */
export interface IvshmemRegion extends Region {
  /** Descriptor to pass to QEMU or another process; -1 once closed. */
  readonly fd: number;
  /** False when another process could cut the file under us. */
  readonly isSealed: boolean;
  /** True once that has happened: everything reads as zeros from then on. */
  readonly isFailed: boolean;
}

/**
 * Maps a region after checking what lies behind it. A string is the path of a region file.
 * @throws {UndercroftError} ERR_UC_REGION_OPEN, ERR_UC_REGION_SIZE, ERR_UC_REGION_OWNER,
 * ERR_UC_HOLDER, ERR_UC_NATIVE_MISSING
 */
export function openIvshmemRegion(source: string | IvshmemSource): IvshmemRegion {
  if (typeof source === "string") return new NativeRegion(openMapping({ path: source }));
  if ("holder" in source) return attachRegion(source.holder, source.guest);
  return new NativeRegion(openMapping(source));
}

function attachRegion(control: string, guest: string): IvshmemRegion {
  const held = new Holder(control).attach(guest);
  const doorbell = new RegionDoorbell(held);
  try {
    return new NativeRegion(
      Mapping.openFd(held.region, held.bytes, `${guest} of ${control}`),
      doorbell,
    );
  } catch (error) {
    doorbell.close();
    throw error;
  }
}

function openMapping(source: Exclude<IvshmemSource, { readonly holder: string }>): Mapping {
  if ("memfd" in source) return Mapping.createMemfd(source.memfd, source.bytes);
  if ("fd" in source) return Mapping.openFd(source.fd, source.bytes, source.name);
  if ("pciBar" in source) return Mapping.openPciBar(source.pciBar);
  if ("pciPort" in source) return Mapping.openPciBar(findPciRegion(source.pciPort));
  const { path, ...options } = source;
  return Mapping.openFile(path, { ...options, bytes: options.bytes ?? fileBytes(path) });
}

/** The mapping checks the opened file again: this look only learns the size to ask for. */
function fileBytes(path: string): number {
  let stat: Stats;
  try {
    stat = lstatSync(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UndercroftError(
      "ERR_UC_REGION_OPEN",
      `cannot open the region ${path}: ${reason}`,
      { path },
      { cause },
    );
  }
  if (stat.isFile()) return stat.size;
  throw new UndercroftError(
    "ERR_UC_REGION_OWNER",
    `${path} is not a regular file; name the region file itself`,
    { path },
  );
}

class NativeRegion implements IvshmemRegion {
  readonly bytes: number;
  readonly name: string;
  readonly isSealed: boolean;
  readonly doorbell?: RegionDoorbell;
  readonly #mapping: Mapping;

  constructor(mapping: Mapping, doorbell?: RegionDoorbell) {
    this.#mapping = mapping;
    if (doorbell !== undefined) this.doorbell = doorbell;
    this.bytes = mapping.bytes;
    this.name = mapping.name;
    this.isSealed = mapping.isSealed;
  }

  get fd(): number {
    return this.#mapping.fd;
  }

  get isFailed(): boolean {
    return this.#mapping.isFailed;
  }

  copyOut(offset: number, target: Uint8Array): boolean {
    return this.#mapping.copyOut(offset, target);
  }

  copyIn(offset: number, source: Uint8Array): boolean {
    return this.#mapping.copyIn(offset, source);
  }

  storeU64(offset: number, value: bigint): boolean {
    return this.#mapping.storeU64(offset, value);
  }

  zero(offset: number, length: number): boolean {
    return this.#mapping.zero(offset, length);
  }

  openConsumer(
    placement: RingPlacement,
    recordBytesMax: number,
    limits: DrainLimits = {},
  ): RingConsumer {
    return new NativeRingConsumer(this.#mapping, placement, { recordBytesMax, ...limits });
  }

  openProducer(placement: RingPlacement, recordBytesMax: number): RingProducer {
    return new NativeRingProducer(this.#mapping, placement, { recordBytesMax });
  }

  close(): void {
    this.doorbell?.close();
    this.#mapping.close();
  }
}
