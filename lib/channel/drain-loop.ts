// SPDX-License-Identifier: Apache-2.0
// Decides when the next round of reading comes: at once while there is much to read and shortly
// after, else at pauses that grow, long enough for the looking itself to stay cheap. Started by
// the server; the simulator calls its rounds itself.
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

/** Adaptive polling. */
export class DrainLoop {
  readonly #clock: Clock;
  readonly #round: () => number;
  readonly #pauseMsMax: number;
  #running = false;
  #busyMs = 0;
  #pauseMs = PAUSE_MS_MIN;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  /** round: reads what there is and returns what it cost, 0 when it found nothing. */
  constructor(clock: Clock, round: () => number, pauseMsMax: number) {
    this.#clock = clock;
    this.#round = round;
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
    if (!this.#running || this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#soon();
  }

  #soon(): void {
    this.#immediate = setImmediate(() => this.#step());
  }

  #step(): void {
    if (!this.#running) return;
    const beganMs = this.#clock.monotonicMs();
    const cost = this.#round();
    if (!this.#running) return;
    const nowMs = this.#clock.monotonicMs();
    if (cost >= BUSY_COST) this.#busyMs = nowMs;
    const fitting = Math.max((nowMs - beganMs) * PAUSE_ROUNDS, PAUSE_MS_MIN);
    const loaded = Math.min(fitting, this.#pauseMsMax * LOADED_PAUSES_MAX);
    this.#pauseMs = cost > 0 ? loaded : Math.max(this.#pauseMs, loaded);
    if (nowMs - this.#busyMs < SPIN_MS) {
      this.#soon();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#step();
    }, this.#pauseMs);
    this.#pauseMs = Math.max(loaded, Math.min(this.#pauseMs * 2, this.#pauseMsMax));
  }
}
