// SPDX-License-Identifier: Apache-2.0
// Why a rule matched an event, or why not: every leaf with what it asked and what the field held.
// For people, and for the finding that a match becomes.
import type { SigmaEvent, SigmaScalar, SigmaValue } from "./event.ts";
import { expressionMatches, sourceMatches } from "./interpreter.ts";
import { leafMatches, valueMatches } from "./leaf-test.ts";
import type { Expression, Leaf, SigmaRule, Test } from "./rule.ts";

/** One node of a condition with its answer. */
export type Explanation =
  | {
      readonly kind: "and" | "or" | "not";
      /** Name of the selection or key that the node is; empty for others. */
      readonly name: string;
      readonly matched: boolean;
      readonly items: readonly Explanation[];
    }
  | {
      readonly kind: "leaf";
      /** The key of the rule, with its modifiers. */
      readonly key: string;
      readonly matched: boolean;
      /** What was asked for. */
      readonly wanted: string;
      /** Field that answered; of a keyword the one that held it, or empty. */
      readonly field: string;
      /** What that field holds; undefined where the event has none. */
      readonly value: SigmaValue;
    };

/** A rule's answer to an event. */
export interface RuleExplanation {
  readonly rule: string;
  readonly title: string;
  readonly matched: boolean;
  /** The event is of the log that the rule speaks of. */
  readonly sourceMatched: boolean;
  readonly condition: Explanation;
}

/** Explains a rule's answer to an event; nothing is left out, so that a miss is explained too. */
export function explainRule(rule: SigmaRule, event: SigmaEvent): RuleExplanation {
  const sourceMatched = sourceMatches(rule.source, event.source);
  const condition = explain(rule.expression, event);
  const matched = sourceMatched && condition.matched;
  return { rule: rule.key, title: rule.title, matched, sourceMatched, condition };
}

function explain(expression: Expression, event: SigmaEvent): Explanation {
  if (expression.kind === "leaf") return explainLeaf(expression, event);
  if (expression.kind === "not") {
    const item = explain(expression.item, event);
    return { kind: "not", name: "", matched: !item.matched, items: [item] };
  }
  const { kind, name = "" } = expression;
  const items = expression.items.map((item) => explain(item, event));
  const isMatch = (item: Explanation): boolean => item.matched;
  return {
    kind,
    name,
    matched: kind === "and" ? items.every(isMatch) : items.some(isMatch),
    items,
  };
}

function explainLeaf(leaf: Leaf, event: SigmaEvent): Explanation {
  const { key, test } = leaf;
  const field = leaf.field ?? keywordField(leaf, event);
  const value = field === "" ? undefined : event.get(field);
  return {
    ...{ kind: "leaf", key, wanted: testText(test), field, value },
    matched: leafMatches(leaf, event),
  };
}

function keywordField(leaf: Leaf, event: SigmaEvent): string {
  for (const field of event.fieldNames()) {
    if (valueMatches(leaf.test, event.get(field), event)) return field;
  }
  return "";
}

/** What a test asks for, in words of the rule. */
export function testText(test: Test): string {
  switch (test.kind) {
    case "text":
      return test.written;
    case "regex":
      return test.source;
    case "number":
      return `${test.part === undefined ? "" : `${test.part} `}${test.operator} ${test.value}`;
    case "cidr":
      return test.text;
    case "exists":
      return test.wanted ? "any value" : "no such field";
    case "null":
      return "null";
    case "field":
      return `the field ${test.field}`;
  }
}

/**
 * The field and value on which a match rests: the first positive leaf of the condition that
 * matched. Undefined where a rule matched by what is absent.
 */
export function decidingField(
  expression: Expression,
  event: SigmaEvent,
): { readonly field: string; readonly value: SigmaScalar } | undefined {
  if (expression.kind === "not") return undefined;
  if (expression.kind === "leaf") {
    if (expression.test.kind === "null" || !leafMatches(expression, event)) return undefined;
    const field = expression.field ?? keywordField(expression, event);
    const value = event.get(field);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "object") return { field, value };
    const item = value.find((one) => valueMatches(expression.test, one, event));
    return item === undefined ? undefined : { field, value: item };
  }
  for (const item of expression.items) {
    if (expression.kind === "or" && !expressionMatches(item, event)) continue;
    const found = decidingField(item, event);
    if (found !== undefined) return found;
  }
  return undefined;
}
