// SPDX-License-Identifier: Apache-2.0
// Clocks as values, so that the server, the simulator and replay run the same code on their own
// time. Nothing here reads a clock except systemClock().

/** Source of time for everything that schedules or stamps. */
export interface Clock {
  /** Monotonic milliseconds, for deadlines and rates. */
  monotonicMs(): number;
  /** Wall-clock nanoseconds since 1970-01-01 UTC, for stamps. */
  realtimeNs(): bigint;
}

/** The machine's own clocks. */
export function systemClock(): Clock {
  return {
    monotonicMs: () => performance.now(),
    realtimeNs: () =>
      BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n,
  };
}

/** A clock that moves only when told to: tests and the simulator. */
export class ManualClock implements Clock {
  #ms = 0;
  readonly #epochNs: bigint;

  constructor(epochNs: bigint = 1_700_000_000_000_000_000n) {
    this.#epochNs = epochNs;
  }

  monotonicMs(): number {
    return this.#ms;
  }

  realtimeNs(): bigint {
    return this.#epochNs + BigInt(Math.round(this.#ms * 1e6));
  }

  advance(ms: number): void {
    this.#ms += ms;
  }
}
