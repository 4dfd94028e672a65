// SPDX-License-Identifier: Apache-2.0
// The Sigma engine: events in, matches of rules and correlations out. Pure: time is that of the
// events, and what it keeps can be taken out and put back. Made by whoever has a rule set.
import {
  type CorrelationMatch,
  Correlator,
  type CorrelatorOptions,
  type CorrelatorState,
  type CorrelatorStats,
} from "./correlator.ts";
import type { EventSource, SigmaEvent } from "./event.ts";
import { Matcher, type MatcherStats } from "./matcher.ts";
import type { LogSource, SigmaRule } from "./rule.ts";
import type { SigmaRuleSet } from "./rule-set.ts";

/** A rule, or a correlation of rules, that holds. */
export type SigmaMatch =
  | { readonly kind: "rule"; readonly rule: SigmaRule; readonly event: SigmaEvent }
  | ({ readonly kind: "correlation" } & CorrelationMatch);

export interface SigmaStats {
  readonly events: number;
  readonly matches: number;
  readonly matcher: MatcherStats;
  readonly correlations: CorrelatorStats;
}

const NONE: readonly SigmaMatch[] = [];

export class SigmaEngine {
  readonly #options: CorrelatorOptions;
  #silent: ReadonlySet<string> = new Set();
  #matcher: Matcher;
  #correlator: Correlator;
  #events = 0;
  #matches = 0;

  constructor(set: SigmaRuleSet, options: CorrelatorOptions = {}) {
    this.#options = options;
    this.#matcher = new Matcher(set.rules);
    this.#correlator = new Correlator(set.correlations, options);
    this.#silent = set.silent;
  }

  get stats(): SigmaStats {
    return {
      ...{ events: this.#events, matches: this.#matches },
      matcher: this.#matcher.stats,
      correlations: this.#correlator.stats,
    };
  }

  /** Log sources that rules name. */
  get sources(): readonly LogSource[] {
    return this.#matcher.sources;
  }

  /** Makes ready for events of a source, which the first of them would else wait for. */
  prepare(source: EventSource): number {
    return this.#matcher.prepare(source);
  }

  /** What holds with this event. One without a match costs no allocation. */
  match(event: SigmaEvent): readonly SigmaMatch[] {
    this.#events += 1;
    const rules = this.#matcher.match(event);
    if (rules.length === 0) return NONE;
    const found: SigmaMatch[] = [];
    for (const rule of rules) {
      if (!this.#silent.has(rule.key)) found.push({ kind: "rule", rule, event });
      this.#add(this.#correlator.feed(rule.key, event), found);
    }
    this.#matches += found.length;
    return found;
  }

  /** Says what time it is, by the clock of the events: windows that are over by then close. */
  advance(timeMs: number): readonly SigmaMatch[] {
    const closed = this.#correlator.advance(timeMs);
    if (closed.length === 0) return NONE;
    const found: SigmaMatch[] = [];
    this.#add(closed, found);
    this.#matches += found.length;
    return found;
  }

  /**
   * Goes on with other rules from the next event on. Correlations that did not change keep what
   * they have seen. Returns how many groups of others were dropped.
   */
  replaceRules(set: SigmaRuleSet): number {
    // Built beside the old ones, which stay if this fails.
    const matcher = new Matcher(set.rules);
    const correlator = new Correlator(set.correlations, this.#options);
    const dropped = correlator.importState(this.#correlator.exportState());
    this.#matcher = matcher;
    this.#correlator = correlator;
    this.#silent = set.silent;
    return dropped;
  }

  /** What correlations have seen, as plain data. */
  exportState(): CorrelatorState {
    return this.#correlator.exportState();
  }

  /** Goes on with what was exported; returns how many groups fit no correlation. */
  importState(state: CorrelatorState): number {
    return this.#correlator.importState(state);
  }

  #add(matches: readonly CorrelationMatch[], found: SigmaMatch[]): void {
    for (const match of matches) {
      if (!this.#silent.has(match.correlation.key)) found.push({ kind: "correlation", ...match });
    }
  }
}
