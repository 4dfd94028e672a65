// SPDX-License-Identifier: Apache-2.0
// Books of one guest's records: what was attempted, delivered, named as lost and by whom. Fed by
// guest-stream.ts. TRUST: what a guest counts is a claim; it is clamped and never sizes memory.
//
// Two scales are kept. Within a session each ring's own sequence shows a gap at once. Over an
// attach (one life of a driver) the global sequence is exact whenever the guest has parked, that
// is at each hello: attempted = taken + named + pending.
import type { Loss, LossReason, RecordClass } from "../model/model.ts";
import { CLASS_COUNT, type GuestStatus, LOSS_COUNT } from "../wire/wire.ts";

/** Numbers of one guest since the server began. */
export interface LossTotals {
  /** Records that became events or control records. */
  readonly delivered: number;
  /** Lost, and named with class and reason by the guest, or by the server that gave them up. */
  readonly named: number;
  /** Missing since the last session; the guest's counters may still name them. */
  readonly pending: number;
  /** Missing and named by nobody. */
  readonly unaccounted: number;
  /** Contradictions between what the guest counts and what arrived. */
  readonly mismatches: number;
  /** Named losses by `class.reason`. */
  readonly byReason: Readonly<Record<string, number>>;
}

/** What the books need to know of a session. */
export interface LedgerStart {
  readonly bootId: string;
  readonly sequence: number;
  readonly sameAttach: boolean;
  /** A server takes over in the middle: the first sequence is taken as it comes. */
  readonly recovered: boolean;
  readonly lostBefore: readonly number[];
}

/** More records a second than any guest can make; larger claims are cut to it. */
const RECORDS_PER_SECOND_MAX = 10_000_000;
/** Most that one in-band claim may run ahead of everything that arrived before it. */
const CLAIM_STEP_MAX = 2 ** 40;
/** Status refreshes after which the guest has had time to count what it lost before. */
const HEARTBEATS_TO_SETTLE = 3;

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
/** Such records never came near a ring: only the status page names them. */
const OUT_OF_BAND: ReadonlySet<LossReason> = new Set(["not-ready", "reentry", "shutdown"]);
const INDEX_COUNT = CLASS_COUNT * LOSS_COUNT;

const classOf = (index: number): RecordClass =>
  CLASS_NAMES[Math.floor(index / LOSS_COUNT)] ?? "unknown";
const reasonOf = (index: number): LossReason => REASON_NAMES[index % LOSS_COUNT] ?? "unknown";

/** What the guest's status page counted, by class * LOSS_COUNT + reason. */
class Claims {
  lost: readonly number[] = [];
  sequence = 0;
  /** Refreshes in this session. */
  heartbeats = 0;
  /** What was lost before the books of this attach were opened is not ours to answer for. */
  before: readonly number[] = [];
  /** At the first refresh of this session. */
  first: readonly number[] | undefined;
  /** Named in-band when the last refresh was read: the next one must know of it. */
  namedInBand = 0;
}

/** Accounts for the records of one guest. */
export class LossLedger {
  readonly #guest: string;
  // Attach scale. #base: sequence up to which this server does not answer.
  #boot = "";
  #open = false;
  #base = 0;
  #baseUnknown = false;
  #pastUnknown = false;
  #taken = 0;
  #namedInAttach = 0;
  #namedInBand = 0;
  #sequenceMax = 0;
  #attachMs = 0;
  #claims = new Claims();
  readonly #namedByIndex = new Array<number>(INDEX_COUNT).fill(0);
  // Session scale.
  #givenUp = false;
  #pending = 0;
  #pendingReason: LossReason = "unnamed";
  #namedAtStart: readonly number[] = [];
  readonly #ringGap = new Map<number, number>();
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
    return {
      delivered: this.#delivered,
      named: this.#named,
      pending: this.#pending,
      unaccounted: this.#unaccounted + this.#gap(),
      mismatches: this.#mismatches,
      byReason: Object.fromEntries(this.#byReason),
    };
  }

