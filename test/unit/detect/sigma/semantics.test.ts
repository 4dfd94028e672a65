// SPDX-License-Identifier: Apache-2.0
// What a selection means, case by case: the traps of the specification and of other engines. The
// interpreter and the compiled engine must both say so.
import { describe, expect, test } from "vitest";
import { Matcher, ruleMatches, type SigmaValue } from "../../../../lib/detect/detect.ts";
import { detectionRule, ruleOf, testEvent } from "./rules.ts";

type Fields = Readonly<Record<string, SigmaValue>>;

function judge(text: string, fields: Fields, placeholders = {}): boolean {
  const rule = ruleOf(text, placeholders);
  const event = testEvent(fields);
  const answer = ruleMatches(rule, event);
  expect(new Matcher([rule]).match(event).length === 1, "compiled as interpreted").toBe(answer);
  return answer;
}

const selected = (selection: string, fields: Fields, placeholders = {}): boolean =>
  judge(detectionRule("t", "condition: selection", selection), fields, placeholders);

/** Each: selection, then values of the field A that match, then those that do not. */
const table: ReadonlyArray<readonly [string, readonly SigmaValue[], readonly SigmaValue[]]> = [
  // Escapes: a backslash counts only before a wildcard or another backslash.
  ["A: 'C:\\x'", ["C:\\x", "c:\\X"], ["C:x", "C:\\\\x"]],
  ["A: 'C:\\\\x'", ["C:\\x"], ["C:\\\\x"]],
  ["A: 'a\\*b'", ["a*b"], ["a\\*b", "axb"]],
  ["A: 'a\\\\*b'", ["a\\b", "a\\xxb"], ["a*b", "ab"]],
  ["A: 'a\\\\\\*b'", ["a\\*b"], ["a\\xb", "a*b"]],
  ["A: 'a\\?b'", ["a?b"], ["axb"]],
  ["A: 'a\\\\\\\\b'", ["a\\\\b"], ["a\\b"]],
  ["A: 'a\\\\\\b'", ["a\\\\b"], ["a\\b"]],
  ["A: 'x\\'", ["x\\"], ["x"]],
  // Wildcards.
  ["A: 'a*c'", ["ac", "abc", "abcabc"], ["abcd", "bac"]],
  ["A: 'a?c'", ["abc", "a\u{1f600}c"], ["ac", "abbc"]],
  ["A: '*'", ["", "x"], [undefined, null]],
  ["A: '?'", ["x"], ["", "xx"]],
  ["A: '*a*b*'", ["xaxbx", "ab"], ["ba"]],
  ["A|contains: 'a*c'", ["xabcx"], ["ca"]],
  // Case, and numbers as texts.
  ["A: 'STRASSE \u00c4'", ["strasse \u00e4"], ["stra\u00dfe \u00e4"]],
  ["A: '\u03a3\u03b1\u03a3'", ["\u03c3\u03b1\u03c3", "\u03a3\u0391\u03a3"], ["\u03c3\u03b1"]],
  ["A|contains: '\u0391\u03a3'", ["\u0391\u03a3\u0392", "\u0391\u03a3"], ["\u0391"]],
  ["A|cased: 'Ab'", ["Ab"], ["ab", "AB"]],
  ["A|contains|cased: 'Ab'", ["xAbx"], ["xabx"]],
  ["A: 4625", [4625, "4625"], [46, "04625", "4625.0"]],
  ["A: '4625'", [4625, "4625"], ["462"]],
  ["A: 0x10", [16, "16"], ["0x10"]],
  ["A: 1.50", ["1.50"], [1.5]],
  ["A: true", ["true", "True"], ["1"]],
  ["A|endswith: 25", [4625], [4652]],
  // Nothing at all.
  ["A: null", [undefined, null], ["", "null", 0]],
  ["A: ''", [""], [undefined, null, " "]],
  ["A|exists: true", ["", null, 0], [undefined]],
  ["A|exists: false", [undefined], ["", null]],
  ["A|contains: ''", ["", "x"], [undefined, null]],
  // Lists in the rule, and in the event.
  ["A: [x, y]", ["x", "y"], ["z"]],
  ["A|contains: [x, y]", ["ax"], ["z"]],
  ["A|contains|all: [x, y]", ["yx"], ["x", "y"]],
  [
    "A|contains: b",
    [
      ["a", "b"],
      [7, "b"],
    ],
    [["a"], []],
  ],
  ["A|neq: [x, y]", ["z", undefined], ["x", "Y"]],
  ["A|neq: null", ["x"], [undefined, null]],
  // Dashes: five of them, each place by itself.
  [
    "A|contains|windash: ' -a /b'",
    ["x -a /b", "x /a -b", "x \u2013a \u2014b", "x \u2015a \u2015B"],
    ["x a b", "x -a b", "x_a /b"],
  ],
  ["A|windash|contains: '-e*c'", ["/exxc", "\u2014ec"], ["exxc"]],
  ["A|endswith|windash: '-x'", ["a /x", "-x"], ["-xx"]],
  ["A|windash|cased: '-X'", ["/X"], ["/x"]],
  // Regular expressions: anywhere in the text, with case unless told.
  ["A|re: 'b+c'", ["abbcd"], ["ac", "ABBCD"]],
  ["A|re|i: 'b+c'", ["ABBCD"], ["ac"]],
  ["A|re: '^b'", ["b", "bc"], ["ab", "a\nb"]],
  ["A|re|m: '^b'", ["a\nb"], ["ab"]],
  ["A|re: 'a.b'", ["axb"], ["a\nb"]],
  ["A|re|s: 'a.b'", ["a\nb"], ["ab"]],
  ["A|re: '(?i)pass\\w+[\"'']x'", ["PASSword'x", '\u212aPASSa"X'], ["pass'x"]],
  ["A|re: '(foo|ba[rz])q{2}'", ["fooqq", "xbazqqx"], ["fooq", "baqq"]],
  ["A|re: '.{5,}'", ["12345"], ["1234"]],
  ["A|re: 46", [4625], [4525]],
  // Address ranges, of both families.
  ["A|cidr: 10.0.0.0/8", ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "10.1.2", "10.0.0.0/8"]],
  ["A|cidr: '::1/128'", ["::1", "0:0:0:0:0:0:0:1"], ["::2", "127.0.0.1"]],
  ["A|cidr: 'fe80::/10'", ["fe80::1", "febf::1"], ["fec0::1"]],
  ["A|cidr: ['10.0.0.0/8', '::1/128']", ["::1", "10.0.0.1"], ["1.1.1.1", ""]],
  // Numbers.
  ["A|gt: 5", [6, "6", "5.5"], [5, "x", undefined]],
  ["A|gte: 5", [5], [4]],
  ["A|lt: 5", [4, "-1"], [5]],
  ["A|lte: 5", ["5"], ["6"]],
  ["A|gt|neq: 5", [5, undefined], [6]],
  // Dates, as they are written.
  ["A|hour: 22", ["2024-02-29 22:11:12", "2024-02-29T22:59:00+05:00"], ["2024-02-29 21:00:00"]],
  ["A|hour|gte: 22", ["2024-02-29 23:11:12"], ["2024-02-29 21:00:00", "22"]],
  ["A|minute: 11", ["2024-02-29 22:11:12"], ["2024-02-29 22:12:12"]],
  ["A|day: 29", ["2024-02-29"], ["2023-02-29"]],
  ["A|month: 2", ["2024-02-29"], ["2024-03-01"]],
  ["A|year|lt: 2024", ["2023-12-31"], ["2024-01-01"]],
  ["A|week: 1", ["2024-12-31", "2026-01-01"], ["2023-01-01", "2024-12-29"]],
  ["A|week: 53", ["2021-01-01"], ["2021-01-04"]],
  ["A|year: 2024", [1_709_208_672, 1_709_208_672_000], [0]],
];

