// SPDX-License-Identifier: Apache-2.0
// Counts what a vitest JSON report says. Called by scripts/test.ts. It must never turn a run that
// crashed, or that ran nothing, into a success.

/** How many tests ended in which way. */
export type Tally = { readonly passed: number; readonly failed: number; readonly skipped: number };

/** The part of vitest's JSON report that is read here. */
export type VitestReport = {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
};

/** Counts a report; `isOk` is whether the vitest process itself ended well. */
export function tallyReport(report: VitestReport | undefined, isOk: boolean): Tally {
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 };
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const file of report.testResults) {
    const failedBefore = failed;
    for (const { status } of file.assertionResults) {
      if (status === "passed") passed += 1;
      else if (status === "failed") failed += 1;
      else skipped += 1;
    }
    // A file that did not load, or whose hook threw, has no failed test of its own.
    if (file.status === "failed" && failed === failedBefore) failed += 1;
  }
  if (failed === 0 && (!isOk || passed === 0)) failed = 1;
  return { passed, failed, skipped };
}

/** The sum of two tallies. */
export function addTally(left: Tally, right: Tally): Tally {
  return {
    passed: left.passed + right.passed,
    failed: left.failed + right.failed,
    skipped: left.skipped + right.skipped,
  };
}
