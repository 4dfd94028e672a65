// SPDX-License-Identifier: Apache-2.0
// Judges a finished guest run from three witnesses that cannot stand in for each other: the TAP of
// the verdict port, QEMU's word on how the guest ended, and the console. Pure; called by the
// harness. Silence, a crash or a hang can never look like success.
import { Parser, type Result } from "tap-parser";
import type { GuestExit } from "../../lib/hypervisor/hypervisor.ts";

/** One point of a case. */
export interface CasePoint {
  readonly name: string;
  readonly ok: boolean;
  readonly skipped: boolean;
}

/** One case as the guest's runner judged it. */
export interface CaseResult {
  readonly name: string;
  readonly status: "ok" | "failed" | "skipped";
  /** Why it failed, in words of the runner, or why it was skipped. */
  readonly reason: string;
  readonly points: readonly CasePoint[];
  /** Comment lines, without the mark: what the case measured or wants a person to know. */
  readonly comments: readonly string[];
}

/** What a guest left behind. `tapLines` are those of the verdict port. */
export interface GuestEvidence {
  readonly tapLines: readonly string[];
  readonly exit: GuestExit;
  readonly consoleText: string;
}

/** The judgement: `failures` is empty exactly when the run is good. */
export interface GuestVerdict {
  readonly failures: readonly string[];
  readonly cases: readonly CaseResult[];
}

const crashes = /Kernel panic|Oops:|kernel BUG at|Unable to mount root/;

/** Judges a run that was to hold exactly the cases named, in that order. */
export function judgeGuest(evidence: GuestEvidence, expected: readonly string[]): GuestVerdict {
  const failures: string[] = [];
  const { exit, consoleText } = evidence;
  if (!consoleText.includes("uc-guest: up")) failures.push("the guest never reached its init");
  if (!exit.poweredOff) failures.push(`the guest did not power off by itself: ${exit.reason}`);
  const crash = consoleText.split("\n").find((line) => crashes.test(line));
  if (crash !== undefined) failures.push(`the guest's kernel crashed: ${crash.trim()}`);
  const { cases, problems } = parseTap(evidence.tapLines);
  failures.push(...problems);
  const names = cases.map((result) => result.name);
  const wanted = ["boot", ...expected, "end"];
  if (names.join(" ") !== wanted.join(" ")) {
    failures.push(`cases seen: ${names.join(" ") || "none"}; expected: ${wanted.join(" ")}`);
  }
  for (const result of cases) {
    if (result.status === "failed") failures.push(`case ${result.name}: ${result.reason}`);
  }
  return { failures, cases };
}

/** What one subtest printed; it belongs to the top-level point that follows it. */
interface Subtest {
  readonly points: CasePoint[];
  readonly comments: string[];
}

function parseTap(lines: readonly string[]): { cases: CaseResult[]; problems: string[] } {
  const cases: CaseResult[] = [];
  const problems: string[] = [];
  let subtest: Subtest = { points: [], comments: [] };
  const parser = new Parser((results) => {
    // The parser invents a plan for silence, so the line itself must be there.
    if (!lines.some((line) => line.startsWith("1.."))) problems.push("the guest printed no plan");
    else if (results.count !== results.plan.end) {
      problems.push(`the guest ran ${results.count} of ${results.plan.end} planned cases`);
    }
    if (results.bailout !== false) problems.push(`the guest bailed out: ${results.bailout}`);
  });
  parser.on("child", (child: Parser) => {
    const current: Subtest = { points: [], comments: [] };
    subtest = current;
    child.on("assert", (point: Result) => {
      const { name, ok } = point;
      current.points.push({ name, ok, skipped: point.skip !== false });
    });
    child.on("comment", (line: string) => {
      if (!line.startsWith("# Subtest: "))
        current.comments.push(line.replace(/^# ?/, "").trimEnd());
    });
  });
  parser.on("assert", (result: Result) => {
    cases.push(caseResult(result, subtest));
    subtest = { points: [], comments: [] };
  });
  parser.end(`${lines.join("\n")}\n`);
  return { cases, problems };
}

function caseResult(result: Result, { points, comments }: Subtest): CaseResult {
  const { name, skip } = result;
  if (skip !== false) return { name, status: "skipped", reason: String(skip), points, comments };
  const broken = points.filter((point) => !point.ok).map((point) => `not ok: ${point.name}`);
  if (result.ok && broken.length === 0) {
    return { name, status: "ok", reason: "", points, comments };
  }
  const said: unknown = result.diag?.problems;
  const reasons = [...broken, ...(typeof said === "string" ? [said.trim()] : [])];
  const reason = reasons.join("; ") || "no reason given";
  return { name, status: "failed", reason, points, comments };
}
