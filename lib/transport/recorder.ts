// SPDX-License-Identifier: Apache-2.0
// A region that writes down what its consumers return, while everything else passes through. For
// a guest whose stream is to be looked at again; the format is in recording.ts.
import { closeSync, openSync, writeSync } from "node:fs";
import { RECORD_STRIDE, type RingConsumer, type RingPlacement } from "../model/model.ts";
import { PAGE_BYTES } from "../wire/wire.ts";
import {
  CONTROL_BYTES,
  ENTRY_DRAIN,
  ENTRY_OPEN,
  ENTRY_SESSION,
  encodeEntryHead,
  HEADER_BYTES,
  RECORDING_MAGIC,
  RECORDING_VERSION,
  recordingError,
} from "./recording.ts";
import type { DrainLimits, Region } from "./region.ts";

/**
 * Records into a new file until the region is closed. The recorder closes the region with itself.
 * Every method throws ERR_UC_RECORDING too, when the file can no longer be written.
 * @throws {UndercroftError} ERR_UC_RECORDING
 */
export function recordRegion(region: Region, path: string): Region {
  const file = new RecordingFile(path);
  file.writeHeader(region);
  return {
    bytes: region.bytes,
    name: region.name,
    ...(region.doorbell === undefined ? {} : { doorbell: region.doorbell }),
    copyOut: (offset, target) => region.copyOut(offset, target),
    copyIn: (offset, source) => region.copyIn(offset, source),
    storeU64: (offset, value) => region.storeU64(offset, value),
    zero: (offset, length) => region.zero(offset, length),
    openConsumer: (placement: RingPlacement, recordBytesMax: number, limits?: DrainLimits) => {
      const consumer = region.openConsumer(placement, recordBytesMax, limits);
      return new RecordingConsumer(consumer, file, placement.ringOffset / PAGE_BYTES);
    },
    openProducer: (placement, recordBytesMax) => region.openProducer(placement, recordBytesMax),
    close: () => {
      file.close();
      region.close();
    },
  };
}

class RecordingFile {
  readonly #path: string;
  #fd: number;

  constructor(path: string) {
    this.#path = path;
    try {
      // TRUST: what a guest did is for its owner's eyes, and no earlier recording is overwritten.
      this.#fd = openSync(path, "wx", 0o600);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw recordingError(path, `cannot be made: ${reason}`, cause);
    }
  }

  writeHeader(region: Region): void {
    const header = new Uint8Array(HEADER_BYTES);
    const view = new DataView(header.buffer);
    view.setBigUint64(0, RECORDING_MAGIC, true);
    view.setUint32(8, RECORDING_VERSION, true);
    view.setBigUint64(16, BigInt(region.bytes), true);
    region.copyOut(0, header.subarray(HEADER_BYTES - CONTROL_BYTES));
    this.#write(header);
  }

  append(kind: number, ring: number, result: number, parts: readonly Uint8Array[]): void {
    const bodyBytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
    this.#write(encodeEntryHead({ kind, ring, result, bodyBytes }));
    for (const part of parts) this.#write(part);
  }

  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  #write(bytes: Uint8Array): void {
    if (this.#fd < 0) throw recordingError(this.#path, "was used after its region's close()");
    try {
      for (let at = 0; at < bytes.byteLength; ) at += writeSync(this.#fd, bytes, at);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw recordingError(this.#path, `cannot be written: ${reason}`, cause);
    }
  }
}

const bytesOf = (array: Uint32Array | BigUint64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Passes each drain on and writes it down. An empty drain leaves no trace. */
class RecordingConsumer implements RingConsumer {
  readonly batch: Uint8Array;
  readonly records: Uint32Array;
  readonly stats: BigUint64Array;
  readonly #consumer: RingConsumer;
  readonly #file: RecordingFile;
  readonly #ring: number;
  #lastFault = 0;

  constructor(consumer: RingConsumer, file: RecordingFile, ring: number) {
    this.batch = consumer.batch;
    this.records = consumer.records;
    this.stats = consumer.stats;
    this.#consumer = consumer;
    this.#file = file;
    this.#ring = ring;
    const sizes = Uint32Array.of(this.batch.length, this.records.length / RECORD_STRIDE);
    file.append(ENTRY_OPEN, ring, 0, [bytesOf(sizes)]);
  }

  startSession(
    sessionId: number,
    previousSessionId: number,
    features: bigint,
    head: bigint = 0n,
  ): void {
    this.#consumer.startSession(sessionId, previousSessionId, features, head);
    this.#lastFault = 0;
    const ids = Uint32Array.of(sessionId, previousSessionId);
    const words = BigUint64Array.of(features, head);
    this.#file.append(ENTRY_SESSION, this.#ring, 0, [bytesOf(ids), bytesOf(words)]);
  }

  drain(): number {
    const result = this.#consumer.drain();
    if (result > 0) {
      const last = (result - 1) * RECORD_STRIDE;
      const end = (this.records[last] ?? 0) + (this.records[last + 1] ?? 0);
      const records = this.records.subarray(0, result * RECORD_STRIDE);
      this.#append(result, [bytesOf(records), this.batch.subarray(0, end)]);
    } else if (result < 0 && result !== this.#lastFault) {
      this.#lastFault = result;
      this.#append(result, [this.#consumer.evidence()]);
    }
    return result;
  }

  evidence(): Uint8Array {
    return this.#consumer.evidence();
  }

  close(): void {
    this.#consumer.close();
  }

  #append(result: number, parts: readonly Uint8Array[]): void {
    this.#file.append(ENTRY_DRAIN, this.#ring, result, [bytesOf(this.stats), ...parts]);
  }
}
