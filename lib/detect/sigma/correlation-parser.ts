// SPDX-License-Identifier: Apache-2.0
// A correlation document (correlation rules specification 2.1.0). Called by the rule parser; which
// rules it means is settled by the rule set.
import type { Comparison, CorrelationType, RuleHead, SigmaCorrelation, Threshold } from "./rule.ts";
import { entryOf, mapAt, textAt, textsAt } from "./rule-head.ts";
import { YamlFault, type YamlMap } from "./yaml-node.ts";

const TYPES: readonly CorrelationType[] = [
  ...(["event_count", "value_count", "temporal", "temporal_ordered"] as const),
  ...(["value_sum", "value_avg", "value_percentile"] as const),
];
const COMPARISONS: readonly Comparison[] = ["gt", "gte", "lt", "lte", "eq", "neq"];
const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const KEYS = [
  ...["type", "rules", "group-by", "timespan", "condition", "aliases", "generate"],
] as const;
const RULES_MAX = 256;
/** Each event up to a count is kept. */
const COUNT_MAX = 1_000_000;

/**
 * Parses a correlation with what it said of itself.
 * @throws {YamlFault}
 */
export function parseCorrelation(map: YamlMap, head: RuleHead): SigmaCorrelation {
  const node = mapAt(map, "correlation");
  for (const { key } of node.entries) {
    if (!KEYS.some((known) => known === key.text)) {
      throw new YamlFault(`a correlation has no "${key.text}"`, key.at);
    }
  }
  const type = typeOf(node);
  const rules = textsAt(node, "rules");
  if (rules.length === 0) throw new YamlFault("names no rules", node.at);
  if (rules.length > RULES_MAX) throw new YamlFault(`names more than ${RULES_MAX} rules`, node.at);
  if (new Set(rules).size < rules.length) throw new YamlFault("names a rule twice", node.at);
  const isTemporal = type === "temporal" || type === "temporal_ordered";
  const condition = conditionOf(node, isTemporal);
  if (type.startsWith("value_") && condition.fields.length === 0) {
    throw new YamlFault(`${type} needs a field in its condition`, node.at);
  }
  const isCount = type === "event_count" || type === "value_count";
  if (isCount && condition.thresholds.some(({ value }) => value > COUNT_MAX)) {
    throw new YamlFault(`counts more than ${COUNT_MAX}`, node.at);
  }
  return {
    kind: "correlation",
    ...head,
    type,
    rules,
    groupBy: textsAt(node, "group-by"),
    aliases: aliasesOf(node, rules),
    timespanMs: timespanOf(node),
    ...condition,
    generate: [map, node].some((place) => textAt(place, "generate") === "true"),
  };
}

function typeOf(node: YamlMap): CorrelationType {
  const text = textAt(node, "type");
  const type = TYPES.find((known) => known === text);
  if (type !== undefined) return type;
  const at = entryOf(node, "type")?.at ?? node.at;
  throw new YamlFault(`the type "${text}" is none of ${TYPES.join(", ")}`, at);
}

function timespanOf(node: YamlMap): number {
  const text = textAt(node, "timespan");
  const match = /^([1-9]\d{0,7})([smhd])$/.exec(text);
  if (match !== null) return Number(match[1]) * (UNIT_MS[match[2] ?? ""] ?? 0);
  const at = entryOf(node, "timespan")?.at ?? node.at;
  throw new YamlFault(`the timespan "${text}" is not a number and s, m, h or d`, at);
}

type Condition = Pick<SigmaCorrelation, "thresholds" | "fields" | "percentile">;

function conditionOf(node: YamlMap, isTemporal: boolean): Condition {
  const condition = entryOf(node, "condition");
  if (condition === undefined && isTemporal) return { thresholds: [], fields: [] };
  if (condition?.kind !== "map") {
    throw new YamlFault("needs a condition such as gte: 10", condition?.at ?? node.at);
  }
  const thresholds: Threshold[] = [];
  let fields: string[] = [];
  let percentile: number | undefined;
  for (const { key, value } of condition.entries) {
    const comparison = COMPARISONS.find((known) => known === key.text);
    if (comparison !== undefined) {
      thresholds.push({ comparison, value: numberIn(condition, key.text) });
    } else if (key.text === "field") fields = textsAt(condition, "field");
    else if (key.text === "percentile") percentile = numberIn(condition, "percentile");
    else throw new YamlFault(`no comparison "${key.text}"`, value.at);
  }
  if (thresholds.length === 0) throw new YamlFault("the condition compares nothing", condition.at);
  if (percentile !== undefined && (percentile < 0 || percentile > 100)) {
    throw new YamlFault("a percentile lies between 0 and 100", condition.at);
  }
  return { thresholds, fields, ...(percentile === undefined ? {} : { percentile }) };
}

function numberIn(condition: YamlMap, key: string): number {
  const value = entryOf(condition, key);
  if (value?.kind === "scalar" && typeof value.value === "number" && Number.isFinite(value.value)) {
    return value.value;
  }
  throw new YamlFault(`"${key}" needs a number`, value?.at ?? condition.at);
}

function aliasesOf(
  node: YamlMap,
  rules: readonly string[],
): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const aliases = new Map<string, ReadonlyMap<string, string>>();
  const value = entryOf(node, "aliases");
  if (value === undefined) return aliases;
  if (value.kind !== "map") throw new YamlFault("aliases must be a map", value.at);
  for (const { key, value: fields } of value.entries) {
    if (fields.kind !== "map") throw new YamlFault("an alias maps rules to fields", fields.at);
    const byRule = new Map<string, string>();
    for (const { key: rule } of fields.entries) {
      if (!rules.includes(rule.text)) {
        throw new YamlFault(`the alias names "${rule.text}", which is none of the rules`, rule.at);
      }
      byRule.set(rule.text, textAt(fields, rule.text));
    }
    aliases.set(key.text, byRule);
  }
  return aliases;
}
