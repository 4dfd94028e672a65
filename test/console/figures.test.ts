// SPDX-License-Identifier: Apache-2.0
// What the console works out before it draws: texts made visible, addresses, orders, trees, spans.
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatIn } from "../../console/format.ts";
import { actionsFor } from "../../console/pages/guest.tsx";
import { isolation } from "../../console/parts/action-dialog.tsx";
import { shownFields } from "../../console/parts/evidence.tsx";
import { tagsOf } from "../../console/parts/label-form.tsx";
import { stateSpans } from "../../console/parts/state-history.tsx";
import { parsePlace, placeAddress } from "../../console/place.ts";
import { processTree } from "../../console/state/lists.ts";
import { parsePreferences } from "../../console/state/preferences.ts";
import { Rate } from "../../console/state/samples.ts";
import {
  barsOf,
  columnsToShow,
  csvOf,
  fieldsOf,
  topValues,
  withCondition,
} from "../../console/state/search.ts";
import { joinTraces, placeNodes, traceAsOf, traceSpan } from "../../console/state/trace.ts";
import { visibleText } from "../../console/text.ts";
import { en } from "../../console/words/en.ts";
import { zh } from "../../console/words/zh.ts";

const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

test("no text of a guest shows a character that nobody sees", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      expect(visibleText(text)).not.toMatch(UNSEEN);
    }),
  );
  expect(visibleText("a\u202eb\n")).toBe("a\\u{202e}b\\n");
  expect(visibleText("x".repeat(3000), 10)).toBe("xxxxxxxxxx… +2990");
});

test("an address is read as it was written, and no address breaks the reader", () => {
  const part = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      fc.array(part),
      fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), part),
      (path, query) => {
        const place = parsePlace(placeAddress(path, query));
        expect(place).toEqual({ path, query: { ...query } });
      },
    ),
  );
  expect(parsePlace("#/a/%ff?%")).toMatchObject({ path: ["a", "%ff"] });
});

test("both languages have all texts with the same fillings", () => {
  const slots = (text: string): readonly string[] =>
    [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name))].sort();
  for (const [key, text] of Object.entries(en)) {
    expect([key, slots(zh[key as keyof typeof en])]).toEqual([key, slots(text)]);
  }
});

test("processes become a tree, each once, also where a guest tells of a circle", () => {
  const row = fc.record({
    pid: fc.integer({ min: 1, max: 30 }),
    ppid: fc.integer({ min: 0, max: 30 }),
  });
  const rows = fc.uniqueArray(row, { selector: ({ pid }) => pid, maxLength: 30 });
  fc.assert(
    fc.property(rows, (all) => {
      const pids = processTree(all).map(({ pid }) => pid);
      expect([...pids].sort()).toEqual(all.map(({ pid }) => pid).sort());
    }),
  );
  const tree = processTree([
    ...[
      { pid: 5, ppid: 2 },
      { pid: 2, ppid: 1 },
      { pid: 1, ppid: 0, command_line: "init" },
    ],
  ]);
  expect(tree.map(({ pid, depth }) => [pid, depth])).toEqual([
    [1, 0],
    [2, 1],
    [5, 2],
  ]);
  expect(tree[0]?.program).toBe("init");
});

test("a guest is offered what makes sense for it", () => {
  const guest = { state: "monitored", isIsolated: false } as Parameters<typeof actionsFor>[0];
  expect(actionsFor(guest)).toContain("stop-monitoring");
  expect(actionsFor({ ...guest, state: "paused", isIsolated: true })).toEqual(
    expect.arrayContaining(["start-monitoring", "release"]),
  );
});

test("forms become what the manager takes", () => {
  expect(isolation("10.0.0.1, 10.0.0.2\n::1 ", "5")).toEqual({
    ...{ kind: "isolate", allow: ["10.0.0.1", "10.0.0.2", "::1"], expiresInMs: 300_000 },
  });
  expect(isolation("", "abc")).toEqual({ kind: "isolate", allow: [] });
  expect(tagsOf(" a, b,a ,, c")).toEqual(["a", "b", "c"]);
  expect(parsePreferences('{"language":"xx","theme":"dark","hasKeys":1}')).toEqual({
    theme: "dark",
  });
  expect(parsePreferences("no json")).toEqual({});
});

test("evidence shows the telling fields first", () => {
  const names = shownFields({
    kind: "k",
    uid: 5,
    path: "/x",
    arguments: ["a", "b"],
    cpu: 1,
    tty: "",
  });
  expect(names).toEqual([
    ["path", "/x"],
    ["arguments", "a b"],
    ["uid", "5"],
  ]);
});

