// SPDX-License-Identifier: Apache-2.0
// Books of one guest's records: what was attempted, delivered, named as lost and by whom. Fed by
// guest-stream.ts. TRUST: what a guest counts is a claim; it is clamped and never sizes memory.
//
// Two scales are kept. Within a session each ring's own sequence shows a gap at once. Over an
// attach (one life of a driver) the global sequence is exact whenever the guest has parked, that
// is at each hello: attempted = delivered + undecodable + named + pending.
import type { Loss, LossReason, RecordClass } from "../model/model.ts";
import { CLASS_COUNT, type GuestStatus, LOSS_COUNT } from "../wire/wire.ts";

/** Numbers of one guest since the server began. */
export interface LossTotals {
  /** Records that became events or control records. */
  readonly delivered: number;
  /** Lost, and named by guest or server with class and reason. */
  readonly named: number;
  /** Missing at the end of a session; its owner may still name them. */
  readonly pending: number;
  /** Missing and named by nobody. */
  readonly unaccounted: number;
  /** Contradictions between what the guest counts and what arrived. */
  readonly mismatches: number;
  /** Named losses by `class.reason`. */
  readonly byReason: Readonly<Record<string, number>>;
}

/** More records a second than any guest can make; larger claims are cut to it. */
const RECORDS_PER_SECOND_MAX = 10_000_000;
/** Most that one claim may run ahead of everything that arrived before it. */
const CLAIM_STEP_MAX = 2 ** 40;

const CLASS_NAMES: readonly RecordClass[] = [
  "unknown",
  "process",
  "file",
  "registry",
  "socket",
  "verdict",
  "control",
  "module",
];
const REASON_NAMES: readonly LossReason[] = [
  "full",
  "too-big",
  "rate-limited",
  "encode-error",
  "not-ready",
  "reentry",
  "shutdown",
  "unknown",
];

/** Accounts for the records of one guest. */
export class LossLedger {
  readonly #guest: string;
  // Attach scale. #base: sequence before the first one that this server answers for.
  #boot = "";
  #base = 0;
  #taken = 0;
  #namedInAttach = 0;
  #namedByGuest = 0;
  #sequenceMax = 0;
  // The attach had a past that this server did not see: its late losses widen the books.
  #pastUnknown = true;
  // A resumed session: not even the first sequence is known.
  #baseUnknown = false;
  #open = false;
  #givenUp = false;
  #attachMs = 0;
  // Session scale.
  #sessionSequence = 0;
  #pending = 0;
  #pendingReason: LossReason = "unnamed";
  #ringGap = new Map<number, number>();
  // Claims of the status page, index class * LOSS_COUNT + reason.
  #claimed: number[] = [];
  #namedByIndex = new Array<number>(CLASS_COUNT * LOSS_COUNT).fill(0);
  #namedAtClaim = 0;
  #statusSequence = 0;
  #heartbeats = 0;
  // Totals over everything.
  #delivered = 0;
  #named = 0;
  #unaccounted = 0;
  #mismatches = 0;
  readonly #byReason = new Map<string, number>();

  constructor(guest: string) {
    this.#guest = guest;
  }

  /** Highest global sequence of the attach that arrived or was named. */
  get sequenceMax(): number {
    return this.#sequenceMax;
  }

