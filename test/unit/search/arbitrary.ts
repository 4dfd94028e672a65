// SPDX-License-Identifier: Apache-2.0
// Random searches and random rows whose values meet often, for the property tests of the language
// and of its SQL.
import fc from "fast-check";
import { addressKeys } from "../../../lib/search/address-range.ts";
import { joinPattern } from "../../../lib/search/patterns.ts";
import type {
  Bound,
  Condition,
  Pattern,
  Point,
  Row,
  Search,
  SortKey,
  Stage,
  Test,
} from "../../../lib/search/search.ts";

export const NOW_MS = 1_767_225_600_000;
const KINDS: readonly string[] = ["process.exec", "file.open", "dns", "flow.close"];

const TEXTS = [
  "",
  "a",
  "B",
  "ab",
  "AbC",
  "b*",
  "a?c",
  "\\",
  "a\\b",
  "%",
  "a_b",
  '"',
  "a b",
  "Ä",
  "𝒳b",
];
const ODD = ["or", "and", "NOT", "x:y", "(a)", "|", "a,b", "ß", "Σς", "İ", "a\nb", "{", "[", "now"];
const ADDRESSES = ["10.0.0.1", "10.0.1.2", "192.168.1.1", "::1", "fe80::1", "2001:db8::1:0", "::"];
const NETWORKS = [...ADDRESSES, "10.0.0.0/8", "10.0.0.0/23", "0.0.0.0/0", "fe80::/10", "::/0"];

const text: fc.Arbitrary<string> = fc.constantFrom(...TEXTS, ...ODD);
const number = fc.integer({ min: -3, max: 8 });
const bigint = fc.constantFrom(0n, 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n + 5n);
const real = fc.constantFrom(0, 0.5, -1.25, 3, 1e21);
const time = fc.constantFrom(-7_200_000, -60_000, 0, 0.5, 1).map((step) => NOW_MS + step);

function maybe<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.option(value, { freq: 4 });
}

/** Rows over one field of each type; `row` tells them apart. */
export const rows: fc.Arbitrary<readonly Row[]> = fc
  .array(
    fc.record({
      kind: fc.constantFrom(...KINDS),
      time,
      guest: fc.constantFrom("web", "db"),
      image: maybe(text),
      command_line: maybe(text),
      pid: maybe(number),
      remote_port: maybe(number),
      local_port: maybe(number),
      start_ns: maybe(bigint),
      duration_ms: maybe(real),
      first: maybe(time),
      truncated: maybe(fc.boolean()),
      remote_address: maybe(fc.constantFrom("", ...ADDRESSES)),
      source_address: maybe(fc.constantFrom(...ADDRESSES)),
      answers: maybe(fc.array(fc.oneof(text, number, fc.record({ a: number })), { maxLength: 3 })),
    }),
    { maxLength: 12 },
  )
  .map((list) => list.map((row, at) => ({ ...row, server: "hv1", row: at })));

const part = fc.oneof(
  text.map((value) => ({ text: value })),
  fc.constantFrom("any" as const, "one" as const),
);
const pattern = fc.array(part, { maxLength: 4 }).map(joinPattern);

function bounds(point: fc.Arbitrary<Point>): fc.Arbitrary<Test> {
  const bound: fc.Arbitrary<Bound> = fc.record({ value: point, isIncluded: fc.boolean() });
  return fc
    .record({
      low: fc.option(bound, { nil: undefined }),
      high: fc.option(bound, { nil: undefined }),
    })
    .filter(({ low, high }) => low !== undefined || high !== undefined)
    .map((range) => ({ kind: "range", ...range }));
}

const exists = fc.constant<Test>({ kind: "exists" });
const textTest = fc.oneof(
  exists,
  pattern.filter((found) => !isAny(found)).map((found): Test => ({ kind: "text", pattern: found })),
);
const timePoint: fc.Arbitrary<Point> = fc.oneof(
  time,
  fc.constantFrom(0, -60_000, -7_200_000, 500).map((fromNowMs) => ({ fromNowMs })),
);

