#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The `undercroft` program: finds the command, runs it and turns its end into an exit status. Only
// this file ends the process; commands return their status or throw.
import { realpathSync } from "node:fs";
import process from "node:process";
import { isUndercroftError, UndercroftError } from "../errors/errors.ts";
import { detect } from "./detect.ts";
import { doctor, hook, protect, respond, status, unprotect } from "./domains.ts";
import { checkStore, compactStore, storeStats } from "./event-store.ts";
import { explain } from "./explain.ts";
import { type CommandName, HELP } from "./help.ts";
import { checkIndicators } from "./indicators.ts";
import { importIntel, intelStats, lookupIntel } from "./intel.ts";
import { manager, managerEnrolment, managerToken } from "./manager.ts";
import { printCaptures } from "./pcap.ts";
import { checkPolicy } from "./policy-check.ts";
import { redirect } from "./redirector.ts";
import { dumpRegion } from "./region.ts";
import { checkRules } from "./rules-check.ts";
import { testRules } from "./rules-test.ts";
import { search } from "./search.ts";
import { serve } from "./serve.ts";
import { enrolServer } from "./server-enrol.ts";
import { start } from "./start.ts";
import { trace } from "./trace.ts";
import { version } from "./version.ts";

const commands: Readonly<Record<CommandName, (args: readonly string[]) => Promise<number>>> = {
  start,
  serve,
  redirector: redirect,
  protect,
  unprotect,
  status,
  doctor,
  respond,
  hook,
  pcap: printCaptures,
  "region dump": dumpRegion,
  "indicators check": checkIndicators,
  "policy check": checkPolicy,
  search,
  "rules check": checkRules,
  "rules test": testRules,
  detect,
  explain,
  "intel import": importIntel,
  "intel stats": intelStats,
  "intel lookup": lookupIntel,
  trace,
  "server enrol": enrolServer,
  manager,
  "manager enrolment": managerEnrolment,
  "manager token": managerToken,
  "store check": checkStore,
  "store stats": storeStats,
  "store compact": compactStore,
};

/** Runs the program with its arguments and returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(args);
  } catch (cause) {
    if (!isUndercroftError(cause)) throw cause;
    process.stderr.write(`undercroft: ${cause.message} (${cause.code})\n`);
    return cause.code === "ERR_UC_ARGUMENT" ? 2 : 1;
  }
}

async function run(args: readonly string[]): Promise<number> {
  const [first = "", second = ""] = args;
  const name = [`${first} ${second}`, first].find((words) => words in commands) ?? "";
  if (args.includes("--help") || args.includes("-h") || args.length === 0) {
    const help = HELP[name as keyof typeof HELP];
    // Without arguments nothing was asked for that could have been done.
    (args.length === 0 ? process.stderr : process.stdout).write(help);
    return args.length === 0 ? 2 : 0;
  }
  if (first === "--version") {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const command = commands[name as CommandName];
  if (command === undefined) {
    const known = Object.keys(commands).join(", ");
    throw new UndercroftError("ERR_UC_ARGUMENT", `no command "${first}"; commands: ${known}`);
  }
  return command(args.slice(name.split(" ").length));
}

// As a program only, not when a test imports it; npm runs it through a link.
if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  // Not by exitCode: what an interrupted command left waiting must not keep the program alive.
  process.exit(await main(process.argv.slice(2)));
}
