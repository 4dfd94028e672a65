// SPDX-License-Identifier: Apache-2.0
// A small region whose rings the tests write by hand, byte by byte, independent of any producer
// of the project, so that every broken frame can be made.
import { Mapping, NativeRingConsumer } from "../../lib/native/native.ts";

export const REGION_BYTES: number = 1 << 20;
export const CAPACITY: number = 1 << 14;
export const PLACEMENT = {
  ringOffset: 65536,
  producerOffset: 16384,
  consumerOffset: 20480,
  capacityLog2: 14,
} as const;
export const RECORD_BYTES_MAX = 1024;
export const SESSION = 0x1234_5678;
export const PREVIOUS_SESSION = 0x0bad_cafe;
export const CRC = 1n;
const MULTIPLIER = 0x9e37_79b1;

export interface Frame {
  length?: number;
  type?: number;
  flags?: number;
  sequence?: number;
  /** Default: the right one. */
  check?: number;
  session?: number;
  payload?: Uint8Array;
}

/** A region with one ring, its consumer, and a cursor for writing frames. */
export class HandMadeRing {
  readonly mapping: Mapping;
  readonly consumer: NativeRingConsumer;
  /** Position that the next frame takes. */
  at = 0;
  readonly #features: bigint;

  constructor(features = 0n, limits: { batchBytes?: number; recordsMax?: number } = {}) {
    this.#features = features;
    this.mapping = Mapping.createMemfd("hand-made", REGION_BYTES);
    this.consumer = new NativeRingConsumer(this.mapping, PLACEMENT, {
      recordBytesMax: RECORD_BYTES_MAX,
      ...limits,
    });
    this.consumer.startSession(SESSION, PREVIOUS_SESSION, features);
  }

  /** Writes one frame at the cursor and moves it; publishes nothing. */
  put(frame: Frame): void {
    const payload = frame.payload ?? new Uint8Array(frame.length ?? 0).subarray(0, 2048);
    const bytes = new Uint8Array(16 + Math.ceil(payload.length / 16) * 16);
    const view = new DataView(bytes.buffer);
    const sequence = frame.sequence ?? 1;
    const session = frame.session ?? SESSION;
    const length = frame.length ?? payload.length;
    view.setUint32(0, length, true);
    view.setUint16(4, frame.type ?? 0x0101, true);
    view.setUint16(6, frame.flags ?? 0, true);
    view.setUint32(8, sequence, true);
    bytes.set(payload, 16);
    view.setUint32(12, session, true);
    const covered = frame.type === 0xffff ? 0 : payload.length;
    const check =
      this.#features === CRC
        ? crc32cBitwise(bytes.subarray(0, 16 + covered))
        : session ^ Math.imul(sequence, MULTIPLIER);
    view.setUint32(12, frame.check ?? check, true);
    const start = this.at % CAPACITY;
    const fitting = bytes.subarray(0, CAPACITY - start);
    this.mapping.copyIn(PLACEMENT.ringOffset + start, fitting);
    this.at += 16 + Math.ceil(length / 16) * 16;
  }

  /** Stores the tail, by default where the cursor is. */
  publish(tail: bigint = BigInt(this.at)): void {
    this.mapping.storeU64(PLACEMENT.producerOffset, tail);
  }

  /** Writes good records up to `position`, drains them, and returns the last sequence. */
  advanceTo(position: number): number {
    let sequence = 0;
    while (this.at < position) {
      const room = Math.min(512, position - this.at);
      this.put({ length: room - 16, sequence: ++sequence });
    }
    this.publish();
    for (let count = this.consumer.drain(); count > 0; count = this.consumer.drain());
    return sequence;
  }

  close(): void {
    this.consumer.close();
    this.mapping.close();
  }
}

/** The definition, bit by bit: the second opinion on both native ways to compute it. */
function crc32cBitwise(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