function isAny(found: Pattern): boolean {
  return found.length === 1 && found[0] === "any";
}

function network(written: string): Test {
  const keys = addressKeys(written);
  if (keys === undefined) throw new Error(`no address: ${written}`);
  return { kind: "network", ...keys };
}

const TESTS: Readonly<Record<string, fc.Arbitrary<Test>>> = {
  kind: fc
    .constantFrom(...KINDS)
    .map((kind): Test => ({ kind: "text", pattern: [{ text: kind }] })),
  server: fc
    .constantFrom("hv1", "hv2")
    .map((name): Test => ({ kind: "text", pattern: [{ text: name }] })),
  image: textTest,
  file: textTest,
  command_line: textTest,
  answers: textTest,
  pid: fc.oneof(exists, bounds(number)),
  port: fc.oneof(exists, bounds(number)),
  start_ns: fc.oneof(exists, bounds(bigint)),
  duration_ms: fc.oneof(exists, bounds(real)),
  time: bounds(timePoint),
  first: fc.oneof(exists, bounds(timePoint)),
  truncated: fc.oneof(
    exists,
    fc.boolean().map((value): Test => ({ kind: "flag", value })),
  ),
  remote_address: fc.oneof(exists, fc.constantFrom(...NETWORKS).map(network)),
  address: fc.constantFrom(...NETWORKS).map(network),
};

const test = fc.oneof(
  ...Object.entries(TESTS).map(([field, tests]) =>
    tests.map((found): Condition => ({ kind: "test", field, test: found })),
  ),
);
const word = pattern
  .filter((found) => found.some((item) => item !== "any"))
  .map((found): Condition => ({ kind: "word", pattern: found }));

const conditions = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    test,
    word,
    tie("condition").map(
      (item): Condition => (item.kind === "not" ? item.item : { kind: "not", item }),
    ),
    fc
      .tuple(
        fc.constantFrom("and" as const, "or" as const),
        fc.array(tie("condition"), { minLength: 2, maxLength: 3 }),
      )
      .map(([kind, items]): Condition => {
        return { kind, items: items.flatMap((item) => (item.kind === kind ? item.items : [item])) };
      }),
  ),
}));

const { condition } = conditions;

const sortKey: fc.Arbitrary<SortKey> = fc.record({
  column: fc.constantFrom("time", "image", "pid", "truncated", "start_ns", "guest"),
  isDescending: fc.boolean(),
});
const sort: fc.Arbitrary<Stage> = fc
  .uniqueArray(sortKey, { minLength: 1, maxLength: 3, selector: (key) => key.column })
  .map((keys) => ({ kind: "sort", keys }));
const limit: fc.Arbitrary<Stage> = fc
  .integer({ min: 1, max: 5 })
  .map((count) => ({ kind: "limit", count }));
const stats: fc.Arbitrary<Stage> = fc
  .record({
    makes: fc.subarray(
      [
        { name: "count" as const, field: undefined },
        { name: "dc" as const, field: "image" },
        { name: "min" as const, field: "start_ns" },
        { name: "max" as const, field: "time" },
        { name: "sum" as const, field: "pid" },
        { name: "avg" as const, field: "pid" },
      ],
      { minLength: 1 },
    ),
    by: fc.subarray([
      { field: "image", stepMs: undefined },
      { field: "kind", stepMs: undefined },
      { field: "time", stepMs: 60_000 },
      { field: "truncated", stepMs: undefined },
    ]),
  })
  .map((found) => ({ kind: "stats", ...found }));
const fields: fc.Arbitrary<Stage> = fc
  .subarray(["kind", "image", "pid", "answers"], { minLength: 1 })
  .map((names) => ({ kind: "fields", names }));

export const search: fc.Arbitrary<Search> = fc.record({
  where: fc.oneof(condition, fc.constant<Condition>({ kind: "all" })),
  stages: fc.oneof(
    fc.constant([]),
    fc.tuple(sort),
    fc.tuple(sort, limit),
    fc.tuple(limit, stats),
    fc.tuple(stats),
    fc.tuple(sort, limit, fields),
  ),
});
