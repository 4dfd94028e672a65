// SPDX-License-Identifier: Apache-2.0
// The compiled Sigma engine is held equal to the interpreter, and each of its parts to the plainest
// thing that does the same. Alphabets are small, so that random texts meet random patterns.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  loadRules,
  Matcher,
  ruleMatches,
  SigmaEngine,
  type SigmaRule,
  type SigmaValue,
} from "../../lib/detect/detect.ts";
import { Automaton } from "../../lib/detect/sigma/automaton.ts";
import { EndQueue } from "../../lib/detect/sigma/end-queue.ts";
import { foldText } from "../../lib/detect/sigma/fold.ts";
import type { LiteralPlace } from "../../lib/detect/sigma/literal-trie.ts";
import { regexNeeds } from "../../lib/detect/sigma/regex-needs.ts";
import { matchesPattern, parsePattern } from "../../lib/detect/sigma/text-pattern.ts";
import { holds } from "../support/property.ts";
import { testEvent } from "../unit/detect/sigma/rules.ts";

// With a surrogate pair, the three letters that fold oddly, and a letter that only folding joins.
const units = ["a", "b", "A", "-", "/", "\\", " ", "\u03a3", "\u03c2", "\u0130", "\u{1f600}"];
const texts = fc.string({ unit: fc.constantFrom(...units, "\u212a", "k"), maxLength: 12 });
const patterns = fc.string({ unit: fc.constantFrom(...units, "*", "?", "k"), maxLength: 6 });

test("a pattern matches what the same regular expression matches", () => {
  const property = fc.property(patterns, texts, (source, text) => {
    const pattern = parsePattern(source);
    const parts = pattern.map((part) => {
      if ("text" in part) return part.text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
      return part.wildcard === "any" ? ".*" : ".";
    });
    const wanted = new RegExp(`^${parts.join("")}$`, "su").test(text);
    expect(matchesPattern(pattern, text)).toBe(wanted);
  });
  holds(property, 5000);
});

const literals = fc.uniqueArray(
  fc.record({
    place: fc.constantFrom<LiteralPlace>("contains", "startswith", "endswith", "equals"),
    text: texts.map(foldText).filter((text) => text !== ""),
  }),
  { selector: ({ place, text }) => `${place} ${text}`, maxLength: 30 },
);

test("the automaton finds what the text's own methods find, however rare the characters", () => {
  // More distinct characters than classes: some have to share one.
  const crowd = Array.from({ length: 200 }, (_, index) => ({
    place: "contains" as const,
    text: String.fromCharCode(0x4e00 + index, 0x4e00 + index),
  }));
  const property = fc.property(literals, texts, fc.boolean(), (list, text, isCrowded) => {
    const all = isCrowded ? [...crowd, ...list] : list;
    const automaton = new Automaton(all.map((literal, id) => ({ ...literal, id })));
    const table = (): Int32Array => new Int32Array(all.length);
    const hits = { stamps: table(), ids: table(), epoch: 1, count: 0 };
    automaton.scan(text, hits);
    const found = [...hits.ids.subarray(0, hits.count)].sort((one, two) => one - two);
    const folded = foldText(text);
    const wanted = all.flatMap(({ place, text: literal }, id) => {
      if (place === "equals") return folded === literal ? [id] : [];
      if (place === "contains") return folded.includes(literal) ? [id] : [];
      const isThere =
        place === "startswith" ? folded.startsWith(literal) : folded.endsWith(literal);
      return isThere ? [id] : [];
    });
    expect(found).toEqual(wanted);
  });
  holds(property, 2000);
});

const regexParts = fc.constantFrom(
  ...["a", "b", "ab", "(a|bk)", "[ab]", "[^a]", ".", "a?", "b*", "k+", "(?:ab)?", "\\\\", "\\s"],
  ...["(?i)", "(?i:bA)", "{2}", "a{1,2}", "^", "$", "|", "[-a]", "\\/", "\\w", "(ab|/)+", "s"],
);

