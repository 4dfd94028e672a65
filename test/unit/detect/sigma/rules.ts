// SPDX-License-Identifier: Apache-2.0
// Small rules and events for the tests of this folder.
import {
  type EventSource,
  FieldsEvent,
  loadRules,
  type SigmaEvent,
  type SigmaProblem,
  type SigmaRule,
  type SigmaValue,
} from "../../../../lib/detect/detect.ts";

/** A rule with one selection, given as one line of YAML, and a line with its condition. */
export function detectionRule(title: string, condition: string, selection: string): string {
  return `title: ${title}
logsource: {product: test}
detection:
    selection:
        ${selection}
    ${condition}
level: low
references: [x]
`;
}

/** What is wrong in such a rule. */
export function problemsOf(condition: string, selection: string): readonly SigmaProblem[] {
  const text = detectionRule("t", condition, selection);
  return loadRules([{ name: "a.yml", text }]).problems;
}

/** The one rule of a text; throws with its problems where there is none. */
export function ruleOf(
  text: string,
  placeholders: Readonly<Record<string, readonly string[]>> = {},
): SigmaRule {
  const { rules, problems } = loadRules([{ name: "a.yml", text }], { placeholders });
  const [rule] = rules;
  if (rule === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
  return rule;
}

/** An event of the tests' log source. */
export function testEvent(
  fields: Readonly<Record<string, SigmaValue>>,
  timeMs = 0,
  source: EventSource = TEST_SOURCE,
): SigmaEvent {
  return new FieldsEvent(source, timeMs, new Map(Object.entries(fields)));
}

const TEST_SOURCE: EventSource = { product: "test", categories: [] };
