// SPDX-License-Identifier: Apache-2.0
// Rule files in, rules and problems out: every problem has its place, and hides no other rule.
import { describe, expect, test } from "vitest";
import { loadRules, problemLine } from "../../../../lib/detect/detect.ts";
import { detectionRule, problemsOf } from "./rules.ts";

const load = (text: string) => loadRules([{ name: "a.yml", text }]);
const lines = (text: string) => load(text).problems.map(problemLine);

test("a rule keeps what it says of itself", () => {
  const [rule] = load(`title: A title
id: 929a690e-bef0-4204-a928-ef5e620d6fcc
name: a_name
status: test
description: |
    Two
    lines
author: Somebody
date: 2024-02-29
references:
    - https://example.org
tags:
    - attack.t1059
related:
    - id: 08fbc97d-0a2f-491c-ae21-8ffcfd3174e9
      type: derived
logsource:
    category: process_creation
    product: windows
    definition: nothing that is read
detection:
    selection:
        EventID: 4625
    condition: selection
fields:
    - User
level: high
`).rules;
  expect(rule).toMatchObject({
    ...{ key: "929a690e-bef0-4204-a928-ef5e620d6fcc", name: "a_name", title: "A title" },
    ...{ status: "test", description: "Two\nlines\n", author: "Somebody", date: "2024-02-29" },
    ...{ severity: "high", tags: ["attack.t1059"], fields: ["User"], file: "a.yml", line: 1 },
    related: [{ id: "08fbc97d-0a2f-491c-ae21-8ffcfd3174e9", type: "derived" }],
    source: { category: "process_creation", product: "windows" },
  });
});

describe("one bad rule", () => {
  test("hides none of the others, in its file or after it", () => {
    const set = loadRules([
      {
        name: "many.yml",
        text: [
          detectionRule("first", "condition: selection", "A: b"),
          "title: [unclosed\nlogsource: x",
          detectionRule("third", "condition: selection and missing", "A: b"),
          detectionRule("fourth", "condition: selection", "A: b"),
        ].join("\n---\n"),
      },
      { name: "next.yml", text: detectionRule("fifth", "condition: selection", "A: b") },
    ]);
    expect(set.rules.map(({ title }) => title)).toEqual(["first", "fourth", "fifth"]);
    expect(set.problems.map(problemLine)).toEqual([
      expect.stringMatching(/^many\.yml:12:1: error: Flow sequence in block collection/),
      expect.stringMatching(/^many\.yml:19:30: error: no search identifier "missing" \(third\)$/),
    ]);
  });

  test("of a Sigma 1 collection takes the rest of its file with it, which is said", () => {
    const rule = detectionRule("second", "condition: selection", "A: b");
    expect(lines(`action: global\ntitle: x\n---\n${rule}`)).toEqual([
      "a.yml:1:9: error: rule collections with action belong to Sigma 1 and are not supported (x)",
      "a.yml:3:1: error: not loaded: a document with action before it may change its meaning",
    ]);
  });
});

test("ids, names and titles of rules without either are unique", () => {
  const one = "title: T\nid: 929a690e-bef0-4204-a928-ef5e620d6fcc\nname: n\n";
  const rest = "logsource:\n    product: x\ndetection:\n    s:\n        A: b\n    condition: s\n";
  const text = [
    `${one}${rest}`,
    `title: U\nid: 929a690e-bef0-4204-a928-ef5e620d6fcc\n${rest}`,
    `title: V\nname: n\n${rest}`,
    `title: W\n${rest}`,
    `title: W\n${rest}`,
  ].join("---\n");
  const set = load(text);
  expect(set.rules.map(({ title }) => title)).toEqual(["T", "W"]);
  expect(set.problems.map(({ line, message }) => `${line} ${message}`)).toEqual([
    '11 the id "929a690e-bef0-4204-a928-ef5e620d6fcc" is that of a.yml:1 already',
    '20 the name "n" is that of a.yml:1 already',
    "37 without id or name, and its title is that of a.yml:29",
  ]);
});

