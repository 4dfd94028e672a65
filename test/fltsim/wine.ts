// SPDX-License-Identifier: Apache-2.0
// Wine for the tests: a prefix of its own, made once and kept in build/, and no window.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

const prefix = join(import.meta.dirname, "../../build/wine-prefix");
const binary = "/usr/lib/wine/wine64";

const settings: NodeJS.ProcessEnv = {
  WINEPREFIX: prefix,
  WINEDEBUG: "-all",
  WINEARCH: "win64",
  // No dialogues about what is missing, no menus.
  WINEDLLOVERRIDES: "mscoree,mshtml,winemenubuilder.exe=",
  DISPLAY: "",
};

/** In front of a Windows program and its arguments. */
export const WINE: readonly string[] = [
  "env",
  ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
  binary,
];

interface WineRun {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a Windows program to its end, two minutes at most. */
function runWine(args: readonly string[], debug = "-all"): WineRun {
  const run = spawnSync(binary, args, {
    encoding: "utf8",
    timeout: 120_000,
    env: { ...process.env, ...settings, WINEDEBUG: debug },
  });
  if (run.error !== undefined) {
    throw new Error(`cannot run Wine (${run.error.message}); apt-get install wine64`);
  }
  return { status: run.status, output: run.stdout, errors: run.stderr };
}

/** Makes the prefix where there is none; some seconds, once. */
export function prepareWine(): void {
  if (existsSync(join(prefix, "system.reg"))) return;
  mkdirSync(prefix, { recursive: true });
  const { status, errors } = runWine(["wineboot.exe", "-i"]);
  if (status !== 0) throw new Error(`wineboot: ${status}\n${errors}`);
}
