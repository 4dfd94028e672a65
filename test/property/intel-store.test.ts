// SPDX-License-Identifier: Apache-2.0
// The indicator store against a plain reference that compares every value with every indicator,
// through additions, replacements and removals; and its address reader against ipaddr.js.
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalValue, IndicatorStore, valueId } from "../../lib/detect/detect.ts";
import { AddressKey, addressKeyText } from "../../lib/detect/intel/address-key.ts";
import type { Indicator, IndicatorKind } from "../../lib/model/model.ts";
import { addressRangeText, parseAddressRange } from "../../lib/wire/wire.ts";
import { meets } from "../support/plain-indicators.ts";
import { holds } from "../support/property.ts";

const byte = fc.constantFrom(0, 1, 10, 127, 128, 192, 255);
const ipv4 = fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join("."));
const group = fc.constantFrom("0", "1", "ffff", "2001", "db8", "8000");
const ipv6 = fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.join(":"));
const range = fc.oneof(
  fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })).map(([ip, bits]) => `${ip}/${bits}`),
  fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })).map(([ip, bits]) => `${ip}/${bits}`),
  ipv4,
  ipv6,
);
const label = fc.constantFrom("a", "b", "www", "evil", "co", "uk", "com", "github", "io");
const domain = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
const part = fc.constantFrom("a", "ab", "a.php", "b", "?x=1", "");
const url = fc
  .tuple(domain, fc.array(part, { maxLength: 4 }))
  .map(([name, parts]) => `http://${[name, ...parts].join("/")}`);
const hash = fc.constantFrom("ab", "cd", "0f").map((pair) => pair.repeat(32));
const piece = fc.constantFrom("a", "ab", "abc", "curl ", "-e", "| sh", "powershell", "é", "\u4e00");
const line = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(""));

const value = fc.oneof(
  fc.tuple(fc.constant<IndicatorKind>("address"), range),
  fc.tuple(fc.constant<IndicatorKind>("domain"), domain),
  fc.tuple(fc.constant<IndicatorKind>("url"), url),
  fc.tuple(fc.constant<IndicatorKind>("sha256"), hash),
  fc.tuple(
    fc.constant<IndicatorKind>("path"),
    line.map((text) => `/${text}`),
  ),
  fc.tuple(fc.constant<IndicatorKind>("command-line"), line),
);
const source = fc.constantFrom("feed", "list", "own");
const id = fc.option(fc.constantFrom("x-1", "x-2", "x-3"), { nil: undefined });

type Step =
  | { readonly do: "add"; readonly indicator: Indicator }
  | { readonly do: "remove"; readonly source: string; readonly id: string }
  | { readonly do: "removeSource"; readonly source: string }
  | { readonly do: "advance"; readonly ms: number };

const added = fc
  .tuple(value, source, id, fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }))
  .map(([[kind, text], from, given, until]): Step => {
    const written = canonicalValue(kind, text) ?? "";
    const indicator: Indicator = {
      ...{ id: given ?? valueId(kind, written), kind, value: written, source: from },
      ...{ title: "T", severity: "low" },
      ...(until === undefined ? {} : { validUntilMs: until * 1000 }),
    };
    return { do: "add", indicator };
  });
const step = fc.oneof(
  { weight: 12, arbitrary: added },
  {
    weight: 2,
    arbitrary: fc
      .tuple(source, fc.constantFrom("x-1", "x-2", `sha256:${"ab".repeat(32)}`, "domain:a"))
      .map(([from, name]): Step => ({ do: "remove", source: from, id: name })),
  },
  {
    weight: 1,
    arbitrary: source.map((from): Step => ({ do: "removeSource", source: from })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 9 }).map((at): Step => ({ do: "advance", ms: at * 1000 })),
  },
);

function keyOf({ source: from, id: name }: Indicator): string {
  return `${from} ${name}`;
}

