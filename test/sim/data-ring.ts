// SPDX-License-Identifier: Apache-2.0
// The writing end of a simulated guest's data ring, by the rules of guest-drivers/core: every
// attempt takes a ring sequence, what finds no space is named by a LOST frame when there is some.
// Keeps its own truth of what it did. Driven by simulated-guest.ts.
import {
  CHECK_MULTIPLIER,
  encodeLost,
  FRAME_BYTES,
  LOSS_COUNT,
  LOSS_FULL,
  LOST_LAYOUT,
  type PlacedRing,
  RECORD_LOST,
  RECORD_PAD,
  RING_PRODUCER_LAYOUT,
} from "../../lib/wire/wire.ts";

interface PendingLoss {
  count: number;
  first: number;
  last: number;
}

const align = (bytes: number): number => (bytes + 15) & ~15;
const LOST_BYTES = FRAME_BYTES + LOST_LAYOUT.size;

/** One ring of a simulated guest. Positions are plain numbers: no run writes 2^53 bytes. */
export class DataRing {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #producer: BigUint64Array;
  readonly #consumer: BigUint64Array;
  readonly #capacity: number;
  #isStarted = false;
  #session = 0;
  #sequence = 0;
  #tail = 0;
  #published = 0;
  // Event frames between the published position and the tail.
  #unpublished = 0;
  #attempted = 0;
  #dropped = 0;
  readonly #pending = new Map<number, PendingLoss>();

  constructor(memory: ArrayBufferLike, placed: PlacedRing) {
    this.#capacity = 2 ** placed.capacityLog2;
    this.#bytes = new Uint8Array(memory, placed.ringOffset, this.#capacity);
    this.#view = new DataView(memory, placed.ringOffset, this.#capacity);
    this.#producer = new BigUint64Array(memory, placed.producerOffset, 512);
    this.#consumer = new BigUint64Array(memory, placed.consumerOffset, 1);
  }

  /** Records written and not yet visible to the server. */
  get unpublished(): number {
    return this.#unpublished;
  }

  /** Records dropped and named to nobody yet. */
  get pendingCount(): number {
    let count = 0;
    for (const loss of this.#pending.values()) count += loss.count;
    return count;
  }

  start(session: number): void {
    this.#isStarted = true;
    this.#session = session;
    this.#sequence = 0;
    this.#tail = 0;
    this.#published = 0;
    this.#unpublished = 0;
    this.#attempted = 0;
    this.#dropped = 0;
    this.#pending.clear();
  }

  /** The session is over, or the guest is: nothing is shown to the server any more. */
  stop(): void {
    this.#isStarted = false;
    this.#unpublished = 0;
    this.#pending.clear();
  }

  /** Writes a record; false: it is lost, and counted for a LOST frame. */
  write(type: number, payload: Uint8Array, globalSequence: number): boolean {
    this.#attempted++;
    if (!this.#hasSpace(FRAME_BYTES + align(payload.length), true)) {
      this.#sequence++;
      this.#dropped++;
      const index = (type >> 8) * LOSS_COUNT + LOSS_FULL;
      const pending = this.#pending.get(index);
      if (pending === undefined) {
        this.#pending.set(index, { count: 1, first: globalSequence, last: globalSequence });
      } else {
        pending.count++;
        pending.last = globalSequence;
      }
      return false;
    }
    this.#namePending();
    this.#frame(type, payload);
    this.#unpublished++;
    return true;
  }

  /** Makes everything written visible, pending losses named where they fit. */
  tick(): void {
    if (!this.#isStarted) return;
    if (this.#pending.size > 0 && this.#hasSpace(0, true)) this.#namePending();
    this.#published = this.#tail;
    this.#unpublished = 0;
    this.#producer[RING_PRODUCER_LAYOUT.attempted / 8] = BigInt(this.#attempted);
    this.#producer[RING_PRODUCER_LAYOUT.dropped / 8] = BigInt(this.#dropped);
    Atomics.store(this.#producer, 0, BigInt(this.#tail));
  }

  /** State as a snapshot of the guest's memory would hold it. */
  save(): () => void {
    const numbers = [this.#session, this.#sequence, this.#tail, this.#published] as const;
    const counts = [this.#unpublished, this.#attempted, this.#dropped] as const;
    return () => {
      [this.#session, this.#sequence, this.#tail, this.#published] = numbers;
      [this.#unpublished, this.#attempted, this.#dropped] = counts;
      this.#pending.clear();
    };
  }

  /** A lie: any value as the tail. */
  forgeTail(tail: bigint): void {
    Atomics.store(this.#producer, 0, tail);
  }

  /** A torn or hostile write: these bytes over the newest part of the ring. */
  scribble(bytes: Uint8Array): void {
    for (const [index, byte] of bytes.entries()) {
      this.#bytes[(this.#published + index) % this.#capacity] = byte;
    }
  }

  get tail(): bigint {
    return BigInt(this.#tail);
  }

  // Room for the pending LOST frames and a frame after them, pads to the ring's end included.
  #hasSpace(need: number, withPending: boolean): boolean {
    const head = Number(Atomics.load(this.#consumer, 0));
    if (head > this.#published) return false;
    let end = this.#tail;
    const frames = withPending ? this.#pending.size : 0;
    for (let index = 0; index < frames; index++) end = this.#place(end, LOST_BYTES) + LOST_BYTES;
    if (need > 0) end = this.#place(end, need) + need;
    return end - head <= this.#capacity;
  }

  #place(at: number, need: number): number {
    const toEnd = this.#capacity - (at % this.#capacity);
    return need > toEnd ? at + toEnd : at;
  }

  #namePending(): void {
    for (const [index, loss] of this.#pending) {
      const recordClass = Math.floor(index / LOSS_COUNT);
      const { count, first, last } = loss;
      this.#frame(RECORD_LOST, encodeLost(index % LOSS_COUNT, recordClass, count, first, last));
    }
    this.#pending.clear();
  }

  #frame(type: number, payload: Uint8Array): void {
    const need = FRAME_BYTES + align(payload.length);
    const toEnd = this.#capacity - (this.#tail % this.#capacity);
    if (need > toEnd) this.#head(RECORD_PAD, toEnd - FRAME_BYTES, 0, toEnd);
    const at = this.#tail % this.#capacity;
    this.#bytes.set(payload, at + FRAME_BYTES);
    this.#sequence++;
    this.#head(type, payload.length, this.#sequence, need);
  }

  #head(type: number, length: number, sequence: number, bytes: number): void {
    const at = this.#tail % this.#capacity;
    this.#view.setUint32(at, length, true);
    this.#view.setUint16(at + 4, type, true);
    this.#view.setUint16(at + 6, 0, true);
    this.#view.setUint32(at + 8, sequence, true);
    const check = (this.#session ^ Math.imul(sequence, CHECK_MULTIPLIER)) >>> 0;
    this.#view.setUint32(at + 12, check, true);
    this.#tail += bytes;
  }
}
