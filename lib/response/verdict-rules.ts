// SPDX-License-Identifier: Apache-2.0
// The table of deny rules that a policy makes of the indicators, for drivers to refuse by
// themselves before anything has run. Called by the server at start and when indicators change.
import { isDigest } from "../detect/detect.ts";
import type { Indicator, IndicatorKind, Severity, VerdictRule } from "../model/model.ts";
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

/** Kinds of indicators that a driver can refuse by. */
export const DENIABLE_KINDS: readonly IndicatorKind[] = Object.keys(MATCHES) as IndicatorKind[];

interface WantedRule {
  readonly indicator: Indicator;
  readonly match: VerdictRule["match"];
  readonly operations: VerdictRule["operations"];
}

/**
 * Plans the table of one guest from indicators, of which there may be millions. tagsOf: the tags
 * that a detection of an indicator would carry. firstId: ids of an earlier table are not used
 * again, because verdicts made by it may still be on their way.
 */
export function planVerdicts(
  policy: ResponsePolicy,
  guest: string,
  indicators: Iterable<Indicator>,
  tagsOf: (indicator: Indicator) => readonly string[],
  rulesMax: number,
  firstId: number,
): VerdictTable {
  const bySeverity = new Map<Severity, WantedRule[]>();
  let count = 0;
  for (const indicator of canDeny(policy) ? indicators : []) {
    // A driver cannot ask what must hold too.
    const isAlone = indicator.with === undefined || isDigest(indicator.kind);
    const match = isAlone ? MATCHES[indicator.kind] : undefined;
    if (match === undefined) continue;
    const { id: rule, severity } = indicator;
    const tags = tagsOf(indicator);
    const operations = operationsOf(policy, { guest, rule, severity, tags });
    if (operations.length === 0) continue;
    count++;
    const wanted = bySeverity.get(severity) ?? [];
    bySeverity.set(severity, wanted);
    if (wanted.length < rulesMax) wanted.push({ indicator, match, operations });
  }
  const taken = [...bySeverity]
    .sort(([one], [other]) => compareSeverity(other, one))
    .flatMap(([, wanted]) => wanted)
    .slice(0, rulesMax);
  return {
    rules: taken.map(({ indicator, match, operations }, index) => ({
      id: firstId + index,
      operations,
      match,
      pattern: indicator.value,
      verdict: "deny",
    })),
    indicators: new Map(taken.map(({ indicator }, index) => [firstId + index, indicator])),
    leftOut: count - taken.length,
  };
}

// Spares a look at every indicator where nobody wants files refused.
function canDeny({ dryRun, rules }: ResponsePolicy): boolean {
  const isDeny = (action: string): boolean => action === "deny-open" || action === "deny-exec";
  return !dryRun && rules.some((rule) => !rule.dryRun && rule.actions.some(isDeny));
}

function operationsOf(policy: ResponsePolicy, finding: FindingFacts): VerdictRule["operations"] {
  const rule = findPolicyRule(policy, finding);
  if (rule === undefined || policy.dryRun || rule.dryRun) return [];
  return [
    ...(rule.actions.includes("deny-open") ? (["open"] as const) : []),
    ...(rule.actions.includes("deny-exec") ? (["exec"] as const) : []),
  ];
}