test("what a regular expression is said to need is in every text that it matches", () => {
  const property = fc.property(
    fc.array(regexParts, { maxLength: 6 }),
    fc.array(texts, { minLength: 20, maxLength: 20 }),
    (parts, subjects) => {
      const source = parts.join("");
      let regex: RegExp;
      try {
        // JavaScript knows flags within an expression only around a group.
        regex = new RegExp(
          source.replace(/^\(\?i\)/, ""),
          source.startsWith("(?i)") ? "isu" : "su",
        );
      } catch {
        return;
      }
      const { choices, lengthMin } = regexNeeds(source, "");
      for (const subject of subjects) {
        if (!regex.test(subject)) continue;
        expect(subject.length).toBeGreaterThanOrEqual(lengthMin);
        const folded = foldText(subject);
        for (const set of choices) expect(set.some((one) => folded.includes(one))).toBe(true);
      }
    },
  );
  holds(property, 3000);
});

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const values = fc.oneof(patterns.filter((text) => text !== "").map(quoted), fc.nat(12).map(String));
const list = fc
  .array(values, { minLength: 1, maxLength: 4 })
  .map((items) => `[${items.join(", ")}]`);
const fields = fc.constantFrom("A", "B", "C");
const leaf = fc.oneof(
  fc
    .tuple(
      fields,
      fc.constantFrom("", "|contains", "|startswith", "|endswith"),
      fc.constantFrom("", "", "|all", "|cased", "|windash", "|neq", "|cased|windash"),
      list,
    )
    .map(([field, place, more, items]) => `${field}${place}${more}: ${items}`),
  fc
    .tuple(fields, fc.constantFrom("a.*b", "(a|bk)", "^-", "k{2}", "[ab][ /]", "(?i)KA", ".{7,}"))
    .map(([field, source]) => `${field}|re: '${source}'`),
  fields.map((field) => `${field}: null`),
  fields.map((field) => `${field}|exists: true`),
  fc.tuple(fields, fc.nat(12)).map(([field, number]) => `${field}|gte: ${number}`),
  fc.tuple(fields, fields).map(([one, two]) => `${one}|fieldref|endswith: ${two}`),
  list.map((items) => `|all: ${items}`),
);
const selection = fc.oneof(
  fc
    .uniqueArray(leaf, { minLength: 1, maxLength: 3, selector: (text) => text.split(":")[0] })
    .map((leaves) => `{${leaves.map((one) => one.replace(/^(.*?): /, '"$1": ')).join(", ")}}`),
  list,
);
const conditions = fc.constantFrom(
  ...["s1", "s1 and not s2", "s1 or s2 and s3", "not s1", "1 of s*", "all of them"],
  ...["not (s1 or s2) and s3", "s1 and (s2 or not s3)", "not all of s* or s1"],
);
const rules = fc.array(fc.tuple(selection, selection, selection, conditions), {
  minLength: 1,
  maxLength: 12,
});
const scalars = fc.oneof(texts, fc.nat(12));
const events = fc.array(
  fc.dictionary(
    fields,
    fc.oneof(scalars, scalars, scalars, fc.constant(null), fc.array(scalars, { maxLength: 3 })),
    { maxKeys: 3 },
  ),
  { minLength: 1, maxLength: 8 },
);

function ruleSet(parts: ReadonlyArray<readonly [string, string, string, string]>): {
  rules: readonly SigmaRule[];
  problems: readonly string[];
} {
  const text = parts
    .map(
      ([s1, s2, s3, condition], index) => `title: rule ${index}
logsource: {product: test}
detection:
    s1: ${s1}
    s2: ${s2}
    s3: ${s3}
    condition: ${condition}
`,
    )
    .join("---\n");
  const set = loadRules([{ name: "a.yml", text }]);
  const problems = set.problems.filter(({ severity }) => severity === "error");
  return { rules: set.rules, problems: problems.map(({ message }) => message) };
}

