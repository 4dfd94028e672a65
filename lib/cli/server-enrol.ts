// SPDX-License-Identifier: Apache-2.0
// `undercroft server enrol`: has this server join a manager, once. What it gets is kept in a folder
// that `serve --manager` is given.
import { hostname } from "node:os";
import process from "node:process";
import { enrol } from "../link/link.ts";
import { readArguments, textOption, usageError } from "./usage.ts";

/** Runs the command. */
export async function enrolServer(args: readonly string[]): Promise<number> {
  const parsed = readArguments("server enrol", args, {
    manager: { type: "string" },
    token: { type: "string" },
    dir: { type: "string" },
    name: { type: "string" },
  });
  const need = (option: string, what: string): string => {
    const value = textOption(parsed, option);
    if (value !== undefined && value !== "") return value;
    throw usageError("server enrol", `--${option} ${what} is missing`);
  };
  const manager = managerUrl(need("manager", "URL"));
  const folder = need("dir", "DIR");
  const name = textOption(parsed, "name") ?? hostname();
  const { id } = await enrol({ manager, token: need("token", "TOKEN"), name, folder });
  process.stdout.write(
    `enrolled at ${manager} as ${id}; run "undercroft serve --manager ${folder}"\n`,
  );
  return 0;
}

function managerUrl(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === "https:" && url.pathname === "/") return url.origin;
  throw usageError("server enrol", `--manager "${text}": must be https://ADDRESS:PORT`);
}
