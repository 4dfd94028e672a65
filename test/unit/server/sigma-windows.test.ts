// SPDX-License-Identifier: Apache-2.0
// A correlation that asks for what did not happen holds in the live server without another event,
// and its finding is the guest's whose event counted last.
import { expect, test } from "vitest";
import { loadRules } from "../../../lib/detect/detect.ts";
import { createServer } from "../../../lib/server/server.ts";
import { ManualClock } from "../../../lib/time/time.ts";
import { Random } from "../../sim/random.ts";
import { SimulatedGuest } from "../../sim/simulated-guest.ts";

const RULES = `title: Backup began
name: backup
status: test
level: low
logsource: {product: linux, category: process_creation}
detection:
  selection: {Image|endswith: '/backup'}
  condition: selection
---
title: Backup stopped early
level: high
correlation:
  type: event_count
  rules: [backup]
  group-by: [Computer]
  timespan: 1m
  condition: {lt: 3}
`;

const TITLES = "Backup stopped early";

/** A server over one guest, and time that passes for both. */
function scene(earlier?: { readonly clock: ManualClock; readonly guest: SimulatedGuest }) {
  const clock = earlier?.clock ?? new ManualClock();
  const sigma = loadRules([{ name: "backup.yml", text: RULES }]);
  expect(sigma.problems).toEqual([]);
  const server = createServer({ clock, sigma });
  const guest =
    earlier?.guest ??
    new SimulatedGuest({
      ...{ name: "g0", index: 0, regionBytes: 1 << 20, forgetful: false },
      random: new Random(1),
    });
  const pass = (ms: number): void => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(100);
      guest.step(clock.monotonicMs());
      for (let turns = 0; turns < 3; turns++) server.turn();
    }
  };
  const { name, region } = guest;
  server.attachGuest({ name, region, plan: { dataRings: 2, dataCapacityLog2: 14 } });
  if (earlier === undefined) guest.boot(0);
  const backup = (count: number): void => {
    for (let runs = 0; runs < count; runs++) {
      guest.exec(clock.monotonicMs(), "/usr/sbin/backup --all");
      pass(1000);
    }
  };
  const found = () => server.findings.filter(({ title }) => title !== "Backup began");
  pass(1000);
  return { backup, clock, found, guest, pass, server };
}

test.each([
  ["holds when its window is over", 2, [TITLES]],
  ["does not hold when enough came", 3, []],
])("a lower bound that is not reached %s", (_name, count, titles) => {
  const { backup, found, pass } = scene();
  backup(count);
  expect(found()).toEqual([]);
  pass(80_000);
  expect(found().map(({ title }) => title)).toEqual(titles);
  for (const finding of found()) {
    expect(finding).toMatchObject({ guest: "g0", field: "count", value: "2", severity: "high" });
    expect(finding.evidence.map(({ kind }) => kind)).toEqual(["process.exec"]);
  }
});

test("swapped rules meet the next event; a correlation that stays keeps what it has seen", () => {
  const { backup, clock, found, guest, pass, server } = scene();
  backup(1);
  const more = `title: Editor started
level: low
logsource: {product: linux, category: process_creation}
detection:
  selection: {Image|endswith: '/vi'}
  condition: selection
`;
  server.useSigma(loadRules([{ name: "all.yml", text: `${RULES}---\n${more}` }]));
  guest.exec(clock.monotonicMs(), "/usr/bin/vi");
  pass(1000);
  backup(1);
  expect(found().map(({ title }) => title)).toEqual(["Editor started"]);
  pass(80_000);
  expect(found().map(({ title }) => title)).toEqual(["Editor started", TITLES]);
  expect(found()[1]).toMatchObject({ value: "2" });
  // What no rule asks for any more is found no more.
  server.useSigma(loadRules([{ name: "more.yml", text: more }]));
  backup(1);
  pass(80_000);
  expect(server.findings.filter(({ title }) => title === TITLES)).toHaveLength(1);
});

test.each([
  ["with its state goes on with an open window", true, "2"],
  ["without it begins anew", false, "1"],
])("a server that starts again %s", (_name, isKept, value) => {
  const first = scene();
  first.backup(1);
  const state = structuredClone(first.server.exportCorrelations());
  if (state === undefined) throw new Error("the server has rules");
  first.server.close();
  const next = scene(first);
  if (isKept) expect(next.server.importCorrelations(state)).toBe(0);
  next.pass(5000);
  next.backup(1);
  expect(next.found()).toEqual([]);
  next.pass(80_000);
  expect(next.found()).toHaveLength(1);
  expect(next.found()[0]).toMatchObject({ guest: "g0", field: "count", value });
});

test("a window that no event came to after the restart still names its guest and event", () => {
  const first = scene();
  first.backup(1);
  const state = structuredClone(first.server.exportCorrelations());
  first.server.close();
  const next = scene(first);
  if (state !== undefined) next.server.importCorrelations(state);
  next.pass(80_000);
  expect(next.found()).toHaveLength(1);
  expect(next.found()[0]?.evidence).toHaveLength(1);
  expect(next.found()[0]?.evidence[0]).toMatchObject({ guest: "g0", kind: "process.exec" });
});
