// SPDX-License-Identifier: Apache-2.0
// Runs the undercroft program as a user does and keeps what it said. For tests of guest and e2e;
// a run that outlives its limit is ended and fails.
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../lib/cli/cli.ts", import.meta.url));

/** A finished run. */
export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running program. */
export interface CliRun {
  readonly child: ChildProcess;
  readonly ended: Promise<CliResult>;
  /** Waits until stdout or stderr holds the text. */
  said(text: string | RegExp): Promise<void>;
}

/** As whom a program runs. */
interface CliSurroundings {
  /** Words before the command, of a program that runs it. */
  readonly through?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts the program. */
export function startCli(
  args: readonly string[],
  limitMs: number,
  { through = [], env = process.env }: CliSurroundings = {},
): CliRun {
  const [first = "", ...words] = [...through, process.execPath, program, ...args];
  const child = spawn(first, words, {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  const output = { stdout: "", stderr: "" };
  const waiting = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
      for (const look of waiting) look();
    });
  }
  const ended = new Promise<CliResult>((resolve) => {
    child.once("close", (status) => resolve({ status, ...output }));
  });
  const said = (text: string | RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const all = output.stdout + output.stderr;
        if (typeof text === "string" ? all.includes(text) : text.test(all)) {
          waiting.delete(look);
          resolve();
        }
      };
      waiting.add(look);
      look();
      ended.then(() => reject(new Error(`ended before it said ${text}:\n${output.stderr}`)));
    });
  return { child, ended, said };
}

/** Runs the program to its end. */
export function runCli(
  args: readonly string[],
  limitMs: number,
  surroundings?: CliSurroundings,
): Promise<CliResult> {
  return startCli(args, limitMs, surroundings).ended;
}
