// SPDX-License-Identifier: Apache-2.0
// `undercroft redirector`: watches the interfaces of guests for a server and holds its rules at
// their taps, until a signal ends it.
import process from "node:process";
import { openRedirector } from "../redirector/redirector.ts";
import { printable } from "../wire/wire.ts";
import { Interrupt } from "./interrupt.ts";
import { readArguments, textOption, usageError } from "./usage.ts";
import { version } from "./version.ts";

/** Runs the command. */
export async function redirect(args: readonly string[]): Promise<number> {
  const parsed = readArguments("redirector", args, { region: { type: "string" } });
  const regionPath = textOption(parsed, "region");
  if (regionPath === undefined) throw usageError("redirector", "--region PATH is missing");
  const log = (line: string): void => void process.stdout.write(`${printable(line)}\n`);
  const redirector = openRedirector({ regionPath, version: version(), log });
  const interrupt = new Interrupt();
  await interrupt.wait();
  interrupt.close();
  redirector.close();
  return 0;
}
