// SPDX-License-Identifier: Apache-2.0
// The writing end of a ring over an ArrayBuffer or SharedArrayBuffer: commands from the server,
// and records of simulated guests. Opened by lib/transport. The queue of record is the caller's:
// what is written here is never read back, and a record that does not fit takes no sequence.
import { UndercroftError } from "../errors/errors.ts";
import {
  PRODUCER_STAT,
  PRODUCER_STATS,
  type RingPlacement,
  type RingProducer,
} from "../model/model.ts";
import {
  crc32c,
  E_HEAD_RANGE,
  FEATURE_CRC32C,
  FRAME_ALIGN,
  FRAME_BYTES,
  FRAME_LAYOUT,
  RECORD_INVALID,
  RECORD_PAD,
} from "../wire/wire.ts";
import {
  alignFrame,
  checkOpen,
  checkPlacement,
  checkSession,
  layoutError,
  payloadLimit,
  plainCheck,
} from "./frame.ts";

const NO_PAYLOAD = new Uint8Array(0);

export interface ProducerOptions {
  readonly recordBytesMax: number;
}

/** Writes one ring. Of the other side it reads the head alone, and only to know the space. */
export class BufferRingProducer implements RingProducer {
  readonly stats: BigUint64Array = new BigUint64Array(PRODUCER_STATS);
  readonly #ring: Uint8Array;
  readonly #tailWord: BigUint64Array;
  readonly #headWord: BigUint64Array;
  readonly #capacity: number;
  readonly #limit: number;
  readonly #frame = new Uint8Array(FRAME_BYTES);
  readonly #frameView = new DataView(this.#frame.buffer);
  #isOpen = true;
  #isStarted = false;
  #hasCrc = false;
  #session = 0;
  #sequence = 0;
  #fault = 0;
  // Written up to #tail; the reader may see up to #published, and has read up to #head.
  #tail = 0n;
  #published = 0n;
  #head = 0n;

  /** @throws {UndercroftError} ERR_UC_LAYOUT */
  constructor(memory: ArrayBufferLike, placement: RingPlacement, options: ProducerOptions) {
    checkPlacement(placement, memory.byteLength);
    this.#capacity = 2 ** placement.capacityLog2;
    this.#limit = payloadLimit(placement, options.recordBytesMax);
    if (!(this.#limit >= 1)) throw layoutError();
    this.#ring = new Uint8Array(memory, placement.ringOffset, this.#capacity);
    this.#tailWord = new BigUint64Array(memory, placement.producerOffset, 1);
    this.#headWord = new BigUint64Array(memory, placement.consumerOffset, 1);
  }

  /** @throws {UndercroftError} ERR_UC_ARGUMENT, ERR_UC_REGION_CLOSED */
  startSession(sessionId: number, features: bigint): void {
    checkOpen(this.#isOpen);
    checkSession(sessionId);
    this.#session = sessionId;
    this.#hasCrc = (features & FEATURE_CRC32C) !== 0n;
    this.#tail = 0n;
    this.#published = 0n;
    this.#head = 0n;
    this.#sequence = 0;
    this.#fault = 0;
    this.#isStarted = true;
    this.stats[PRODUCER_STAT.tail] = 0n;
    Atomics.store(this.#tailWord, 0, 0n);
  }

  /** @throws {UndercroftError} ERR_UC_ARGUMENT, ERR_UC_REGION_CLOSED */
  write(type: number, flags: number, payload: Uint8Array): number {
    checkOpen(this.#isOpen);
    this.#checkRecord(type, flags, payload.byteLength);
    if (this.#fault !== 0) return -this.#fault;
    if (!this.#isStarted) return 0;
    const need = FRAME_BYTES + alignFrame(payload.byteLength);
    const toEnd = this.#capacity - Number(this.#tail % BigInt(this.#capacity));
    const total = need > toEnd ? toEnd + need : need;
    if (this.#freeBytes() < total) this.#readHead();
    if (this.#fault !== 0) return -this.#fault;
    if (this.#freeBytes() < total) {
      this.#add(PRODUCER_STAT.full, 1);
      return 0;
    }
    if (need > toEnd) this.#writeFrame(RECORD_PAD, 0, 0, toEnd - FRAME_BYTES, NO_PAYLOAD);
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#writeFrame(type, flags, this.#sequence, payload.byteLength, payload);
    this.#add(PRODUCER_STAT.written, 1);
    this.#add(PRODUCER_STAT.bytes, payload.byteLength);
    this.stats[PRODUCER_STAT.tail] = this.#tail;
    return 1;
  }

  /** @throws {UndercroftError} ERR_UC_REGION_CLOSED */
  publish(): void {
    checkOpen(this.#isOpen);
    if (!this.#isStarted || this.#fault !== 0) return;
    this.#published = this.#tail;
    // ORDER: after the frames before it; pairs with the consumer's load of the tail.
    Atomics.store(this.#tailWord, 0, this.#tail);
    this.#readHead();
  }

  close(): void {
    this.#isOpen = false;
  }

  #checkRecord(type: number, flags: number, bytes: number): void {
    const isType = Number.isInteger(type) && type > RECORD_INVALID && type < RECORD_PAD;
    if (isType && flags >= 0 && flags <= 0xffff && bytes <= this.#limit) return;
    throw new UndercroftError(
      "ERR_UC_ARGUMENT",
      `a record of type ${type}, flags ${flags} and ${bytes} bytes does not fit a ring that ` +
        `takes ${this.#limit} bytes a record`,
    );
  }

  // TRUST: the reader owns this word. It may only move forward, no further than was published.
  #readHead(): void {
    const head = Atomics.load(this.#headWord, 0);
    const moved = BigInt.asUintN(64, head - this.#head);
    if (moved <= this.#published - this.#head && head % BigInt(FRAME_ALIGN) === 0n) {
      this.#head = head;
      return;
    }
    this.#fault = E_HEAD_RANGE;
    this.#add(PRODUCER_STAT.faults, 1);
  }

  #freeBytes(): number {
    return this.#capacity - Number(this.#tail - this.#head);
  }

  #writeFrame(
    type: number,
    flags: number,
    sequence: number,
    length: number,
    payload: Uint8Array,
  ): void {
    const view = this.#frameView;
    view.setUint32(FRAME_LAYOUT.length, length, true);
    view.setUint16(FRAME_LAYOUT.type, type, true);
    view.setUint16(FRAME_LAYOUT.flags, flags, true);
    view.setUint32(FRAME_LAYOUT.sequence, sequence, true);
    let check = plainCheck(this.#session, sequence);
    if (this.#hasCrc) {
      view.setUint32(FRAME_LAYOUT.check, this.#session, true);
      check = crc32c(payload, 0, payload.byteLength, crc32c(this.#frame));
    }
    view.setUint32(FRAME_LAYOUT.check, check, true);
    const at = Number(this.#tail % BigInt(this.#capacity));
    const end = at + FRAME_BYTES + payload.byteLength;
    this.#ring.set(this.#frame, at);
    this.#ring.set(payload, at + FRAME_BYTES);
    this.#ring.fill(0, end, alignFrame(end));
    this.#tail += BigInt(FRAME_BYTES + alignFrame(length));
  }

  #add(stat: number, amount: number): void {
    this.stats[stat] = (this.stats[stat] ?? 0n) + BigInt(amount);
  }
}
