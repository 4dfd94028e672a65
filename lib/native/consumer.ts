// SPDX-License-Identifier: Apache-2.0
// The native reading end of a ring: the addon's drain over arrays that live as long as it does.
// Opened by lib/transport. What the records say is for lib/wire to decode.
import { markAsUntransferable } from "node:worker_threads";
import { UndercroftError } from "../errors/errors.ts";
import {
  CONSUMER_STATS,
  RECORD_STRIDE,
  type RingConsumer,
  type RingPlacement,
} from "../model/model.ts";
import { type Addon, addon, type NativeHandle } from "./addon.ts";
import { type Mapping, mappedRegion } from "./mapping.ts";

export const BATCH_BYTES_DEFAULT = 0x40000;
export const RECORDS_MAX_DEFAULT = 4096;

export interface ConsumerOptions {
  readonly recordBytesMax: number;
  /** Most bytes copied per drain: a power of two that holds the largest record. */
  readonly batchBytes?: number;
  /** Most records per drain. */
  readonly recordsMax?: number;
}

/** Drains one ring of a mapping. Holds the mapping until it is closed. */
export class NativeRingConsumer implements RingConsumer {
  readonly batch: Uint8Array;
  readonly records: Uint32Array;
  readonly stats: BigUint64Array;
  readonly #native: Addon;
  #handle: NativeHandle | undefined;

  /** @throws {UndercroftError} ERR_UC_LAYOUT, ERR_UC_REGION_CLOSED */
  constructor(mapping: Mapping, placement: RingPlacement, options: ConsumerOptions) {
    const region = mappedRegion(mapping);
    this.#native = addon();
    this.batch = pinned(new Uint8Array(options.batchBytes ?? BATCH_BYTES_DEFAULT));
    const recordsMax = options.recordsMax ?? RECORDS_MAX_DEFAULT;
    this.records = pinned(new Uint32Array(recordsMax * RECORD_STRIDE));
    this.stats = pinned(new BigUint64Array(CONSUMER_STATS));
    this.#handle = this.#native.consumerOpen(
      region.handle,
      placement.ringOffset,
      placement.producerOffset,
      placement.consumerOffset,
      placement.capacityLog2,
      options.recordBytesMax,
      this.batch,
      this.records,
      this.stats,
    );
    if (this.#handle === undefined) throw layoutError(mapping, placement);
  }

  /** @throws {UndercroftError} ERR_UC_ARGUMENT, ERR_UC_REGION_CLOSED */
  startSession(
    sessionId: number,
    previousSessionId: number,
    features: bigint,
    head: bigint = 0n,
  ): void {
    checkSession(sessionId);
    checkSession(previousSessionId);
    this.#native.consumerStart(
      openHandle(this.#handle),
      sessionId,
      previousSessionId,
      features,
      head,
    );
  }

  /** @throws {UndercroftError} ERR_UC_REGION_CLOSED */
  drain(): number {
    return this.#native.consumerDrain(openHandle(this.#handle));
  }

  /** The first bytes, at most 256, of the frame that broke a rule; empty when none did. */
  evidence(): Uint8Array {
    return this.#native.consumerEvidence(openHandle(this.#handle));
  }

  close(): void {
    if (this.#handle !== undefined) this.#native.consumerClose(this.#handle);
    this.#handle = undefined;
  }
}

/** The addon writes into this memory: a transfer would give it to another thread meanwhile. */
function pinned<T extends Uint8Array | Uint32Array | BigUint64Array>(array: T): T {
  markAsUntransferable(array.buffer);
  return array;
}

/** @throws {UndercroftError} ERR_UC_REGION_CLOSED */
export function openHandle(handle: NativeHandle | undefined): NativeHandle {
  if (handle !== undefined) return handle;
  throw new UndercroftError("ERR_UC_REGION_CLOSED", "a ring was used after its close()");
}

export function layoutError(mapping: Mapping, placement: RingPlacement): UndercroftError {
  return new UndercroftError(
    "ERR_UC_LAYOUT",
    `a ring of 2^${placement.capacityLog2} bytes at ${placement.ringOffset} does not fit the ` +
      `${mapping.bytes} bytes of ${mapping.name}, or its batch does not hold one record`,
    { path: mapping.name, ...placement },
  );
}

/** @throws {UndercroftError} ERR_UC_ARGUMENT */
export function checkSession(sessionId: number): void {
  if (Number.isInteger(sessionId) && sessionId >= 0 && sessionId <= 0xffff_ffff) return;
  throw new UndercroftError("ERR_UC_ARGUMENT", `${sessionId} is not a 32-bit session id`);
}
