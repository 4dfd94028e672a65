// SPDX-License-Identifier: Apache-2.0
// Reads all guests of a server in fair turns: deficit round robin over the bytes and records that
// each turn costs, so that a guest that floods its rings delays the others by one turn at most.

/** Credit that a guest gets each round; a turn may overdraw it and is paid back in later rounds. */
const QUANTUM_BYTES = 256 * 1024;

/** What has turns: the rings of a guest or of a redirector. */
export interface Turning {
  /** Reads once; what it cost, 0 when there was nothing. */
  turn(): number;
  /** A doorbell will tell: no turn is needed but a look now and then. */
  readonly isAsleep?: boolean;
  /** Called when a turn found nothing; what a last look before sleeping cost. */
  sleep?(): number;
}

interface Account {
  readonly stream: Turning;
  credit: number;
}

/** The data channels of one server. */
export class DataChannel {
  #accounts: Account[] = [];
  #first = 0;

  add(stream: Turning): void {
    this.#accounts = [...this.#accounts, { stream, credit: 0 }];
  }

  remove(stream: Turning): void {
    this.#accounts = this.#accounts.filter((account) => account.stream !== stream);
  }

  /** True while every stream sleeps. */
  get isAsleep(): boolean {
    return this.#accounts.every(({ stream }) => stream.isAsleep === true);
  }

  /**
   * Gives each guest at most one turn, those that sleep only in a look. Returns the cost of all of
   * them; 0: all were empty.
   */
  round(isLook: boolean = true): number {
    const accounts = this.#accounts;
    let cost = 0;
    this.#first = accounts.length === 0 ? 0 : (this.#first + 1) % accounts.length;
    for (let index = 0; index < accounts.length; index++) {
      const account = accounts[(this.#first + index) % accounts.length];
      if (account === undefined || (!isLook && account.stream.isAsleep === true)) continue;
      account.credit = Math.min(account.credit + QUANTUM_BYTES, QUANTUM_BYTES);
      if (account.credit <= 0) {
        cost += 1;
        continue;
      }
      const spent = account.stream.turn() || (account.stream.sleep?.() ?? 0);
      account.credit = spent === 0 ? 0 : account.credit - spent;
      cost += spent;
    }
    return cost;
  }
}
