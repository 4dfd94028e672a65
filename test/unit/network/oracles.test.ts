// SPDX-License-Identifier: Apache-2.0
// The comparisons of the corpora run themselves: what is right matches, planted wrong values do
// not, and what is not claimed is left out by name.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compareWithArkime } from "../../corpora/arkime.ts";
import type { Comparison } from "../../corpora/comparison.ts";
import { eveAddress } from "../../corpora/eve.ts";
import { compareWithSuricata } from "../../corpora/suricata.ts";

const sample = resolve(import.meta.dirname, "../../samples/loopback.pcap");
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "undercroft-oracles-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const rowOf = (rows: readonly Comparison[], metric: string): Comparison | undefined =>
  rows.find((row) => row.metric === metric);

test("suricata-verify: right filters are met, wrong ones and unclaimed ones are not", () => {
  const filter = (count: number, match: string): string =>
    `  - filter: {count: ${count}, match: {event_type: http, ${match}}}\n`;
  mkdirSync(join(folder, "one"));
  copyFileSync(sample, join(folder, "one/input.pcap"));
  const checks = [
    filter(1, "http.status: 404"),
    filter(2, "http.hostname: sample.example"),
    filter(2, "http.status: 404"),
    filter(0, "http.url: /chunked"),
    filter(1, "http.http_content_type: text/plain"),
  ];
  writeFileSync(join(folder, "one/test.yaml"), `args:\n- -k none\nchecks:\n${checks.join("")}`);
  const row = rowOf(compareWithSuricata(folder), "http filters");
  expect([row?.wanted, row?.matched]).toEqual([4, 2]);
  expect([...(row?.reasons ?? [])]).toEqual([["open", 2]]);
  expect([...(row?.excluded ?? [])]).toEqual([["field http.http_content_type", 1]]);
});

test("suricata-verify: a test with settings of its own is left out", () => {
  mkdirSync(join(folder, "one"));
  copyFileSync(sample, join(folder, "one/input.pcap"));
  const check = "checks:\n  - filter: {count: 1, match: {event_type: tls}}\n";
  writeFileSync(join(folder, "one/test.yaml"), `args:\n- --simulate-ips\n${check}`);
  const row = rowOf(compareWithSuricata(folder), "tls filters");
  expect([row?.wanted, row?.excluded.get("simulated faults or IPS mode")]).toEqual([0, 1]);
});

test("arkime: a right session matches field by field, a planted value does not", () => {
  copyFileSync(sample, join(folder, "one.pcap"));
  const session = (method: string) => ({
    body: {
      source: { ip: "127.0.0.1", port: 37_738, packets: 7 },
      destination: { ip: "127.0.0.1", port: 8080, packets: 5 },
      ipProtocol: 6,
      network: {},
      protocol: ["http", "tcp"],
      http: { method: [method] },
    },
  });
  for (const method of ["GET", "PUT"]) {
    writeFileSync(join(folder, "one.test"), JSON.stringify({ sessions3: [session(method)] }));
    const rows = compareWithArkime(folder);
    expect(rowOf(rows, "sessions: addresses, ports, protocol")?.matched).toBe(1);
    expect(rowOf(rows, "HTTP methods")?.matched).toBe(method === "GET" ? 1 : 0);
  }
});

test("EVE addresses have all their digits", () => {
  expect(eveAddress("2001:db8::1")).toBe("2001:0db8:0000:0000:0000:0000:0000:0001");
  expect(eveAddress("10.0.0.1")).toBe("10.0.0.1");
});
