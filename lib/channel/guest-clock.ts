// SPDX-License-Identifier: Apache-2.0
// Joins a guest's boot-time clock to the server's clocks by the newest pair seen. Used for event
// times and command deadlines. TRUST: the pair is the guest's claim and moves only its own times.
import type { Clock } from "../time/time.ts";

/** A sample that lies this much later than the others says that the guest stood still meanwhile. */
const PAUSE_MS = 250;

/**
 * Boot-time clock of one guest. Every sample is late by the time it waited to be read, so the
 * earliest one holds until a much later one shows that the guest was paused.
 */
export class GuestClock {
  readonly #clock: Clock;
  #boottimeNs = 0n;
  #atMs = 0;
  #offsetMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins anew: the guest's clock reads `boottimeNs` about now. */
  start(boottimeNs: bigint): void {
    this.#boottimeNs = boottimeNs;
    this.#atMs = this.#clock.monotonicMs();
    this.#offsetMs = Number(this.#clock.realtimeNs()) / 1e6 - Number(boottimeNs) / 1e6;
  }

  /** One more sample. */
  take(boottimeNs: bigint): void {
    const lateMs = Number(this.nowNs() - boottimeNs) / 1e6;
    if (lateMs < 0 || lateMs > PAUSE_MS) this.start(boottimeNs);
  }

  /** Server wall clock minus guest boot-time clock, in ms. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  /** The guest's clock `aheadMs` from now, kept in the range of the wire. */
  nowNs(aheadMs: number = 0): bigint {
    const ms = this.#clock.monotonicMs() - this.#atMs + aheadMs;
    return BigInt.asUintN(64, this.#boottimeNs + BigInt(Math.round(ms * 1e6)));
  }
}
