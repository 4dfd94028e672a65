// SPDX-License-Identifier: Apache-2.0
// What the property test of the store leaves: time, whole changes, public suffixes, kinds that are
// looked up as they are, and that memory comes back.
import { expect, test } from "vitest";
import { IndicatorStore, valueId } from "../../../../lib/detect/detect.ts";
import type { Indicator, IndicatorKind } from "../../../../lib/model/model.ts";

function indicator(kind: IndicatorKind, value: string, more: Partial<Indicator> = {}): Indicator {
  const id = valueId(kind, value);
  return { id, kind, value, title: "T", severity: "high", source: "feed", ...more };
}

test("everything that an indicator has comes back, times in whole seconds", () => {
  const store = new IndicatorStore();
  const one = indicator("domain", "evil.example", {
    ...{ id: "x", confidence: 0, tlp: "amber+strict", validFromMs: 5000, validUntilMs: 9001 },
    ...{ labels: ["a", "b"], with: [{ kind: "user-agent", value: "a b" }], severity: "low" },
  });
  store.add(one);
  expect([...store]).toEqual([{ ...one, validUntilMs: 10_000 }]);
  expect(store.find("domain", "www.evil.example")).toEqual([{ ...one, validUntilMs: 10_000 }]);
});

test("what is not valid yet is not found, what is no longer valid goes", () => {
  const store = new IndicatorStore();
  store.add(indicator("address", "192.0.2.0/24", { validFromMs: 10_000 }));
  store.add(indicator("address", "192.0.0.0/16", { validUntilMs: 20_000 }));
  store.add(indicator("domain", "evil.example", { validFromMs: 10_000, id: "a" }));
  store.add(indicator("domain", "evil.example", { validUntilMs: 20_000, id: "b" }));
  const seen = (): Array<string | undefined> => {
    const row = store.findAddress("192.0.2.1");
    const ids = store.find("domain", "a.evil.example").map(({ id }) => id);
    return [row < 0 ? undefined : store.at(row).value, ...ids.sort()];
  };
  // Before any time was told, all are there.
  expect(seen()).toEqual(["192.0.2.0/24", "a", "b"]);
  expect(store.advance(5000)).toBe(0);
  expect(seen()).toEqual(["192.0.0.0/16", "b"]);
  store.advance(15_000);
  expect(seen()).toEqual(["192.0.2.0/24", "a", "b"]);
  expect(store.advance(20_000)).toBe(2);
  expect(seen()).toEqual(["192.0.2.0/24", "a"]);
  expect(store.size).toBe(2);
});

test("a change is taken over as a whole", () => {
  const store = new IndicatorStore();
  store.apply({ source: "feed", added: ["a", "b", "c"].map((one) => indicator("mutex", one)) });
  store.apply({ source: "other", added: [indicator("mutex", "a", { source: "other" })] });
  store.apply({ source: "feed", removed: ["mutex:b"], added: [indicator("mutex", "d")] });
  expect([...store].map(({ value }) => value).sort()).toEqual(["a", "a", "c", "d"]);
  store.apply({ source: "feed", isWhole: true, added: [indicator("mutex", "e")] });
  expect([...store].map(({ source, value }) => source + value).sort()).toEqual(["feede", "othera"]);
  expect(store.removeSource("nobody")).toBe(0);
});

test("a public suffix that is listed stands for itself only", () => {
  const store = new IndicatorStore();
  for (const name of ["duckdns.org", "evil.example", "com"]) store.add(indicator("domain", name));
  expect(store.findDomain("duckdns.org")).toBeGreaterThanOrEqual(0);
  expect(store.findDomain("good.duckdns.org")).toBe(-1);
  expect(store.findDomain("example.com")).toBe(-1);
  expect(store.find("domain", "example.com")).toEqual([]);
  expect(store.findDomain("WWW.Evil.Example.")).toBeGreaterThanOrEqual(0);
});

test("URLs meet what lies under them, whatever the scheme, user, port or fragment", () => {
  const store = new IndicatorStore();
  store.add(indicator("url", "http://Evil.example:80/gate"));
  store.add(indicator("url", "https://other.example"));
  const yes = [
    "http://evil.example/gate",
    "https://user@EVIL.example:443/gate/a?b",
    "evil.example/gate?x#y",
    "http://evil.example/gate#z",
    "other.example/anything",
  ];
  const no = ["http://evil.example/gates", "http://evil.example/", "http://evil.example:8080/gate"];
  for (const url of yes) expect(store.findUrl(url), url).toBeGreaterThanOrEqual(0);
  for (const url of no) expect(store.findUrl(url), url).toBe(-1);
});

test("a pattern is kept and never met by a value", () => {
  const store = new IndicatorStore();
  store.add(indicator("pattern", "[a:b = 1]", { id: "p" }));
  expect(store.has("pattern", "[a:b = 1]")).toBe(false);
  expect([...store]).toHaveLength(1);
  expect(store.remove("feed", "p")).toBe(1);
});

test("a hundred thousand indicators of one value are added and removed in no time", () => {
  const store = new IndicatorStore();
  for (let at = 0; at < 100_000; at++)
    store.add(indicator("md5", "ab".repeat(16), { id: `i${at}` }));
  expect(store.find("md5", "AB".repeat(16))).toHaveLength(100_000);
  expect(store.removeSource("feed")).toBe(100_000);
  expect([store.size, store.has("md5", "ab".repeat(16))]).toEqual([0, false]);
});

test("a source that is replaced again and again does not grow the store", () => {
  const store = new IndicatorStore();
  const sizes: number[] = [];
  for (let round = 0; round < 12; round++) {
    const added = Array.from({ length: 20_000 }, (_, at) =>
      indicator("domain", `name-${round}-${at}-${"x".repeat(40)}.example`, {
        id: `${round}-${at}`,
      }),
    );
    store.apply({ source: "feed", isWhole: true, added });
    sizes.push(store.bytes);
  }
  expect(store.size).toBe(20_000);
  expect(Math.max(...sizes)).toBeLessThan(4 * (sizes[0] ?? 0));
  expect(store.find("domain", `name-11-7-${"x".repeat(40)}.example`)).toHaveLength(1);
});

test("it tells when there is something to do, and of which kinds something came or went", () => {
  const store = new IndicatorStore();
  expect(store.nextChangeMs).toBe(Number.POSITIVE_INFINITY);
  store.add(indicator("path", "/a", { validFromMs: 10_000, validUntilMs: 30_000 }));
  store.add(indicator("domain", "evil.example", { validUntilMs: 20_000 }));
  store.advance(5000);
  expect(store.nextChangeMs).toBe(10_000);
  const paths = (): string[] => [...store.ofKinds(["path", "name"])].map(({ value }) => value);
  expect(paths()).toEqual([]);
  let changes = store.changesOf(["path"]);
  const seen: unknown[] = [];
  for (const ms of [9000, 10_000, 11_000, 20_000, 30_000, 40_000]) {
    const gone = store.advance(ms);
    seen.push([gone, store.changesOf(["path"]) > changes, paths().length, store.nextChangeMs]);
    changes = store.changesOf(["path"]);
  }
  expect(seen).toEqual([
    [0, false, 0, 10_000],
    [0, true, 1, 20_000],
    [0, false, 1, 20_000],
    [1, false, 1, 30_000],
    [1, true, 0, Number.POSITIVE_INFINITY],
    [0, false, 0, Number.POSITIVE_INFINITY],
  ]);
});
