// SPDX-License-Identifier: Apache-2.0
// Makes the file behind a region before a hypervisor opens it. Called by the CLI and by whoever
// provisions guests. It never touches a file that is already there.
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  openSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { UndercroftError } from "../errors/errors.ts";
import { checkRegionBytes } from "../wire/wire.ts";

const CHUNK_BYTES = 1 << 20;

export interface RegionFileOptions {
  /** User that QEMU runs as. Default: this process's user. */
  readonly uid?: number;
  readonly gid?: number;
  /** Default 0o600. */
  readonly mode?: number;
}

/**
 * Makes a zeroed region file with its memory taken, so that a full file system is told here and
 * not as a bus error in a running guest.
 * @throws {UndercroftError} ERR_UC_REGION_SIZE, ERR_UC_REGION_OPEN
 */
export function createRegionFile(
  path: string,
  bytes: number,
  options: RegionFileOptions = {},
): void {
  checkRegionBytes(bytes);
  let fd = -1;
  try {
    // TRUST: exclusive, following no link, and closed to others until it has its owner and mode.
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    fd = openSync(path, flags, 0o600);
    const zeros = new Uint8Array(CHUNK_BYTES);
    for (let at = 0; at < bytes; ) {
      at += writeSync(fd, zeros, 0, Math.min(CHUNK_BYTES, bytes - at), at);
    }
    const stat = fstatSync(fd);
    fchownSync(fd, options.uid ?? stat.uid, options.gid ?? stat.gid);
    fchmodSync(fd, options.mode ?? 0o600);
  } catch (cause) {
    if (fd >= 0) unlinkSync(path);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UndercroftError(
      "ERR_UC_REGION_OPEN",
      `cannot make the region ${path}: ${reason}`,
      { path },
      { cause },
    );
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}
