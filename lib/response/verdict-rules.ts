// SPDX-License-Identifier: Apache-2.0
// The table of deny rules that a policy makes of the indicators, for drivers to refuse by
// themselves before anything has run. Called by the server at start and when indicators change.
import { isDigest } from "../detect/detect.ts";
import type { Indicator, IndicatorKind, VerdictRule } from "../model/model.ts";
import {
  compareSeverity,
  type FindingFacts,
  findPolicyRule,
  type ResponsePolicy,
} from "./policy.ts";

/** Deny rules for drivers, and the indicator behind each by rule id. */
export interface VerdictTable {
  readonly rules: readonly VerdictRule[];
  readonly indicators: ReadonlyMap<number, Indicator>;
  /** Indicators that found no room; the least severe are left out first. */
  readonly leftOut: number;
}

const MATCHES: Readonly<Partial<Record<IndicatorKind, VerdictRule["match"]>>> = {
  path: "path",
  name: "name",
  sha256: "sha256",
};

/**
 * Plans the table of one guest. tagsOf: the tags that a detection of that indicator would carry.
 * firstId: ids of an earlier table are not used again, because verdicts made by it may still be on
 * their way.
 */
export function planVerdicts(
  policy: ResponsePolicy,
  guest: string,
  indicators: readonly Indicator[],
  tagsOf: (kind: IndicatorKind) => readonly string[],
  rulesMax: number,
  firstId: number,
): VerdictTable {
  const wanted = indicators.flatMap((indicator) => {
    // A driver cannot ask what must hold too.
    const isAlone = indicator.with === undefined || isDigest(indicator.kind);
    const match = isAlone ? MATCHES[indicator.kind] : undefined;
    const { id: rule, severity } = indicator;
    const tags = tagsOf(indicator.kind);
    const operations = operationsOf(policy, { guest, rule, severity, tags });
    return match === undefined || operations.length === 0 ? [] : [{ indicator, match, operations }];
  });
  wanted.sort((one, other) => compareSeverity(other.indicator.severity, one.indicator.severity));
  const taken = wanted.slice(0, rulesMax);
  return {
    rules: taken.map(({ indicator, match, operations }, index) => ({
      id: firstId + index,
      operations,
      match,
      pattern: indicator.value,
      verdict: "deny",
    })),
    indicators: new Map(taken.map(({ indicator }, index) => [firstId + index, indicator])),
    leftOut: wanted.length - taken.length,
  };
}

function operationsOf(policy: ResponsePolicy, finding: FindingFacts): VerdictRule["operations"] {
  const rule = findPolicyRule(policy, finding);
  if (rule === undefined || policy.dryRun || rule.dryRun) return [];
  return [
    ...(rule.actions.includes("deny-open") ? (["open"] as const) : []),
    ...(rule.actions.includes("deny-exec") ? (["exec"] as const) : []),
  ];
}
