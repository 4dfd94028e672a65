// SPDX-License-Identifier: Apache-2.0
// The reading end of a ring over an ArrayBuffer or SharedArrayBuffer. Opened by lib/transport.
// One drain: sample the tail once, copy one span, parse the copy, store the head once. Must not
// read a shared byte twice, allocate per record, or loop without consuming a frame.
import {
  CONSUMER_STAT,
  CONSUMER_STATS,
  RECORD_STRIDE,
  type RingConsumer,
  type RingPlacement,
} from "../model/model.ts";
import {
  crc32c,
  E_CHECK,
  E_CROSS_END,
  E_FLAGS,
  E_HEAD_RANGE,
  E_LEN_AVAIL,
  E_LEN_LIMIT,
  E_PAD_PLACE,
  E_SEQ,
  E_SESSION,
  E_TAIL_ALIGN,
  E_TAIL_RANGE,
  E_TYPE_ZERO,
  FEATURE_CRC32C,
  FRAME_ALIGN,
  FRAME_BYTES,
  FRAME_FLAGS_KNOWN,
  FRAME_LAYOUT,
  isPowerOfTwo,
  LOST_LAYOUT,
  RECORD_INVALID,
  RECORD_LOST,
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

const BATCH_BYTES_DEFAULT = 0x40000;
const RECORDS_MAX_DEFAULT = 4096;
const EVIDENCE_BYTES_MAX = 256;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
/** A sequence is newer when it lies within half the number space ahead of the last one. */
const SEQUENCE_STEP_MAX = 0x7fff_ffff;

export interface ConsumerOptions {
  readonly recordBytesMax: number;
  /** Most bytes copied per drain: a power of two that holds the largest record. */
  readonly batchBytes?: number;
  /** Most records per drain. */
  readonly recordsMax?: number;
}

/** Drains one ring. All state is private; of the region it reads the tail and the ring alone. */
export class BufferRingConsumer implements RingConsumer {
  readonly batch: Uint8Array;
  readonly records: Uint32Array;
  readonly stats: BigUint64Array = new BigUint64Array(CONSUMER_STATS);
  readonly #words: Uint32Array;
  readonly #view: DataView;
  readonly #ring: Uint8Array;
  readonly #tailWord: BigUint64Array;
  readonly #headWord: BigUint64Array;
  readonly #capacity: number;
  readonly #limit: number;
  readonly #recordsMax: number;
  readonly #evidence = new Uint8Array(EVIDENCE_BYTES_MAX);
  #evidenceBytes = 0;
  #isOpen = true;
  #isStarted = false;
  #isResumed = false;
  #hasCrc = false;
  #session = 0;
  #previousSession = 0;
  #head = 0n;
  #fault = 0;
  #lastSequence = 0;

  // The span at hand: bytes in the batch, and to the ring's end and the tail from its start.
  #spanBytes = 0;
  #toEnd = 0;
  #toTail = 0;
  #at = 0;
  #count = 0;

  /** @throws {UndercroftError} ERR_UC_LAYOUT */
  constructor(memory: ArrayBufferLike, placement: RingPlacement, options: ConsumerOptions) {
    checkPlacement(placement, memory.byteLength);
    const batchBytes = options.batchBytes ?? BATCH_BYTES_DEFAULT;
    const recordsMax = options.recordsMax ?? RECORDS_MAX_DEFAULT;
    this.#capacity = 2 ** placement.capacityLog2;
    this.#limit = payloadLimit(placement, options.recordBytesMax);
    const largest = FRAME_BYTES + alignFrame(this.#limit);
    if (!(this.#limit >= 1) || !isPowerOfTwo(batchBytes) || batchBytes < largest) {
      throw layoutError();
    }
    if (!Number.isInteger(recordsMax) || recordsMax < 1) throw layoutError();
    this.batch = new Uint8Array(batchBytes);
    this.records = new Uint32Array(recordsMax * RECORD_STRIDE);
    this.#recordsMax = recordsMax;
    this.#words = new Uint32Array(this.batch.buffer);
    this.#view = new DataView(this.batch.buffer);
    this.#ring = new Uint8Array(memory, placement.ringOffset, this.#capacity);
    this.#tailWord = new BigUint64Array(memory, placement.producerOffset, 1);
    this.#headWord = new BigUint64Array(memory, placement.consumerOffset, 1);
  }

  /** @throws {UndercroftError} ERR_UC_ARGUMENT, ERR_UC_REGION_CLOSED */
  startSession(
    sessionId: number,
    previousSessionId: number,
    features: bigint,
    head: bigint = 0n,
  ): void {
    checkOpen(this.#isOpen);
    checkSession(sessionId);
    checkSession(previousSessionId);
    this.#session = sessionId;
    this.#previousSession = previousSessionId;
    this.#hasCrc = (features & FEATURE_CRC32C) !== 0n;
    this.#head = BigInt.asUintN(64, head);
    this.#lastSequence = 0;
    this.#isResumed = this.#head !== 0n;
    this.#fault = 0;
    this.#evidenceBytes = 0;
    this.#isStarted = true;
    this.stats[CONSUMER_STAT.head] = this.#head;
    this.stats[CONSUMER_STAT.lastSequence] = 0n;
    // TRUST: a head to resume at may come from the shared page, which the guest can write.
    if (this.#head % BigInt(FRAME_ALIGN) !== 0n) this.#latch(E_HEAD_RANGE);
    else Atomics.store(this.#headWord, 0, this.#head);
  }

  /** @throws {UndercroftError} ERR_UC_REGION_CLOSED */
  drain(): number {
    checkOpen(this.#isOpen);
    if (this.#fault !== 0) return -this.#fault;
    if (!this.#isStarted) return 0;
    // ORDER: pairs with the producer's store of the tail, so that the frames before it are there.
    const tail = Atomics.load(this.#tailWord, 0);
    const available = BigInt.asUintN(64, tail - this.#head);
    if (available > BigInt(this.#capacity)) return -this.#latch(E_TAIL_RANGE);
    if (tail % BigInt(FRAME_ALIGN) !== 0n) return -this.#latch(E_TAIL_ALIGN);
    const total = Number(available);
    let consumed = 0;
    this.#count = 0;
    // A span that held nothing but a PAD is followed by the ring's start: 0 must mean empty.
    while (this.#count === 0 && consumed < total && this.#fault === 0) {
      this.#copySpan(total - consumed);
      this.#parseSpan();
      consumed += this.#at;
      this.#head = BigInt.asUintN(64, this.#head + BigInt(this.#at));
    }
    if (consumed > 0) {
      this.stats[CONSUMER_STAT.head] = this.#head;
      // ORDER: after the copies above, so that the producer reuses no byte that is still read.
      Atomics.store(this.#headWord, 0, this.#head);
    }
    return this.#count === 0 && this.#fault !== 0 ? -this.#fault : this.#count;
  }

  /** The first bytes, at most 256, of the frame that broke a rule; empty when none did. */
  evidence(): Uint8Array {
    return this.#evidence.slice(0, this.#evidenceBytes);
  }

  close(): void {
    this.#isOpen = false;
  }

  #latch(fault: number): number {
    this.#fault = fault;
    this.#add(CONSUMER_STAT.faults, 1);
    return fault;
  }

  #add(stat: number, amount: number): void {
    this.stats[stat] = (this.stats[stat] ?? 0n) + BigInt(amount);
  }

  // TRUST: the only place that reads ring bytes; whatever they become afterwards is not seen.
  #copySpan(toTail: number): void {
    const position = Number(this.#head % BigInt(this.#capacity));
    this.#at = 0;
    this.#toTail = toTail;
    this.#toEnd = this.#capacity - position;
    this.#spanBytes = Math.min(this.#toTail, this.#toEnd, this.batch.length);
    this.batch.set(this.#ring.subarray(position, position + this.#spanBytes));
  }

  // TRUST: `at` is masked by the batch's own size wherever memory is indexed, because a
  // mispredicted length check would otherwise steer a speculative read.
  #parseSpan(): void {
    const words = this.#words;
    const records = this.records;
    const mask = this.batch.length - FRAME_ALIGN;
    // A resumed session takes its first sequence as it comes.
    let last = this.#isResumed ? ((words[2] ?? 0) - 1) >>> 0 : this.#lastSequence;
    let payloadBytes = 0;
    let missing = 0;
    while (this.#at < this.#spanBytes && this.#count < this.#recordsMax) {
      const word = (this.#at & mask) >>> 2;
      const length = words[word] ?? 0;
      const kind = words[word + 1] ?? 0;
      const sequence = words[word + 2] ?? 0;
      const type = kind & 0xffff;
      const fault = this.#frameFault(length, type, kind >>> 16, sequence, last);
      if (fault !== 0) {
        this.#keepEvidence();
        this.#latch(fault);
        break;
      }
      if (type === RECORD_PAD) {
        this.#add(CONSUMER_STAT.pads, 1);
        this.#at += FRAME_BYTES + length;
        break;
      }
      const need = FRAME_BYTES + alignFrame(length);
      if (need > this.#spanBytes - this.#at) break;
      if (type === RECORD_LOST) this.#countLost(length);
      const slot = this.#count * RECORD_STRIDE;
      records[slot] = this.#at + FRAME_BYTES;
      records[slot + 1] = length;
      records[slot + 2] = kind;
      records[slot + 3] = sequence;
      this.#count++;
      this.#at += need;
      payloadBytes += length;
      missing += (sequence - last - 1) >>> 0;
      last = sequence;
    }
    if (this.#count === 0) return;
    this.#lastSequence = last;
    this.#isResumed = false;
    this.#add(CONSUMER_STAT.delivered, this.#count);
    this.#add(CONSUMER_STAT.bytes, payloadBytes);
    this.#add(CONSUMER_STAT.missing, missing);
    this.stats[CONSUMER_STAT.lastSequence] = BigInt(last);
  }

  // Which rule the frame breaks; 0 when none, or when it only passes the end of the span.
  #frameFault(
    length: number,
    type: number,
    flags: number,
    sequence: number,
    lastSequence: number,
  ): number {
    if (type === RECORD_INVALID) return E_TYPE_ZERO;
    if (type === RECORD_PAD) return this.#padFault(length, flags, sequence);
    const need = FRAME_BYTES + alignFrame(length);
    if (length > this.#limit) return E_LEN_LIMIT;
    if (need > this.#toTail - this.#at) return E_LEN_AVAIL;
    if (need > this.#toEnd - this.#at) return E_CROSS_END;
    if (need > this.#spanBytes - this.#at) return 0;
    if ((flags & ~FRAME_FLAGS_KNOWN) !== 0) return E_FLAGS;
    const fault = this.#checkFault(length, sequence);
    if (fault !== 0) return fault;
    return (sequence - lastSequence - 1) >>> 0 >= SEQUENCE_STEP_MAX ? E_SEQ : 0;
  }

  #padFault(length: number, flags: number, sequence: number): number {
    if (length !== this.#toEnd - this.#at - FRAME_BYTES || length > this.#limit) {
      return E_PAD_PLACE;
    }
    if (FRAME_BYTES + length > this.#toTail - this.#at) return E_LEN_AVAIL;
    if (flags !== 0) return E_FLAGS;
    if (sequence !== 0) return E_SEQ;
    // What a PAD skips was never written by the producer, so no check covers it.
    return this.#checkFault(0, sequence);
  }

  #checkFault(covered: number, sequence: number): number {
    if (this.#checkFits(covered, sequence, this.#session)) return 0;
    return this.#checkFits(covered, sequence, this.#previousSession) ? E_SESSION : E_CHECK;
  }

  #checkFits(covered: number, sequence: number, sessionId: number): boolean {
    const word = (this.#at + FRAME_LAYOUT.check) >>> 2;
    const check = this.#words[word] ?? 0;
    if (!this.#hasCrc) return check === plainCheck(sessionId, sequence);
    // The copy is ours: the session takes the check's place while the sum is made.
    this.#words[word] = sessionId;
    const sum = crc32c(this.batch, this.#at, FRAME_BYTES + covered);
    this.#words[word] = check;
    return check === sum;
  }

  #countLost(length: number): void {
    this.#add(CONSUMER_STAT.lostFrames, 1);
    if (length < LOST_LAYOUT.size) return;
    const count = this.#view.getBigUint64(this.#at + FRAME_BYTES + LOST_LAYOUT.count, true);
    // TRUST: a claim; saturate, so that no claim can wrap the sum.
    const named = (this.stats[CONSUMER_STAT.named] ?? 0n) + count;
    this.stats[CONSUMER_STAT.named] = named < U64_MAX ? named : U64_MAX;
  }

  #keepEvidence(): void {
    const bytes = Math.min(this.#spanBytes - this.#at, EVIDENCE_BYTES_MAX);
    this.#evidence.set(this.batch.subarray(this.#at, this.#at + bytes));
    this.#evidenceBytes = bytes;
  }
}