test("the compiled engine says what the interpreter says, event after event", () => {
  let matches = 0;
  let asked = 0;
  const property = fc.property(rules, events, (parts, list) => {
    const set = ruleSet(parts);
    if (set.problems.length > 0) throw new Error(set.problems.join());
    const matcher = new Matcher(set.rules);
    // Twice, because values seen before take another way.
    for (const fields of [...list, ...list]) {
      const event = testEvent(fields as Readonly<Record<string, SigmaValue>>);
      const wanted = set.rules.filter((rule) => ruleMatches(rule, event)).map(({ key }) => key);
      expect(matcher.match(event).map(({ key }) => key)).toEqual(wanted);
      matches += wanted.length;
      asked += set.rules.length;
    }
  });
  holds(property, 1000);
  // Neither all nor nothing, or equality would prove little.
  expect(matches).toBeGreaterThan(asked / 10);
  expect(matches).toBeLessThan(asked * 0.9);
});

test("no text makes the loader throw, and every problem lies within the file", () => {
  const seed = `title: t
logsource: {product: test}
detection:
    s: {A|contains: [a, b]}
    condition: s
`;
  const edit = fc.tuple(fc.nat(seed.length), fc.nat(8), fc.string({ maxLength: 8 }));
  const property = fc.property(fc.array(edit, { maxLength: 6 }), (edits) => {
    let text = seed;
    for (const [at, count, put] of edits) text = text.slice(0, at) + put + text.slice(at + count);
    const { problems } = loadRules([{ name: "a.yml", text }]);
    const lines = text.split("\n");
    for (const { line, column } of problems) {
      expect(line).toBeLessThanOrEqual(lines.length);
      expect(column).toBeLessThanOrEqual((lines[line - 1] ?? "").length + 1);
    }
  });
  holds(property, 2000);
});

test("a sliding count agrees with counting again at every event", () => {
  const text = `title: a
name: a
logsource: {product: test}
detection: {s: {A: x}, condition: s}
---
title: c
correlation:
    type: event_count
    rules: [a]
    group-by: [G]
    timespan: 10s
    condition: {gte: 3}
`;
  const set = loadRules([{ name: "a.yml", text }]);
  const step = fc.record({ afterMs: fc.nat(6000), group: fc.constantFrom("g", "h") });
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const engine = new SigmaEngine(set, { latenessMs: 0 });
    const counted = new Map<string, number[]>();
    let timeMs = 1_700_000_000_000;
    for (const { afterMs, group } of steps) {
      timeMs += afterMs;
      const times = [...(counted.get(group) ?? []), timeMs].filter((one) => one > timeMs - 10_000);
      const isThere = times.length >= 3;
      counted.set(group, isThere ? [] : times);
      const found = engine.match(testEvent({ A: "x", G: group }, timeMs));
      expect(found.length).toBe(isThere ? 1 : 0);
    }
    const { groups, samples } = engine.stats.correlations;
    expect(groups).toBeLessThanOrEqual(2);
    expect(samples).toBeLessThanOrEqual(4);
  });
  holds(property, 1000);
});

test("the queue of ends gives the soonest, whatever is taken out between", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), dueMs: fc.nat(100) }),
    fc.record({
      kind: fc.constantFrom("remove" as const, "postpone" as const),
      dueMs: fc.nat(100),
    }),
  );
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const queue = new EndQueue<{ dueMs: number; place: number }>();
    const items: Array<{ dueMs: number; place: number }> = [];
    for (const { kind, dueMs } of steps) {
      if (kind === "add") {
        const item = { dueMs: 0, place: 0 };
        items.push(item);
        queue.add(item, dueMs);
      } else if (kind === "remove") {
        const [item] = items.splice(dueMs % Math.max(1, items.length), 1);
        if (item !== undefined) queue.remove(item);
      } else if (queue.first !== undefined) queue.postponeFirst(queue.first.dueMs + dueMs);
      const soonest = Math.min(...items.map((item) => item.dueMs));
      expect(queue.first?.dueMs ?? Number.POSITIVE_INFINITY).toBe(soonest);
    }
  });
  holds(property, 2000);
});
