// SPDX-License-Identifier: Apache-2.0
// Goal D6, first part: STIX patterns against the cases of OASIS' pattern matcher and the validity
// lists of its pattern validator. Called by `npm run corpora -- intel`.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  parseStixPattern,
  StixPattern,
  stixFaults,
  stixObservations,
} from "../../lib/detect/detect.ts";
import { isUndercroftError } from "../../lib/errors/errors.ts";
import { Comparison } from "./comparison.ts";

interface Case {
  readonly test: string;
  readonly pattern: string;
  readonly observations: ReadonlyArray<{ readonly type: string; readonly objects?: unknown }>;
  readonly expect: "match" | "no-match" | "error";
}

/** Verdicts of every case, and of every pattern whether it is one. */
export function comparePatterns(folder: string): Comparison[] {
  return [compareCases(join(folder, "pattern-cases")), compareValidity(folder)];
}

function compareCases(folder: string): Comparison {
  const row = new Comparison("D6", "STIX pattern verdicts", "OASIS pattern matcher");
  for (const file of readdirSync(folder).sort()) {
    const cases: readonly Case[] = JSON.parse(readFileSync(join(folder, file), "utf8"));
    for (const [index, one] of cases.entries()) {
      const found = verdict(one);
      if (found === one.expect) row.hit();
      else row.miss(`${found}, not ${one.expect}`, `${file}[${index}] ${one.pattern}`);
    }
  }
  return row;
}

function verdict({ pattern, observations }: Case): Case["expect"] {
  try {
    const made = new StixPattern(pattern);
    const all = observations.flatMap((one) =>
      // STIX 2.0 has its objects inside of the observation, 2.1 beside it in a bundle.
      stixObservations(one.type === "bundle" ? (one.objects as unknown[]) : [one]),
    );
    return made.matches(all) ? "match" : "no-match";
  } catch (cause) {
    if (!isUndercroftError(cause)) throw cause;
    return "error";
  }
}

function compareValidity(folder: string): Comparison {
  const row = new Comparison("D6", "STIX patterns valid or not", "OASIS pattern validator");
  const lists = JSON.parse(readFileSync(join(folder, "pattern-validity.json"), "utf8"));
  const examples = readFileSync(join(folder, "pattern-spec-examples.txt"), "utf8");
  const valid: string[] = [...lists.PASS_CASES, ...lists.TIMESTAMP_PASS_CASES];
  valid.push(...examples.split("\n").filter((line) => line !== ""));
  const invalid: string[][] = [...lists.FAIL_CASES, ...lists.TIMESTAMP_FAIL_CASES];
  for (const pattern of valid) {
    const why = fault(pattern);
    if (why === undefined) row.hit();
    else row.miss(`refused: ${why}`, pattern);
  }
  for (const [pattern = ""] of invalid) {
    if (fault(pattern) === undefined) row.miss("taken", pattern);
    else row.hit();
  }
  return row;
}

function fault(pattern: string): string | undefined {
  try {
    return stixFaults(parseStixPattern(pattern))[0];
  } catch (cause) {
    if (!isUndercroftError(cause)) throw cause;
    return cause.message;
  }
}
