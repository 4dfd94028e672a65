// SPDX-License-Identifier: Apache-2.0
// STIX patterns: what the grammar and the specification allow, and verdicts of every operator. The
// published cases are run by `npm run corpora -- intel`.
import { expect, test } from "vitest";
import {
  parseStixPattern,
  StixPattern,
  stixFaults,
  stixObservations,
} from "../../../../lib/detect/detect.ts";
import { isUndercroftError } from "../../../../lib/errors/errors.ts";

const FILE = {
  type: "file",
  name: "alice",
  size: 5,
  ratio: 12.5,
  hidden: true,
  created: "2026-01-02T03:04:05.1234567891Z",
  hashes: { MD5: "x" },
  list: [{ n: 1 }, { n: 2 }],
  name_hex: "616c696365",
  name_bin: "YWxpY2U=",
  address: "10.1.2.3",
  six: "2001:db8::1",
  nothing: null,
  parent_ref: "dir--1",
  child_refs: ["dir--1", "file--1"],
};
const DIRECTORY = { type: "directory", path: "/tmp", holds_refs: ["file--1"] };

function verdict(pattern: string): boolean {
  const objects = [
    {
      ...{ type: "observed-data", id: "observed-data--1", number_observed: 1 },
      ...{ first_observed: "2026-01-01T00:00:00Z", last_observed: "2026-01-01T00:00:00Z" },
      object_refs: ["file--1", "dir--1"],
    },
    { ...FILE, id: "file--1" },
    { ...DIRECTORY, id: "dir--1" },
  ];
  return new StixPattern(pattern).matches(stixObservations(objects));
}

function code(run: () => unknown): string {
  try {
    run();
  } catch (cause) {
    if (isUndercroftError(cause)) return cause.code;
    throw cause;
  }
  return "";
}

test("comparisons of one object", () => {
  const yes = [
    "file:name = 'alice'",
    "file:name == 'alice'",
    "file:name <> 'bob'",
    "file:name NOT = 'bob'",
    "file:name IN ('bob', 'alice')",
    "file:name NOT IN ()",
    "file:name LIKE 'al%'",
    "file:name LIKE '_lic_'",
    "file:name MATCHES '^a.+e$'",
    "file:name > 'alic'",
    "file:name = b'YWxpY2U='",
    "file:name_hex = 'alice'",
    "file:name_bin = h'616c696365'",
    "file:name_bin LIKE 'a%'",
    "file:name_hex MATCHES 'lic'",
    "file:size >= 5.0",
    "file:ratio < 13",
    "file:hidden = true",
    "file:size != true",
    "file:created = t'2026-01-02T03:04:05.1234567891000Z'",
    "file:created > t'2026-01-02T03:04:05.123456789Z'",
    "file:hashes.MD5 = 'x'",
    "file:hashes.'MD5' = 'x'",
    "file:list[1].n = 2",
    "file:list[*].n = 1",
    "file:address ISSUBSET '10.0.0.0/8'",
    "file:six ISSUBSET '2001:db8::/32'",
    "file:address ISSUPERSET '10.1.2.3'",
    "file:nothing != 'alice'",
    "file:parent_ref.path = '/tmp'",
    "file:child_refs[*].holds_refs[0].name = 'alice'",
    "EXISTS file:name",
    "NOT EXISTS file:other",
    "file:name = 'bob' OR file:size = 5 AND file:hidden = true",
    "(file:name = 'bob' OR file:size = 5) AND file:name = 'alice' /* why */ // so\n",
  ];
  const no = [
    "file:name = 'Alice'",
    "file:size = 'alice'",
    "file:size = '5'",
    "file:hidden = 1",
    "file:name LIKE 'lic'",
    "file:name < 5",
    "file:name NOT > 5",
    "file:list = 1",
    "file:list[5].n = 1",
    "file:other = 'x'",
    "file:nothing = 'x'",
    "file:address ISSUBSET '10.1.2.3/33.0.0.0'",
    "file:address ISSUBSET '2001:db8::/32'",
    "file:parent_ref = 'dir--1'",
    "file:name = 'alice' AND directory:path = '/tmp'",
    "EXISTS file:other",
    "observed-data:number_observed = 1",
    "other:name = 'alice'",
  ];
  for (const one of yes) expect(verdict(`[${one}]`), one).toBe(true);
  for (const one of no) {
    if (one.includes("/33")) expect(code(() => verdict(`[${one}]`))).toBe("ERR_UC_PATTERN");
    else expect(verdict(`[${one}]`), one).toBe(false);
  }
});

