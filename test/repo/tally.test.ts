// SPDX-License-Identifier: Apache-2.0
// The line that says how many tests passed decides whether a change lands: it must not flatter.
import { expect, test } from "vitest";
import { addTally, tallyReport, type VitestReport } from "../../scripts/tally.ts";

function report(...files: readonly [string, ...string[]][]): VitestReport {
  return {
    testResults: files.map(([status, ...tests]) => ({
      status,
      assertionResults: tests.map((name) => ({ status: name })),
    })),
  };
}

test("counts passed, failed and skipped tests", () => {
  const seen = report(["failed", "passed", "failed", "pending"], ["passed", "passed", "skipped"]);
  expect(tallyReport(seen, false)).toEqual({ passed: 2, failed: 1, skipped: 2 });
});

test("counts a file that did not load as one failure", () => {
  const seen = report(["failed"], ["passed", "passed"]);
  expect(tallyReport(seen, false)).toEqual({ passed: 1, failed: 1, skipped: 0 });
});

test("a run that ended badly fails although each test passed", () => {
  expect(tallyReport(report(["passed", "passed"]), false).failed).toBe(1);
});

test("a run of no test, or without a report, fails", () => {
  expect(tallyReport(report(), true).failed).toBe(1);
  expect(tallyReport(report(["passed", "skipped"]), true).failed).toBe(1);
  expect(tallyReport(undefined, true).failed).toBe(1);
});

test("adds up tiers", () => {
  const one = { passed: 1, failed: 2, skipped: 3 };
  expect(addTally(one, { passed: 10, failed: 20, skipped: 30 })).toEqual({
    passed: 11,
    failed: 22,
    skipped: 33,
  });
});
