// SPDX-License-Identifier: Apache-2.0
// `undercroft rules check`: what is wrong with Sigma rules, and where.
import process from "node:process";
import { problemLine } from "../detect/detect.ts";
import { printable } from "../wire/wire.ts";
import { toJson } from "./json.ts";
import { PLACEHOLDER_OPTION, readRules } from "./rule-files.ts";
import { readArguments } from "./usage.ts";

/** Runs the command. */
export async function checkRules(args: readonly string[]): Promise<number> {
  const options = { json: { type: "boolean" }, ...PLACEHOLDER_OPTION } as const;
  const parsed = readArguments("rules check", args, options, ["PATH"]);
  const set = await readRules("rules check", parsed, parsed.operands[0] ?? "");
  const isJson = parsed.values.json === true;
  for (const problem of set.problems) {
    const line = isJson ? toJson(problem) : printable(problemLine(problem));
    process.stdout.write(`${line}\n`);
  }
  const errors = set.problems.filter(({ severity }) => severity === "error").length;
  const warnings = set.problems.length - errors;
  const { rules, correlations, filters } = set;
  process[isJson ? "stderr" : "stdout"].write(
    `${rules.length} rules, ${correlations.length} correlations, ${filters.length} filters; ` +
      `${errors} errors, ${warnings} warnings\n`,
  );
  return errors === 0 ? 0 : 1;
}
