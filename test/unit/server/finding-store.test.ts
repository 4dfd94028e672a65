// SPDX-License-Identifier: Apache-2.0
// Matches of one rule by one process are one case, whose end is never taken back by a later sight.
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { type FindingInput, FindingStore } from "../../../lib/server/finding-store.ts";
import { BASE, exec } from "../events.ts";

const INPUT: FindingInput = {
  rule: "r",
  title: "t",
  severity: "high",
  field: "f",
  value: "v",
  tags: [],
  process: BASE,
  evidence: [exec()],
  disposition: "none",
};
const store = (): FindingStore => new FindingStore((count) => new Uint8Array(randomBytes(count)));

test("the same rule, guest and process fold; another identity does not", () => {
  const findings = store();
  const first = findings.fold(INPUT, 10);
  const second = findings.fold(INPUT, 20);
  expect(first.isNew).toBe(true);
  expect(second).toMatchObject({ isNew: false, finding: { count: 2, firstMs: 10, lastMs: 20 } });
  for (const change of [{ pid: 9 }, { processStartNs: 9n }, { execGeneration: 9 }, { boot: "x" }]) {
    expect(findings.fold({ ...INPUT, process: { ...BASE, ...change } }, 30).isNew).toBe(true);
  }
  expect(findings.fold({ ...INPUT, rule: "other" }, 30).isNew).toBe(true);
  expect(findings.size).toBe(6);
});

test("evidence is bounded and a flood is told when its count doubles", () => {
  const findings = store();
  let told = 0;
  for (let count = 0; count < 1000; count++) {
    if (findings.fold(INPUT, count).isWorthTelling) told++;
  }
  expect(told).toBe(10);
  expect(findings.all[0]).toMatchObject({ count: 1000 });
  expect(findings.all[0]?.evidence).toHaveLength(8);
});

test("what was done stays, and commands are listed once", () => {
  const findings = store();
  const { id } = findings.fold({ ...INPUT, disposition: "blocked" }, 0).finding;
  expect(findings.fold(INPUT, 1).finding.disposition).toBe("blocked");
  expect(findings.act(id, "pending", 5n)).toMatchObject({ commands: [5n] });
  expect(findings.act(id, "pending", 5n)).toBeUndefined();
  expect(findings.act(id, "killed", 5n)).toMatchObject({ commands: [5n], disposition: "killed" });
  expect(findings.act("unknown", "killed", 5n)).toBeUndefined();
});

test("the oldest case is forgotten first and may open again", () => {
  const findings = store();
  for (let pid = 0; pid <= 10_000; pid++) {
    findings.fold({ ...INPUT, process: { ...BASE, pid } }, pid);
  }
  expect(findings.size).toBe(10_000);
  expect(findings.fold({ ...INPUT, process: { ...BASE, pid: 0 } }, 1).isNew).toBe(true);
});