test("what is no pattern is refused with its column", () => {
  const cases: ReadonlyArray<readonly [string, number]> = [
    ["", 1],
    ["file:name = 'x'", 1],
    ["[file:name = 'x'", 17],
    ["[file:name = ]", 14],
    ["[file.name = 'x']", 6],
    ["[file:name = 'x]", 14],
    ["[file:name MATCHES null]", 20],
    ["[file:name = t'2026-13-01T00:00:00Z']", 14],
    ["[file:name IN ('a', 1)]", 21],
    ["[file:name = 'x'] WITHIN -5 SECONDS", 26],
    ["[file:name = 'x'] REPEATS 0 TIMES", 27],
    ["[file:name = 'x'] START 'never' STOP 'ever'", 25],
    ["[file:name = 'x'] AND", 22],
    ["[file:AND = 'x']", 7],
    ["[file:a-b = 'x']", 7],
    ["[file:a[-x] = 'x']", 9],
    [`${"(".repeat(100)}[file:name = 'x']${")".repeat(100)}`, 66],
  ];
  for (const [pattern, column] of cases) {
    expect(() => parseStixPattern(pattern), pattern).toThrow(`column ${column}:`);
    expect(code(() => parseStixPattern(pattern))).toBe("ERR_UC_PATTERN");
  }
});

test("what the grammar allows and the specification forbids is told", () => {
  const faults = (pattern: string): string[] => stixFaults(parseStixPattern(pattern));
  expect(faults("[file:hashes.MD5 = 'f00']")).toHaveLength(1);
  expect(faults("[a:b = 1] REPEATS 2 TIMES REPEATS 3 TIMES")).toHaveLength(1);
  expect(faults("([a:b = 1] WITHIN 2 SECONDS) WITHIN 3 SECONDS")).toEqual([]);
  expect(faults("([a:b = 1] AND [a:c = 1]) WITHIN 5 SECONDS")).toEqual([]);
  expect(faults("[a:b = 1] REPEATS 2 TIMES WITHIN 3 SECONDS")).toEqual([]);
});

test("a value that a time is compared with must be one", () => {
  const time = "t'2026-01-01T00:00:00Z'";
  expect(code(() => verdict(`[file:name = ${time}]`))).toBe("ERR_UC_PATTERN");
  expect(verdict(`[file:size != ${time}]`)).toBe(true);
});

test("an expression that RE2 has not is refused when the pattern is made", () => {
  for (const regex of ["(a)\\\\1", "(?=a)b", "("]) {
    expect(code(() => new StixPattern(`[file:name MATCHES '${regex}']`))).toBe("ERR_UC_PATTERN");
  }
});

test("an observation without times or count is an error", () => {
  const data = { type: "observed-data", id: "observed-data--1", number_observed: 1, objects: {} };
  const time = { first_observed: "2026-01-01T00:00:00Z", last_observed: "2026-01-01T00:00:00Z" };
  expect(stixObservations([{ ...data, ...time }, null, 5, "x"])).toHaveLength(1);
  expect(code(() => stixObservations([data]))).toBe("ERR_UC_PATTERN");
  for (const count of [0, -1, 1.5, "1", undefined]) {
    const bad = { ...data, ...time, number_observed: count };
    expect(code(() => stixObservations([bad]))).toBe("ERR_UC_PATTERN");
  }
});

test("a search that would not end, and a walk in circles, have no verdict", () => {
  const second = (at: number): string => new Date(at * 1000).toISOString();
  const data = (at: number): object => ({
    ...{ type: "observed-data", id: `observed-data--${at}`, number_observed: 1 },
    ...{ first_observed: second(at), last_observed: second(at) },
    objects: { "0": { type: "a", b: at } },
  });
  const many = stixObservations(Array.from({ length: 40 }, (_, at) => data(at)));
  const pattern = new StixPattern(
    "([a:b >= 0] FOLLOWEDBY [a:b >= 0]) REPEATS 21 TIMES AND [a:b = 99]",
  );
  expect(code(() => pattern.matches(many))).toBe("ERR_UC_PATTERN");
  const ids = Array.from({ length: 50 }, (_, at) => String(at));
  const circle = Object.fromEntries(ids.map((id) => [id, { type: "a", b_refs: ids }]));
  const [around] = stixObservations([{ ...data(1), objects: circle }]);
  const deep = new StixPattern(`[a:${"b_refs[*].".repeat(6)}c = 1]`);
  expect(code(() => deep.matches(around === undefined ? [] : [around]))).toBe("ERR_UC_PATTERN");
});

test("many repeats within a time are counted, not searched", () => {
  const time = (at: number): string => new Date(at * 1000).toISOString();
  const objects = Array.from({ length: 3000 }, (_, at) => ({
    ...{ type: "observed-data", id: `observed-data--${at}`, number_observed: 10 ** 6 },
    ...{ first_observed: time(at), last_observed: time(at), objects: { "0": { type: "a", b: 1 } } },
  }));
  const observations = stixObservations(objects);
  const repeats = (pattern: string): boolean => new StixPattern(pattern).matches(observations);
  expect(repeats("[a:b = 1] REPEATS 3000000000 TIMES")).toBe(true);
  expect(repeats("[a:b = 1] REPEATS 3000000001 TIMES")).toBe(false);
  expect(repeats("[a:b = 1] REPEATS 11000000 TIMES WITHIN 10 SECONDS")).toBe(true);
  expect(repeats("[a:b = 1] REPEATS 11000001 TIMES WITHIN 10 SECONDS")).toBe(false);
});
