// SPDX-License-Identifier: Apache-2.0
// The nftables commands that rules become: order of the actions, both directions, both families,
// and that only sound rules and plain names reach them. With real packets: test/live.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import type { BlockRule } from "../../../lib/model/model.ts";
import { boottimeNs } from "../../../lib/native/native.ts";
import {
  isPlainName,
  readTable,
  runNft,
  type TapRule,
  tableScript,
  tapRule,
} from "../../../lib/redirector/tap-rules.ts";
import { encodeBlockRule } from "../../../lib/wire/wire.ts";

function rule(fields: Omit<BlockRule, "slot">): TapRule {
  const made = tapRule(encodeBlockRule({ ...fields, slot: 3 }, boottimeNs()));
  if (made === undefined) throw new Error("not sound");
  return made;
}

function linesOf(...rules: readonly TapRule[]): string[] {
  const script = tableScript("t", rules, new Map([[3, "tap0"]]));
  return script.split("\n").map((line) => line.replace(/ comment ".*"/, ""));
}

it("allows before it drops, and isolates last, in both directions", () => {
  const lines = linesOf(
    rule({ id: 1n, action: "isolate" }),
    rule({ id: 2n, action: "drop", remote: "192.0.2.0/24", protocol: 6, remotePort: 443 }),
    rule({ id: 3n, action: "allow", remote: "2001:db8::1", local: "2001:db8::2" }),
  );
  expect(lines.filter((line) => line.startsWith("add rule"))).toEqual([
    "add rule netdev t in_3  ip6 daddr 2001:db8::1 ip6 saddr 2001:db8::2 accept",
    "add rule netdev t in_3  ip daddr 192.0.2.0/24 meta l4proto 6 th dport 443 drop",
    "add rule netdev t in_3  icmpv6 type { 133, 134, 135, 136 } accept",
    "add rule netdev t in_3  drop",
    "add rule netdev t out_3  ip6 saddr 2001:db8::1 ip6 daddr 2001:db8::2 accept",
    "add rule netdev t out_3  ip saddr 192.0.2.0/24 meta l4proto 6 th sport 443 drop",
    "add rule netdev t out_3  icmpv6 type { 133, 134, 135, 136 } accept",
    "add rule netdev t out_3  drop",
  ]);
});

it("leaves the end of a rule to a set of the kernel, and leaves out what has ended", () => {
  const lines = linesOf(
    rule({ id: 4n, action: "drop", expiresInMs: 60_000 }),
    rule({ id: 5n, action: "drop", expiresInMs: 0 }),
  );
  const sets = lines.filter((line) => line.startsWith("add set"));
  expect(sets).toHaveLength(1);
  expect(sets[0]).toMatch(/alive_4 .*"tap0" timeout (60000|59\d{3})ms/);
  expect(lines).toContain("add rule netdev t in_3 iifname @alive_4 drop");
  expect(lines).toContain("add rule netdev t out_3 oifname @alive_4 drop");
});

it("replaces the table in one step, also by nothing", () => {
  const whole = ["add table netdev t", "delete table netdev t", ""];
  expect(linesOf()).toEqual(whole);
});

it("takes no rule that contradicts itself and no name that nft would read as more", () => {
  expect(tapRule(new Uint8Array(64))).toBeUndefined();
  expect(tapRule(new Uint8Array(3))).toBeUndefined();
  expect(["tap0", "vnet1.5", "br-lan@x"].map(isPlainName)).toEqual([true, true, true]);
  const hostile = ["", "a b", 'a"; drop', "a\nb", "a/b", "..", "sixteen-letters-x"];
  expect(hostile.map(isPlainName)).toEqual(hostile.map(() => false));
});

afterEach(() => {
  vi.unstubAllEnvs();
});

it("says what is missing when there is no nft", () => {
  vi.stubEnv("PATH", "/nowhere");
  const lines: string[] = [];
  expect(runNft("", (line) => lines.push(line))).toBe(constants.errno.ENOENT);
  expect(lines).toEqual([expect.stringContaining("install nftables")]);
});

it("takes a table that cannot be read for a failure, and a missing one for none", () => {
  const folder = mkdtempSync(join(tmpdir(), "undercroft-nft-"));
  const fake = (stderr: string): void => {
    const text = `#!/bin/sh\necho '${stderr}' >&2\nexit 1\n`;
    writeFileSync(join(folder, "nft"), text, { mode: 0o755 });
  };
  vi.stubEnv("PATH", `${folder}:/bin`);
  try {
    fake("Error: No such file or directory");
    expect(readTable("t").rules).toEqual([]);
    fake("netlink: Error: Operation not permitted");
    expect(() => readTable("t")).toThrow(/cannot read the rules at the taps/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("keeps drops of single addresses in one set a family, the same address once", () => {
  const lines = linesOf(
    rule({ id: 1n, action: "drop", remote: "192.0.2.7", expiresInMs: 5000 }),
    rule({ id: 2n, action: "drop", remote: "192.0.2.8" }),
    rule({ id: 3n, action: "drop", remote: "192.0.2.8" }),
    rule({ id: 4n, action: "drop", remote: "2001:db8::7" }),
  );
  const sets = lines.filter((line) => line.includes("add set"));
  expect(sets).toHaveLength(2);
  expect(sets[0]).toMatch(/^add set netdev t drop4_3 .*192\.0\.2\.7 timeout \d+ms/);
  expect(lines.filter((line) => line.startsWith("add rule"))).toEqual([
    "add rule netdev t in_3 ip daddr @drop4_3 drop",
    "add rule netdev t in_3 ip6 daddr @drop6_3 drop",
    "add rule netdev t in_3  ip daddr 192.0.2.8 drop",
    "add rule netdev t out_3 ip saddr @drop4_3 drop",
    "add rule netdev t out_3 ip6 saddr @drop6_3 drop",
    "add rule netdev t out_3  ip saddr 192.0.2.8 drop",
  ]);
});