describe("problems of a document", () => {
  test.each([
    ["just text", "1:1: error: a rule must be a map"],
    ["title: x", "1:1: error: has neither detection, correlation nor filter (x)"],
    ["detection: {}", "1:1: error: has no title"],
    ["title: x\ndetection: 3", '1:1: error: needs a map "logsource" (x)'],
    ["title: x\nlogsource: {definition: y}\ndetection: {}", "2:12: error: the log source names no"],
    ["title: x\ntitle: y", '2:1: error: the key "title" comes twice'],
    ["title: !!js/function x", "1:22: error: the tag"],
    ["title: x\nlevel: urgent\nlogsource: {product: p}\ndetection: {}", "2:8: error: the level"],
  ])("%j", (text, wanted) => {
    expect(lines(text)[0]).toContain(`a.yml:${wanted}`);
  });

  test("spoiled looks are warnings, and the rule is loaded", () => {
    const set = load(`title: x
id: not-a-uuid
status: new
date: 2024/02/01
tags: [Attack]
taxonomy: ecs
logsource: {product: Windows}
detection:
  selection: {A: b}
  unused: {A: c}
  timeframe: 5m
  condition: selection
`);
    expect(set.rules).toHaveLength(1);
    expect(set.problems.map(({ severity, line }) => `${severity} ${line}`)).toEqual([
      ...["warning 2", "warning 5", "warning 3", "warning 4", "warning 6", "warning 7"],
      ...["warning 11", "warning 10"],
    ]);
  });
});

describe("problems of a selection", () => {
  test.each([
    ["A|contian: b", 'no modifier "contian"'],
    ["A|contains|contains: b", '"contains" comes twice'],
    ["A|contains|endswith: b", "contains and endswith exclude each other"],
    ["A|re|cidr: b", "re and cidr exclude each other"],
    ["A|i: b", '"i" goes with re only'],
    ["A|re|endswith: b", '"endswith" does not go with re'],
    ["A|re: '(?=a)b'", "only what runs in linear time is allowed"],
    ["A|re: '(a'", "missing closing )"],
    ["A|cidr: 10.0.0.0/33", '"10.0.0.0/33" is no address range'],
    ["A|exists: maybe", "exists takes true or false"],
    ["A|gt: many", "needs a number"],
    ["A|hour|minute: 3", "exclude each other"],
    ["A|base64: 'a*b'", "base64 cannot encode wildcards"],
    ["A|base64offset: ''", "base64offset of nothing"],
    ["A|windash|base64: '-a-b-c-d-e'", "more dashes than can be encoded"],
    ["A|expand: '%Servers%'", "the placeholder %Servers% has no value here"],
    ["A|contains: null", "null cannot be changed by a modifier"],
    ["A: []", "has an empty list"],
    ["A: {b: c}", "a value must be plain, not a map"],
    ["A: [[b]]", "a value must be plain, not a list"],
    ["'|exists': true", "needs a field"],
    ["'|fieldref': b", "needs a field"],
    ["A|fieldref: ''", "needs the name of a field"],
  ])("%s", (selection, message) => {
    const [problem] = problemsOf("condition: selection", selection);
    expect(problem).toMatchObject({ severity: "error", line: 5, column: expect.any(Number) });
    expect(problem?.message).toContain(message);
  });

  test.each([
    ["A: [b, null]", "null in a list"],
    ["A|contains|all: b", "all with a single value"],
  ])("%s is a warning only", (selection, message) => {
    const [problem] = problemsOf("condition: selection", selection);
    expect(problem).toMatchObject({ severity: "warning" });
    expect(problem?.message).toContain(message);
  });
});

describe("problems of a condition", () => {
  test.each([
    ["", "condition must be text"],
    ["selection and", "ends too early"],
    ["and selection", '"and" is unexpected'],
    ["selection selection", '"selection" is unexpected'],
    ["(selection", "a ) is missing"],
    ["selection)", '")" is unexpected'],
    ["2 of them", 'say "1 of" or "all of"'],
    ["1 of", "a name or pattern is missing"],
    ["1 of filter*", 'no search identifier matches "filter*"'],
    ["selection | count() > 5", "belong to Sigma 1"],
    ["not", "ends too early"],
  ])("%j", (condition, message) => {
    const [problem] = problemsOf(`condition: ${condition}`, "A: b");
    expect(problem).toMatchObject({ severity: "error", line: 6 });
    expect(problem?.message).toContain(message);
  });
});
