// SPDX-License-Identifier: Apache-2.0
// `undercroft redirector`: watches the interfaces of guests for a server and holds its rules at
// their taps, until a signal ends it.
import process from "node:process";
import { openRedirector, type ReplayFile } from "../redirector/redirector.ts";
import { printable } from "../wire/wire.ts";
import { Interrupt } from "./interrupt.ts";
import { readArguments, textOption, usageError } from "./usage.ts";
import { version } from "./version.ts";

/** Runs the command. */
export async function redirect(args: readonly string[]): Promise<number> {
  const parsed = readArguments("redirector", args, {
    region: { type: "string" },
    replay: { type: "string", multiple: true },
    "real-time": { type: "boolean" },
  });
  const regionPath = textOption(parsed, "region");
  if (regionPath === undefined) throw usageError("redirector", "--region PATH is missing");
  const log = (line: string): void => void process.stdout.write(`${printable(line)}\n`);
  const files = replayFiles(parsed.values.replay);
  const isRealTime = parsed.values["real-time"] === true;
  if (isRealTime && files.length === 0)
    throw usageError("redirector", "--real-time needs --replay");
  const replay = files.length === 0 ? {} : { replay: { files, isRealTime } };
  const redirector = openRedirector({ regionPath, version: version(), log, ...replay });
  const interrupt = new Interrupt();
  await interrupt.wait();
  interrupt.close();
  redirector.close();
  return 0;
}

function replayFiles(words: unknown): ReplayFile[] {
  return (Array.isArray(words) ? words : []).map((word: string) => {
    const equals = word.indexOf("=");
    if (equals <= 0 || equals === word.length - 1) {
      throw usageError("redirector", `--replay ${word}: not INTERFACE=FILE`);
    }
    return { interfaceName: word.slice(0, equals), path: word.slice(equals + 1) };
  });
}
