// SPDX-License-Identifier: Apache-2.0
// Runs the holder and the C programs of this folder as the tests need them: each with its lines,
// and all ended with the test that started them.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Holder } from "../../lib/native/native.ts";
import { compile, ROOT } from "../addon/compile.ts";

/** The holder as it is shipped. */
export const HOLDER_PROGRAM: string = `${ROOT}build/undercroft-holder`;
const WAIT_MS = 10_000;

const built = new Map<string, string>();

/** Built once a test file; files that run side by side have programs of their own. */
function program(name: string, sources: readonly string[], flags?: readonly string[]): string {
  const place = `${name}-${process.env.VITEST_POOL_ID ?? 0}`;
  const path = built.get(name) ?? compile(place, sources, flags);
  built.set(name, path);
  return path;
}

/** The holder built to end at its first wrong access. */
export function sanitizedHolder(): string {
  const lists = JSON.parse(readFileSync(`${ROOT}addon/sources.json`, "utf8"));
  return program("holder-sanitized", lists.holder, [
    ...["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
  ]);
}

/** A service manager as far as the holder needs one. */
export function serviceManager(): string {
  return program("service-manager", ["test/holder/service-manager.c"]);
}

/** A child process that is spoken to line by line. */
export class LineProcess {
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<unknown>;
  #taken = 0;

  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#ended = once(this.#child, "close");
    this.#child.stdin.on("error", () => {});
    createInterface(this.#child.stdout).on("line", (line) => this.lines.push(line));
    createInterface(this.#child.stderr).on("line", (line) => this.errors.push(line));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  say(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Says a line and returns what came before `done`. */
  async ask(line: string): Promise<string[]> {
    const from = this.lines.length;
    this.say(line);
    await until(() => this.lines.indexOf("done", from) >= 0, `an answer to "${line}"`);
    return this.lines.slice(from, this.lines.indexOf("done", from));
  }

  /** The next line, from where the last call ended, that begins so. */
  async line(start: string): Promise<string> {
    let found = -1;
    await until(
      () => {
        found = this.lines.findIndex((line, at) => at >= this.#taken && line.startsWith(start));
        return found >= 0;
      },
      `a line "${start}" in ${JSON.stringify(this.lines)}`,
    );
    this.#taken = found + 1;
    return this.lines[found] ?? "";
  }

  /** Ends a program in good order: most end with their input, the holder by a signal. */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    this.#child.stdin.end();
    if (signal !== undefined) this.#child.kill(signal);
    await this.#ended;
    return this.#child.exitCode;
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#child.kill(signal);
    await this.#ended;
  }
}

/** Waits for what another process does; the limit only tells a hang apart. */
export async function until(isTrue: () => boolean, what: string): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(5);
  }
}

/** A holder in a directory of its own, alone or under the test's service manager. */
export class HolderRig {
  readonly directory: string = mkdtempSync(join(tmpdir(), "uc-holder-"));
  readonly holder: Holder = new Holder(join(this.directory, "run/control"));
  readonly #program: string;
  readonly #processes: LineProcess[] = [];
  readonly #holders: LineProcess[] = [];

  constructor(program: string = HOLDER_PROGRAM) {
    this.#program = program;
  }

  /** A holder that nobody restarts. */
  async start(...options: string[]): Promise<LineProcess> {
    const args = ["--directory", join(this.directory, "run"), ...options];
    const holder = new LineProcess(this.#program, args);
    this.#holders.push(holder);
    await this.answers();
    return holder;
  }

  /** A service manager with a holder; lines of the holder's are its errors. */
  async startManaged(): Promise<LineProcess> {
    const path = serviceManager();
    const run = [this.#program, "--directory", join(this.directory, "run")];
    const manager = this.#own(new LineProcess(path, [join(this.directory, "notify"), ...run]));
    await manager.line("ready");
    return manager;
  }

  socketOf(guest: string): string {
    return join(this.directory, "run", `${guest}.sock`);
  }

  /** A program in QEMU's place. */
  connect(guest: string, ...args: string[]): LineProcess {
    const peer = program("holder-peer", ["test/holder/peer.c"]);
    return this.#own(new LineProcess(peer, [this.socketOf(guest), ...args]));
  }

  /** A holder that is another user's and may do one thing that it may not: give sockets away. */
  async startAs(uid: number, ...options: string[]): Promise<LineProcess> {
    const run = join(this.directory, "run");
    mkdirSync(run, { mode: 0o711 });
    chownSync(run, uid, uid);
    const may = ["--inh-caps=-all,+chown", "--ambient-caps=-all,+chown"];
    const program = this.#open(this.#program);
    const words = [...may, "--reuid", String(uid), "--clear-groups", "--", program];
    const holder = new LineProcess("setpriv", [...words, "--directory", run, ...options]);
    this.#holders.push(holder);
    await this.answers();
    return holder;
  }

  /** The same as another user; without a guest at the control socket. */
  connectAs(uid: number, guest: string | undefined): LineProcess {
    const peer = this.#open(program("holder-peer", ["test/holder/peer.c"]));
    const words = ["--reuid", String(uid), "--clear-groups", "--", peer];
    const path = guest === undefined ? this.holder.path : this.socketOf(guest);
    return this.#own(new LineProcess("setpriv", [...words, path]));
  }

  async answers(): Promise<void> {
    await until(() => {
      try {
        this.holder.list();
        return true;
      } catch {
        return false;
      }
    }, "the holder's answer");
  }

  async close(): Promise<void> {
    for (const child of this.#processes) if (!child.isEnded) await child.end();
    for (const child of this.#holders) if (!child.isEnded) await child.end("SIGTERM");
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A copy that every user can reach and run. */
  #open(path: string): string {
    const copy = join(this.directory, basename(path));
    chmodSync(this.directory, 0o711);
    if (!existsSync(copy)) copyFileSync(path, copy);
    chmodSync(copy, 0o755);
    return copy;
  }

  #own(child: LineProcess): LineProcess {
    this.#processes.push(child);
    return child;
  }
}
