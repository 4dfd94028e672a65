// SPDX-License-Identifier: Apache-2.0
// The demo's network: a namespace with the guest's tap, a peer behind it, and a redirector that
// watches it, each a process of its own. Made by demo-run.ts; leaves nothing behind.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { UndercroftError } from "../errors/errors.ts";
import { makeRegionFile, type RegionFile } from "../hypervisor/hypervisor.ts";
import { type IvshmemRegion, openIvshmemRegion } from "../transport/transport.ts";
import { printable } from "../wire/wire.ts";

/** Addresses and names of the demo's network; none of them exists anywhere else. */
export const DEMO_NET = {
  guest: "10.99.0.2",
  peer: "10.99.0.1",
  /** Where the listed name leads. */
  listed: "10.99.0.66",
  listedName: "beacon.undercroft-demo.invalid",
  peerName: "mirror.undercroft-demo.invalid",
  greeting: "hello from the demo's peer",
  tap: "tapdemo",
  mac: "52:54:00:99:00:02",
  names: {
    "mirror.undercroft-demo.invalid": "10.99.0.1",
    "beacon.undercroft-demo.invalid": "10.99.0.66",
  } as Readonly<Record<string, string>>,
} as const;

const regionBytes = 16 << 20;
const readyMsMax = 15_000;
const endMsMax = 3000;

/** Why the demo cannot have a network here, in words for people; undefined: it can. */
export function networkProblem(): string | undefined {
  if (process.geteuid?.() !== 0) return "a network for the guest needs root";
  for (const program of ["ip", "nft"]) {
    try {
      execFileSync(program, ["-V"], { stdio: "ignore" });
    } catch {
      return `${program} is not installed; install iproute2 and nftables`;
    }
  }
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
  } catch {
    return "there is no /dev/net/tun; load the kernel module tun";
  }
  return undefined;
}

/** The demo's namespace and the two processes in it. */
export class DemoNetwork {
  readonly namespace: string;
  readonly region: IvshmemRegion;
  readonly #file: RegionFile;
  readonly #log: (line: string) => void;
  readonly #children: ChildProcess[] = [];
  #peer: ChildProcess | undefined;
  #onCount: ((count: number) => void) | undefined;

  private constructor(file: RegionFile, log: (line: string) => void) {
    this.#file = file;
    this.#log = log;
    this.namespace = `undercroft-demo-${process.pid}`;
    this.region = openIvshmemRegion({ path: file.path, bytes: file.bytes });
  }

  /**
   * Makes the namespace and the redirector's region.
   * @throws {UndercroftError} ERR_UC_TOOL_MISSING, ERR_UC_REGION_OPEN
   */
  static async open(log: (line: string) => void): Promise<DemoNetwork> {
    const network = new DemoNetwork(makeRegionFile(regionBytes), log);
    try {
      network.#makeNamespace();
      return network;
    } catch (cause) {
      await network.close();
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `cannot make a network for the demo: ${reason}`;
      throw new UndercroftError("ERR_UC_TOOL_MISSING", message, {}, { cause });
    }
  }

  /**
   * Starts the peer and the redirector; the server has laid the region out before.
   * @throws {UndercroftError} ERR_UC_SCENARIO
   */
  async start(): Promise<void> {
    const here = (name: string): string => {
      const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
      return fileURLToPath(new URL(`./${name}.${ending}`, import.meta.url));
    };
    this.#peer = this.#run("peer", [process.execPath, here("demo-peer")]);
    const lines = createInterface({ input: this.#peer.stdout ?? process.stdin });
    let isReady = false;
    lines.on("line", (line) => {
      isReady ||= line === "ready";
      const [, count] = /^listed (\d+)$/.exec(line) ?? [];
      if (count !== undefined) this.#onCount?.(Number(count));
    });
    const words = [process.execPath, here("cli"), "redirector", "--region", this.#file.path];
    this.#run("redirector", words);
    const endMs = performance.now() + readyMsMax;
    while (!isReady) {
      if (performance.now() > endMs || this.#peer.exitCode !== null) {
        throw new UndercroftError("ERR_UC_SCENARIO", "the demo's peer did not start");
      }
      await sleep(20);
    }
    this.#log(`network: namespace ${this.namespace}, tap ${DEMO_NET.tap}, peer ${DEMO_NET.peer}`);
  }

  /** Packets that came through to the listed address, by the peer's own count. */
  listedPackets(): Promise<number> {
    return new Promise((resolve) => {
      this.#onCount = resolve;
      this.#peer?.stdin?.write("count\n");
    });
  }

  /** Ends both processes and takes the namespace away. */
  async close(): Promise<void> {
    for (const child of this.#children) child.kill("SIGTERM");
    const endMs = performance.now() + endMsMax;
    while (this.#children.some(isRunning) && performance.now() < endMs) await sleep(20);
    for (const child of this.#children) child.kill("SIGKILL");
    try {
      execFileSync("ip", ["netns", "delete", this.namespace], { stdio: "ignore" });
    } catch {
      // It was never made.
    }
    this.region.close();
    await this.#file.remove();
  }

  #makeNamespace(): void {
    execFileSync("ip", ["netns", "add", this.namespace]);
    const inside = (...words: string[]): void => {
      execFileSync("ip", ["-n", this.namespace, ...words]);
    };
    inside("link", "set", "lo", "up");
    inside("tuntap", "add", "dev", DEMO_NET.tap, "mode", "tap");
    inside("link", "set", DEMO_NET.tap, "addrgenmode", "none");
    inside("address", "add", `${DEMO_NET.peer}/24`, "dev", DEMO_NET.tap);
    inside("address", "add", `${DEMO_NET.listed}/24`, "dev", DEMO_NET.tap);
    inside("link", "set", DEMO_NET.tap, "up");
  }

  #run(name: string, words: readonly string[]): ChildProcess {
    const args = ["netns", "exec", this.namespace, ...words];
    const child = spawn("ip", args, { stdio: ["pipe", "pipe", "pipe"] });
    child.stdin.on("error", () => {});
    for (const stream of [child.stderr, ...(name === "peer" ? [] : [child.stdout])]) {
      createInterface({ input: stream }).on("line", (line) =>
        this.#log(printable(`${name}: ${line}`)),
      );
    }
    this.#children.push(child);
    return child;
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
