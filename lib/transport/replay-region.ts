// SPDX-License-Identifier: Apache-2.0
// Plays a recording back as a region: each consumer returns what the recorded one returned, in
// the same order, session by session. Commands and page stores go to private memory and nowhere
// else. TRUST: the records in the file are a guest's; the file itself may be cut or damaged.
import { closeSync, openSync, readSync } from "node:fs";
import { UndercroftError } from "../errors/errors.ts";
import {
  CONSUMER_STAT,
  CONSUMER_STATS,
  FAULT_NAMES,
  RECORD_STRIDE,
  type RingConsumer,
  type RingPlacement,
} from "../model/model.ts";
import { PAGE_BYTES } from "../wire/wire.ts";
import { openMemoryRegion } from "./memory-region.ts";
import {
  BODY_BYTES_MAX,
  CONTROL_BYTES,
  decodeEntryHead,
  ENTRY_BYTES,
  ENTRY_DRAIN,
  ENTRY_OPEN,
  ENTRY_SESSION,
  type EntryHead,
  HEADER_BYTES,
  RECORD_BYTES,
  RECORDING_MAGIC,
  RECORDING_VERSION,
  recordingError,
  SESSION_BYTES,
  STATS_BYTES,
} from "./recording.ts";
import type { Region } from "./region.ts";

/**
 * Opens a recording. Its pages 0 to 3 are as they were when the recording began.
 * @throws {UndercroftError} ERR_UC_RECORDING, ERR_UC_REGION_SIZE
 */
