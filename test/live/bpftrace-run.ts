// SPDX-License-Identifier: Apache-2.0
// Runs one of the shipped bpftrace scripts on this machine, and says why that cannot be. For
// bpftrace.test.ts. bpftrace wants tracefs where the system mounts it; where nobody has, it gets
// one in a mount namespace of its own.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const START_MS_MAX = 30_000;
const NOTICE_MS_MAX = 30_000;
const END_MS_MAX = 20_000;

const WITH_TRACEFS = `[ -e /sys/kernel/tracing/events ] ||
  mount -t tracefs tracefs /sys/kernel/tracing
exec "$@"`;

let known: ReadonlySet<string> | undefined;

/** The path of a shipped script. */
export function scriptPath(name: string): string {
  return fileURLToPath(new URL(`../../hypervisor/bpftrace/${name}`, import.meta.url));
}

function insideWords(...words: readonly string[]): string[] {
  return ["--mount", "sh", "-c", WITH_TRACEFS, "sh", ...words];
}

/** Why a script cannot run here; undefined: it can. */
export function scriptProblem(path: string): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  if (spawnSync("bpftrace", ["--version"]).error !== undefined) return "needs bpftrace";
  if (known === undefined) {
    const words = insideWords("bpftrace", "-l", "tracepoint:*");
    const { stdout } = spawnSync("unshare", words, { encoding: "utf8", maxBuffer: 16 << 20 });
    known = new Set(stdout.split("\n"));
    if (known.size < 2) return "this kernel has no tracepoints, or lets nobody have tracefs";
  }
  const wanted = readFileSync(path, "utf8").match(/^tracepoint:[\w:]+/gm) ?? [];
  const lacking = wanted.filter((probe) => known?.has(probe) === false);
  return lacking.length === 0 ? undefined : `this kernel lacks ${lacking.join(", ")}`;
}

/** A script that runs. */
export class RunningScript {
  output = "";
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString("utf8");
      });
    }
  }

  /** Starts it; it has said its first words, which is just before it sees the first thing. */
  static async start(path: string, ...args: readonly string[]): Promise<RunningScript> {
    const words = insideWords("bpftrace", path, ...args);
    const script = new RunningScript(
      spawn("unshare", words, { stdio: ["ignore", "pipe", "pipe"] }),
    );
    const isReady = (): boolean => /^Attaching[^\n]*\n[^\n]+\n/m.test(script.output);
    await script.#wait(isReady, START_MS_MAX, "start");
    return script;
  }

  /** Does something again and again until the script has told of it. */
  async notices(what: RegExp, act: () => unknown): Promise<void> {
    const isTold = (): boolean => what.test(this.output);
    await this.#wait(isTold, NOTICE_MS_MAX, `notice ${what}`, act);
  }

  /** Ends it as Ctrl-C does, which makes it print what it counted. */
  async end(): Promise<string> {
    if (this.#isRunning()) {
      const closed = once(this.#child, "close", { signal: AbortSignal.timeout(END_MS_MAX) });
      this.#child.kill("SIGINT");
      await closed;
    }
    return this.output;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async #wait(
    isThere: () => boolean,
    msMax: number,
    what: string,
    act: () => unknown = () => {},
  ): Promise<void> {
    const endMs = performance.now() + msMax;
    while (!isThere()) {
      if (performance.now() > endMs || !this.#isRunning()) {
        throw new Error(`the script did not ${what}:\n${this.output.slice(-4000)}`);
      }
      await act();
      await sleep(200);
    }
  }
}
