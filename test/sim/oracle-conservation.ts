// SPDX-License-Identifier: Apache-2.0
// Judges that every record is delivered or its loss is named: what guests know they attempted
// against what came out of the server. Fed by world.ts; knows nothing of the server's own books.
import type { GuestBatch } from "../../lib/server/server.ts";
import type { AttachTruth } from "./truth.ts";

/** Everything that came out for one boot of one guest. */
interface Arrived {
  events: number;
  named: number;
  unnamed: number;
  repeated: number;
}

/** Sums over all guests, for people. */
export interface ConservationTotals {
  attempted: number;
  delivered: number;
  named: number;
  /** Missing without a name; only a guest that died may leave such, and each is a row too. */
  unnamed: number;
  /** Written by guests that died before anything of it became visible. */
  neverTold: number;
  attaches: number;
  /** Attaches of guests that lied: they are read, but their own books prove nothing. */
  untrusted: number;
}

/** Watches all batches and compares at the end. */
export class ConservationOracle {
  readonly #arrived = new Map<string, Arrived>();
  // Sequences seen of each attach, one bit each.
  readonly #seen = new Map<number, Uint8Array>();

  take({ guest, items }: GuestBatch): void {
    for (const item of items) {
      const arrived = this.#of(guest, item.boot);
      if (item.kind !== "loss") {
        arrived.events++;
        if (!this.#isFirst(item.cgroupId, item.sequence)) arrived.repeated++;
      } else if (item.reason === "unnamed") arrived.unnamed += item.count;
      else arrived.named += item.count;
    }
  }

  /** Compares one guest's truth with what arrived; returns what does not fit. */
  judge(history: readonly AttachTruth[], totals: ConservationTotals): string[] {
    const boots = new Map<string, AttachTruth[]>();
    for (const truth of history) {
      boots.set(truth.boot, [...(boots.get(truth.boot) ?? []), truth]);
    }
    return [...boots.values()].flatMap((truths) => this.#judgeBoot(truths, totals));
  }

  #judgeBoot(truths: readonly AttachTruth[], totals: ConservationTotals): string[] {
    const [first] = truths;
    if (first === undefined) return [];
    const arrived = this.#of(first.guest, first.boot);
    const sum = (value: (truth: AttachTruth) => number): number =>
      truths.reduce((total, truth) => total + value(truth), 0);
    totals.attaches += truths.length;
    if (truths.some(({ tainted }) => tainted)) {
      totals.untrusted += truths.length;
      return [];
    }
    const attempted = sum((truth) => truth.attempted);
    const told = sum((truth) => truth.told);
    const events = sum((truth) => truth.publishedEvents);
    const controls = sum((truth) => truth.publishedControls);
    totals.attempted += attempted;
    totals.delivered += arrived.events + controls;
    totals.named += arrived.named;
    totals.unnamed += arrived.unnamed;
    totals.neverTold += attempted - told;

    const problems: string[] = [];
    const claim = (holds: boolean, what: string): void => {
      if (!holds) problems.push(`${first.guest} boot ${first.boot.slice(0, 16)}: ${what}`);
    };
    const givenUp = truths.some((truth) => truth.givenUp);
    const crashed = truths.some((truth) => truth.crashed);
    const replaced = truths.some((truth) => truth.serverReplaced);
    claim(arrived.repeated === 0, `${arrived.repeated} records delivered twice`);
    claim(
      givenUp ? arrived.events <= events : arrived.events === events,
      `${events} events published, ${arrived.events} delivered`,
    );
    const out = arrived.events + arrived.named + arrived.unnamed;
    const least = out + (givenUp ? 0 : controls);
    const most = out + controls;
    // Two halves of a told truth that no server reads: counters of a guest that died before its
    // status page was looked at, and losses waiting for their frame when the server was replaced.
    const slack =
      (crashed ? sum((truth) => (truth.lastStatusRead ? 0 : truth.dropped)) : 0) +
      (replaced ? sum((truth) => truth.droppedPending) : 0);
    claim(
      least <= told && told - slack <= most,
      `${told} records told of, ${arrived.events} delivered and ${controls} about the channel, ` +
        `${arrived.named} named lost, ${arrived.unnamed} unnamed`,
    );
    const excuse = crashed || replaced ? sum((truth) => truth.unpublished + truth.dropped) : 0;
    claim(arrived.unnamed <= excuse, `${arrived.unnamed} lost records have no name`);
    return problems;
  }

  #of(guest: string, boot: string): Arrived {
    const key = `${guest} ${boot}`;
    let arrived = this.#arrived.get(key);
    if (arrived === undefined) {
      arrived = { events: 0, named: 0, unnamed: 0, repeated: 0 };
      this.#arrived.set(key, arrived);
    }
    return arrived;
  }

  #isFirst(attach: number, sequence: number): boolean {
    const place = sequence >>> 3;
    if (sequence >= 2 ** 28) return true;
    let bits = this.#seen.get(attach) ?? new Uint8Array(64);
    if (place >= bits.length) {
      const grown = new Uint8Array(Math.max(place + 1, bits.length * 2));
      grown.set(bits);
      bits = grown;
    }
    this.#seen.set(attach, bits);
    const bit = 1 << (sequence & 7);
    const before = bits[place] ?? 0;
    bits[place] = before | bit;
    return (before & bit) === 0;
  }
}