  /**
   * A session begins; `sequence` is the last one that the guest, parked, had given out before it.
   * Returns the rows of an attach that ended with the session before.
   */
  startSession(start: LedgerStart, nowMs: number): Loss[] {
    let rows: Loss[] = [];
    if (this.#open && start.sameAttach) {
      this.#settle(start.sequence, nowMs);
    } else {
      rows = this.closeAttach(nowMs);
      this.#openAttach(start, nowMs);
    }
    this.#ringGap.clear();
    this.#givenUp = false;
    this.#claims.heartbeats = 0;
    this.#claims.first = undefined;
    this.#namedAtStart = [...this.#namedByIndex];
    return rows;
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
  nameInBand(loss: Loss): boolean {
    const { count, firstSequence: first, lastSequence: last, ring } = loss;
    if (first > last || count > last - first + 1 || last > this.#sequenceMax + CLAIM_STEP_MAX) {
      this.#mismatches++;
      return false;
    }
    const index =
      CLASS_NAMES.indexOf(loss.recordClass) * LOSS_COUNT + REASON_NAMES.indexOf(loss.reason);
    this.#name(loss, index);
    this.#namedInBand += count;
    if (last > this.#sequenceMax) this.#sequenceMax = last;
    const gap = (this.#ringGap.get(ring) ?? 0) - count;
    // The first frame of a resumed ring hides the gap that it names.
    this.#ringGap.set(ring, this.#baseUnknown ? Math.max(0, gap) : gap);
    return true;
  }

  /** Records that arrived but could not be decoded: delivered no more, named instead. */
  undecodable(ring: number, recordClass: RecordClass, count: number): Loss {
    this.#delivered -= count;
    const loss = this.#row(ring, recordClass, "undecodable", count);
    this.#count(loss);
    return loss;
  }

  /** The guest's own counters. Returns rows for losses that only they name. */
  claim(status: GuestStatus): Loss[] {
    const claims = this.#claims;
    const lost = status.lost.map(Number);
    const sequence = Number(status.sequence);
    const total = lost.reduce((sum, count) => sum + count, 0);
    const wentBack =
      sequence < claims.sequence || lost.some((count, index) => count < (claims.lost[index] ?? 0));
    const forgets = claims.heartbeats > 0 && total < claims.namedInBand;
    if (wentBack || forgets) this.#mismatches++;
    claims.lost = lost;
    claims.sequence = sequence;
    claims.namedInBand = this.#namedInBand;
    claims.first ??= lost;
    claims.heartbeats++;
    const rows: Loss[] = [];
    for (const [index] of lost.entries()) {
      if (!OUT_OF_BAND.has(reasonOf(index))) continue;
      const rest = this.#claimedAt(lost, index) - (this.#namedByIndex[index] ?? 0);
      if (rest <= 0 || rest > CLAIM_STEP_MAX) continue;
      this.#pending -= Math.min(rest, this.#pending);
      rows.push(this.#nameByServer(index, rest));
    }
    return rows;
  }

  /** True when the guest has had time to count what the session before left pending. */
  get settled(): boolean {
    return this.#pending > 0 && this.#claims.heartbeats >= HEARTBEATS_TO_SETTLE;
  }

  /** Names what is pending: by the guest's counters, and what they do not cover by ourselves. */
  nameRest(): Loss[] {
    return this.#namePending(this.#claims.first ?? this.#claims.lost, this.#namedAtStart);
  }

  /** The driver's life is over: everything that it is known to have attempted is named. */
  closeAttach(nowMs: number): Loss[] {
    if (!this.#open) return [];
    this.#settle(Math.max(this.#sequenceMax, this.#claims.sequence), nowMs);
    this.#open = false;
    return this.#namePending(this.#claims.lost, this.#namedByIndex);
  }

  #openAttach(start: LedgerStart, nowMs: number): void {
    this.#boot = start.bootId;
    this.#open = true;
    this.#base = start.recovered ? 0 : start.sequence;
    this.#baseUnknown = start.recovered;
    this.#pastUnknown = true;
    this.#taken = 0;
    this.#namedInAttach = 0;
    this.#namedInBand = 0;
    this.#sequenceMax = start.sequence;
    this.#attachMs = nowMs;
    this.#pending = 0;
    this.#claims = new Claims();
    this.#claims.before = start.lostBefore;
    this.#namedByIndex.fill(0);
  }

  #gap(): number {
    let gap = 0;
    for (const missing of this.#ringGap.values()) gap += missing;
    return Math.max(0, gap);
  }

  // What is missing up to `sequence` is pending from now on.
  #settle(sequence: number, nowMs: number): void {
    const known = this.#base + this.#taken + this.#namedInAttach;
    let pending = this.#plausible(sequence, nowMs) - known;
    if (this.#baseUnknown) {
      this.#base += pending - this.#gap();
      pending = this.#gap();
    } else if (pending < 0) {
      // Counters of the time before our books may reach into them, once.
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

  #namePending(claimed: readonly number[], named: readonly number[]): Loss[] {
    const rows: Loss[] = [];
    for (const [index] of claimed.entries()) {
      const rest = Math.min(this.#claimedAt(claimed, index) - (named[index] ?? 0), this.#pending);
      if (rest <= 0 || OUT_OF_BAND.has(reasonOf(index))) continue;
      this.#pending -= rest;
      rows.push(this.#nameByServer(index, rest));
    }
    if (this.#pending === 0) return rows;
    const loss = this.#row(-1, "unknown", this.#pendingReason, this.#pending);
    this.#pending = 0;
    this.#namedInAttach += loss.count;
    if (loss.reason === "unnamed") this.#unaccounted += loss.count;
    else this.#count(loss);
    return [...rows, loss];
  }

  #claimedAt(claimed: readonly number[], index: number): number {
    return (claimed[index] ?? 0) - (this.#claims.before[index] ?? 0);
  }

  // A sequence that no guest can have reached in the time is cut, and counted as a contradiction.
  #plausible(sequence: number, nowMs: number): number {
    const seconds = (nowMs - this.#attachMs) / 1000 + 1;
    const seen = Math.max(this.#sequenceMax, this.#base);
    if (sequence <= seen + RECORDS_PER_SECOND_MAX * seconds) return sequence;
    this.#mismatches++;
    return seen;
  }

  #nameByServer(index: number, count: number): Loss {
    const loss = this.#row(-1, classOf(index), reasonOf(index), count);
    this.#name(loss, index);
    return loss;
  }

  #name(loss: Loss, index: number): void {
    this.#namedInAttach += loss.count;
    this.#namedByIndex[index] = (this.#namedByIndex[index] ?? 0) + loss.count;
    this.#count(loss);
  }

  #row(ring: number, recordClass: RecordClass, reason: LossReason, count: number): Loss {
    const guest = this.#guest;
    const boot = this.#boot;
    const unknown = { firstSequence: 0, lastSequence: 0 };
    return { kind: "loss", guest, boot, ring, recordClass, reason, count, ...unknown };
  }

  #count(loss: Loss): void {
    this.#named += loss.count;
    const key = `${loss.recordClass}.${loss.reason}`;
    this.#byReason.set(key, (this.#byReason.get(key) ?? 0) + loss.count);
  }
}