describe("one field", () => {
  test.each(table)("%s", (selection, matching, others) => {
    for (const value of matching) {
      expect(selected(selection, value === undefined ? {} : { A: value }), `${value}`).toBe(true);
    }
    for (const value of others) {
      expect(selected(selection, value === undefined ? {} : { A: value }), `${value}`).toBe(false);
    }
  });
});

describe("encodings", () => {
  // What PowerShell's -EncodedCommand holds: Base64 of UTF-16.
  const encoded = (text: string): string => Buffer.from(text, "utf16le").toString("base64");

  test("base64 of the whole value", () => {
    expect(selected("A|base64|contains: 'foobar'", { A: "x Zm9vYmFy y" })).toBe(true);
    expect(selected("A|base64: 'foobar'", { A: "Zm9vYmFy" })).toBe(true);
    expect(selected("A|base64: 'foobar'", { A: "Zm9v" })).toBe(false);
    expect(selected("A|base64: '\u00e4'", { A: "w6Q=" })).toBe(true);
  });

  test.each(["", "x", "xy", "xyz", "four", "fives"])("base64offset behind %j", (before) => {
    for (const after of ["", "1", "12", "123"]) {
      const value = Buffer.from(`${before}/bin/bash${after}`).toString("base64");
      expect(selected("A|base64offset|contains: '/bin/bash'", { A: value })).toBe(true);
    }
    const other = Buffer.from(`${before}/bin/dash`).toString("base64");
    expect(selected("A|base64offset|contains: '/bin/bash'", { A: other })).toBe(false);
  });

  test.each(["", "x", "xy", "xyz"])("wide, then base64offset, behind %j", (before) => {
    const value = encoded(`${before}IEX (New`);
    expect(selected("A|wide|base64offset|contains: 'IEX '", { A: value })).toBe(true);
    expect(selected("A|utf16le|base64offset|contains: 'IEX '", { A: value })).toBe(true);
  });

  test("UTF-16 with and without its mark", () => {
    expect(selected("A|utf16le: 'ab'", { A: "a\0b\0" })).toBe(true);
    expect(selected("A|utf16be: 'ab'", { A: "\0a\0b" })).toBe(true);
    expect(selected("A|utf16be|base64offset|contains: 'ab'", { A: encoded("ab") })).toBe(false);
    expect(selected("A|utf16|base64: 'cmd'", { A: "//5jAG0AZAA=" })).toBe(true);
    expect(selected("A|wide|base64: '\u4e2d\u6587'", { A: encoded("\u4e2d\u6587") })).toBe(true);
  });

  test("dashes before an encoding are written out", () => {
    const value = Buffer.from("run /x").toString("base64");
    expect(selected("A|windash|base64offset|contains: 'run -x'", { A: value })).toBe(true);
  });
});

