// SPDX-License-Identifier: Apache-2.0
// One region mapped into this process: a sealed memfd, a file that passed its checks, or a PCI
// BAR. Rings and the SharedArrayBuffer hold the mapping too; the last one unmaps it.
// TRUST: everything read through it is hostile; callers copy once, then parse.
import { closeSync, constants, fstatSync, ftruncateSync, openSync, type Stats } from "node:fs";
import { getSystemErrorName } from "node:util";
import { UndercroftError } from "../errors/errors.ts";
import { checkRegionBytes } from "../wire/wire.ts";
import { type Addon, addon, type NativeHandle } from "./addon.ts";

export interface FileOptions {
  /** Exact size the file must have, or is given. */
  readonly bytes: number;
  /** Makes the file, which must not exist yet. Default: it must exist. */
  readonly create?: boolean;
  /** Owner the file must have. Default: this process's effective user. */
  readonly uid?: number;
  /** Most permissive mode; group and world may write only if it says so. Default 0o600. */
  readonly mode?: number;
}

/** The mapping's own parts, for the rings of this room only. */
export interface MappedRegion {
  readonly native: Addon;
  readonly handle: NativeHandle;
}

const REGIONS = new WeakMap<Mapping, MappedRegion>();

/** A region in this process's memory. */
export class Mapping {
  /** Where it lies, for messages: a path, or the memfd's name. */
  readonly name: string;
  readonly bytes: number;
  /** False when another process could cut the file under us; the SIGBUS guard then answers. */
  readonly isSealed: boolean;
  #fd: number;
  #shared: SharedArrayBuffer | undefined;

  private constructor(name: string, bytes: number, fd: number) {
    const native = addon();
    const handle = native.regionOpen(fd, bytes);
    if (typeof handle === "number") throw openError(name, "map", handle);
    this.name = name;
    this.bytes = bytes;
    this.isSealed = native.fdSealed(fd);
    this.#fd = fd;
    REGIONS.set(this, { native, handle });
  }

  /**
   * Makes a zeroed memory file that nobody can cut or grow any more.
   * @throws {UndercroftError} ERR_UC_REGION_SIZE, ERR_UC_REGION_OPEN, ERR_UC_NATIVE_MISSING
   */
  static createMemfd(name: string, bytes: number): Mapping {
    checkRegionBytes(bytes);
    const fd = addon().memfdCreate(name, bytes);
    if (fd < 0) throw openError(name, "memfd_create", fd);
    return Mapping.#own(name, bytes, fd);
  }

