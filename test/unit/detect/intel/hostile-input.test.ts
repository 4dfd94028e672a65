// SPDX-License-Identifier: Apache-2.0
// Input made to hurt: texts of ten megabytes, deep nesting, one id a thousand times, references in
// circles, values of every wrong type, files cut short. What is good still loads, what is bad is
// told in few words, and memory stays small.
import { expect, test } from "vitest";
import {
  type ImportSink,
  INDICATOR_FORMATS,
  type IndicatorFormat,
  IndicatorStore,
  importerOf,
  LINES_HEADER,
} from "../../../../lib/detect/detect.ts";
import { type Imported, importText } from "../../../support/import-text.ts";

const LONG = "x".repeat(10_000_000);
const REASON_LENGTH_MAX = 400;

function tidyProblems({ problems }: Imported): void {
  for (const { place, reason } of problems) {
    expect(place.length).toBeLessThan(REASON_LENGTH_MAX);
    expect(reason.length).toBeLessThan(REASON_LENGTH_MAX);
  }
}

function stixText(...objects: readonly unknown[]): string {
  return JSON.stringify({ type: "bundle", id: "bundle--1", objects });
}

function good(name: string): object {
  const pattern = `[domain-name:value = '${name}.example']`;
  return { type: "indicator", id: `indicator--${name}`, pattern, pattern_type: "stix" };
}

test("texts of ten megabytes are refused or cut wherever they stand", () => {
  const fields = { ...good("long"), name: LONG, description: LONG, labels: [LONG, LONG] };
  const cases: ReadonlyArray<readonly [IndicatorFormat, string, number]> = [
    ["list", `${LONG}\nevil.example | ${LONG}\nevil.example\n`, 1],
    ["csv", `value,title\n"${LONG}"\nevil.example,b\n`, 1],
    ["lines", `${LINES_HEADER}\n${LONG}\n`, 0],
    ["stix", stixText({ ...good("a"), pattern: `[a:b = '${LONG}']` }, good("b")), 1],
    ["stix", stixText({ ...good("a"), id: LONG }, { type: LONG }, good("b")), 1],
    ["stix", stixText(fields, good("b")), 1],
    ["stix", `{"objects": [${JSON.stringify(good("b"))}], "${LONG}": 1}`, 1],
    ["misp", JSON.stringify({ info: LONG, Attribute: [{ type: "domain", value: LONG }] }), 0],
    [
      "openioc",
      `<ioc id="1"><Indicator><IndicatorItem>${LONG}</IndicatorItem></Indicator></ioc>`,
      0,
    ],
    ["openioc", `${"<a>".repeat(3_000_000)}`, 0],
  ];
  for (const [format, text, wanted] of cases) {
    const found = importText(format, text);
    expect(found.indicators.length, `${format} ${text.slice(0, 60)}`).toBe(wanted);
    tidyProblems(found);
    for (const one of found.indicators) {
      expect(one.title.length).toBeLessThanOrEqual(300);
      expect((one.labels ?? []).join("").length).toBeLessThan(64 * 257);
    }
  }
});

test("nesting without end is refused and the others load", () => {
  const deep = (inner: string): string => `${"[".repeat(200_000)}${inner}${"]".repeat(200_000)}`;
  const text = `{"objects": [${deep("")}, ${JSON.stringify(good("b"))}], "more": ${deep("1")}}`;
  const found = importText("stix", text);
  expect(found.indicators.map(({ value }) => value)).toEqual(["b.example"]);
  expect(found.problems.map(({ place }) => place)).toEqual(["$.objects[0]", expect.any(String)]);
  tidyProblems(found);
  const object = `{"Attribute":`.repeat(5000) + "[]" + "}".repeat(5000);
  tidyProblems(importText("misp", object));
  const pattern = `${"(".repeat(20_000)}[a:b = 1]${")".repeat(20_000)}`;
  expect(importText("stix", stixText({ ...good("a"), pattern })).problemCount).toBe(1);
});

test("one id a thousand times is one indicator, the last one", () => {
  const objects = Array.from({ length: 1000 }, (_, at) => ({
    ...good("x"),
    pattern: `[domain-name:value = '${at}.example' OR domain-name:value = 'other${at}.example']`,
  }));
  const store = new IndicatorStore();
  for (const one of importText("stix", stixText(...objects)).indicators) store.add(one);
  expect([...store].map(({ value }) => value).sort()).toEqual(["999.example", "other999.example"]);
  expect(store.find("domain", "5.example")).toEqual([]);
  expect(store.remove("src", "indicator--x")).toBe(2);
  expect(store.size).toBe(0);
});

