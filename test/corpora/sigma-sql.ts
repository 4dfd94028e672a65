// SPDX-License-Identifier: Apache-2.0
// How a condition comes out as an SQL query, where that differs from the specification. Tells a
// difference to the SQL engine that is explained from one that is open.
import {
  type Expression,
  ruleMatches,
  type SigmaEvent,
  type SigmaRule,
} from "../../lib/detect/detect.ts";

/** True, false, or unknown. */
type Answer = boolean | undefined;

/**
 * A rule's answer in SQL: a comparison with a field that is not there is unknown, and so is its
 * negation; a truth value is a number, which no text equals.
 */
export function sqlMatches(rule: SigmaRule, event: SigmaEvent): boolean {
  return answerOf(rule.expression, rule, event) === true;
}

function answerOf(expression: Expression, rule: SigmaRule, event: SigmaEvent): Answer {
  switch (expression.kind) {
    case "leaf": {
      const { field, test } = expression;
      const isAsked = test.kind === "null" || test.kind === "exists";
      if (field !== undefined && !isAsked && (event.get(field) ?? undefined) === undefined) {
        return undefined;
      }
      if (test.kind === "text" && isTruth(test.pattern)) return false;
      return ruleMatches({ ...rule, expression }, event);
    }
    case "not": {
      const answer = answerOf(expression.item, rule, event);
      return answer === undefined ? undefined : !answer;
    }
    default: {
      const answers = expression.items.map((item) => answerOf(item, rule, event));
      const deciding = expression.kind === "or";
      if (answers.includes(deciding)) return deciding;
      return answers.includes(undefined) ? undefined : !deciding;
    }
  }
}

function isTruth(
  pattern: ReadonlyArray<{ readonly text: string } | { readonly wildcard: string }>,
): boolean {
  const [part] = pattern;
  return (
    pattern.length === 1 &&
    part !== undefined &&
    "text" in part &&
    /^(true|false)$/i.test(part.text)
  );
}
