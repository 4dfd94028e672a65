// SPDX-License-Identifier: Apache-2.0
// Reads a command's arguments. Every command uses it, so that all fail alike: one line that says
// what is wrong and where to look. It knows no option by name.
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { UndercroftError } from "../errors/errors.ts";
import type { CommandName } from "./help.ts";

/** What parseArgs found. */
export interface Arguments {
  readonly values: Readonly<
    Record<string, string | boolean | ReadonlyArray<string | boolean> | undefined>
  >;
  readonly operands: readonly string[];
}

/**
 * Reads options and exactly as many operands as `operands` names; a last name that ends in `...`
 * takes one or more.
 * @throws {UndercroftError} ERR_UC_ARGUMENT
 */
export function readArguments(
  command: CommandName,
  args: readonly string[],
  options: ParseArgsOptionsConfig,
  operands: readonly string[] = [],
): Arguments {
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (cause) {
    throw usageError(command, cause instanceof Error ? firstSentence(cause.message) : `${cause}`);
  }
  const { values, positionals } = parsed;
  const missing = operands[positionals.length];
  if (missing !== undefined) {
    throw usageError(command, `${missing.replace("...", "")} is missing`);
  }
  const isOpen = operands.at(-1)?.endsWith("...") === true;
  const extra = positionals[operands.length];
  if (extra !== undefined && !isOpen)
    throw usageError(command, `"${extra}" is one argument too many`);
  return { values: values as Arguments["values"], operands: positionals };
}

/** Value of an option that takes a text, or undefined. */
export function textOption(args: Arguments, name: string): string | undefined {
  const value = args.values[name];
  return typeof value === "string" ? value : undefined;
}

/**
 * Value of an option that allows a few words only.
 * @throws {UndercroftError} ERR_UC_ARGUMENT
 */
export function choiceOption<Choice extends string>(
  command: CommandName,
  args: Arguments,
  name: string,
  choices: readonly [Choice, ...Choice[]],
): Choice {
  const value = textOption(args, name);
  if (value === undefined) return choices[0];
  const choice = choices.find((allowed) => allowed === value);
  if (choice !== undefined) return choice;
  throw usageError(command, `--${name} "${value}": must be ${choices.join(" or ")}`);
}

/** An error of usage: exit status 2, and where to read more. */
export function usageError(command: CommandName, problem: string): UndercroftError {
  return new UndercroftError(
    "ERR_UC_ARGUMENT",
    `${command}: ${problem}; see "undercroft ${command} --help"`,
  );
}

function firstSentence(text: string): string {
  return text.split(/\. |\n/)[0] ?? text;
}
