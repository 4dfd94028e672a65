// SPDX-License-Identifier: Apache-2.0
// STIX bundles: which patterns become values to look up, what of an indicator is kept, and that the
// rest of a bundle loads when one object is bad.
import { expect, test } from "vitest";
import { briefly, type Imported, importText } from "../../../support/import-text.ts";

const SHA256 = "ab".repeat(32);
const MD5 = "cd".repeat(16);
const AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421";
let count = 0;

function indicator(pattern: unknown, more: object = {}): object {
  const id = `indicator--${String(++count).padStart(8, "0")}`;
  return { type: "indicator", id, pattern, pattern_type: "stix", ...more };
}

function bundle(...objects: readonly unknown[]): Imported {
  return importText("stix", JSON.stringify({ type: "bundle", id: "bundle--1", objects }));
}

function compiled(pattern: string): string[] {
  const { indicators, problems } = bundle(indicator(pattern));
  return problems.length > 0 ? problems.map(({ reason }) => `! ${reason}`) : briefly(indicators);
}

test("patterns that are values become values", () => {
  const cases: ReadonlyArray<readonly [string, readonly string[]]> = [
    ["[ipv4-addr:value = '198.51.100.1/32']", ["address 198.51.100.1"]],
    ["[ipv4-addr:value ISSUBSET '198.51.100.0/24']", ["address 198.51.100.0/24"]],
    ["[domain-name:value = 'Evil.example']", ["domain evil.example"]],
    ["[url:value == 'http://evil.example/x']", ["url http://evil.example/x"]],
    [`[file:hashes.'SHA-256' = '${SHA256.toUpperCase()}']`, [`sha256 ${SHA256}`]],
    [`[file:hashes."x" = 'y']`, ["! "]],
    [
      `[file:hashes.MD5 = '${MD5}' OR file:hashes.'SHA-256' = '${SHA256}']`,
      [`md5 ${MD5}`, `sha256 ${SHA256}`],
    ],
    [
      "[ipv4-addr:value = '1.2.3.4'] OR [domain-name:value = 'a.example']",
      ["address 1.2.3.4", "domain a.example"],
    ],
    ["[domain-name:value IN ('a.example', 'b.example')]", ["domain a.example", "domain b.example"]],
    [`[file:name = 'x.exe' AND file:hashes.MD5 = '${MD5}']`, [`md5 ${MD5} + name x.exe`]],
    [
      `[file:size = 5 AND file:entropy > 7 AND file:hashes.MD5 = '${MD5}']`,
      [`md5 ${MD5} + size 5`],
    ],
    [
      "[file:name = 'foo.dll' AND file:parent_directory_ref.path = 'C:\\\\Windows']",
      ["path c:\\windows\\foo.dll"],
    ],
    ["[file:name = 'sh' AND file:parent_directory_ref.path = '/tmp/']", ["path /tmp/sh"]],
    [
      "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '1.2.3.4' " +
        "AND network-traffic:dst_port = 80]",
      ["address 1.2.3.4 + port 80"],
    ],
    ["[process:command_line LIKE '%--evil%']", ["command-line --evil"]],
    ["[windows-registry-key:key = 'HKEY_LOCAL_MACHINE\\\\Foo']", ["registry-key hklm\\foo"]],
    ["[email-message:from_ref.value = 'Who@evil.example']", ["email who@evil.example"]],
  ];
  for (const [pattern, wanted] of cases) {
    const found = compiled(pattern);
    if (wanted[0] === "! ") expect(found[0], pattern).toMatch(/^! /);
    else expect(found, pattern).toEqual(wanted);
  }
});

test("patterns that are more than values stay patterns, with the values they name", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["[domain-name:value LIKE '%.evil.example']", ""],
    ["[domain-name:value != 'evil.example']", ""],
    ["[domain-name:value MATCHES 'e.il']", ""],
    ["[process:command_line = 'exactly this']", ""],
    ["[process:command_line LIKE '%a_b%']", ""],
    ["[ipv4-addr:value = '1.2.3.4'] AND [domain-name:value = 'a.example']", "domain a.example"],
    ["[ipv4-addr:value = '1.2.3.4'] REPEATS 5 TIMES WITHIN 60 SECONDS", "address 1.2.3.4"],
    ["[file:name = 'x' AND file:entropy > 7]", "name x"],
    ["[domain-name:value IN ()]", ""],
  ];
  for (const [pattern, named] of cases) {
    const [found] = bundle(indicator(pattern)).indicators;
    expect(found?.kind, pattern).toBe("pattern");
    expect(found?.value).toBe(pattern);
    const first = found?.with?.[0];
    expect(first === undefined ? "" : `${first.kind} ${first.value}`, pattern).toBe(named);
  }
});

