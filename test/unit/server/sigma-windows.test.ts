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

test.each([
  ["holds when its window is over", 2, ["Backup stopped early"]],
  ["does not hold when enough came", 3, []],
])("a lower bound that is not reached %s", (_name, count, titles) => {
  const clock = new ManualClock();
  const rules = loadRules([{ name: "backup.yml", text: RULES }]);
  expect(rules.problems).toEqual([]);
  const server = createServer({ clock, sigma: rules });
  const guest = new SimulatedGuest({
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
  guest.boot(0);
  pass(1000);
  for (let runs = 0; runs < count; runs++) {
    guest.exec(clock.monotonicMs(), "/usr/sbin/backup --all");
    pass(1000);
  }
  const found = () => server.findings.filter(({ title }) => title !== "Backup began");
  expect(found()).toEqual([]);
  pass(80_000);
  expect(found().map(({ title }) => title)).toEqual(titles);
  for (const finding of found()) {
    expect(finding).toMatchObject({ guest: "g0", field: "count", value: "2", severity: "high" });
    expect(finding.evidence.map(({ kind }) => kind)).toEqual(["process.exec"]);
  }
});
