// SPDX-License-Identifier: Apache-2.0
// The one-pass search finds exactly what String.includes finds.
import fc from "fast-check";
import { expect, test } from "vitest";
import { SubstringIndex } from "../../../lib/detect/detect.ts";

const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);

test("patterns inside patterns are all found", () => {
  const index = new SubstringIndex(["she", "he", "hers", "his", "s"]);
  expect(sorted(index.find("ushers"))).toEqual([0, 1, 2, 4]);
  expect(index.find("x")).toEqual([]);
  expect(index.find("")).toEqual([]);
});

test("an index without patterns finds nothing", () => {
  expect(new SubstringIndex([]).find("anything")).toEqual([]);
});

test("agrees with includes on any patterns and text", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "\u{1f600}"), maxLength: 6 });
  const texts = fc.string({ unit: fc.constantFrom("a", "b", "\u{1f600}"), maxLength: 40 });
  const patterns = fc.array(
    letters.filter((text) => text !== ""),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(patterns, texts, (list, text) => {
      const wanted = list.flatMap((pattern, at) => (text.includes(pattern) ? [at] : []));
      expect(sorted(new SubstringIndex(list).find(text))).toEqual(wanted);
    }),
    { numRuns: 500 },
  );
});
