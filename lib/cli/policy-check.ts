// SPDX-License-Identifier: Apache-2.0
// `undercroft policy check`: what is wrong in a response policy, or what it would do.
import process from "node:process";
import type { PolicyRule, ResponseLimit } from "../response/response.ts";
import { readPolicy } from "./indicators.ts";
import { readArguments } from "./usage.ts";

/** Runs the command. */
export async function checkPolicy(args: readonly string[]): Promise<number> {
  const { operands } = readArguments("policy check", args, {}, ["FILE"]);
  const policy = await readPolicy(operands[0]);
  const scope = policy.dryRun ? ", dry run: nothing of it is done" : "";
  process.stdout.write(`policy ${policy.name}: ${policy.rules.length} rules${scope}\n`);
  for (const rule of policy.rules) process.stdout.write(`  ${ruleText(rule)}\n`);
  return 0;
}

function ruleText(rule: PolicyRule): string {
  const of = (what: string, list: readonly string[]): string =>
    list.length === 0 ? "" : `, ${what} ${list.join(" or ")}`;
  const conditions =
    `from ${rule.severityMin} on${of("tag", rule.tags)}${of("rule", rule.rules)}` +
    of("guest", rule.guests);
  const manner = [
    rule.dryRun ? "dry run" : "",
    rule.approvalSeconds === undefined ? "" : `approval within ${rule.approvalSeconds} s`,
    limitText(rule.limit),
  ].filter((text) => text !== "");
  const asked = manner.length === 0 ? "" : ` (${manner.join("; ")})`;
  return `${rule.name}: ${conditions}: ${rule.actions.join(", ")}${asked}`;
}

const limitText = (limit: ResponseLimit | undefined): string =>
  limit === undefined ? "" : `at most ${limit.count} in ${limit.seconds} s`;
