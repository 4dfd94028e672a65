// SPDX-License-Identifier: Apache-2.0
// Runs one short program to its end and hands back what it said. Called by the parts of this room
// that need apt, dpkg, make or gcc. It never uses a shell and never waits without a limit.
import { spawn } from "node:child_process";
import { UndercroftError } from "../errors/errors.ts";

/** What a finished program left behind. */
export interface ProgramResult {
  readonly status: number | null;
  readonly output: string;
}

/** How to run a program; `hint` says what to do when it is not installed. */
export interface ProgramOptions {
  readonly timeoutMs: number;
  readonly hint: string;
  readonly directory?: string;
}

/**
 * Runs a program and returns its exit status and its stdout and stderr, interleaved as they came.
 * A program that outlives its time limit is ended; its status is then null.
 * @throws UndercroftError ERR_UC_TOOL_MISSING
 */
export function runProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    // Own process group, so that the time limit also ends what make or gcc started.
    const child = spawn(program, args, {
      cwd: options.directory,
      detached: true,
      env: { ...process.env, LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    const timer = setTimeout(() => {
      chunks.push(Buffer.from(`\n${program} was ended after ${options.timeoutMs} ms`));
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    }, options.timeoutMs);
    child.once("error", (cause) => {
      clearTimeout(timer);
      const message = `cannot run ${program} (${cause.message}): ${options.hint}`;
      reject(new UndercroftError("ERR_UC_TOOL_MISSING", message, { program }, { cause }));
    });
    child.once("close", (status) => {
      clearTimeout(timer);
      resolve({ status, output: Buffer.concat(chunks).toString("utf8") });
    });
  });
}
