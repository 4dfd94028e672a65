// SPDX-License-Identifier: Apache-2.0
// Decides when the next round of reading comes: at once while there is much to read and shortly
// after, else at pauses that grow, long enough for the looking itself to stay cheap; and where
// doorbells tell of everything, when one rings. Started by the server; the simulator calls its
// rounds itself.
import type { Clock } from "../time/time.ts";

/** A round that read less than this, in bytes, leaves the rings to fill a little. */
const BUSY_COST = 128 * 1024;
/** A pause lasts so many times as long as the round before it: many guests cost more to look at. */
const PAUSE_ROUNDS = 50;
/** So many times the idle limit at most: what guests may wait for the sake of the processor. */
const LOADED_PAUSES_MAX = 10;
/** After the last data, how long the loop comes back at each turn of the event loop. */
const SPIN_MS = 0.2;
const PAUSE_MS_MIN = 1;
/** Rings get lost: everything is looked at this often, at times that no guest can foretell. */
const LOOK_MS_MIN = 25;
const LOOK_MS_MAX = 50;

/** What the loop drives. */
export interface Rounds {
  /** Reads what there is, in a look also where a doorbell would tell; the cost, 0 for nothing. */
  round(isLook: boolean): number;
  /** Nothing is to be read before a doorbell rings, and that calls {@link DrainLoop.wake}. */
  readonly isAsleep: boolean;
}

/** Adaptive polling, and sleeping on doorbells. */
export class DrainLoop {
  readonly #clock: Clock;
  readonly #rounds: Rounds;
  readonly #pauseMsMax: number;
  #running = false;
  #busyMs = 0;
  #pauseMs = PAUSE_MS_MIN;
  #lookAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  // Woken while a round runs, which may be past what the call is about.
  #isRound = false;
  #isWanted = false;

  constructor(clock: Clock, rounds: Rounds, pauseMsMax: number) {
    this.#clock = clock;
    this.#rounds = rounds;
    this.#pauseMsMax = pauseMsMax;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#pauseMs = PAUSE_MS_MIN;
    this.#soon();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  /** Ends a pause early: something is known to wait. */
  wake(): void {
    // What waits is likely to be followed by more: an answer, if nothing else.
    this.#pauseMs = PAUSE_MS_MIN;
    this.#isWanted = this.#isRound;
    if (!this.#running || this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#soon();
  }

  #soon(): void {
    this.#immediate = setImmediate(() => this.#step(false));
  }

  #later(pauseMs: number, isDue: boolean): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#step(isDue);
    }, pauseMs);
  }

  #step(isDue: boolean): void {
    if (!this.#running) return;
    const beganMs = this.#clock.monotonicMs();
    const isLook = isDue || beganMs >= this.#lookAtMs;
    if (isLook) {
      this.#lookAtMs = beganMs + LOOK_MS_MIN + Math.random() * (LOOK_MS_MAX - LOOK_MS_MIN);
    }
    this.#isRound = true;
    this.#isWanted = false;
    const cost = this.#rounds.round(isLook);
    this.#isRound = false;
    if (!this.#running) return;
    const nowMs = this.#clock.monotonicMs();
    if (cost >= BUSY_COST) this.#busyMs = nowMs;
    const fitting = Math.max((nowMs - beganMs) * PAUSE_ROUNDS, PAUSE_MS_MIN);
    const loaded = Math.min(fitting, this.#pauseMsMax * LOADED_PAUSES_MAX);
    this.#pauseMs = cost > 0 ? loaded : Math.max(this.#pauseMs, loaded);
    if (this.#isWanted || nowMs - this.#busyMs < SPIN_MS) {
      this.#soon();
    } else if (this.#rounds.isAsleep) {
      // Due whatever the clock says then: timers count from when this turn of the event loop began.
      this.#later(Math.max(this.#lookAtMs - nowMs, 0), true);
    } else {
      this.#later(this.#pauseMs, false);
      this.#pauseMs = Math.max(loaded, Math.min(this.#pauseMs * 2, this.#pauseMsMax));
    }
  }
}