describe("fields compared", () => {
  test.each([
    ["A|fieldref: B", { A: "x", B: "X" }, true],
    ["A|fieldref: B", { A: "x", B: "y" }, false],
    ["A|fieldref: B", { A: "x" }, false],
    ["A|fieldref: B", { B: "x" }, false],
    ["A|fieldref: B", { A: 1, B: "1" }, true],
    ["A|fieldref|cased: B", { A: "x", B: "X" }, false],
    ["A|fieldref|neq: B", { A: "x", B: "X" }, false],
    ["A|fieldref|neq: B", { A: "x", B: "y" }, true],
    ["A|fieldref|contains: B", { A: "axb", B: "X" }, true],
    ["A|fieldref|startswith: B", { A: "xb", B: "X" }, true],
    ["A|fieldref|endswith: B", { A: "xb", B: "X" }, false],
  ])("%s of %j: %j", (selection, fields, wanted) => {
    expect(selected(selection, fields)).toBe(wanted);
  });
});

describe("placeholders", () => {
  const placeholders = { Servers: ["srv*", "dc1"], Empty: [] };

  test("stand for each of their values, wildcards and all", () => {
    for (const A of ["srv77", "DC1"]) {
      expect(selected("A|expand: '%Servers%'", { A }, placeholders)).toBe(true);
    }
    expect(selected("A|expand: '%Servers%'", { A: "x" }, placeholders)).toBe(false);
    expect(selected("A|contains|expand: '-%Servers%-'", { A: "x-dc1-y" }, placeholders)).toBe(true);
  });

  test("without expand, or escaped, are plain text", () => {
    expect(selected("A: '%Servers%'", { A: "%servers%" }, placeholders)).toBe(true);
    expect(selected("A|expand: '\\%x%Servers%'", { A: "%xdc1" }, placeholders)).toBe(true);
  });

  test("without values refuse the rule", () => {
    expect(() => selected("A|expand: '%Empty%'", { A: "x" }, placeholders)).toThrow("no value");
    expect(() => selected("A|expand: '%Other%'", { A: "x" }, placeholders)).toThrow("no value");
  });
});

