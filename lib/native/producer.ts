// SPDX-License-Identifier: Apache-2.0
// The native writing end of a ring: commands from the server to one guest. Opened by
// lib/transport. The queue of record is the caller's; what is written here is never read back.
import { UndercroftError } from "../errors/errors.ts";
import { PRODUCER_STATS, type RingPlacement, type RingProducer } from "../model/model.ts";
import { RECORD_BYTES_MAX, RECORD_INVALID, RECORD_PAD } from "../wire/wire.ts";
import { type Addon, addon, type NativeHandle } from "./addon.ts";
import { checkSession, layoutError, openHandle } from "./consumer.ts";
import { type Mapping, mappedRegion } from "./mapping.ts";

export interface ProducerOptions {
  readonly recordBytesMax: number;
}

/** Writes one ring of a mapping. Holds the mapping until it is closed. */
export class NativeRingProducer implements RingProducer {
  readonly stats: BigUint64Array;
  /** Largest payload that this ring takes: an eighth of it at most. */
  readonly #bytesMax: number;
  readonly #native: Addon;
  #handle: NativeHandle | undefined;

  /** @throws {UndercroftError} ERR_UC_LAYOUT, ERR_UC_REGION_CLOSED */
  constructor(mapping: Mapping, placement: RingPlacement, options: ProducerOptions) {
    const region = mappedRegion(mapping);
    const eighth = 2 ** (placement.capacityLog2 - 3);
    this.#bytesMax = Math.min(options.recordBytesMax, RECORD_BYTES_MAX, eighth);
    this.#native = addon();
    this.stats = new BigUint64Array(PRODUCER_STATS);
    this.#handle = this.#native.producerOpen(
      region.handle,
      placement.ringOffset,
      placement.producerOffset,
      placement.consumerOffset,
      placement.capacityLog2,
      options.recordBytesMax,
      this.stats,
    );
    if (this.#handle === undefined) throw layoutError(mapping, placement);
  }

  /** @throws {UndercroftError} ERR_UC_ARGUMENT, ERR_UC_REGION_CLOSED */
  startSession(sessionId: number, features: bigint): void {
    checkSession(sessionId);
    this.#native.producerStart(openHandle(this.#handle), sessionId, features);
  }

  /** @throws {UndercroftError} ERR_UC_ARGUMENT, ERR_UC_REGION_CLOSED */
  write(type: number, flags: number, payload: Uint8Array): number {
    const isType = Number.isInteger(type) && type > RECORD_INVALID && type < RECORD_PAD;
    if (!isType || !(flags >= 0 && flags <= 0xffff) || payload.byteLength > this.#bytesMax) {
      throw new UndercroftError(
        "ERR_UC_ARGUMENT",
        `a record of type ${type}, flags ${flags} and ${payload.byteLength} bytes does not fit ` +
          `a ring that takes ${this.#bytesMax} bytes a record`,
      );
    }
    return this.#native.producerWrite(openHandle(this.#handle), type, flags, payload);
  }

  /** @throws {UndercroftError} ERR_UC_REGION_CLOSED */
  publish(): void {
    this.#native.producerPublish(openHandle(this.#handle));
  }

  close(): void {
    if (this.#handle !== undefined) this.#native.producerClose(this.#handle);
    this.#handle = undefined;
  }
}