test("states follow each other until now", () => {
  const change = { reason: "", guest: "g", from: "offline" } as const;
  const spans = stateSpans(
    {
      history: [
        { ...change, timeMs: 20, to: "paused" },
        { ...change, timeMs: 10, to: "monitored" },
      ] as unknown as Parameters<typeof stateSpans>[0]["history"],
    },
    50,
  );
  expect(spans).toEqual([
    { state: "monitored", fromMs: 10, toMs: 20 },
    { state: "paused", fromMs: 20, toMs: 50 },
  ]);
});

test("rows are counted over time, by value, and kept as CSV that no spreadsheet runs", () => {
  const rows = [0, 10, 10, 600].map((time) => ({ time, guest: "g", path: "=1+1", n: 2 }));
  const bars = barsOf(rows);
  expect(bars.reduce((sum, { count }) => sum + count, 0)).toBe(4);
  expect([bars[0]?.count, bars[1]?.count, bars.at(-1)?.count]).toEqual([1, 2, 1]);
  expect(barsOf([{ time: 5 }])).toEqual([]);
  expect(topValues([...rows, { time: 1, guest: "h" }], "guest")).toEqual([
    ["g", 4],
    ["h", 1],
  ]);
  expect(fieldsOf(rows)).toEqual(["time", "guest", "path", "n"]);
  expect(columnsToShow([{ a: 1 }])).toEqual(["a"]);
  expect(csvOf([{ path: "=1+1", n: -2, q: 'a"b' }], ["path", "n", "q"])).toBe(
    'path,n,q\r\n\'=1+1,-2,"a""b"\r\n',
  );
});

test("a condition is put before the stages of a search, whatever stands in quotes", () => {
  expect(withCondition("", "image", 'a "b" \\', false)).toBe('image:"a \\"b\\" \\\\"');
  expect(withCondition('x:"a|b" | limit 3', "pid", "1", true)).toBe(
    'x:"a|b" NOT pid:"1" | limit 3',
  );
});

test("a graph is laid out from causes to effects, whatever circles a guest tells of", () => {
  const ids = fc.integer({ min: 0, max: 12 }).map(String);
  const edge = fc.record({ source: ids, target: ids, firstMs: fc.nat(100) }).map((ends) => ({
    ...{ ...ends, kind: "fork", lastMs: ends.firstMs, count: 1, doubts: [] },
  }));
  const nodes = Array.from({ length: 13 }, (_, at) => {
    return { id: String(at), kind: "file", label: "", depth: 0 };
  });
  const base = { start: "0", direction: "backward" as const, timeMs: 0, spanMs: 1, nodes };
  fc.assert(
    fc.property(fc.array(edge, { maxLength: 40 }), (edges) => {
      const trace = { ...base, edges, cuts: [], gaps: [] };
      const placed = placeNodes(trace);
      expect(new Set(placed.map(({ node }) => node.id)).size).toBe(13);
      expect(new Set(placed.map(({ x, y }) => `${x} ${y}`)).size).toBe(13);
      const [first, last] = traceSpan(trace);
      expect(traceAsOf(trace, last).edges).toHaveLength(edges.length);
      expect(traceAsOf(trace, first - 1)).toMatchObject({ edges: [], nodes: [{ id: "0" }] });
      expect(joinTraces(trace, trace).nodes).toHaveLength(13);
    }),
  );
  const line = ["0", "1", "2"].map((source, at) => ({
    ...{ source, target: String(at + 1), kind: "fork", firstMs: at, lastMs: at, count: 1 },
    doubts: [],
  }));
  const xs = placeNodes({ ...base, nodes: nodes.slice(0, 4), edges: line, cuts: [], gaps: [] });
  const wanted = [0, 1, 2, 3].map((at) => [`${at}`, at * 230]);
  expect(xs.map(({ node, x }) => [node.id, x])).toEqual(wanted);
});

test("figures read as people write them", () => {
  const format = formatIn("en");
  expect([format.short(12_345), format.bytes(1536), format.bytes(0)]).toEqual([
    ...["12.3k", "1.5 kB", "0 byte"],
  ]);
  expect([format.span(0), format.span(61_000), format.span(90_061_000)]).toEqual([
    ...["0s", "1m 1s", "1d 1h"],
  ]);
  const rate = new Rate();
  expect([rate.next(0, 10), rate.next(2000, 30), rate.next(3000, 5)]).toEqual([
    ...[undefined, 10, undefined],
  ]);
});