export function openReplayRegion(path: string): Region {
  const file = new ReplayFile(path);
  try {
    const pages = openMemoryRegion(file.regionBytes, path);
    pages.copyIn(0, file.controlPages);
    return {
      bytes: pages.bytes,
      name: path,
      copyOut: (offset, target) => pages.copyOut(offset, target),
      copyIn: (offset, source) => pages.copyIn(offset, source),
      storeU64: (offset, value) => pages.storeU64(offset, value),
      zero: (offset, length) => pages.zero(offset, length),
      openConsumer: (placement: RingPlacement) =>
        new ReplayConsumer(file, placement.ringOffset / PAGE_BYTES),
      openProducer: (placement, recordBytesMax) => pages.openProducer(placement, recordBytesMax),
      close: () => {
        file.close();
        pages.close();
      },
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

interface Entry extends EntryHead {
  readonly body: Uint8Array;
  /** Where the entry after it begins. */
  readonly next: number;
}

/** The file, read at any place; each consumer goes through it at its own pace. */
class ReplayFile {
  readonly path: string;
  readonly regionBytes: number;
  readonly controlPages: Uint8Array;
  #fd: number;

  constructor(path: string) {
    this.path = path;
    try {
      this.#fd = openSync(path, "r");
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw recordingError(path, `cannot be opened: ${reason}`, cause);
    }
    const header = this.#read(0, HEADER_BYTES);
    const view = new DataView(header.buffer);
    if (header.length < HEADER_BYTES || view.getBigUint64(0, true) !== RECORDING_MAGIC) {
      this.close();
      throw recordingError(path, "is not a recording of a region");
    }
    const version = view.getUint32(8, true);
    if (version !== RECORDING_VERSION) {
      this.close();
      throw recordingError(path, `has version ${version}; this program reads ${RECORDING_VERSION}`);
    }
    this.regionBytes = Number(view.getBigUint64(16, true));
    this.controlPages = header.subarray(HEADER_BYTES - CONTROL_BYTES);
  }

  /** The next entry of one ring from `at` on, or undefined where the recording ends. */
  entryOf(ring: number, at: number): Entry | undefined {
    for (let place = at; ; ) {
      const bytes = this.#read(place, ENTRY_BYTES);
      if (bytes.length < ENTRY_BYTES) return undefined;
      const head = decodeEntryHead(bytes);
      if (head.kind < ENTRY_OPEN || head.kind > ENTRY_DRAIN || head.bodyBytes > BODY_BYTES_MAX) {
        throw recordingError(this.path, `is damaged at byte ${place}`);
      }
      const next = place + ENTRY_BYTES + head.bodyBytes;
      if (head.ring === ring) {
        const body = this.#read(place + ENTRY_BYTES, head.bodyBytes);
        return body.length < head.bodyBytes ? undefined : { ...head, body, next };
      }
      place = next;
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #read(at: number, length: number): Uint8Array {
    if (this.#fd < 0) {
      throw new UndercroftError("ERR_UC_REGION_CLOSED", `${this.path} was used after its close()`);
    }
    const bytes = new Uint8Array(length);
    let read = 0;
    while (read < length) {
      const count = readSync(this.#fd, bytes, read, length - read, at + read);
      if (count === 0) break;
      read += count;
    }
    return bytes.subarray(0, read);
  }
}

/** Returns what was recorded of one ring; empty before its session begins and after it ends. */
class ReplayConsumer implements RingConsumer {
  readonly batch: Uint8Array;
  readonly records: Uint32Array;
  readonly stats: BigUint64Array = new BigUint64Array(CONSUMER_STATS);
  readonly #file: ReplayFile;
  readonly #ring: number;
  #at: number;
  #evidence = new Uint8Array(0);
  #fault = 0;
  #isStarted = false;
  #isOpen = true;

  constructor(file: ReplayFile, ring: number) {
    const opened = file.entryOf(ring, HEADER_BYTES);
    if (opened === undefined || opened.kind !== ENTRY_OPEN || opened.body.length !== 8) {
      throw recordingError(file.path, `holds no ring at offset ${ring * PAGE_BYTES}`);
    }
    const sizes = new DataView(opened.body.buffer);
    const batchBytes = sizes.getUint32(0, true);
    const records = sizes.getUint32(4, true) * RECORD_STRIDE;
    if (batchBytes > BODY_BYTES_MAX || records * 4 > BODY_BYTES_MAX) {
      throw recordingError(file.path, "asks for more memory than any drain has");
    }
    this.batch = new Uint8Array(batchBytes);
    this.records = new Uint32Array(records);
    this.#file = file;
    this.#ring = ring;
    this.#at = opened.next;
  }

  /** Goes on to the next recorded session; the ids are those of today and mean nothing here. */
  startSession(): void {
    this.#checkOpen();
    this.#fault = 0;
    this.#evidence = new Uint8Array(0);
    this.#isStarted = false;
    for (;;) {
      const entry = this.#file.entryOf(this.#ring, this.#at);
      if (entry === undefined) return;
      this.#at = entry.next;
      if (entry.kind !== ENTRY_SESSION || entry.body.length !== SESSION_BYTES) continue;
      const head = new DataView(entry.body.buffer).getBigUint64(16, true);
      this.stats[CONSUMER_STAT.head] = head;
      this.stats[CONSUMER_STAT.lastSequence] = 0n;
      this.#isStarted = true;
      return;
    }
  }

  drain(): number {
    this.#checkOpen();
    if (this.#fault !== 0) return this.#fault;
    if (!this.#isStarted) return 0;
    const entry = this.#file.entryOf(this.#ring, this.#at);
    if (entry === undefined || entry.kind !== ENTRY_DRAIN) return 0;
    if (!this.#take(entry)) throw recordingError(this.#file.path, "holds a drain that is damaged");
    this.#at = entry.next;
    return entry.result;
  }

  evidence(): Uint8Array {
    return this.#evidence;
  }

  close(): void {
    this.#isOpen = false;
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new UndercroftError("ERR_UC_REGION_CLOSED", "the ring is closed");
  }

  /** Takes a drain over if it holds together: decoders rely on records lying in the batch. */
  #take({ result, body }: Entry): boolean {
    const recordBytes = Math.max(result, 0) * RECORD_BYTES;
    if (body.length < STATS_BYTES + recordBytes) return false;
    const rest = body.subarray(STATS_BYTES + recordBytes);
    if (result < 0) {
      if (FAULT_NAMES[-result] === undefined) return false;
      this.#fault = result;
      this.#evidence = rest.slice();
    } else {
      const records = new Uint32Array(body.slice(STATS_BYTES, STATS_BYTES + recordBytes).buffer);
      if (records.length > this.records.length || rest.length > this.batch.length) return false;
      for (let at = 0; at < records.length; at += RECORD_STRIDE) {
        if ((records[at] ?? 0) + (records[at + 1] ?? 0) > rest.length) return false;
      }
      this.records.set(records);
      this.batch.set(rest);
    }
    this.stats.set(new BigUint64Array(body.slice(0, STATS_BYTES).buffer));
    return true;
  }
}
