// SPDX-License-Identifier: Apache-2.0
// `undercroft rules test`: holds Sigma rules against the events that their authors put beside them.
import { existsSync } from "node:fs";
import process from "node:process";
import {
  explainRule,
  SigmaEngine,
  type SigmaEvent,
  type SigmaMatch,
  type SigmaRuleSet,
} from "../detect/detect.ts";
import { printable } from "../wire/wire.ts";
import { eventSourceOf, explanationLines } from "./explain.ts";
import { PLACEHOLDER_OPTION, readRules, ruleFilesIn } from "./rule-files.ts";
import { readEvents } from "./sigma-events.ts";
import { type Arguments, readArguments } from "./usage.ts";

/** What became of the tests of one rule file. */
interface Result {
  readonly events: number;
  readonly failures: readonly string[];
}

/** Runs the command. */
export async function testRules(args: readonly string[]): Promise<number> {
  const parsed = readArguments("rules test", args, PLACEHOLDER_OPTION, ["PATH"]);
  let [passed, failed, untested] = [0, 0, 0];
  for (const path of ruleFilesIn(parsed.operands[0] ?? "")) {
    const { events, failures } = await testFile(path, parsed);
    if (failures.length > 0) failed += 1;
    else if (events === 0) untested += 1;
    else passed += 1;
    if (failures.length === 0 && events > 0) {
      process.stdout.write(`ok      ${printable(path)}: ${events} events\n`);
    }
    for (const failure of failures) {
      process.stdout.write(
        `FAILED  ${printable(path)}: ${failure.split("\n").map(printable).join("\n")}\n`,
      );
    }
  }
  process.stdout.write(
    `${passed} rule files passed, ${failed} failed, ${untested} have no events beside them\n`,
  );
  return failed === 0 ? 0 : 1;
}

async function testFile(path: string, args: Arguments): Promise<Result> {
  const set = await readRules("rules test", args, path);
  const errors = set.problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0) {
    return { events: 0, failures: errors.map(({ line, message }) => `line ${line}: ${message}`) };
  }
  const stem = path.replace(/\.ya?ml$/i, "");
  const results = [
    await testEvents(set, `${stem}.match.json`, true),
    await testEvents(set, `${stem}.nomatch.json`, false),
  ];
  return {
    events: results.reduce((sum, result) => sum + result.events, 0),
    failures: results.flatMap(({ failures }) => failures),
  };
}

async function testEvents(set: SigmaRuleSet, path: string, mustMatch: boolean): Promise<Result> {
  if (!existsSync(path)) return { events: 0, failures: [] };
  const engine = new SigmaEngine(set);
  const isCorrelated = set.correlations.length > 0;
  const failures: string[] = [];
  let events = 0;
  const all: SigmaMatch[] = [];
  const [first] = set.rules;
  const source = first === undefined ? { categories: [] } : eventSourceOf(first);
  for await (const found of readEvents(path, source)) {
    events += 1;
    if ("fault" in found) {
      failures.push(`${found.place} ${found.fault}`);
      continue;
    }
    const matches = engine.match(found.event);
    all.push(...matches);
    if (isCorrelated || matches.length > 0 === mustMatch) continue;
    failures.push(`${found.place} ${because(set, found.event, mustMatch)}`);
  }
  all.push(...engine.advance(Number.MAX_SAFE_INTEGER));
  if (isCorrelated && all.some(({ kind }) => kind === "correlation") !== mustMatch) {
    failures.push(`${path}: the correlation ${mustMatch ? "does not hold" : "holds"}`);
  }
  return { events, failures };
}

function because(set: SigmaRuleSet, event: SigmaEvent, mustMatch: boolean): string {
  const lines = set.rules.flatMap((rule) => explanationLines(explainRule(rule, event)));
  return [`${mustMatch ? "does not match" : "matches"}:`, ...lines].join("\n        ");
}
