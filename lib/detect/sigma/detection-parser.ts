// SPDX-License-Identifier: Apache-2.0
// The detection section of a rule: search identifiers, each a condition over fields, and the
// condition that joins them (rules specification 2.1.0, "Detection"). Called by the rule parsers.
import { parseCondition } from "./condition-parser.ts";
import { fieldExpression, type ValueContext } from "./modifiers.ts";
import type { Expression } from "./rule.ts";
import {
  YamlFault,
  type YamlList,
  type YamlMap,
  type YamlNode,
  type YamlScalar,
} from "./yaml-node.ts";

const NO_FIELD: YamlScalar = { kind: "scalar", value: "", text: "", at: 0 };

/**
 * The whole condition of a detection, or of a filter; `skipped` are keys that are no search
 * identifiers.
 * @throws {YamlFault}
 */
export function parseDetection(
  detection: YamlMap,
  context: ValueContext,
  skipped: readonly string[] = [],
): Expression {
  const selections = new Map<string, Expression>();
  let condition: YamlNode | undefined;
  for (const { key, value } of detection.entries) {
    if (key.text === "condition") condition = value;
    else if (key.text === "timeframe") {
      context.warn("timeframe belongs to Sigma 1: a correlation rule has a timespan", key.at);
    } else if (!skipped.includes(key.text)) {
      selections.set(key.text, selection(key.text, value, context));
    }
  }
  if (condition === undefined) throw new YamlFault("has no condition", detection.at);
  if (selections.size === 0) throw new YamlFault("has no search identifier", detection.at);
  const used = new Set<string>();
  const parts = conditionTexts(condition).map(({ text, at }) =>
    parseCondition(text, at, selections, used),
  );
  for (const { key } of detection.entries) {
    if (selections.has(key.text) && !used.has(key.text) && !key.text.startsWith("_")) {
      context.warn(`the condition does not use "${key.text}"`, key.at);
    }
  }
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : { kind: "or", items: parts };
}

function conditionTexts(condition: YamlNode): YamlScalar[] {
  const items = condition.kind === "list" ? condition.items : [condition];
  if (items.length === 0) throw new YamlFault("the condition is empty", condition.at);
  return items.map((item) => {
    if (item.kind !== "scalar" || typeof item.value !== "string") {
      throw new YamlFault("the condition must be text", item.at);
    }
    return item;
  });
}

function selection(name: string, node: YamlNode, context: ValueContext): Expression {
  switch (node.kind) {
    case "map":
      return named(name, mapExpression(node, context));
    case "list":
      return named(name, listExpression(node, context));
    default:
      return named(name, fieldExpression(NO_FIELD, [keyword(node)], false, context));
  }
}

function named(name: string, expression: Expression): Expression {
  if (expression.kind === "and" || expression.kind === "or") {
    if (expression.name === undefined) return { ...expression, name };
  }
  return { kind: "and", items: [expression], name };
}

function mapExpression(map: YamlMap, context: ValueContext): Expression {
  if (map.entries.length === 0) throw new YamlFault("an empty map selects nothing", map.at);
  const items = map.entries.map(({ key, value }) => {
    const values = value.kind === "list" ? value.items : [value];
    return fieldExpression(key, values.map(plainValue), value.kind === "list", context);
  });
  return { kind: "and", items };
}

function listExpression(list: YamlList, context: ValueContext): Expression {
  if (list.items.length === 0) throw new YamlFault("an empty list selects nothing", list.at);
  const items = list.items.map((item) => {
    if (item.kind === "map") return mapExpression(item, context);
    if (item.kind === "list") throw new YamlFault("a list in a list", item.at);
    return fieldExpression(NO_FIELD, [keyword(item)], false, context);
  });
  return { kind: "or", items };
}

function plainValue(node: YamlNode): YamlScalar {
  if (node.kind === "scalar") return node;
  throw new YamlFault(`a value must be plain, not a ${node.kind}`, node.at);
}

function keyword(node: YamlScalar): YamlScalar {
  if (node.value === null || node.text === "") {
    throw new YamlFault("a keyword must not be empty", node.at);
  }
  return node;
}
