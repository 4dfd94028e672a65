// SPDX-License-Identifier: Apache-2.0
// A network namespace with one tap and nothing else, for a benchmark that gives a guest a network.
// A process of this one holds it: it ends with this process however that ends.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";

const START_MS_MAX = 15_000;

/** One namespace. */
export class TapNamespace {
  /** Words that run a command in it. */
  readonly enter: readonly string[];
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess, isRoot: boolean) {
    this.#holder = holder;
    const user = isRoot ? [] : ["--user", "--preserve-credentials"];
    this.enter = ["nsenter", "--target", String(holder.pid), ...user, "--net", "--"];
  }

  /** address: of this side of the tap, with its prefix length. */
  static async open(tap: string, address: string): Promise<TapNamespace> {
    const isRoot = process.geteuid?.() === 0;
    const kind = isRoot ? ["--net"] : ["--user", "--map-root-user", "--net"];
    const holder = spawn("unshare", [...kind, "cat"], { stdio: ["pipe", "pipe", "inherit"] });
    const namespace = new TapNamespace(holder, isRoot);
    try {
      // It echoes once it is in its namespace.
      holder.stdin.write("\n");
      await once(holder.stdout, "data", { signal: AbortSignal.timeout(START_MS_MAX) });
      namespace.#ip("link", "set", "lo", "up");
      namespace.#ip("tuntap", "add", "dev", tap, "mode", "tap");
      namespace.#ip("link", "set", tap, "addrgenmode", "none");
      namespace.#ip("address", "add", address, "dev", tap);
      namespace.#ip("link", "set", tap, "up");
      return namespace;
    } catch (cause) {
      namespace.close();
      throw cause;
    }
  }

  close(): void {
    this.#holder.kill("SIGKILL");
  }

  #ip(...words: readonly string[]): void {
    const [program = "", ...enter] = this.enter;
    execFileSync(program, [...enter, "ip", ...words]);
  }
}
