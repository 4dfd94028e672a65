// SPDX-License-Identifier: Apache-2.0
// What every ring implementation offers, native or TypeScript, live or replayed. The layers above
// see only this.

/** Where one ring lies in a region. Offsets in bytes from the region's start. */
export interface RingPlacement {
  readonly ringOffset: number;
  readonly producerOffset: number;
  readonly consumerOffset: number;
  readonly capacityLog2: number;
}

/** Numbers a record in {@link RingConsumer.records}: offset, length, type | flags<<16, sequence. */
export const RECORD_STRIDE = 4;

/** Indexes into the `stats` of a consumer. All are cumulative except head and lastSequence. */
export const CONSUMER_STAT = {
  /** Records handed out, LOST frames among them. */
  delivered: 0,
  /** Payload bytes handed out. */
  bytes: 1,
  /** Frames that the ring sequence says were dropped before the ring. */
  missing: 2,
  /** Frames that LOST frames named. missing - named is what nobody accounts for yet. */
  named: 3,
  /** LOST frames among the delivered. */
  lostFrames: 4,
  pads: 5,
  faults: 6,
  head: 7,
  lastSequence: 8,
} as const;
export const CONSUMER_STATS = 9;

/** Indexes into the `stats` of a producer. */
export const PRODUCER_STAT = { written: 0, bytes: 1, full: 2, faults: 3, tail: 4 } as const;
export const PRODUCER_STATS = 5;

/** The reading end of one ring. All its state is private; the region is never trusted. */
export interface RingConsumer {
  /** Private copy of the span that the last drain returned. */
  readonly batch: Uint8Array;
  /** {@link RECORD_STRIDE} numbers per record; offset points at the payload inside `batch`. */
  readonly records: Uint32Array;
  readonly stats: BigUint64Array;
  /** Starts reading at `head` (default 0) under a new session; clears an earlier fault. */
  startSession(sessionId: number, previousSessionId: number, features: bigint, head?: bigint): void;
  /** Copies and checks the next span: record count, 0 when empty, or a negative fault number. */
  drain(): number;
  /** First bytes of the frame that broke a rule, at most 256; empty while there is no fault. */
  evidence(): Uint8Array;
  close(): void;
}

/** The writing end of one ring. Never reads back what it wrote. */
export interface RingProducer {
  readonly stats: BigUint64Array;
  startSession(sessionId: number, features: bigint): void;
  /** Writes one record: 1 written, 0 no space, negative fault number. */
  write(type: number, flags: number, payload: Uint8Array): number;
  /** Makes what was written visible to the other side. */
  publish(): void;
  close(): void;
}