test("references in circles and to nothing change nothing", () => {
  const mark = (id: string, to: string): object => ({
    ...{ type: "marking-definition", id: `marking-definition--${id}` },
    object_marking_refs: [`marking-definition--${to}`],
  });
  const refs = ["marking-definition--a", "marking-definition--nobody"];
  const { indicators, problems } = importText(
    "stix",
    stixText(mark("a", "b"), { ...good("x"), object_marking_refs: refs }, mark("b", "a")),
  );
  expect(indicators).toHaveLength(1);
  expect(problems).toEqual([]);
});

const WRONG: readonly unknown[] = [
  ...[null, true, 0, -1, 1e300, "", "text", [], {}, [[]], { a: 1 }, ["a"]],
  ...[{ __proto__: null }, { constructor: 1 }, { toString: 5 }],
];

test("values of wrong types in any field are told or read as good, never thrown", () => {
  const stix = { ...good("a"), name: "n", confidence: 1, labels: ["l"], revoked: false };
  const times = { valid_from: "2026-01-01T00:00:00Z", valid_until: "2027-01-01T00:00:00Z" };
  const misp = {
    type: "domain",
    value: "a.example",
    to_ids: true,
    uuid: "u",
    Tag: [],
    comment: "",
  };
  const event = { info: "i", threat_level_id: "1", Tag: [{ name: "t" }], Attribute: [misp] };
  const own = { id: "1", kind: "domain", value: "a.example", with: [], labels: [], title: "t" };
  for (const wrong of WRONG) {
    const whole = { ...stix, ...times, object_marking_refs: [], indicator_types: [] };
    for (const name of Object.keys(whole)) {
      tidyProblems(importText("stix", stixText({ ...whole, [name]: wrong }, wrong)));
    }
    for (const name of Object.keys(misp)) {
      const attribute = { ...misp, [name]: wrong };
      tidyProblems(
        importText("misp", JSON.stringify({ Event: { Attribute: [attribute, wrong] } })),
      );
    }
    for (const name of Object.keys(event)) {
      tidyProblems(importText("misp", JSON.stringify({ ...event, [name]: wrong })));
    }
    for (const name of Object.keys(own)) {
      tidyProblems(importText("lines", JSON.stringify({ ...own, [name]: wrong })));
    }
    for (const format of INDICATOR_FORMATS) tidyProblems(importText(format, JSON.stringify(wrong)));
  }
});

test("a file that is cut short anywhere loads what was whole, and says so", () => {
  const text = stixText(good("a"), good("b"), good("c"));
  const ends = [...text.matchAll(/\}/g)].map(({ index }) => index + 1);
  for (let length = 0; length < text.length; length += 3) {
    const found = importText("stix", text.slice(0, length));
    const whole = ends.slice(0, 3).filter((end) => end <= length).length;
    expect(found.indicators.length, String(length)).toBe(whole);
    expect(found.problemCount).toBeGreaterThan(0);
  }
});

test("ten million bad lines keep memory and the report small", () => {
  const line = new TextEncoder().encode("nonsense\n".repeat(10_000));
  let problemCount = 0;
  const sink: ImportSink = {
    indicator: () => {},
    removed: () => {},
    problem: () => {
      problemCount++;
    },
    skipped: () => {},
  };
  const importer = importerOf("list", "src", sink);
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 30; round++) importer.push(line);
  importer.end();
  expect(problemCount).toBe(300_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(150 << 20);
  const bad = importText("list", "nonsense\n".repeat(5000));
  expect(bad.problemCount).toBe(5000);
  expect(bad.problems).toHaveLength(100);
});

test("a bundle of a gigabyte needs the memory of its largest object", () => {
  const encoder = new TextEncoder();
  let indicatorCount = 0;
  const sink: ImportSink = {
    indicator: () => {
      indicatorCount++;
    },
    removed: () => {},
    problem: ({ reason }) => {
      throw new Error(reason);
    },
    skipped: () => {},
  };
  const importer = importerOf("stix", "src", sink);
  importer.push(encoder.encode('{"type": "bundle", "objects": ['));
  const filler = `{"type": "artifact", "payload_bin": "${"QUJD".repeat(2 << 20)}"},`;
  const part = encoder.encode(`${filler}${JSON.stringify(good("a"))},`);
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 8; round++) importer.push(part);
  importer.push(encoder.encode(`${JSON.stringify(good("z"))}]}`));
  importer.end();
  expect(indicatorCount).toBe(9);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 << 20);
});
