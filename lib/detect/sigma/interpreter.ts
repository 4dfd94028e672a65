// SPDX-License-Identifier: Apache-2.0
// A rule judged the plain way: log source, then condition, leaf by leaf. The reference that the
// compiled engine is held against, and what explains a rule.
import type { EventSource, SigmaEvent } from "./event.ts";
import { leafMatches } from "./leaf-test.ts";
import type { Expression, LogSource, SigmaRule } from "./rule.ts";

/** Whether an event is of the log that a rule speaks of. */
export function sourceMatches(rule: LogSource, event: EventSource): boolean {
  if (rule.product !== undefined && rule.product !== event.product) return false;
  if (rule.service !== undefined && rule.service !== event.service) return false;
  return rule.category === undefined || event.categories.includes(rule.category);
}

/** Whether the condition holds for an event. */
export function expressionMatches(expression: Expression, event: SigmaEvent): boolean {
  switch (expression.kind) {
    case "leaf":
      return leafMatches(expression, event);
    case "not":
      return !expressionMatches(expression.item, event);
    case "and":
      return expression.items.every((item) => expressionMatches(item, event));
    case "or":
      return expression.items.some((item) => expressionMatches(item, event));
  }
}

/** Whether a rule matches an event. */
export function ruleMatches(rule: SigmaRule, event: SigmaEvent): boolean {
  return sourceMatches(rule.source, event.source) && expressionMatches(rule.expression, event);
}
