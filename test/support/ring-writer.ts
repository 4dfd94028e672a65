// SPDX-License-Identifier: Apache-2.0
// Writes frames into any region byte by byte, right ones and every kind of wrong one. A second
// opinion: shares no code with the rings of the product, not even the checksum.
import type { RingPlacement } from "../../lib/model/model.ts";
import type { Region } from "../../lib/transport/transport.ts";

/** A region of 1 MiB with one ring of 16 KiB, on page borders. */
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
export const PAD = 0xffff;
export const LOST = 0xfffe;

export interface Frame {
  /** Default: that of the payload. */
  readonly length?: number;
  readonly type?: number;
  readonly flags?: number;
  readonly sequence?: number;
  /** Default: the right one for `session`. */
  readonly check?: number;
  readonly session?: number;
  readonly payload?: Uint8Array;
}

const roundUp = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** A frame and its padded payload. A PAD and a lying length carry no payload of that length. */
function frameBytes(frame: Frame, withCrc: boolean): Uint8Array {
  const isPad = frame.type === PAD;
  const assumed = isPad || (frame.length ?? 0) > CAPACITY ? 0 : (frame.length ?? 0);
  const payload = frame.payload ?? new Uint8Array(assumed);
  const bytes = new Uint8Array(16 + roundUp(payload.length));
  const view = new DataView(bytes.buffer);
  const sequence = frame.sequence ?? (isPad ? 0 : 1);
  const session = frame.session ?? SESSION;
  view.setUint32(0, frame.length ?? payload.length, true);
  view.setUint16(4, frame.type ?? 0x0101, true);
  view.setUint16(6, frame.flags ?? 0, true);
  view.setUint32(8, sequence, true);
  view.setUint32(12, session, true);
  bytes.set(payload, 16);
  const mixed = Number(BigInt(session) ^ BigInt.asUintN(32, BigInt(sequence) * 0x9e3779b1n));
  const sum = withCrc ? crc32cByBit(bytes.subarray(0, 16 + payload.length)) : mixed;
  view.setUint32(12, frame.check ?? sum, true);
  return bytes;
}

/** Puts frames at a cursor; nothing is visible to a reader before publish(). */
export class RingWriter {
  /** Position that the next frame takes. */
  at = 0n;
  readonly #region: Region;
  readonly #withCrc: boolean;
  readonly #placement: RingPlacement;
  readonly #capacity: number;

  constructor(region: Region, features: bigint, placement: RingPlacement = PLACEMENT) {
    this.#region = region;
    this.#withCrc = (features & 1n) !== 0n;
    this.#placement = placement;
    this.#capacity = 2 ** placement.capacityLog2;
  }

  put(frame: Frame): void {
    const bytes = frameBytes(frame, this.#withCrc);
    const start = Number(this.at % BigInt(this.#capacity));
    const fitting = bytes.subarray(0, this.#capacity - start);
    this.#region.copyIn(this.#placement.ringOffset + start, fitting);
    this.at = BigInt.asUintN(64, this.at + BigInt(16 + roundUp(frame.length ?? bytes.length - 16)));
  }

  /** Stores the tail, by default where the cursor is. */
  publish(tail: bigint = this.at): void {
    this.#region.storeU64(this.#placement.producerOffset, BigInt.asUintN(64, tail));
  }

  /** Puts good records from the cursor to `position`, numbered on from `sequence`. */
  fillTo(position: number, sequence = 0): number {
    let last = sequence;
    while (this.at < BigInt(position)) {
      const room = Math.min(512, position - Number(this.at));
      this.put({ length: room - 16, sequence: ++last });
    }
    return last;
  }
}

/** Reads an aligned word of a region. */
export function readWord(region: Region, offset: number): bigint {
  const word = new Uint8Array(8);
  if (!region.copyOut(offset, word)) throw new Error("the mapping failed");
  return new DataView(word.buffer).getBigUint64(0, true);
}

/** Payload of a LOST frame that names `count` records. */
export function lostPayload(count: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, 2, true);
  view.setBigUint64(8, count, true);
  return bytes;
}

/** CRC-32C by its definition, bit by bit. */
export function crc32cByBit(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
