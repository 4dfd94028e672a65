// SPDX-License-Identifier: Apache-2.0
// The demo's network: a namespace with the guest's tap, a peer behind it, and a redirector that
// watches it, each a process of its own. Made by demo-run.ts; leaves nothing behind. Without root
// the namespace belongs to a user namespace, in which everybody may make taps and rules.
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
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
  const packages = { ip: "iproute2", nft: "nftables", unshare: "util-linux" };
  for (const [program, debianPackage] of Object.entries(packages)) {
    if (!runs(program, "-V")) return `${program} is not installed: apt install ${debianPackage}`;
  }
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
  } catch {
    return "/dev/net/tun is not there or not ours: modprobe tun; chmod 666 /dev/net/tun";
  }
  if (runs("unshare", ...namespaceWords(), "true")) return undefined;
  return isRoot()
    ? "this machine lets nobody make network namespaces"
    : "this machine lets only root make network namespaces (user namespaces are off); run as root";
}

/** The demo's namespace and the two processes in it. */
export class DemoNetwork {
  /** Words that run a command in the demo's namespace. */
  readonly enter: readonly string[];
  readonly region: IvshmemRegion;
  readonly #file: RegionFile;
  readonly #log: (line: string) => void;
  /** Ends with its input, and so with this process however that ends, and the namespace with it. */
  readonly #holder: ChildProcess;
  readonly #children: ChildProcess[] = [];
  #peer: ChildProcess | undefined;
  #onCount: ((count: number) => void) | undefined;

  private constructor(file: RegionFile, log: (line: string) => void) {
    this.#file = file;
    this.#log = log;
    const stdio = ["pipe", "pipe", "inherit"] as const;
    this.#holder = spawn("unshare", [...namespaceWords(), "cat"], { stdio: [...stdio] });
    const user = isRoot() ? [] : ["--user", "--preserve-credentials"];
    this.enter = ["nsenter", "--target", String(this.#holder.pid), ...user, "--net", "--"];
    this.region = openIvshmemRegion({ path: file.path, bytes: file.bytes });
  }

  /**
   * Makes the namespace with its tap and the redirector's region.
   * @throws {UndercroftError} ERR_UC_TOOL_MISSING, ERR_UC_REGION_OPEN
   */
  static async open(log: (line: string) => void): Promise<DemoNetwork> {
    const network = new DemoNetwork(makeRegionFile(regionBytes), log);
    try {
      await network.#isHeld();
      network.#makeTap();
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
    const owner = isRoot() ? "" : " in a user namespace, as we are not root";
    this.#log(`network: tap ${DEMO_NET.tap}, peer ${DEMO_NET.peer}${owner}`);
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
    this.#holder.kill("SIGKILL");
    this.region.close();
    await this.#file.remove();
  }

  /** The holder echoes once it is in its namespace. */
  async #isHeld(): Promise<void> {
    const { stdin, stdout } = this.#holder;
    stdin?.on("error", () => {});
    stdin?.write("\n");
    const signal = AbortSignal.timeout(readyMsMax);
    await (stdout === null ? undefined : once(stdout, "data", { signal }));
  }

  #makeTap(): void {
    const [program = "", ...words] = [...this.enter, "ip"];
    const inside = (...more: string[]): void => {
      execFileSync(program, [...words, ...more]);
    };
    inside("link", "set", "lo", "up");
    inside("tuntap", "add", "dev", DEMO_NET.tap, "mode", "tap");
    inside("link", "set", DEMO_NET.tap, "addrgenmode", "none");
    inside("address", "add", `${DEMO_NET.peer}/24`, "dev", DEMO_NET.tap);
    inside("address", "add", `${DEMO_NET.listed}/24`, "dev", DEMO_NET.tap);
    inside("link", "set", DEMO_NET.tap, "up");
  }

  #run(name: string, words: readonly string[]): ChildProcess {
    const [program = "", ...args] = [...this.enter, ...words];
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
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

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** Arguments of unshare for a network namespace of our own. */
function namespaceWords(): string[] {
  return isRoot() ? ["--net"] : ["--user", "--map-root-user", "--net"];
}

function runs(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