test("what an indicator says of itself is kept", () => {
  const { indicators } = bundle(
    indicator("[domain-name:value = 'evil.example' OR domain-name:value = 'b.example']", {
      name: "Bad\nname",
      confidence: 85,
      labels: ["a", 5, ""],
      indicator_types: ["anomalous-activity"],
      valid_from: "2026-01-01T00:00:00Z",
      valid_until: "2026-02-01T00:00:00.5Z",
      object_marking_refs: [AMBER],
      id: "indicator--x",
    }),
  );
  expect(indicators).toEqual([
    {
      ...{ id: "indicator--x", kind: "domain", value: "evil.example", title: "Bad" },
      ...{ severity: "medium", source: "src", confidence: 85, tlp: "amber" },
      labels: ["a", "anomalous-activity"],
      validFromMs: Date.UTC(2026, 0, 1),
      validUntilMs: Date.UTC(2026, 1, 1) + 500,
    },
    expect.objectContaining({ id: "indicator--x#2", value: "b.example" }),
  ]);
});

test("a marking may come after what it marks, and the strictest holds", () => {
  const own = "marking-definition--own";
  const { indicators } = bundle(
    indicator("[domain-name:value = 'a.example']", { object_marking_refs: [own, AMBER] }),
    indicator("[domain-name:value = 'b.example']", {
      object_marking_refs: ["marking-definition--?"],
    }),
    { type: "marking-definition", id: own, definition_type: "tlp", definition: { tlp: "red" } },
    indicator("[domain-name:value = 'c.example']", { object_marking_refs: [own] }),
  );
  const marked = indicators.map(({ value, tlp }) => `${value} ${tlp}`).sort();
  expect(marked).toEqual(["a.example red", "b.example undefined", "c.example red"]);
});

test("a bad object is told by its place and the others load", () => {
  const { indicators, problems } = bundle(
    indicator("[domain-name:value = 'a.example']"),
    indicator("[domain-name:value = ]"),
    indicator(5),
    { type: "indicator", pattern: "[domain-name:value = 'b.example']" },
    null,
    "text",
    { type: 5 },
    indicator("[file:hashes.MD5 = 'f00']"),
    indicator("[ipv4-addr:value = 'not an address']"),
    indicator("[domain-name:value = 'b.example']", { valid_until: "soon" }),
    indicator("[domain-name:value = 'c.example'] REPEATS 2 TIMES REPEATS 3 TIMES"),
    indicator("[domain-name:value = 'd.example']", {
      valid_from: "2026-02-01T00:00:00Z",
      valid_until: "2026-01-01T00:00:00Z",
    }),
    indicator("[domain-name:value = 'z.example']"),
  );
  expect(briefly(indicators)).toEqual(["domain a.example", "domain z.example"]);
  const places = problems.map(({ place }) => place);
  expect(places).toEqual(Array.from({ length: 11 }, (_, at) => `$.objects[${at + 1}]`));
  expect(problems[0]?.reason).toContain("column 22");
});

test("what is no indicator for us is counted, what is revoked is removed", () => {
  const { indicators, removed, skips, problems } = bundle(
    { type: "malware", id: "malware--1" },
    { type: "malware", id: "malware--2" },
    indicator("rule x {}", { pattern_type: "yara" }),
    indicator("[domain-name:value = 'good.example']", { indicator_types: ["benign"] }),
    indicator("[domain-name:value = 'a.example']", { revoked: true, id: "indicator--gone" }),
  );
  expect([indicators, problems]).toEqual([[], []]);
  expect(removed).toEqual(["indicator--gone"]);
  expect(Object.fromEntries(skips)).toEqual({
    "STIX object of type malware": 2,
    "pattern of type yara": 1,
    "indicator of what is benign": 1,
  });
});

test("chunks of any size give the same, and a list of objects is read too", () => {
  const objects = [
    indicator("[domain-name:value = 'a.example']", { name: 'quote " brace } \\ \u00e9 \u4e00' }),
    { type: "note", content: "]}" },
    indicator("[domain-name:value = 'b.example']"),
  ];
  const text = JSON.stringify({ spec_version: "2.0", objects, type: "bundle" }, undefined, 1);
  const whole = importText("stix", text);
  expect(whole.indicators).toHaveLength(2);
  for (const chunkBytes of [1, 2, 3, 5, 17, 64]) {
    expect(importText("stix", text, chunkBytes)).toEqual(whole);
  }
  expect(importText("stix", JSON.stringify(objects), 7).indicators).toEqual(whole.indicators);
});
