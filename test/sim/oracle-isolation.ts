// SPDX-License-Identifier: Apache-2.0
// Judges that nothing of one guest shows up in another's stream, whatever a guest writes.
import type { GuestBatch } from "../../lib/server/server.ts";
import type { SimulatedGuest } from "./simulated-guest.ts";

/** Looks at every item as it comes. */
export class IsolationOracle {
  readonly problems: string[] = [];
  readonly #guests: ReadonlyMap<string, SimulatedGuest>;

  constructor(guests: readonly SimulatedGuest[]) {
    this.#guests = new Map(guests.map((guest) => [guest.name, guest]));
  }

  take({ guest, items }: GuestBatch): void {
    const owner = this.#guests.get(guest);
    for (const item of items) {
      if (item.guest !== guest) this.#tell(guest, `an item says it is of ${item.guest}`);
      if (item.kind === "loss" || owner === undefined) continue;
      // A guest that scribbles over its ring may garble its own records, and only those.
      const isGarbled = owner.history.some(({ tainted, boot }) => tainted && boot === item.boot);
      if (item.tid !== owner.index && !isGarbled) {
        this.#tell(guest, `an event carries the mark of guest number ${item.tid}`);
      }
    }
  }

  #tell(guest: string, what: string): void {
    if (this.problems.length < 20) this.problems.push(`${guest}: ${what}`);
  }
}
