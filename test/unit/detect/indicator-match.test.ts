// SPDX-License-Identifier: Apache-2.0
// Which field of which event each kind of indicator matches.
import { expect, test } from "vitest";
import {
  IndicatorMatch,
  IndicatorStore,
  indicatorTags,
  parseIndicators,
} from "../../../lib/detect/detect.ts";
import type { GuestEvent, GuestNetworkEvent, Indicator } from "../../../lib/model/model.ts";
import { BASE, exec, file, hash } from "../events.ts";

const HASH = "0a".repeat(32);
const detector = new IndicatorMatch(
  parseIndicators(
    `sha256:${HASH}\npath:/tmp/evil\nname:xmrig\ncmdline:--drop-the-database\ncmdline:-rf /`,
    "test",
  ),
);
const rules = (event: GuestEvent): string[] => detector.detect(event).map(({ rule }) => rule);

test("a digest matches, an empty one does not", () => {
  expect(rules(hash(HASH))).toEqual([`sha256:${HASH}`]);
  expect(rules(hash("", { result: "too-big" }))).toEqual([]);
});

test("paths match whole, in exec, file and image events", () => {
  expect(rules(file({ path: "/tmp/evil" }))).toEqual(["path:/tmp/evil"]);
  expect(rules(file({ path: "/tmp/evil2" }))).toEqual([]);
  expect(rules(file({ path: "/TMP/evil" }))).toEqual([]);
  expect(rules(exec({ path: "/bin/dash", requestedPath: "/tmp/evil" }))).toEqual([
    "path:/tmp/evil",
  ]);
  expect(
    rules({
      ...{ kind: "image.load", ...BASE, path: "/tmp/evil" },
      ...{ inode: 1, device: 1, address: 0n, sizeBytes: 1 },
    }),
  ).toEqual(["path:/tmp/evil"]);
});

test("a rename is looked at from both ends, and counts once", () => {
  const both = { kind: "file.rename", path: "/tmp/evil", oldPath: "/tmp/evil" } as const;
  expect(rules(file(both))).toEqual(["path:/tmp/evil"]);
  expect(detector.detect(file({ ...both, path: "/x" }))[0]?.field).toBe("oldPath");
});

test("names match the last component only", () => {
  expect(rules(file({ path: "/opt/a/xmrig" }))).toEqual(["name:xmrig"]);
  expect(rules(file({ path: "/opt/xmrig/a" }))).toEqual([]);
  const module = { kind: "module.load", ...BASE, name: "xmrig", sizeBytes: 1, taints: 0 } as const;
  expect(rules(module)).toEqual(["name:xmrig"]);
});

test("command lines match as substrings across arguments", () => {
  expect(rules(exec({ arguments: ["sh", "-c", "x --drop-the-database"] }))).toEqual([
    "cmdline:--drop-the-database",
  ]);
  expect(rules(exec({ arguments: ["rm", "-rf", "/"] }))).toEqual(["cmdline:-rf /"]);
  expect(rules(exec({ arguments: [] }))).toEqual([]);
});

test("an event without a match returns one shared empty list", () => {
  expect(detector.detect(file())).toBe(detector.detect(exec()));
});

test("a detection says what matched where", () => {
  expect(detector.detect(hash(HASH))[0]).toMatchObject({
    field: "sha256",
    value: HASH,
    severity: "high",
    tags: ["indicator", "indicator.sha256", "source:test"],
  });
});

const NETWORK = {
  ...{ guest: "g", timeMs: 0, flowId: 1, transport: "tcp", communityId: "", outbound: true },
  ...{ sourceAddress: "10.0.0.5", sourcePort: 4000 },
  ...{ destinationAddress: "203.0.113.9", destinationPort: 8443 },
};

function network(fields: object): GuestNetworkEvent {
  return { ...NETWORK, ...fields } as unknown as GuestNetworkEvent;
}

