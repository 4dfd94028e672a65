// SPDX-License-Identifier: Apache-2.0
// What the server holds against guests at the moment: detector, policy and the deny rules made of
// them. Swapped whole when indicators change; shared by all guests of a server.
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

/** Detection content and policy of one server. */
export class RuleBook {
  readonly policy: ResponsePolicy;
  /** Absent where the server was given no Sigma rules. */
  readonly sigma: SigmaDesk | undefined;
  #detector: Detector;
  #table: VerdictTable;
  #previous: VerdictTable | undefined;
  #generation = 1;
  #nextRuleId = 1;

  constructor(policy: ResponsePolicy, indicators: readonly Indicator[], sigma?: SigmaRuleSet) {
    this.policy = policy;
    this.sigma = sigma === undefined ? undefined : new SigmaDesk(sigma);
    this.#detector = new IndicatorMatch(indicators);
    this.#table = this.#plan(indicators);
  }

  get detector(): Detector {
    return this.#detector;
  }

  get table(): VerdictTable {
    return this.#table;
  }

  /** Counts tables; the driver tells it back in its status page. */
  get generation(): number {
    return this.#generation;
  }

  use(indicators: readonly Indicator[]): void {
    this.#previous = this.#table;
    this.#detector = new IndicatorMatch(indicators);
    this.#table = this.#plan(indicators);
    this.#generation++;
  }

  /** The indicator behind a deny rule of this table or the one before. */
  indicatorOf(ruleId: number): Indicator | undefined {
    return this.#table.indicators.get(ruleId) ?? this.#previous?.indicators.get(ruleId);
  }

  #plan(indicators: readonly Indicator[]): VerdictTable {
    const table = planVerdicts(this.policy, indicators, indicatorTags, RULES_MAX, this.#nextRuleId);
    this.#nextRuleId += table.rules.length;
    return table;
  }
}
