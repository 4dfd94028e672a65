// SPDX-License-Identifier: Apache-2.0
// Which field of which event each kind of indicator matches.
import { expect, test } from "vitest";
import { IndicatorMatch, parseIndicators } from "../../../lib/detect/detect.ts";
import type { GuestEvent } from "../../../lib/model/model.ts";
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
    tags: ["indicator", "indicator.sha256"],
  });
});
