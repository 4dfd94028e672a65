// SPDX-License-Identifier: Apache-2.0
// Joins a guest's boot-time clock to the server's clocks by the newest pair seen. Used for event
// times and command deadlines. TRUST: the pair is the guest's claim and moves only its own times.
import type { Clock } from "../time/time.ts";

/** Boot-time clock of one guest, estimated between the pairs that it sends. */
export class GuestClock {
  readonly #clock: Clock;
  #boottimeNs = 0n;
  #atMs = 0;
  #offsetMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The guest's clock reads `boottimeNs` about now. */
  set(boottimeNs: bigint): void {
    this.#boottimeNs = boottimeNs;
    this.#atMs = this.#clock.monotonicMs();
    this.#offsetMs = Number(this.#clock.realtimeNs()) / 1e6 - Number(boottimeNs) / 1e6;
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
