// SPDX-License-Identifier: Apache-2.0
// The demo's judgement must fail whenever one witness is missing or disagrees.
import { describe, expect, test } from "vitest";
import { GUEST_POINTS } from "../../../lib/cli/demo-guest.ts";
import {
  type IntrusionValues,
  isIntrusionSeen,
  judgeDemo,
  type Observations,
} from "../../../lib/cli/expected.ts";
import { GuestReport } from "../../../lib/cli/protected-guest.ts";
import { exit, finding, kill, verdict } from "./fixtures.ts";

const values: IntrusionValues = {
  payloadSha256: "ab".repeat(32),
  secretPath: "/etc/secret.txt",
  minerName: "miner",
  stageUrl: "http://stage2.invalid/",
};

const good: Observations = {
  wasMonitored: true,
  hasLeft: true,
  events: 50,
  exits: [exit(10, 9), exit(40, 9)],
  verdicts: [verdict(20, "open", values.secretPath), verdict(30, "exec", "/opt/miner")],
  findings: [
    finding("hash", 10, values.payloadSha256, "killed"),
    finding("path", 20, values.secretPath, "blocked"),
    finding("name", 30, "/opt/miner", "blocked"),
    finding("line", 40, `get ${values.stageUrl}payload`, "killed"),
    { ...finding("gone", 0, "the driver was unloaded", "none"), rule: "driver_unregistered" },
  ],
  commands: [kill(1n, 10, "hash"), kill(2n, 40, "line")],
  loss: { named: 2, unaccounted: 0 },
  manager: {
    ...{ url: "https://127.0.0.1:1", executions: 9 },
    guests: [{ name: "demo", state: "monitored", serverName: "s", isCurrent: true }],
    findings: ["hash", "path", "name", "line"].map((id) => {
      return { id, title: id, disposition: "killed" as const };
    }),
  },
  points: new Map(Object.values(GUEST_POINTS).map((name) => [name, true])),
};

const managed = good.manager as NonNullable<Observations["manager"]>;

function unobserved(seen: Observations): string[] {
  return judgeDemo(seen, values)
    .filter(({ observed }) => !observed)
    .map(({ what }) => what);
}

describe("judgeDemo", () => {
  test("is content when both sides saw everything", () => {
    expect(unobserved(good)).toEqual([]);
    expect(isIntrusionSeen(good, values)).toBe(true);
  });

  test.each([
    ["nothing was monitored", { wasMonitored: false }],
    ["no event came", { events: 0 }],
    ["a process did not end", { exits: [exit(10, 9)] }],
    ["a process ended by itself", { exits: [exit(10, 15), exit(40, 9)] }],
    [
      "another process with that pid was killed",
      {
        exits: [exit(10, 9), { ...exit(40, 9), processStartNs: 6n }],
      },
    ],
    [
      "a command was only done",
      {
        commands: [kill(1n, 10, "hash"), { ...kill(2n, 40, "line"), outcome: "done" as const }],
      },
    ],
    ["a refusal has no record", { verdicts: good.verdicts.slice(1) }],
    [
      "a refusal was of another operation",
      {
        verdicts: [verdict(20, "exec", "/x"), verdict(30, "exec", "/x")],
      },
    ],
    ["the manager lacks a finding", { manager: { ...managed, findings: [] } }],
    ["the manager's search finds nothing", { manager: { ...managed, executions: 0 } }],
    ["a finding is missing", { findings: good.findings.slice(1) }],
    [
      "an innocent process was found",
      {
        findings: [...good.findings, finding("other", 99, "/bin/ls", "killed")],
      },
    ],
    ["events are unaccounted", { loss: { named: 0, unaccounted: 1 } }],
    ["the guest never left", { hasLeft: false }],
  ])("fails when %s", (_why, change) => {
    expect(unobserved({ ...good, ...change })).not.toEqual([]);
  });

  test.each(Object.values(GUEST_POINTS))("fails without the guest's point: %s", (name) => {
    const points = new Map(good.points).set(name, false);
    expect(unobserved({ ...good, points })).not.toEqual([]);
    points.delete(name);
    expect(unobserved({ ...good, points })).not.toEqual([]);
  });

  test("fails on everything when nothing happened", () => {
    const none: Observations = {
      ...{ wasMonitored: false, hasLeft: false, events: 0, exits: [], verdicts: [] },
      ...{ findings: [], commands: [], loss: { named: 0, unaccounted: 0 }, points: new Map() },
    };
    const left = judgeDemo(none, values).filter(({ observed }) => observed);
    expect(left).toEqual([]);
    expect(isIntrusionSeen(none, values)).toBe(false);
  });
});

describe("GuestReport", () => {
  test("reads points and passes over comments", () => {
    const report = new GuestReport();
    for (const line of ["TAP version 14", "1..2", "ok 1 - one", "# ok 9 - no", "not ok 2 - two"]) {
      report.takeLine(line);
    }
    expect([...report.points]).toEqual([
      ["one", true],
      ["two", false],
    ]);
  });

  test("keeps the reason of a guest that gave up", () => {
    const report = new GuestReport();
    report.takeLine("Bail out! the driver did not load");
    expect(report.bailOut).toBe("the driver did not load");
  });
});