function runBoth(steps: readonly Step[]): [IndicatorStore, Map<string, Indicator>] {
  const store = new IndicatorStore();
  const plain = new Map<string, Indicator>();
  for (const one of steps) {
    if (one.do === "add") {
      store.add(one.indicator);
      plain.delete(keyOf(one.indicator));
      plain.set(keyOf(one.indicator), one.indicator);
    } else if (one.do === "remove") {
      store.remove(one.source, one.id);
      plain.delete(`${one.source} ${one.id}`);
    } else {
      const isGone = (known: Indicator): boolean =>
        one.do === "advance"
          ? (known.validUntilMs ?? Number.POSITIVE_INFINITY) <= one.ms
          : known.source === one.source;
      if (one.do === "advance") store.advance(one.ms);
      else store.removeSource(one.source);
      for (const [key, known] of plain) if (isGone(known)) plain.delete(key);
    }
  }
  return [store, plain];
}

function names(indicators: Iterable<Indicator>): string[] {
  return [...indicators].map(keyOf).sort();
}

test("look-ups give what the plain reference gives, after any changes", () => {
  const many = fc.array(step, { maxLength: 40 });
  const asked = fc.array(value, { minLength: 1, maxLength: 10 });
  holds(
    fc.property(many, asked, (steps, questions) => {
      const [store, plain] = runBoth(steps);
      expect(store.size).toBe(plain.size);
      expect(names(store)).toEqual(names(plain.values()));
      for (const [kind, text] of questions) {
        const wanted = [...plain.values()].filter((known) => meets(known, kind, text));
        const found = store.find(kind, text);
        expect(names(found), `${kind} ${text}`).toEqual(names(wanted));
        expect(rowOf(store, kind, text) >= 0, `${kind} ${text}`).toBe(wanted.length > 0);
      }
    }),
    300,
  );
});

function rowOf(store: IndicatorStore, kind: IndicatorKind, text: string): number {
  if (kind === "address") return store.findAddress(text);
  if (kind === "domain") return store.findDomain(text);
  if (kind === "url") return store.findUrl(text);
  if (kind !== "command-line") return store.findExact(kind, text);
  let row = -1;
  store.findLines(text, (found) => {
    row = found;
  });
  return row;
}

test("the reference disagrees with a store that lost one", () => {
  const [store, plain] = runBoth([
    { do: "add", indicator: indicatorOf("domain", "evil.com") },
    { do: "add", indicator: indicatorOf("address", "10.0.0.0/8") },
  ]);
  store.remove("s", "ip:10.0.0.0/8");
  const wanted = [...plain.values()].filter((known) => meets(known, "address", "10.1.2.3"));
  expect(names(store.find("address", "10.1.2.3"))).not.toEqual(names(wanted));
});

function indicatorOf(kind: IndicatorKind, text: string): Indicator {
  const id = valueId(kind, text);
  return { id, kind, value: text, title: "T", severity: "high", source: "s" };
}

const addressLike = fc.oneof(
  range,
  fc.stringMatching(/^[0-9a-f:./]{0,24}$/),
  fc.ipV4Extended(),
  fc.ipV6(),
  fc.tuple(ipv4, fc.constantFrom("::ffff:", "::", "1:2:3:4:5:6:")).map(([ip, head]) => head + ip),
);

// Two habits of ipaddr.js that we do not share: `::1.2.3.4` is no IPv4-mapped address (RFC 4291
// §2.5.5.1), and a part of an embedded IPv4 address has no leading zero.
const isHabit = (text: string): boolean => /^::\d+\.|:(?:.*\.)?0\d+(?:\.|\/|$)/.test(text);

test("addresses are read as the wire room reads them", () => {
  const key = new AddressKey();
  holds(
    fc.property(addressLike, (text) => {
      fc.pre(!(text.includes(".") && isHabit(text)));
      const wanted = parseAddressRange(text);
      const isRead = key.read(text);
      expect(isRead, text).toBe(wanted !== undefined);
      if (wanted === undefined) return;
      const read = addressKeyText(key.family, key.words, key.bits);
      const head = [...wanted.bytes.subarray(0, 12)].join();
      const isMapped = wanted.prefixBits >= 96 && head === "0,0,0,0,0,0,0,0,0,0,255,255";
      const inner = [...wanted.bytes.subarray(12)].join(".");
      const bits = wanted.prefixBits < 128 ? `/${wanted.prefixBits - 96}` : "";
      expect(read, text).toBe(isMapped ? inner + bits : addressRangeText(wanted));
    }),
    2000,
  );
});
