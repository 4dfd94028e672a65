// SPDX-License-Identifier: Apache-2.0
// `undercroft manager`: runs the manager; `manager enrolment` and `manager token` make what a
// server needs to join and what a program needs to call it, from the manager's folder.

import { join } from "node:path";
import process from "node:process";
import { Authority } from "../link/link.ts";
import { Manager, ManagerState, Users } from "../manager/manager.ts";
import { ROLES } from "../model/model.ts";
import type { CommandName } from "./help.ts";
import { Interrupt } from "./interrupt.ts";
import { type Arguments, choiceOption, readArguments, textOption, usageError } from "./usage.ts";

const HOUR_MS = 3600 * 1000;
const TOKEN_DAYS = 90;

/** Runs the command. */
export async function manager(args: readonly string[]): Promise<number> {
  const parsed = readArguments("manager", args, {
    dir: { type: "string" },
    listen: { type: "string" },
    link: { type: "string" },
  });
  const api = addressOf(textOption(parsed, "listen") ?? "127.0.0.1:8443", "listen");
  const link = addressOf(textOption(parsed, "link") ?? "127.0.0.1:8444", "link");
  const running = await Manager.open({
    ...{ folder: folderOf("manager", parsed), ...api },
    ...{ linkAddress: link.address, linkPort: link.port },
  });
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say(`console at ${running.url}, servers at ${running.linkUrl}`);
  if (running.invitation !== undefined) {
    say("nobody has a password yet; within a day, this link sets that of the user admin, once:");
    say(`${running.url}/#/invitation/${running.invitation}`);
  }
  const interrupt = new Interrupt(["SIGINT", "SIGTERM"]);
  await interrupt.wait();
  interrupt.close();
  await running.close();
  return 0;
}

/** `undercroft manager enrolment`. */
export async function managerEnrolment(args: readonly string[]): Promise<number> {
  const options = { dir: { type: "string" }, name: { type: "string" } } as const;
  const parsed = readArguments("manager enrolment", args, options);
  const folder = folderOf("manager enrolment", parsed);
  const name = nameOf("manager enrolment", parsed);
  const authority = await Authority.open(join(folder, "authority"));
  process.stdout.write(`${authority.makeToken(name, HOUR_MS)}\n`);
  authority.close();
  return 0;
}

/** `undercroft manager token`. */
export function managerToken(args: readonly string[]): Promise<number> {
  const parsed = readArguments("manager token", args, {
    dir: { type: "string" },
    name: { type: "string" },
    role: { type: "string" },
  });
  const folder = folderOf("manager token", parsed);
  const name = nameOf("manager token", parsed);
  const role = choiceOption("manager token", parsed, "role", [...ROLES]);
  const state = new ManagerState(folder);
  const { secret } = new Users(state, Date.now).addToken(name, role, [], TOKEN_DAYS);
  state.close();
  process.stdout.write(`${secret}\n`);
  return Promise.resolve(0);
}

function folderOf(command: CommandName, parsed: Arguments): string {
  const folder = textOption(parsed, "dir");
  if (folder !== undefined && folder !== "") return folder;
  throw usageError(command, "--dir DIR is missing");
}

function nameOf(command: CommandName, parsed: Arguments): string {
  const name = textOption(parsed, "name");
  if (name !== undefined && name !== "") return name;
  throw usageError(command, "--name NAME is missing");
}

function addressOf(text: string, option: string): { address: string; port: number } {
  const [, address = "", port = ""] = /^\[?([^\]]+)\]?:(\d{1,5})$/.exec(text) ?? [];
  if (address !== "" && Number(port) < 65_536) return { address, port: Number(port) };
  throw usageError("manager", `--${option} "${text}": must be ADDRESS:PORT`);
}
