// SPDX-License-Identifier: Apache-2.0
// What the server holds against guests at the moment: detector, policy and the deny rules made of
// them. Swapped whole when indicators or policy change; shared by all guests of a server.
import {
  type Detector,
  type IndicatorChange,
  IndicatorMatch,
  IndicatorStore,
  indicatorTags,
  type SigmaRuleSet,
} from "../detect/detect.ts";
import type { Indicator } from "../model/model.ts";
import {
  DENIABLE_KINDS,
  planVerdicts,
  type ResponsePolicy,
  type VerdictTable,
} from "../response/response.ts";
import { RULES_MAX } from "../wire/wire.ts";
import { SigmaDesk } from "./sigma-desk.ts";

/** Name of the table that fits all guests, where the policy tells none apart. */
const ALL_GUESTS = "";

/** A store of indicators that is told the time, ms since 1970; one that is given is used itself. */
export function storeOf(
  indicators: IndicatorStore | readonly Indicator[],
  nowMs: number,
): IndicatorStore {
  const isStore = indicators instanceof IndicatorStore;
  const store = isStore ? indicators : new IndicatorStore();
  if (!isStore) for (const indicator of indicators) store.add(indicator);
  store.advance(nowMs);
  return store;
}

/** Detection content and policy of one server. */
export class RuleBook {
  #sigma: SigmaDesk | undefined;
  #policy: ResponsePolicy;
  // The one place of all indicators: deny rules of drivers are made of it, the rest is looked up.
  #indicators: IndicatorStore;
  #detector: Detector;
  #deniableChanges = 0;
  // Made when a guest first asks.
  #tables = new Map<string, VerdictTable>();
  #previous: readonly VerdictTable[] = [];
  #generation = 1;
  #nextRuleId = 1;

  constructor(policy: ResponsePolicy, indicators: IndicatorStore, sigma?: SigmaRuleSet) {
    this.#policy = policy;
    this.#sigma = sigma === undefined ? undefined : new SigmaDesk(sigma);
    this.#indicators = indicators;
    this.#detector = new IndicatorMatch(indicators);
    this.#deniableChanges = indicators.changesOf(DENIABLE_KINDS);
  }

  /** Absent where the server was given no Sigma rules. */
  get sigma(): SigmaDesk | undefined {
    return this.#sigma;
  }

  get policy(): ResponsePolicy {
    return this.#policy;
  }

  get detector(): Detector {
    return this.#detector;
  }

  /** Indicators in use. */
  get indicators(): IndicatorStore {
    return this.#indicators;
  }

  /** Counts tables; the driver tells it back in its status page. */
  get generation(): number {
    return this.#generation;
  }

  /** Deny rules for one guest. */
  tableOf(guest: string): VerdictTable {
    const isShared = this.#policy.rules.every(({ guests }) => guests.length === 0);
    const key = isShared ? ALL_GUESTS : guest;
    const known = this.#tables.get(key);
    if (known !== undefined) return known;
    const firstId = this.#nextRuleId;
    const table = planVerdicts(
      this.#policy,
      key,
      this.#indicators.ofKinds(DENIABLE_KINDS),
      indicatorTags,
      RULES_MAX,
      firstId,
    );
    this.#nextRuleId += table.rules.length;
    this.#tables.set(key, table);
    return table;
  }

  /** Puts a store in place of the one before. */
  use(indicators: IndicatorStore): void {
    this.#indicators = indicators;
    this.#detector = new IndicatorMatch(indicators);
    this.#deniableChanges = indicators.changesOf(DENIABLE_KINDS);
    this.#renew();
  }

  /** Takes a source's change over; whether deny rules are others than before. */
  change(change: IndicatorChange): boolean {
    this.#indicators.apply(change);
    return this.#renewChanged();
  }

  /** Tells the time, ms since 1970; whether deny rules are others than before. */
  advance(nowMs: number): boolean {
    if (nowMs < this.#indicators.nextChangeMs) return false;
    this.#indicators.advance(nowMs);
    return this.#renewChanged();
  }

  useSigma(rules: SigmaRuleSet): void {
    if (this.#sigma === undefined) this.#sigma = new SigmaDesk(rules);
    else this.#sigma.replace(rules);
  }

  usePolicy(policy: ResponsePolicy): void {
    this.#policy = policy;
    this.#renew();
  }

  /** The indicator behind a deny rule of the tables in use or the ones before. */
  indicatorOf(ruleId: number): Indicator | undefined {
    for (const { indicators } of [...this.#tables.values(), ...this.#previous]) {
      const indicator = indicators.get(ruleId);
      if (indicator !== undefined) return indicator;
    }
    return undefined;
  }

  #renewChanged(): boolean {
    const changes = this.#indicators.changesOf(DENIABLE_KINDS);
    if (changes === this.#deniableChanges) return false;
    this.#deniableChanges = changes;
    this.#renew();
    return true;
  }

  #renew(): void {
    this.#previous = [...this.#tables.values()];
    this.#tables = new Map();
    this.#generation++;
  }
}