  get totals(): LossTotals {
    let gap = 0;
    for (const missing of this.#ringGap.values()) gap += missing;
    return {
      delivered: this.#delivered,
      named: this.#named,
      pending: this.#pending,
      unaccounted: this.#unaccounted + Math.max(0, gap),
      mismatches: this.#mismatches,
      byReason: Object.fromEntries(this.#byReason),
    };
  }

  /**
   * A session begins; `sequence` is the last one that the guest, parked, had given out before it.
   * Returns the rows of an attach that ended with the session before.
   */
  startSession(boot: string, sequence: number, sameAttach: boolean, nowMs: number): Loss[] {
    let rows: Loss[] = [];
    if (this.#open && sameAttach) {
      this.#settle(sequence, nowMs);
    } else {
      rows = this.closeAttach(nowMs);
      this.#openAttach(boot, sequence, nowMs);
    }
    this.#sessionSequence = sequence;
    this.#ringGap.clear();
    this.#heartbeats = 0;
    this.#givenUp = false;
    return rows;
  }

  /** A server takes over in the middle of a session: the first sequence is taken as it comes. */
  startRecovered(boot: string, nowMs: number): void {
    this.startSession(boot, 0, false, nowMs);
    this.#baseUnknown = true;
  }

  /** The session is not read any further, whatever is still in its rings. */
  giveUp(): void {
    this.#givenUp = true;
  }

  /** Frames missing in a ring before the records that are about to be taken. */
  miss(ring: number, missing: number): void {
    if (missing > 0) this.#ringGap.set(ring, (this.#ringGap.get(ring) ?? 0) + missing);
  }

  /** Records taken out of a ring, undecodable ones among them. */
  take(taken: number, sequenceMax: number): void {
    this.#delivered += taken;
    this.#taken += taken;
    if (sequenceMax > this.#sequenceMax) this.#sequenceMax = sequenceMax;
  }

  /** The guest names a loss in its stream. False: it cannot be true, and was not counted. */
  nameByGuest(loss: Loss): boolean {
    const { count, firstSequence: first, lastSequence: last, ring } = loss;
    if (first > last || count > last - first + 1 || last > this.#sequenceMax + CLAIM_STEP_MAX) {
      this.#mismatches++;
      return false;
    }
    this.#count(loss);
    this.#namedInAttach += count;
    this.#namedByGuest += count;
    if (last > this.#sequenceMax) this.#sequenceMax = last;
    const place =
      CLASS_NAMES.indexOf(loss.recordClass) * LOSS_COUNT + REASON_NAMES.indexOf(loss.reason);
    this.#namedByIndex[place] = (this.#namedByIndex[place] ?? 0) + count;
    const gap = this.#ringGap.get(ring) ?? 0;
    // Lost while no session ran: such records never took a place in a ring.
    const ofRing = last <= this.#sessionSequence || loss.reason === "not-ready" ? 0 : count;
    const early = first <= this.#sessionSequence ? count - Math.min(ofRing, Math.max(0, gap)) : 0;
    if (ofRing > 0) {
      const rest = gap - (count - early);
      this.#ringGap.set(ring, this.#baseUnknown ? Math.max(0, rest) : rest);
    }
    const late = Math.min(early, this.#pending);
    this.#pending -= late;
    if (this.#pastUnknown && last <= this.#sessionSequence) this.#base -= early - late;
    return true;
  }

  /** Records that arrived but could not be decoded: delivered no more, named instead. */
  undecodable(ring: number, recordClass: RecordClass, count: number): Loss {
    this.#delivered -= count;
    const loss = this.#row(ring, recordClass, "undecodable", count, 0, 0);
    this.#count(loss);
    return loss;
  }

  /** The guest's own counters; returns false when they contradict themselves or the stream. */
  claim(status: GuestStatus): boolean {
    const claimed = status.lost.map(Number);
    const sequence = Number(status.sequence);
    let honest = sequence >= this.#statusSequence;
    let total = 0;
    for (const [index, count] of claimed.entries()) {
      if (count < (this.#claimed[index] ?? 0)) honest = false;
      total += count;
    }
    // Named before the last refresh of the counters, so this refresh must know of it.
    if (this.#heartbeats > 0 && total < this.#namedAtClaim) honest = false;
    this.#claimed = claimed;
    this.#statusSequence = sequence;
    this.#namedAtClaim = this.#namedByGuest;
    this.#heartbeats++;
    if (!honest) this.#mismatches++;
    return honest;
  }

  /** True when the guest has had time to name what the session before left pending. */
  get settled(): boolean {
    return this.#pending > 0 && this.#heartbeats >= 3;
  }

  /** Names what the guest did not. */
  nameRest(): Loss[] {
    const count = this.#pending;
    this.#pending = 0;
    return count === 0 ? [] : [this.#nameByServer("unknown", this.#pendingReason, count)];
  }

  /**
   * The driver's life is over: everything that it is known to have attempted and that did not
   * arrive is named, first by the guest's own counters, then by the server.
   */
  closeAttach(nowMs: number): Loss[] {
    if (!this.#open) return [];
    this.#settle(Math.max(this.#sequenceMax, this.#statusSequence), nowMs);
    this.#open = false;
    const rows: Loss[] = [];
    for (const [index, count] of this.#claimed.entries()) {
      const rest = Math.min(count - (this.#namedByIndex[index] ?? 0), this.#pending);
      if (rest <= 0) continue;
      const recordClass = CLASS_NAMES[Math.floor(index / LOSS_COUNT)] ?? "unknown";
      const reason = REASON_NAMES[index % LOSS_COUNT] ?? "unknown";
      this.#pending -= rest;
      rows.push(this.#nameByServer(recordClass, reason, rest));
    }
    return [...rows, ...this.nameRest()];
  }

  #openAttach(boot: string, sequence: number, nowMs: number): void {
    this.#boot = boot;
    this.#open = true;
    this.#base = sequence;
    this.#taken = 0;
    this.#namedInAttach = 0;
    this.#namedByGuest = 0;
    this.#namedAtClaim = 0;
    this.#sequenceMax = sequence;
    this.#pastUnknown = true;
    this.#baseUnknown = false;
    this.#pending = 0;
    this.#claimed = [];
    this.#namedByIndex.fill(0);
    this.#statusSequence = 0;
    this.#attachMs = nowMs;
  }

  // What is missing up to `sequence` now waits for the guest to name it in its next session.
  #settle(sequence: number, nowMs: number): void {
    let pending = this.#plausible(sequence, nowMs) - this.#base - this.#taken - this.#namedInAttach;
    if (this.#baseUnknown) {
      let gap = 0;
      for (const missing of this.#ringGap.values()) gap += missing;
      this.#base += pending - gap;
      pending = gap;
    } else if (pending < 0) {
      if (!this.#pastUnknown) this.#mismatches++;
      this.#base += pending;
      pending = 0;
    }
    this.#pastUnknown = this.#baseUnknown;
    this.#baseUnknown = false;
    this.#ringGap.clear();
    this.#pending = pending;
    this.#pendingReason = this.#givenUp ? "quarantine" : "unnamed";
  }

  // A sequence that no guest can have reached in the time is cut, and counted as a contradiction.
  #plausible(sequence: number, nowMs: number): number {
    const seconds = (nowMs - this.#attachMs) / 1000 + 1;
    const most = Math.max(this.#sequenceMax, this.#base) + RECORDS_PER_SECOND_MAX * seconds;
    if (sequence <= most) return sequence;
    this.#mismatches++;
    return Math.max(this.#sequenceMax, this.#base);
  }

  #nameByServer(recordClass: RecordClass, reason: LossReason, count: number): Loss {
    const loss = this.#row(-1, recordClass, reason, count, 0, 0);
    this.#namedInAttach += count;
    if (reason === "unnamed") this.#unaccounted += count;
    else this.#count(loss);
    return loss;
  }

  #row(
    ring: number,
    recordClass: RecordClass,
    reason: LossReason,
    count: number,
    firstSequence: number,
    lastSequence: number,
  ): Loss {
    const guest = this.#guest;
    const boot = this.#boot;
    return {
      kind: "loss",
      guest,
      boot,
      ring,
      recordClass,
      reason,
      count,
      firstSequence,
      lastSequence,
    };
  }

  #count(loss: Loss): void {
    this.#named += loss.count;
    const key = `${loss.recordClass}.${loss.reason}`;
    this.#byReason.set(key, (this.#byReason.get(key) ?? 0) + loss.count);
  }
}
