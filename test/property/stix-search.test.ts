// SPDX-License-Identifier: Apache-2.0
// The search for observations that satisfy a pattern's operators and qualifiers together, held
// against a reference that writes out every binding.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  parseStixPattern,
  type StixExpression,
  type StixObservation,
  StixPattern,
} from "../../lib/detect/detect.ts";
import { holds } from "../support/property.ts";

const observation = fc
  .record({
    value: fc.integer({ min: 1, max: 3 }),
    first: fc.integer({ min: 0, max: 6 }),
    length: fc.integer({ min: 0, max: 2 }),
    count: fc.integer({ min: 1, max: 2 }),
  })
  .map(
    ({ value, first, length, count }): StixObservation => ({
      firstMs: first * 1000,
      lastMs: (first + length) * 1000,
      count,
      objects: new Map([["0", { type: "a", b: value }]]),
    }),
  );

const leaf = fc.integer({ min: 1, max: 3 }).map((value) => `[a:b <= ${value}]`);
const time = (second: number): string => `t'1970-01-01T00:00:0${second}Z'`;
const pattern: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    leaf,
    fc
      .tuple(fc.constantFrom("AND", "OR", "FOLLOWEDBY"), tie("node"), tie("node"))
      .map(([word, one, other]) => `(${one} ${word} ${other})`),
    fc
      .tuple(tie("node"), fc.integer({ min: 1, max: 2 }))
      .map(([inner, times]) => `(${inner}) REPEATS ${times} TIMES`),
    fc
      .tuple(tie("node"), fc.integer({ min: 1, max: 3 }))
      .map(([inner, seconds]) => `(${inner}) WITHIN ${seconds} SECONDS`),
    fc
      .tuple(tie("node"), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 3 }))
      .map(([inner, start, more]) => `(${inner}) START ${time(start)} STOP ${time(start + more)}`),
  ),
})).node;

/** An instance of an observation: its index and which of its counts. */
type Binding = ReadonlyArray<readonly [index: number, instance: number]>;

function bindings(expression: StixExpression, all: readonly StixObservation[]): Binding[] {
  const of = (part: StixExpression): Binding[] => bindings(part, all);
  switch (expression.op) {
    case "observe":
      return all.flatMap((one, index) => {
        const isMatch = new StixPattern(patternText(expression)).matches([one]);
        return isMatch ? Array.from({ length: one.count }, (_, at): Binding => [[index, at]]) : [];
      });
    case "or":
      return expression.parts.flatMap(of);
    case "and":
      return expression.parts.map(of).reduce((left, right) => joined(left, right));
    case "followedby":
      return expression.parts.map(of).reduce((left, right) =>
        joined(left, right, (one, other) => {
          const latest = Math.max(...one.map(([index]) => all[index]?.firstMs ?? 0));
          return latest <= Math.min(...other.map(([index]) => all[index]?.lastMs ?? 0));
        }),
      );
    case "repeats":
      return Array.from({ length: expression.times }, () => of(expression.of)).reduce(
        (left, right) => joined(left, right),
      );
    case "within":
      return of(expression.of).filter((one) => isWithin(one, all, expression.seconds * 1000));
    default: {
      const start = Date.parse(expression.start);
      const stop = Date.parse(expression.stop);
      return of(expression.of).filter((one) =>
        one.every(([index]) => {
          const { firstMs = 0, lastMs = 0 } = all[index] ?? {};
          return lastMs >= start && firstMs < stop;
        }),
      );
    }
  }
}

function patternText(expression: StixExpression): string {
  const test = expression.op === "observe" ? expression.comparison : undefined;
  const value = test?.op === "test" ? test.values[0]?.value : undefined;
  return `[a:b <= ${value}]`;
}

function joined(
  left: readonly Binding[],
  right: readonly Binding[],
  fits: (one: Binding, other: Binding) => boolean = () => true,
): Binding[] {
  return left.flatMap((one) =>
    right
      .filter((other) => {
        const isApart = !other.some(([index, at]) => one.some((its) => same(its, [index, at])));
        return isApart && fits(one, other);
      })
      .map((other) => [...one, ...other]),
  );
}

function same(one: readonly [number, number], other: readonly [number, number]): boolean {
  return one[0] === other[0] && one[1] === other[1];
}

// There is a span of that length which each observation touches.
function isWithin(one: Binding, all: readonly StixObservation[], durationMs: number): boolean {
  const start = Math.min(...one.map(([index]) => all[index]?.lastMs ?? 0));
  return one.every(([index]) => (all[index]?.firstMs ?? 0) <= start + durationMs);
}

test("a verdict is that of the reference", () => {
  let matchCount = 0;
  let allCount = 0;
  holds(
    fc.property(pattern, fc.array(observation, { maxLength: 3 }), (text, all) => {
      // Few enough that the reference can write them out.
      fc.pre(
        (text.match(/REPEATS 2/g) ?? []).length <= 2 && (text.match(/a:b/g) ?? []).length <= 4,
      );
      const wanted = bindings(parseStixPattern(text), all).length > 0;
      allCount++;
      if (wanted) matchCount++;
      expect(new StixPattern(text).matches(all), text).toBe(wanted);
    }),
    1500,
  );
  expect(matchCount).toBeGreaterThan(allCount / 20);
  expect(matchCount).toBeLessThan((allCount * 19) / 20);
});

test("a pattern that repeats on more than there is tells the two apart", () => {
  const all = [{ firstMs: 0, lastMs: 0, count: 1, objects: new Map([["0", { type: "a", b: 1 }]]) }];
  const text = "[a:b <= 1] AND [a:b <= 1]";
  expect(bindings(parseStixPattern(text), all)).toEqual([]);
  expect(bindings(parseStixPattern("[a:b <= 1]"), all)).toHaveLength(1);
});
