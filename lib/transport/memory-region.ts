// SPDX-License-Identifier: Apache-2.0
// A region in memory of this process, over the TypeScript rings. For simulated guests, replay and
// tests; threads share it by its SharedArrayBuffer. Needs no addon.
import { UndercroftError } from "../errors/errors.ts";
import type { RingConsumer, RingPlacement, RingProducer } from "../model/model.ts";
import { BufferRingConsumer, BufferRingProducer } from "../ring/ring.ts";
import { checkRegionBytes } from "../wire/wire.ts";
import type { DrainLimits, Region } from "./region.ts";

/** A region whose memory a simulated guest of this process can reach. */
export interface MemoryRegion extends Region {
  readonly memory: ArrayBufferLike;
}

/**
 * Opens given memory as a region, or makes a zeroed region of that many bytes.
 * @throws {UndercroftError} ERR_UC_REGION_SIZE
 */
export function openMemoryRegion(
  memory: number | ArrayBufferLike,
  name: string = "memory",
): MemoryRegion {
  checkRegionBytes(typeof memory === "number" ? memory : memory.byteLength);
  const owned = typeof memory === "number" ? new SharedArrayBuffer(memory) : memory;
  return new BufferRegion(owned, name);
}

class BufferRegion implements MemoryRegion {
  readonly memory: ArrayBufferLike;
  readonly bytes: number;
  readonly name: string;
  readonly #all: Uint8Array;
  readonly #words: BigUint64Array;
  #isOpen = true;

  constructor(memory: ArrayBufferLike, name: string) {
    this.memory = memory;
    this.bytes = memory.byteLength;
    this.name = name;
    this.#all = new Uint8Array(memory);
    this.#words = new BigUint64Array(memory);
  }

  copyOut(offset: number, target: Uint8Array): boolean {
    this.#checkRange(offset, target.byteLength);
    target.set(this.#all.subarray(offset, offset + target.byteLength));
    return true;
  }

  copyIn(offset: number, source: Uint8Array): boolean {
    this.#checkRange(offset, source.byteLength);
    this.#all.set(source, offset);
    return true;
  }

  storeU64(offset: number, value: bigint): boolean {
    this.#checkRange(offset, 8);
    if (offset % 8 !== 0) {
      throw new UndercroftError("ERR_UC_ARGUMENT", `offset ${offset} is not a multiple of 8`);
    }
    if (BigInt.asUintN(64, value) !== value) {
      throw new UndercroftError("ERR_UC_ARGUMENT", `${value} is not an unsigned 64-bit value`);
    }
    // ORDER: after everything written before it, as the interface promises.
    Atomics.store(this.#words, offset / 8, value);
    return true;
  }

  zero(offset: number, length: number): boolean {
    this.#checkRange(offset, length);
    this.#all.fill(0, offset, offset + length);
    return true;
  }

  openConsumer(
    placement: RingPlacement,
    recordBytesMax: number,
    limits: DrainLimits = {},
  ): RingConsumer {
    this.#checkOpen();
    return new BufferRingConsumer(this.memory, placement, { recordBytesMax, ...limits });
  }

  openProducer(placement: RingPlacement, recordBytesMax: number): RingProducer {
    this.#checkOpen();
    return new BufferRingProducer(this.memory, placement, { recordBytesMax });
  }

  close(): void {
    this.#isOpen = false;
  }

  #checkOpen(): void {
    if (this.#isOpen) return;
    throw new UndercroftError("ERR_UC_REGION_CLOSED", `${this.name} was used after its close()`);
  }

  #checkRange(offset: number, length: number): void {
    this.#checkOpen();
    const fits =
      Number.isSafeInteger(offset) &&
      Number.isSafeInteger(length) &&
      offset >= 0 &&
      length >= 0 &&
      offset + length <= this.bytes;
    if (fits) return;
    throw new UndercroftError(
      "ERR_UC_ARGUMENT",
      `${length} bytes at ${offset} are not inside the ${this.bytes} bytes of ${this.name}`,
    );
  }
}
