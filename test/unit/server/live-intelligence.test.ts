// SPDX-License-Identifier: Apache-2.0
// Indicators of a running server: one store makes the drivers' deny rules and meets the events; it
// changes by source, ends by time and is swapped while guests write, and no event is lost by it.
import { expect, test } from "vitest";
import { IndicatorStore, valueId } from "../../../lib/detect/detect.ts";
import type { Indicator, IndicatorKind } from "../../../lib/model/model.ts";
import { createServer, type ServerOptions } from "../../../lib/server/server.ts";
import { ManualClock } from "../../../lib/time/time.ts";
import { Random } from "../../sim/random.ts";
import { SimulatedGuest } from "../../sim/simulated-guest.ts";

const START_MS = Date.parse("2026-06-01T00:00:00Z");

function indicator(kind: IndicatorKind, value: string, more: Partial<Indicator> = {}): Indicator {
  const id = valueId(kind, value);
  return { id, kind, value, title: value, severity: "high", source: "feed", ...more };
}

function serving(options: Partial<ServerOptions>) {
  const clock = new ManualClock(BigInt(START_MS) * 1_000_000n);
  const server = createServer({ clock, ...options });
  const guest = new SimulatedGuest({
    ...{ name: "g0", index: 0, regionBytes: 1 << 20, forgetful: false },
    random: new Random(1),
  });
  const { name, region } = guest;
  server.attachGuest({ name, region, plan: { dataRings: 2, dataCapacityLog2: 14 } });
  guest.boot(0);
  const pass = (ms: number, work = (_ms: number): void => undefined): void => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(100);
      guest.step(clock.monotonicMs());
      work(clock.monotonicMs());
      for (let turns = 0; turns < 3; turns++) server.turn();
    }
  };
  const tables = (): string[][] =>
    server
      .commandsOf("g0")
      .flatMap(({ command }) => (command.kind === "set-rules" ? [command.rules] : []))
      .map((rules) => rules.map(({ pattern }) => pattern));
  pass(2000);
  return { clock, server, guest, pass, tables };
}

test("an indicator is a deny rule and a finding until it ends, and neither after", () => {
  const soonMs = START_MS + 10_000;
  const { clock, guest, server, pass, tables } = serving({
    indicators: [
      indicator("name", "evil", { validUntilMs: soonMs, confidence: 70, tlp: "amber" }),
      indicator("path", "/x/later", { validFromMs: soonMs + 5000 }),
      indicator("domain", "evil.example", { validUntilMs: soonMs + 2000 }),
    ],
  });
  guest.exec(clock.monotonicMs(), "/x/evil --now");
  pass(1000);
  expect(tables()).toEqual([["evil"]]);
  expect(server.findings[0]).toMatchObject({
    rule: "name:evil",
    tags: ["indicator", "indicator.name", "source:feed", "confidence:70", "tlp:amber"],
  });
  pass(8000);
  expect([tables().length, server.stats.indicators]).toEqual([2, 2]);
  guest.exec(clock.monotonicMs(), "/x/evil --again");
  pass(2000);
  // A domain that ends changes nothing for a driver.
  expect([tables(), server.stats.indicators]).toEqual([[["evil"], []], 1]);
  expect(server.findings[0]).toMatchObject({ count: 1 });
  guest.exec(clock.monotonicMs(), "/x/later --too-early");
  pass(5000);
  guest.exec(clock.monotonicMs(), "/x/later");
  pass(1000);
  expect(tables()).toEqual([["evil"], [], ["/x/later"]]);
  expect(server.findings.map(({ rule, count }) => [rule, count])).toEqual([
    ["name:evil", 1],
    ["path:/x/later", 1],
  ]);
});

test("a source's change reaches drivers only where it concerns them", () => {
  const { clock, guest, server, pass, tables } = serving({ indicators: [indicator("name", "a")] });
  server.changeIndicators({ source: "feed", added: [indicator("command-line", "--b")] });
  pass(500);
  expect(tables()).toEqual([["a"]]);
  server.changeIndicators({
    ...{ source: "other", isWhole: true },
    added: [indicator("name", "c", { source: "other" })],
  });
  server.changeIndicators({ source: "feed", removed: ["name:a"] });
  pass(500);
  expect(tables().at(-1)).toEqual(["c"]);
  for (const line of ["/x/a", "/x/d --b", "/x/c"]) guest.exec(clock.monotonicMs(), line);
  pass(500);
  expect(server.findings.map(({ rule }) => rule).sort()).toEqual(["cmdline:--b", "name:c"]);
  expect(server.indicators.size).toBe(2);
});

test("what a driver has no room for is met by the server; the most severe are refused", () => {
  const store = new IndicatorStore();
  for (let at = 0; at < 5000; at++) {
    store.add(indicator("name", `n${at}`, { severity: at >= 4000 ? "critical" : "medium" }));
    store.add(indicator("address", `10.${at >> 8}.${at & 255}.1`));
  }
  const { clock, guest, server, pass, tables } = serving({ indicators: store });
  expect([tables()[0]?.length, tables()[0]?.[0]]).toEqual([4096, "n4000"]);
  expect(server.stats).toMatchObject({ verdictRules: 4096, verdictRulesLeftOut: 904 });
  pass(10_000);
  expect(guest.isMonitored).toBe(true);
  guest.exec(clock.monotonicMs(), "/x/n3999");
  pass(500);
  expect(tables()[0]).not.toContain("n3999");
  expect(server.findings.map(({ rule }) => rule)).toEqual(["name:n3999"]);
});

test("stores swapped under load lose no event and no match", () => {
  const { clock, guest, server, pass } = serving({});
  const lines = Array.from({ length: 30 }, (_, at) => `/x/run --swap-${at}-`);
  const storeOf = (last: number): IndicatorStore => {
    const store = new IndicatorStore();
    for (let at = 0; at < 2000; at++) store.add(indicator("domain", `d${at}-${last}.example`));
    // The one now and the one before: whichever store is in use, the event meets it.
    for (const at of [last, last + 1]) store.add(indicator("command-line", `--swap-${at}-`));
    return store;
  };
  server.useIndicators(storeOf(0));
  for (const [at, line] of lines.entries()) {
    let isFirst = true;
    pass(300, (nowMs) => {
      guest.work(nowMs, 40);
      if (isFirst) guest.exec(nowMs, line);
      isFirst = false;
    });
    server.useIndicators(storeOf(at + 1));
  }
  pass(2000);
  expect(clock.monotonicMs()).toBeGreaterThan(10_000);
  const [stats] = server.stats.guests;
  expect(stats?.loss).toMatchObject({ named: 0, unaccounted: 0, mismatches: 0 });
  expect(stats?.events).toBe(guest.truth.publishedEvents);
  expect(new Set(server.findings.map(({ rule }) => rule))).toEqual(
    new Set(lines.map((_, at) => `cmdline:--swap-${at}-`)),
  );
});
