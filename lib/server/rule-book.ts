// SPDX-License-Identifier: Apache-2.0
// What the server holds against guests at the moment: detector, policy and the deny rules made of
// them. Swapped whole when indicators or policy change; shared by all guests of a server.
import {
  type Detector,
  IndicatorMatch,
  indicatorTags,
  type SigmaRuleSet,
} from "../detect/detect.ts";
import type { Indicator } from "../model/model.ts";
import { planVerdicts, type ResponsePolicy, type VerdictTable } from "../response/response.ts";
import { RULES_MAX } from "../wire/wire.ts";
import { SigmaDesk } from "./sigma-desk.ts";

/** Name of the table that fits all guests, where the policy tells none apart. */
const ALL_GUESTS = "";

/** Detection content and policy of one server. */
export class RuleBook {
  /** Absent where the server was given no Sigma rules. */
  readonly sigma: SigmaDesk | undefined;
  #policy: ResponsePolicy;
  #indicators: readonly Indicator[];
  #detector: Detector;
  // Made when a guest first asks.
  #tables = new Map<string, VerdictTable>();
  #previous: readonly VerdictTable[] = [];
  #generation = 1;
  #nextRuleId = 1;

  constructor(policy: ResponsePolicy, indicators: readonly Indicator[], sigma?: SigmaRuleSet) {
    this.#policy = policy;
    this.#indicators = indicators;
    this.sigma = sigma === undefined ? undefined : new SigmaDesk(sigma);
    this.#detector = new IndicatorMatch(indicators);
  }

  get policy(): ResponsePolicy {
    return this.#policy;
  }

  get detector(): Detector {
    return this.#detector;
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
      this.#indicators,
      indicatorTags,
      RULES_MAX,
      firstId,
    );
    this.#nextRuleId += table.rules.length;
    this.#tables.set(key, table);
    return table;
  }

  use(indicators: readonly Indicator[]): void {
    this.#indicators = indicators;
    this.#detector = new IndicatorMatch(indicators);
    this.#renew();
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

  #renew(): void {
    this.#previous = [...this.#tables.values()];
    this.#tables = new Map();
    this.#generation++;
  }
}
