// SPDX-License-Identifier: Apache-2.0
// Turns the signals that end a program into a wish that can be waited for. Called by the commands
// that run until Ctrl-C; a second signal means at once.
import process from "node:process";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

type Signal = (typeof SIGNALS)[number];

/** The wish of the person at the terminal to end. */
export class Interrupt {
  /** How many signals came. */
  count = 0;
  readonly #waiting: Array<() => void> = [];
  readonly #take = (): void => {
    this.count += 1;
    for (const wake of this.#waiting.splice(0)) wake();
  };

  readonly #signals: readonly Signal[];

  /** signals: those that mean the end. */
  constructor(signals: readonly Signal[] = SIGNALS) {
    this.#signals = signals;
    for (const signal of signals) process.on(signal, this.#take);
  }

  /** Resolves at the next signal, or at once when `count` signals came already. */
  wait(count: number = 1): Promise<void> {
    if (this.count >= count) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** Gives the signals their usual meaning again. */
  close(): void {
    for (const signal of this.#signals) process.off(signal, this.#take);
  }
}
