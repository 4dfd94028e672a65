// SPDX-License-Identifier: Apache-2.0
// Limits how often a guest may register again: a storm of resets would hide loss. Asked by
// registration.ts before it looks at a hello's content.

/** Registrations a second in the long run; a short burst is let through. */
export const HELLOS_PER_SECOND = 1;
export const HELLO_BURST = 3;
export const HELLOS_PER_HOUR = 20;

const HOUR_MS = 3_600_000;

/** Counts admitted hellos of one guest. */
export class HelloLimit {
  #tokens = HELLO_BURST;
  #refillMs = 0;
  readonly #times: number[] = [];

  /** True when one more registration is allowed now, which then counts. */
  admit(nowMs: number): boolean {
    const grown = this.#tokens + ((nowMs - this.#refillMs) / 1000) * HELLOS_PER_SECOND;
    this.#tokens = Math.min(HELLO_BURST, grown);
    this.#refillMs = nowMs;
    while (this.#times.length > 0 && nowMs - (this.#times[0] ?? 0) >= HOUR_MS) this.#times.shift();
    if (this.#tokens < 1 || this.#times.length >= HELLOS_PER_HOUR) return false;
    this.#tokens -= 1;
    this.#times.push(nowMs);
    return true;
  }
}
