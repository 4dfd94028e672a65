// SPDX-License-Identifier: Apache-2.0
// One Sigma document to a rule, a filter or a correlation. Called by the rule set's loader for
// each document of each file.
import { parseCorrelation } from "./correlation-parser.ts";
import { parseDetection } from "./detection-parser.ts";
import type { ValueContext } from "./modifiers.ts";
import type { SigmaCorrelation, SigmaFilter, SigmaRule } from "./rule.ts";
import { entryOf, mapAt, readHead, readLogSource, textsAt } from "./rule-head.ts";
import { YamlFault, type YamlMap, type YamlNode } from "./yaml-node.ts";

/** Where a document stands. */
export interface DocumentPlace {
  readonly file: string;
  readonly line: number;
}

/**
 * Parses one document.
 * @throws {YamlFault} for what makes it unusable
 */
export function parseRule(
  node: YamlNode,
  place: DocumentPlace,
  context: ValueContext,
): SigmaRule | SigmaCorrelation | SigmaFilter {
  if (node.kind !== "map") throw new YamlFault("a rule must be a map", node.at);
  const has = (key: string): boolean => entryOf(node, key) !== undefined;
  if (has("action")) {
    const at = entryOf(node, "action")?.at ?? node.at;
    throw new YamlFault("rule collections with action belong to Sigma 1 and are not supported", at);
  }
  if (has("correlation")) {
    return parseCorrelation(node, readHead(node, place.file, place.line, context.warn));
  }
  if (has("filter")) return parseFilter(node, place, context);
  if (has("detection")) return parseDetectionRule(node, place, context);
  throw new YamlFault("has neither detection, correlation nor filter", node.at);
}

function parseDetectionRule(map: YamlMap, place: DocumentPlace, context: ValueContext): SigmaRule {
  const head = readHead(map, place.file, place.line, context.warn);
  return {
    kind: "rule",
    ...head,
    source: readLogSource(map, context.warn),
    expression: parseDetection(mapAt(map, "detection"), context),
    fields: textsAt(map, "fields"),
  };
}

function parseFilter(map: YamlMap, place: DocumentPlace, context: ValueContext): SigmaFilter {
  const head = readHead(map, place.file, place.line, context.warn);
  const filter = mapAt(map, "filter");
  const condition = textsAt(filter, "condition").join(" ");
  if (!/\bnot\b/i.test(condition)) {
    // The specification's own example has no "not", but reads as if it had.
    const at = entryOf(filter, "condition")?.at ?? filter.at;
    context.warn('keeps only what the condition matches; to leave that out, begin with "not"', at);
  }
  const rules = textsAt(filter, "rules");
  const isForAll = rules.length === 0 || (rules.length === 1 && rules[0] === "any");
  return {
    kind: "filter",
    ...head,
    source: readLogSource(map, context.warn),
    rules: isForAll ? undefined : rules,
    expression: parseDetection(filter, context, ["rules"]),
  };
}