function store(...indicators: ReadonlyArray<Partial<Indicator>>): IndicatorMatch {
  const made = new IndicatorStore();
  for (const [index, one] of indicators.entries()) {
    const common = { id: `i${index}`, title: "T", severity: "high", source: "s" } as const;
    made.add({ ...common, kind: "domain", value: "", ...one });
  }
  return new IndicatorMatch(made);
}

test("what must hold too is asked of the event, and what it does not tell does not hold", () => {
  const port = { kind: "port", value: "8443" } as const;
  const match = store(
    { kind: "address", value: "203.0.113.9", with: [port] },
    { kind: "domain", value: "evil.example", with: [port] },
    { kind: "name", value: "x.exe", with: [{ kind: "size", value: "5" }] },
    { kind: "sha256", value: HASH, with: [{ kind: "name", value: "x.exe" }] },
    { kind: "user-agent", value: "evil/1", with: [{ kind: "domain", value: "evil.example" }] },
  );
  const found = (event: GuestNetworkEvent): string[] =>
    match.detectNetwork(event).map(({ rule }) => rule);
  expect(found(network({ kind: "flow.open" }))).toEqual(["i0"]);
  expect(found(network({ kind: "flow.open", destinationPort: 80 }))).toEqual([]);
  const tls = { kind: "tls", serverName: "a.evil.example", ja3: "", ja4: "", certificates: [] };
  expect(found(network(tls))).toEqual(["i1"]);
  expect(found(network({ ...tls, destinationPort: 443 }))).toEqual([]);
  const http = { kind: "http", uri: "/", authority: "www.evil.example:8080", userAgent: "evil/1" };
  expect(found(network({ ...http, destinationPort: 80 }))).toEqual(["i4"]);
  expect(found(network({ ...http, authority: "notevil.example" }))).toEqual([]);
  expect(match.detect(file({ path: "/tmp/x.exe" }))).toEqual([]);
  expect(match.detect(hash(HASH))).toHaveLength(1);
});

test("of several indicators for one value the nearest that holds is told", () => {
  const match = store(
    { value: "a.evil.example", with: [{ kind: "port", value: "1" }] },
    { value: "evil.example" },
  );
  const tls = { kind: "tls", serverName: "b.a.evil.example", ja3: "", ja4: "", certificates: [] };
  expect(match.detectNetwork(network(tls)).map(({ rule }) => rule)).toEqual(["i1"]);
});

test("SSH peers and paths of requests match too", () => {
  const hassh = "0b".repeat(16);
  const match = store({ kind: "hassh", value: hassh }, { kind: "http-path", value: "/gate.php" });
  expect(
    match.detectNetwork(network({ kind: "ssh", hassh: "", hasshServer: hassh })),
  ).toMatchObject([
    {
      field: "hasshServer",
      tags: ["indicator", "indicator.network", "indicator.hassh", "source:s"],
    },
  ]);
  const http = { kind: "http", uri: "/gate.php", authority: "a.example", userAgent: "" };
  expect(match.detectNetwork(network(http))).toMatchObject([{ field: "uri" }]);
});

test("a store that changes changes what matches", () => {
  const made = new IndicatorStore();
  const match = new IndicatorMatch(made);
  expect(match.detect(hash(HASH))).toEqual([]);
  for (const one of parseIndicators(`sha256:${HASH}`, "feed")) made.add(one);
  expect(match.detect(hash(HASH))).toHaveLength(1);
  made.removeSource("feed");
  expect(match.detect(hash(HASH))).toEqual([]);
});

test("the tags of a detection say source, confidence and TLP, as far as they are known", () => {
  const of = { kind: "sha256", source: "partner" } as const;
  expect(indicatorTags(of)).toEqual(["indicator", "indicator.sha256", "source:partner"]);
  const more = indicatorTags({ ...of, confidence: 0, tlp: "amber+strict" });
  expect(more.slice(2)).toEqual(["source:partner", "confidence:0", "tlp:amber+strict"]);
});
