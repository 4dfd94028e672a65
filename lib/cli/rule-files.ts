// SPDX-License-Identifier: Apache-2.0
// Reads Sigma rules from a file or a folder, for the commands that use them. What a rule means is
// the detect room's to say.
import { readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { RuleLoader, type SigmaRuleSet } from "../detect/detect.ts";
import { UndercroftError } from "../errors/errors.ts";
import { printable } from "../wire/wire.ts";
import type { CommandName } from "./help.ts";
import { unusable } from "./intel-files.ts";
import { type Arguments, usageError } from "./usage.ts";

/** The option that all commands with rules have. */
export const PLACEHOLDER_OPTION = { placeholder: { type: "string", multiple: true } } as const;

/**
 * Loads the rules of a file or folder, giving way to other work after each file.
 * @throws {UndercroftError} ERR_UC_CONFIG where it cannot be read, ERR_UC_ARGUMENT
 */
export async function readRules(
  command: CommandName,
  args: Arguments,
  path: string,
): Promise<SigmaRuleSet> {
  const loader = new RuleLoader({ placeholders: placeholdersOf(command, args) });
  for (const name of ruleFilesIn(path)) {
    try {
      loader.add({ name, text: await readFile(name, "utf8") });
    } catch (cause) {
      throw unusable(name, cause);
    }
  }
  return loader.finish();
}

/**
 * Loads rules of which at least one must be usable.
 * @throws {UndercroftError} ERR_UC_RULES, ERR_UC_CONFIG, ERR_UC_ARGUMENT
 */
export async function readUsableRules(
  command: CommandName,
  args: Arguments,
  path: string,
): Promise<SigmaRuleSet> {
  const set = await readRules(command, args, path);
  if (set.rules.length > 0) return set;
  const message = `no usable rule in ${path}; see "undercroft rules check ${path}"`;
  throw new UndercroftError("ERR_UC_RULES", message, { path });
}

/** Says on standard error that rules with errors are left out, where there are any. */
export function warnOfErrors(set: SigmaRuleSet, path: string): void {
  const errors = set.problems.filter(({ severity }) => severity === "error").length;
  if (errors === 0) return;
  const text = `${errors} errors in rules, which are left out; see "undercroft rules check`;
  process.stderr.write(`undercroft: ${text} ${printable(path)}"\n`);
}

/** The rule files of a path in the order of their names. */
export function ruleFilesIn(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path, { recursive: true, encoding: "utf8" });
    return names
      .filter((name) => /\.ya?ml$/i.test(name))
      .sort()
      .map((name) => join(path, name));
  } catch (cause) {
    throw unusable(path, cause);
  }
}

function placeholdersOf(command: CommandName, { values }: Arguments): Record<string, string[]> {
  const placeholders: Record<string, string[]> = Object.create(null);
  const words = values.placeholder;
  for (const word of Array.isArray(words) ? words : []) {
    const text = String(word);
    const equals = text.indexOf("=");
    if (equals <= 0) throw usageError(command, `--placeholder "${text}": must be NAME=VALUE`);
    const name = text.slice(0, equals);
    placeholders[name] = [...(placeholders[name] ?? []), text.slice(equals + 1)];
  }
  return placeholders;
}
