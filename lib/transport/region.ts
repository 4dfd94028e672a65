// SPDX-License-Identifier: Apache-2.0
// One guest's region as the rooms above see it, whatever carries it: an ivshmem file or memory of
// this process. TRUST: everything read through it is hostile; callers copy once, then parse.
import type { RingConsumer, RingPlacement, RingProducer } from "../model/model.ts";
import type { Doorbell } from "./doorbell.ts";

export interface DrainLimits {
  /** Private copy per drain call, in bytes. */
  readonly batchBytes?: number;
  readonly recordsMax?: number;
}

/** A mapped region. Every method throws ERR_UC_REGION_CLOSED after close(). */
export interface Region {
  readonly bytes: number;
  /** Where it lies, for messages: a path or `memory`. */
  readonly name: string;
  /** Wake-ups between the two sides, where the region has them; without, both poll. */
  readonly doorbell?: Doorbell;
  /** Copies a span out once. Returns false when the mapping failed under us (E_MAPPING). */
  copyOut(offset: number, target: Uint8Array): boolean;
  /** Copies bytes in; the caller owns the page. */
  copyIn(offset: number, source: Uint8Array): boolean;
  /** Aligned 64-bit store, after everything written before it. */
  storeU64(offset: number, value: bigint): boolean;
  zero(offset: number, length: number): boolean;
  openConsumer(
    placement: RingPlacement,
    recordBytesMax: number,
    limits?: DrainLimits,
  ): RingConsumer;
  openProducer(placement: RingPlacement, recordBytesMax: number): RingProducer;
  close(): void;
}
