// SPDX-License-Identifier: Apache-2.0
// `undercroft indicators check`, and the reading of indicator and policy files for the other
// commands. What a line means is the detect room's to say.
import { readFile } from "node:fs/promises";
import process from "node:process";
import { ImportReport, parseIndicators } from "../detect/detect.ts";
import { UndercroftError } from "../errors/errors.ts";
import { importFile } from "../feeds/feeds.ts";
import type { Indicator } from "../model/model.ts";
import { DEFAULT_POLICY, parsePolicy, type ResponsePolicy } from "../response/response.ts";
import { tellProblems, useless } from "./intel-files.ts";
import { readArguments } from "./usage.ts";

/** Runs the command. */
export async function checkIndicators(args: readonly string[]): Promise<number> {
  const { operands } = readArguments("indicators check", args, {}, ["FILE"]);
  const indicators = await readIndicators(operands[0] ?? "");
  process.stdout.write(`${indicatorSummary(indicators)}\n`);
  return 0;
}

/**
 * Reads an indicator file of any format. A plain list is taken whole or not at all: somebody wrote
 * it for this; of a feed in another format the bad entries are told, and the others used.
 * @throws {UndercroftError} ERR_UC_CONFIG, ERR_UC_INDICATORS
 */
export async function readIndicators(path: string): Promise<Indicator[]> {
  const indicators: Indicator[] = [];
  const report = new ImportReport((indicator) => indicators.push(indicator));
  const format = await importFile(path, report);
  if (format === "list") return parseIndicators(await readText(path), path);
  tellProblems(path, report.problems, report.problemCount);
  if (indicators.length > 0 || report.problemCount === 0) return indicators;
  throw useless(path);
}

/**
 * Reads a policy file; without one the default policy holds.
 * @throws {UndercroftError} ERR_UC_CONFIG, ERR_UC_POLICY
 */
export async function readPolicy(path: string | undefined): Promise<ResponsePolicy> {
  return path === undefined ? DEFAULT_POLICY : parsePolicy(await readText(path), path);
}

/** How many indicators of which kind, in words. */
export function indicatorSummary(indicators: readonly Indicator[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of indicators) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const kinds = [...counts].map(([kind, count]) => `${count} ${kind}`).join(", ");
  return `${indicators.length} indicators${kinds === "" ? "" : `: ${kinds}`}`;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot read ${path}: ${reason}`;
    throw new UndercroftError("ERR_UC_CONFIG", message, { path }, { cause });
  }
}
