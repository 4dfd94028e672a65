// SPDX-License-Identifier: Apache-2.0
// One direction of a TCP connection, put in order. Called by the analyzer for each segment. What
// came first wins; content that differs is counted; what waits for a hole is bounded in bytes.

/** Who takes a direction's bytes in order. */
export interface StreamTaker {
  onData(isFromSource: boolean, bytes: Uint8Array, start: number, end: number): void;
  onGap(isFromSource: boolean, bytes: number): void;
}

interface Segment {
  readonly offset: number;
  readonly end: number;
  /** Absent where nobody reads the content. */
  readonly bytes: Uint8Array | undefined;
}

/** Bytes that wait in all streams of one analyzer, and their limit. */
export interface StreamBudget {
  heldBytes: number;
  readonly heldBytesMax: number;
}

const segmentsMax = 512;
const streamHeldBytesMax = 1 << 20;

/** Order of one direction's bytes. */
export class TcpStream {
  isStarted = false;
  isFinished = false;
  /** Bytes from the first to the highest seen, SYN and FIN left out. */
  highestBytes = 0;
  /** Highest that the other side has acknowledged. */
  acknowledgedBytes = 0;
  missedBytes = 0;
  overlapBytes = 0;
  /** Everything before it was handed on or given up. */
  deliveredBytes = 0;
  readonly #isFromSource: boolean;
  readonly #budget: StreamBudget;
  #base = 0;
  #segments: Segment[] = [];
  #heldBytes = 0;

  constructor(isFromSource: boolean, budget: StreamBudget) {
    this.#isFromSource = isFromSource;
    this.#budget = budget;
  }

  /** Says which sequence number the first byte has. */
  begin(sequence: number): void {
    this.isStarted = true;
    this.#base = sequence;
  }

  /** Stream offset of a sequence number near what was seen last. */
  offsetOf(sequence: number): number {
    const near = this.highestBytes;
    return near + ((sequence - ((this.#base + near) % 2 ** 32)) | 0);
  }

  /** Takes a segment's bytes; true where some had been seen before. */
  data(
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    taker: StreamTaker | undefined,
  ): boolean {
    const stop = offset + end - start;
    const isOld = offset < this.highestBytes && stop > offset;
    if (stop > this.highestBytes) this.highestBytes = stop;
    if (stop <= this.deliveredBytes) return isOld;
    this.skipTo(Math.min(offset, this.acknowledgedBytes), taker);
    if (offset <= this.deliveredBytes && this.#segments.length === 0) {
      const skip = this.deliveredBytes - offset;
      this.deliveredBytes = stop;
      taker?.onData(this.#isFromSource, bytes, start + skip, end);
      return isOld;
    }
    this.#hold(offset, bytes, start, end, taker !== undefined);
    this.#drain(taker);
    const isTooMuch =
      this.#segments.length > segmentsMax ||
      this.#heldBytes > streamHeldBytesMax ||
      this.#budget.heldBytes > this.#budget.heldBytesMax;
    if (isTooMuch) this.skipTo(this.highestBytes, taker);
    return isOld;
  }

  /**
   * The other side acknowledged up to an offset: holes before it will not be filled any more. Where
   * nothing waits there is no hurry, and a capture may have the answer before what it answers.
   */
  acknowledge(offset: number, taker: StreamTaker | undefined): void {
    if (offset > this.acknowledgedBytes) this.acknowledgedBytes = offset;
    if (this.#segments.length > 0) this.skipTo(offset, taker);
  }

  /** Nothing follows: hands on what waits, and counts holes up to what was seen or acknowledged. */
  end(taker: StreamTaker | undefined): void {
    this.skipTo(Math.max(this.highestBytes, this.acknowledgedBytes), taker);
    this.#release();
  }

  /** Hands on all that waits before an offset and counts the holes. */
  skipTo(offset: number, taker: StreamTaker | undefined): void {
    while (this.deliveredBytes < offset) {
      const first = this.#segments[0];
      const reach = first === undefined ? offset : Math.min(offset, first.offset);
      if (reach > this.deliveredBytes) {
        const missing = reach - this.deliveredBytes;
        this.missedBytes += missing;
        this.deliveredBytes = reach;
        taker?.onGap(this.#isFromSource, missing);
      }
      this.#drain(taker);
    }
  }

  // Gives back the memory of what waits.
  #release(): void {
    this.#budget.heldBytes -= this.#heldBytes;
    this.#heldBytes = 0;
    this.#segments = [];
  }

  #drain(taker: StreamTaker | undefined): void {
    let used = 0;
    for (const segment of this.#segments) {
      if (segment.offset > this.deliveredBytes) break;
      used += 1;
      const size = segment.bytes?.length ?? 0;
      this.#heldBytes -= size;
      this.#budget.heldBytes -= size;
      if (segment.end <= this.deliveredBytes) continue;
      const skip = this.deliveredBytes - segment.offset;
      const length = segment.end - this.deliveredBytes;
      this.deliveredBytes = segment.end;
      if (segment.bytes !== undefined) {
        taker?.onData(this.#isFromSource, segment.bytes, skip, segment.bytes.length);
      } else {
        taker?.onGap(this.#isFromSource, length);
      }
    }
    if (used > 0) this.#segments.splice(0, used);
  }

  #hold(offset: number, bytes: Uint8Array, start: number, end: number, isRead: boolean): void {
    let from = Math.max(offset, this.deliveredBytes);
    const stop = offset + end - start;
    const added: Segment[] = [];
    const take = (to: number): void => {
      if (to <= from) return;
      const first = start + from - offset;
      const copy = isRead ? bytes.slice(first, first + to - from) : undefined;
      added.push({ offset: from, end: to, bytes: copy });
      this.#heldBytes += copy?.length ?? 0;
      this.#budget.heldBytes += copy?.length ?? 0;
    };
    for (const segment of this.#segments) {
      if (segment.end <= from) continue;
      if (segment.offset >= stop) break;
      take(Math.min(stop, segment.offset));
      this.#countDifference(segment, offset, bytes, start, end);
      from = Math.max(from, segment.end);
    }
    take(stop);
    if (added.length === 0) return;
    this.#segments = [...this.#segments, ...added].sort((one, two) => one.offset - two.offset);
  }

  #countDifference(
    segment: Segment,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (segment.bytes === undefined) return;
    const from = Math.max(segment.offset, offset);
    const to = Math.min(segment.end, offset + end - start);
    for (let at = from; at < to; at += 1) {
      if (segment.bytes[at - segment.offset] !== bytes[start + at - offset]) this.overlapBytes += 1;
    }
  }
}
