// SPDX-License-Identifier: Apache-2.0
// One measurement of the intel bench in a process of its own, so that its memory is its own: loads
// a million indicators and looks values up. Started by bench/intel.ts; prints one JSON object.

import process from "node:process";
import { getHeapStatistics } from "node:v8";
import { type Importer, ImportReport, IndicatorStore, importerOf } from "../lib/detect/detect.ts";

const COUNT = 1_000_000;
const CHUNK_BYTES = 65_536;
const LOOKUPS = 1_000_000;
const ASKED = 1 << 16;
const encoder = new TextEncoder();

let state = 88_675_123;
let x = 123_456_789;
let y = 362_436_069;
let z = 521_288_629;

/** xorshift128 (Marsaglia, 2003): the same values in every run. */
function random(below: number): number {
  const mixed = x ^ (x << 11);
  x = y;
  y = z;
  z = state;
  state = (state ^ (state >>> 19) ^ mixed ^ (mixed >>> 8)) >>> 0;
  return state % below;
}

function hex(digits: number): string {
  let text = "";
  while (text.length < digits) text += (random(2 ** 24) + 2 ** 24).toString(16).slice(1);
  return text.slice(0, digits);
}

function word(): string {
  let text = "";
  for (let at = 6 + random(8); at > 0; at--) text += String.fromCharCode(97 + random(26));
  return text;
}

const ENDS = ["com", "net", "org", "top", "xyz", "ru", "co.uk", "duckdns.org"];
const makers = {
  ip: () => `${1 + random(222)}.${random(256)}.${random(256)}.${random(256)}`,
  ipv6: () => `2001:${hex(4)}:${hex(4)}::${hex(4)}:${hex(4)}`.replaceAll(/:0+(?=\w)/g, ":"),
  domain: () => `${word()}.${ENDS[random(ENDS.length)]}`,
  sha256: () => hex(64),
  url: () => `http://${word()}.${ENDS[random(ENDS.length)]}/${word()}/${word()}.php`,
  path: () => `/tmp/${word()}/${word()}`,
} as const;
type Made = keyof typeof makers;

/** Of ten: three addresses, three domains, two digests, a URL, and a range, IPv6 or path. */
const MIX: readonly Made[] = [
  ...(["ip", "domain", "sha256", "ip", "domain", "url", "ip", "domain", "sha256"] as const),
];

function valueAt(index: number): { kind: Made; value: string } {
  const kind = MIX[index % 10];
  if (kind !== undefined) return { kind, value: makers[kind]() };
  const rest = Math.floor(index / 10) % 3;
  if (rest === 0) return { kind: "ip", value: `${random(223)}.${random(256)}.${random(256)}.0/24` };
  return rest === 1
    ? { kind: "ipv6", value: makers.ipv6() }
    : { kind: "path", value: makers.path() };
}

const STIX_PATHS: Readonly<Record<Made, string>> = {
  ip: "ipv4-addr:value",
  ipv6: "ipv6-addr:value",
  domain: "domain-name:value",
  sha256: "file:hashes.'SHA-256'",
  url: "url:value",
  path: "file:name",
};