  /**
   * Opens or makes a region file after checking its type, owner, mode and size.
   * @throws {UndercroftError} ERR_UC_REGION_SIZE, ERR_UC_REGION_OPEN, ERR_UC_REGION_OWNER,
   * ERR_UC_NATIVE_MISSING
   */
  static openFile(path: string, options: FileOptions): Mapping {
    checkRegionBytes(options.bytes);
    const mode = options.mode ?? 0o600;
    const making = options.create ? constants.O_CREAT | constants.O_EXCL : 0;
    const fd = open(path, constants.O_RDWR | constants.O_NOFOLLOW | making, mode);
    try {
      if (options.create) ftruncateSync(fd, options.bytes);
      // TRUST: the opened file is checked, not the name, which may point elsewhere by now.
      const stat = fstatSync(fd);
      checkOwner(path, stat, options.uid ?? process.geteuid?.() ?? 0, mode);
      checkFileBytes(path, stat, options.bytes);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return Mapping.#own(path, options.bytes, fd);
  }

  /**
   * Maps the shared-memory BAR of an ivshmem device: its `resource2` in sysfs.
   * @throws {UndercroftError} ERR_UC_REGION_SIZE, ERR_UC_REGION_OPEN, ERR_UC_NATIVE_MISSING
   */
  static openPciBar(path: string): Mapping {
    const fd = open(path, constants.O_RDWR, 0);
    const bytes = fstatSync(fd).size;
    try {
      checkRegionBytes(bytes);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return Mapping.#own(path, bytes, fd);
  }

  /**
   * Maps a descriptor that another part of the program passed on, and owns it from then on.
   * @throws {UndercroftError} ERR_UC_REGION_SIZE, ERR_UC_REGION_OPEN, ERR_UC_NATIVE_MISSING
   */
  static openFd(fd: number, bytes: number, name: string = `fd ${fd}`): Mapping {
    checkRegionBytes(bytes);
    checkFileBytes(name, fstatSync(fd), bytes);
    return Mapping.#own(name, bytes, fd);
  }

  static #own(name: string, bytes: number, fd: number): Mapping {
    try {
      return new Mapping(name, bytes, fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** The region's descriptor, to pass to another process; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** True once the file was cut under us: everything reads as zeros from then on. */
  get isFailed(): boolean {
    const { native, handle } = mappedRegion(this);
    return native.regionFailed(handle);
  }

  /** Copies a span out once; false when the mapping failed, and the copy means nothing. */
  copyOut(offset: number, target: Uint8Array): boolean {
    const { native, handle } = mappedRegion(this);
    this.#checkRange(offset, target.byteLength);
    return native.copyOut(handle, offset, target);
  }

  /** Copies bytes in; false when the mapping failed. */
  copyIn(offset: number, source: Uint8Array): boolean {
    const { native, handle } = mappedRegion(this);
    this.#checkRange(offset, source.byteLength);
    return native.copyIn(handle, offset, source);
  }

  /** Loads an aligned word with acquire order; zero when the mapping failed. */
  loadU64(offset: number): bigint {
    const { native, handle } = mappedRegion(this);
    this.#checkWord(offset);
    return native.loadU64(handle, offset);
  }

  /**
   * Stores an aligned word, after everything written before it and ahead of every later load, so
   * that it can arm a doorbell; false when the mapping failed.
   */
  storeU64(offset: number, value: bigint): boolean {
    const { native, handle } = mappedRegion(this);
    this.#checkWord(offset);
    if (BigInt.asUintN(64, value) !== value) {
      throw new UndercroftError("ERR_UC_ARGUMENT", `${value} is not an unsigned 64-bit value`);
    }
    return native.storeU64(handle, offset, value);
  }

  /** Clears a range; false when the mapping failed. */
  zero(offset: number, length: number): boolean {
    const { native, handle } = mappedRegion(this);
    this.#checkRange(offset, length);
    return native.zero(handle, offset, length);
  }

  /**
   * The region itself as a SharedArrayBuffer, which also keeps it mapped.
   * TRUST: live guest memory; for tests and diagnosis, never for parsers.
   * @throws {UndercroftError} ERR_UC_NATIVE_UNSUPPORTED when `capabilities` says so
   */
  sharedArrayBuffer(): SharedArrayBuffer {
    const { native, handle } = mappedRegion(this);
    this.#shared ??= native.sharedArrayBuffer(handle);
    if (this.#shared === undefined) {
      throw new UndercroftError(
        "ERR_UC_NATIVE_UNSUPPORTED",
        `Node.js ${process.versions.node} cannot share mapped memory; take >= 24.16, ` +
          "or use copyOut",
      );
    }
    return this.#shared;
  }

  /** Lets go of the region. Rings and buffers made from it go on until they are dropped. */
  close(): void {
    const region = REGIONS.get(this);
    if (region === undefined) return;
    REGIONS.delete(this);
    region.native.regionClose(region.handle);
    this.#shared = undefined;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  #checkRange(offset: number, length: number): void {
    const fits =
      Number.isSafeInteger(offset) &&
      Number.isSafeInteger(length) &&
      offset >= 0 &&
      length >= 0 &&
      offset + length <= this.bytes;
    if (fits) return;
    throw new UndercroftError(
      "ERR_UC_ARGUMENT",
      `${length} bytes at ${offset} are not inside the ${this.bytes} bytes of ${this.name}`,
    );
  }

  #checkWord(offset: number): void {
    this.#checkRange(offset, 8);
    if (offset % 8 === 0) return;
    throw new UndercroftError("ERR_UC_ARGUMENT", `offset ${offset} is not a multiple of 8`);
  }
}

/**
 * The native side of an open mapping, for the rings of this room.
 * @throws {UndercroftError} ERR_UC_REGION_CLOSED
 */
export function mappedRegion(mapping: Mapping): MappedRegion {
  const region = REGIONS.get(mapping);
  if (region !== undefined) return region;
  throw new UndercroftError("ERR_UC_REGION_CLOSED", `${mapping.name} was used after its close()`);
}

function open(path: string, flags: number, mode: number): number {
  try {
    return openSync(path, flags, mode);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UndercroftError(
      "ERR_UC_REGION_OPEN",
      `cannot open the region ${path}: ${reason}`,
      { path },
      { cause },
    );
  }
}

function openError(name: string, call: string, negativeErrno: number): UndercroftError {
  const reason = getSystemErrorName(negativeErrno);
  return new UndercroftError("ERR_UC_REGION_OPEN", `${call} failed for ${name}: ${reason}`, {
    path: name,
    errno: -negativeErrno,
  });
}

function checkFileBytes(path: string, stat: Stats, bytes: number): void {
  if (stat.size === bytes) return;
  throw new UndercroftError(
    "ERR_UC_REGION_SIZE",
    `${path} has ${stat.size} bytes but is configured with ${bytes}; make both equal`,
    { path, bytes: stat.size, configured: bytes },
  );
}

function checkOwner(path: string, stat: Stats, uid: number, mode: number): void {
  const others = stat.mode & 0o022 & ~mode;
  let wrong: string | undefined;
  if (!stat.isFile()) wrong = "is not a regular file";
  else if (stat.uid !== uid) wrong = `belongs to user ${stat.uid}, not ${uid}`;
  else if (others !== 0) wrong = `has mode ${octal(stat.mode)}, which lets others write`;
  if (wrong === undefined) return;
  throw new UndercroftError(
    "ERR_UC_REGION_OWNER",
    `${path} ${wrong}; correct the file, or configure its owner and mode (${octal(mode)} now)`,
    { path, uid: stat.uid, mode: stat.mode & 0o7777 },
  );
}

const octal = (mode: number): string => `0o${(mode & 0o777).toString(8).padStart(3, "0")}`;
