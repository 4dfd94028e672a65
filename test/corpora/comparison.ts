// SPDX-License-Identifier: Apache-2.0
// The count of one row of a conformance table: what an oracle wanted, what matched, and why the
// rest did not. Filled by the oracles of this folder; printed by the corpora run.

/** One row of the table: a log, an event type or a field, held against one oracle. */
export class Comparison {
  readonly goal: string;
  readonly metric: string;
  readonly peer: string;
  /** What the row's figure is: the share that matched, or the number of failures. */
  readonly unit: "%" | "failures";
  wanted = 0;
  matched = 0;
  /** Reasons of the misses, with how many. */
  readonly reasons: Map<string, number> = new Map();
  /** Each miss by its place. */
  readonly misses: string[] = [];
  /** What the oracle has and we do not claim, by the rule that leaves it out. */
  readonly excluded: Map<string, number> = new Map();

  constructor(goal: string, metric: string, peer: string, unit: "%" | "failures" = "%") {
    this.goal = goal;
    this.metric = metric;
    this.peer = peer;
    this.unit = unit;
  }

  hit(count = 1): void {
    this.wanted += count;
    this.matched += count;
  }

  miss(reason: string, place: string, count = 1): void {
    this.wanted += count;
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + count);
    this.misses.push(count === 1 ? `${place}: ${reason}` : `${place}: ${count} x ${reason}`);
  }

  exclude(rule: string, count = 1): void {
    this.excluded.set(rule, (this.excluded.get(rule) ?? 0) + count);
  }

  /** Counts another row into this one; its misses stay with it. */
  add(row: Comparison): void {
    this.wanted += row.wanted;
    this.matched += row.matched;
    for (const [reason, count] of row.reasons) {
      this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + count);
    }
  }

  get percent(): number {
    return this.wanted === 0 ? 100 : (100 * this.matched) / this.wanted;
  }
}

/** The comparisons of one oracle by metric, made when first asked for. */
export class Comparisons {
  readonly #goal: string;
  readonly #peer: string;
  readonly #list = new Map<string, Comparison>();

  constructor(goal: string, peer: string) {
    this.#goal = goal;
    this.#peer = peer;
  }

  of(metric: string): Comparison {
    const made = this.#list.get(metric) ?? new Comparison(this.#goal, metric, this.#peer);
    this.#list.set(metric, made);
    return made;
  }

  all(): Comparison[] {
    return [...this.#list.values()];
  }
}
