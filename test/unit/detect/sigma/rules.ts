// SPDX-License-Identifier: Apache-2.0
// Small rules and events for the tests of this folder.
import { loadRules, type SigmaProblem, type SigmaRule } from "../../../../lib/detect/detect.ts";

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