function stixObject(kind: Made, value: string): string {
  const id = `indicator--${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
  const time = "2026-01-01T00:00:00.000Z";
  return JSON.stringify({
    ...{ type: "indicator", spec_version: "2.1", id, created: time, modified: time },
    ...{ name: `Campaign ${random(5000)}`, indicator_types: ["malicious-activity"] },
    ...{ pattern: `[${STIX_PATHS[kind]} = '${value}']`, pattern_type: "stix", valid_from: time },
    confidence: random(101),
  });
}

/** The input in chunks, made outside of the time that is measured. */
function* chunks(format: string, kept: Map<Made, string[]>): Generator<Uint8Array> {
  let text = format === "stix" ? '{"type":"bundle","id":"bundle--1","objects":[' : "";
  for (let index = 0; index < COUNT; index++) {
    const { kind, value } = valueAt(index);
    const list = kept.get(kind) ?? [];
    kept.set(kind, list);
    if (list.length < ASKED && !value.includes("/24")) list.push(value);
    if (format === "stix") text += (index === 0 ? "" : ",") + stixObject(kind, value);
    else text += `${value}\n`;
    if (text.length < CHUNK_BYTES) continue;
    yield encoder.encode(text);
    text = "";
  }
  yield encoder.encode(format === "stix" ? `${text}]}` : text);
}

/** Seconds of processor, all threads. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function load(format: "list" | "stix"): void {
  const kept = new Map<Made, string[]>();
  const input = [...chunks(format, kept)];
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const store = new IndicatorStore();
  const report = new ImportReport((indicator) => store.add(indicator));
  const importer: Importer = importerOf(format, "bench", report);
  let peak = before;
  const start = cpuSeconds();
  for (const [index, chunk] of input.entries()) {
    importer.push(chunk);
    if (index % 64 === 0) peak = Math.max(peak, process.memoryUsage().rss);
  }
  importer.end();
  const seconds = cpuSeconds() - start;
  peak = Math.max(peak, process.memoryUsage().rss);
  const heapBase = getHeapStatistics().used_heap_size;
  globalThis.gc?.();
  const settled = getHeapStatistics().used_heap_size;
  print({
    seconds,
    indicators: store.size,
    problems: report.problemCount,
    peakMegabytes: (peak - before) / 1e6,
    storeMegabytes: store.bytes / 1e6,
    garbageMegabytes: (heapBase - settled) / 1e6,
    rates: format === "list" ? rates(store, kept) : {},
  });
}

/** Look-ups a second of processor: values that are listed and values that are not, in turns. */
function rates(store: IndicatorStore, kept: ReadonlyMap<Made, string[]>): Record<string, number> {
  const listed = (kind: Made): string[] => kept.get(kind) ?? [];
  const rate = (kind: Made, isBelow: boolean, find: (value: string) => number): number => {
    const below = (name: string): string => (isBelow ? `www.${name}` : name);
    const values = listed(kind).flatMap((one) => [below(one), below(makers[kind]())]);
    let found = 0;
    const start = cpuSeconds();
    for (let at = 0; at < LOOKUPS; at++) {
      // An event's text has just been made and is near; its place in the tables is not.
      if (find(values[at % values.length] ?? "") >= 0) found++;
    }
    const seconds = cpuSeconds() - start;
    if (found < LOOKUPS / 3) throw new Error(`${kind}: only ${found} of ${LOOKUPS} were found`);
    return LOOKUPS / seconds;
  };
  return {
    ip: rate("ip", false, (value) => store.findAddress(value)),
    ipv6: rate("ipv6", false, (value) => store.findAddress(value)),
    domain: rate("domain", false, (value) => store.findDomain(value)),
    subdomain: rate("domain", true, (value) => store.findDomain(value)),
    sha256: rate("sha256", false, (value) => store.findExact("sha256", value)),
    url: rate("url", false, (value) => store.findUrl(value)),
    path: rate("path", false, (value) => store.findExact("path", value)),
  };
}

function print(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** The peer: what a program does that has no such store, a Map of texts to objects. */
function plainMap(): void {
  const kept = new Map<Made, string[]>();
  const input = [...chunks("list", kept)];
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const map = new Map<string, object>();
  const decoder = new TextDecoder();
  const start = cpuSeconds();
  for (const chunk of input) {
    for (const value of decoder.decode(chunk).split("\n")) {
      map.set(value, { id: value, value, title: "T", severity: "high", source: "bench" });
    }
  }
  const seconds = cpuSeconds() - start;
  const peakMegabytes = (process.memoryUsage().rss - before) / 1e6;
  const domains = (kept.get("domain") ?? []).flatMap((one) => [`www.${one}`, `www.${word()}.com`]);
  const from = cpuSeconds();
  let found = 0;
  for (let at = 0; at < LOOKUPS; at++) {
    let rest = (domains[at % domains.length] ?? "").toLowerCase();
    for (let dot = 0; dot >= 0 && !map.has(rest); rest = rest.slice(dot + 1)) {
      dot = rest.indexOf(".");
    }
    if (rest !== "") found++;
  }
  print({ seconds, peakMegabytes, rates: { subdomain: LOOKUPS / (cpuSeconds() - from) }, found });
}

const [mode] = process.argv.slice(2);
if (mode === "map") plainMap();
else load(mode === "stix" ? "stix" : "list");
