// SPDX-License-Identifier: Apache-2.0
// The file format of a recording: what the drains of a region returned, in order, to be played
// back later. Written by recorder.ts, read by replay-region.ts. All values are little-endian.
//
//   header  "UCRECORD" | u32 version | u32 0 | u64 region bytes | pages 0 to 3 of the region
//   entry   u32 kind | u32 ring | i32 result | u32 body bytes | body
//
//   ring    its offset in the region divided by the page size
//   OPEN    a consumer was opened: u32 batch bytes, u32 records at most
//   SESSION a session began: u32 id, u32 previous id, u64 features, u64 head
//   DRAIN   result > 0: the stats, then 4 u32 a record, then the batch up to the last record's end
//           result < 0: the stats, then the evidence
//
// A file may end in the middle of an entry, when its writer was killed: what is whole counts.
import { UndercroftError } from "../errors/errors.ts";
import { CONSUMER_STATS, RECORD_STRIDE } from "../model/model.ts";
import { PAGE_BYTES } from "../wire/wire.ts";

/** "UCRECORD" read as a little-endian integer. */
export const RECORDING_MAGIC = 0x44524f4345524355n;
export const RECORDING_VERSION = 1;
export const CONTROL_BYTES: number = 4 * PAGE_BYTES;
export const HEADER_BYTES: number = 24 + CONTROL_BYTES;
export const ENTRY_BYTES = 16;
export const ENTRY_OPEN = 1;
export const ENTRY_SESSION = 2;
export const ENTRY_DRAIN = 3;
export const SESSION_BYTES = 24;
export const STATS_BYTES: number = CONSUMER_STATS * 8;
export const RECORD_BYTES: number = RECORD_STRIDE * 4;
/** Bodies beyond this are no recording: the largest batch with its records is far smaller. */
export const BODY_BYTES_MAX = 0x1000_0000;

export interface EntryHead {
  readonly kind: number;
  readonly ring: number;
  readonly result: number;
  readonly bodyBytes: number;
}

/** Sixteen bytes before a body. */
export function encodeEntryHead(head: EntryHead): Uint8Array {
  const bytes = new Uint8Array(ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, head.kind, true);
  view.setUint32(4, head.ring, true);
  view.setInt32(8, head.result, true);
  view.setUint32(12, head.bodyBytes, true);
  return bytes;
}

/** Reads the sixteen bytes before a body. */
export function decodeEntryHead(bytes: Uint8Array): EntryHead {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    kind: view.getUint32(0, true),
    ring: view.getUint32(4, true),
    result: view.getInt32(8, true),
    bodyBytes: view.getUint32(12, true),
  };
}

/** The error of a recording that cannot be written or understood. */
export function recordingError(path: string, why: string, cause?: unknown): UndercroftError {
  const options = cause === undefined ? undefined : { cause };
  return new UndercroftError("ERR_UC_RECORDING", `recording ${path}: ${why}`, { path }, options);
}