describe("keywords", () => {
  const rule = (keywords: string, condition = "keywords"): string => `title: t
logsource: {product: test}
detection:
    keywords:
${keywords}
    condition: ${condition}
`;

  test.each([
    ["        - evil", { A: "x", B: "an EVIL thing" }, true],
    ["        - evil\n        - 4625", { A: 4625 }, true],
    ["        - evil", { evil: "x" }, false],
    ["        - 'e*l'", { A: "an evil thing" }, true],
    ["        '|all':\n            - one\n            - two", { A: "one", B: "two" }, true],
    ["        '|all':\n            - one\n            - two", { A: "one" }, false],
    ["        '|re': 'e.il$'", { A: "evil", B: "x" }, true],
    ["        '|startswith': 'evil'", { A: "devil" }, false],
    ["        - evil\n        - A: x", { A: "x" }, true],
    ["        - A: x\n          B: y\n        - C: z", { A: "x", B: "y" }, true],
    ["        - A: x\n          B: y\n        - C: z", { A: "x" }, false],
  ])("%s in %j: %j", (keywords, fields, wanted) => {
    expect(judge(rule(keywords), fields)).toBe(wanted);
  });
});

describe("conditions", () => {
  const rule = (condition: string): string => `title: t
logsource: {product: test}
detection:
    sel_a: {A: 1}
    sel_b: {B: 1}
    filter_c: {C: 1}
    _hidden: {D: 1}
    condition: ${condition}
`;
  const [a, b, c, d] = [{ A: 1 }, { B: 1 }, { C: 1 }, { D: 1 }];

  test.each([
    ["sel_a and sel_b or filter_c", c, true],
    ["sel_a and (sel_b or filter_c)", c, false],
    ["not sel_a and not sel_b", {}, true],
    ["not (sel_a or sel_b)", b, false],
    ["not not sel_a", a, true],
    ["sel_a AND NOT filter_c", { ...a, ...c }, false],
    ["sel_a and not filter_c", a, true],
    ["1 of sel*", b, true],
    ["1 of sel_*", c, false],
    ["all of sel_*", a, false],
    ["all of sel_*", { ...a, ...b }, true],
    ["1 of *_b", b, true],
    ["any of sel*", b, true],
    ["1 of them", d, false],
    ["all of them", { ...a, ...b, ...c }, true],
    ["1 of *", d, false],
    ["1 of _hid*", d, true],
    ["_hidden", d, true],
    ["1 of sel* and not 1 of filter*", { ...a, ...c }, false],
    ["[sel_a and sel_b, filter_c]", c, true],
    ["[sel_a and sel_b, filter_c]", a, false],
  ])("%s of %j: %j", (condition, fields, wanted) => {
    expect(judge(rule(condition), fields)).toBe(wanted);
  });
});

test("rules meet the events of their log source, and no others", () => {
  const source = (text: string) =>
    ruleOf(`title: t\nlogsource: ${text}\ndetection: {s: {A: 1}, condition: s}`);
  const rules = [
    source("{product: windows, category: registry_set}"),
    source("{category: registry_event}"),
    source("{product: windows, service: Sysmon}"),
    source("{product: linux}"),
  ];
  const [event, other] = [["registry_event", "registry_set"], []].map((categories) =>
    testEvent({ A: 1 }, 0, { product: "windows", service: "sysmon", categories }),
  );
  const matcher = new Matcher(rules);
  expect(event && matcher.match(event).map(({ source: one }) => Object.keys(one))).toEqual([
    ["category", "product"],
    ["category"],
    ["product", "service"],
  ]);
  expect(other && matcher.match(other)).toHaveLength(1);
  expect(matcher.match(testEvent({ A: 1 }))).toEqual([]);
});
