// SPDX-License-Identifier: Apache-2.0
// The store's files: which segments there are, what each holds, and the parts that they consist
// of. Everything is sealed; a segment counts from the moment its manifest was renamed into place.

import type { KeyObject } from "node:crypto";
import { closeSync, fstatSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import type { EventShape } from "../model/model.ts";
import { openMemoryFile } from "./column-engine.ts";
import { createSealedLog, readSealedLog, syncFolder } from "./sealed-log.ts";

/** The rows of one class of events in one segment: a file of its own. */
export interface Part {
  readonly shape: EventShape;
  readonly file: string;
  readonly rows: number;
  /** Bytes on disk, sealed. */
  readonly bytes: number;
}

/** What some logs were folded into. */
export interface Segment {
  readonly id: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Absent where there were too many. */
  readonly guests?: readonly string[];
  readonly parts: readonly Part[];
}

export interface Manifest {
  readonly version: 1;
  /** Numbers of segments and logs are never used again. */
  readonly nextSegment: number;
  /** Logs below this number are folded. */
  readonly firstLog: number;
  readonly segments: readonly Segment[];
  /** Rows that retention removed, since the store was made. */
  readonly removedRows: number;
}

const EMPTY_MANIFEST: Manifest = {
  version: 1,
  nextSegment: 1,
  firstLog: 1,
  segments: [],
  removedRows: 0,
};

const MANIFEST = "manifest";
const MANIFEST_NEW = "manifest.new";
const PART_CHUNK_BYTES = 4 * 1024 * 1024;

/**
 * Reads the manifest; a folder without one is a new store.
 * @throws {UndercroftError} ERR_UC_STORE, ERR_UC_STORE_KEY
 */
export function readManifest(folder: string, key: KeyObject, isThere: boolean): Manifest {
  if (!isThere) return EMPTY_MANIFEST;
  const path = join(folder, MANIFEST);
  const { batches, end } = readSealedLog(path, key);
  const text = batches[0]?.toString("utf8");
  if (text === undefined || end !== "complete") {
    throw new UndercroftError("ERR_UC_STORE", `manifest ${path} is damaged`, { path });
  }
  const manifest = JSON.parse(text) as Manifest;
  if (manifest.version !== 1) {
    const message = `store ${folder} is of version ${String(manifest.version)}; this reads 1`;
    throw new UndercroftError("ERR_UC_STORE", message, { path });
  }
  return manifest;
}

/** Puts a manifest in place of the one before, at once or not at all. */
export function writeManifest(folder: string, key: KeyObject, manifest: Manifest): void {
  const path = join(folder, MANIFEST_NEW);
  rmSync(path, { force: true });
  const log = createSealedLog(path, key);
  try {
    log.append(Buffer.from(JSON.stringify(manifest), "utf8"));
  } finally {
    log.close();
  }
  renameSync(path, join(folder, MANIFEST));
  syncFolder(folder);
}

/** Seals what a memory file holds into a part. Returns its bytes on disk. */
export function sealPart(path: string, key: KeyObject, fd: number): number {
  rmSync(path, { force: true });
  const size = fstatSync(fd).size;
  const log = createSealedLog(path, key);
  try {
    for (let at = 0; at < size; at += PART_CHUNK_BYTES) {
      const chunk = Buffer.alloc(Math.min(PART_CHUNK_BYTES, size - at));
      if (readSync(fd, chunk, 0, chunk.length, at) !== chunk.length) {
        throw new UndercroftError("ERR_UC_STORE", `cannot read back what becomes ${path}`);
      }
      log.append(chunk);
    }
    log.close();
    return log.bytes;
  } catch (cause) {
    log.close();
    // Half a part is only in the way, most of all on a full disk.
    rmSync(path, { force: true });
    throw cause;
  }
}

/**
 * Opens a part into a memory file, which is the caller's to close.
 * @throws {UndercroftError} ERR_UC_STORE when it is not whole
 */
export function openPart(path: string, key: KeyObject): { fd: number; bytes: number } {
  const { batches, end } = readSealedLog(path, key);
  if (end !== "complete") {
    throw new UndercroftError("ERR_UC_STORE", `part ${path} is ${end}`, { path });
  }
  const fd = openMemoryFile();
  let bytes = 0;
  try {
    for (const batch of batches) {
      for (let done = 0; done < batch.length; ) done += writeSync(fd, batch, done);
      bytes += batch.length;
    }
    return { fd, bytes };
  } catch (cause) {
    closeSync(fd);
    throw new UndercroftError("ERR_UC_STORE", `no memory to open part ${path}`, {}, { cause });
  }
}
