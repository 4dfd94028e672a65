// SPDX-License-Identifier: Apache-2.0
// A network of two namespaces with unguessable names, the redirector as its own process in one of
// them, and a server's side of its region. For redirector.test.ts, which must call close().
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { BlockRule, Command, CommandRecord, RedirectStatus } from "../../lib/model/model.ts";
import { RedirectorService } from "../../lib/server/redirector-service.ts";
import { systemClock } from "../../lib/time/time.ts";
import {
  createRegionFile,
  type IvshmemRegion,
  openIvshmemRegion,
} from "../../lib/transport/transport.ts";
import { planRegion, RECORD_BYTES_MAX } from "../../lib/wire/wire.ts";

const REGION_BYTES = 8 << 20;
const WAIT_MS = 20_000;
const CLI = fileURLToPath(new URL("../../lib/cli/cli.ts", import.meta.url));

/** One redirector in its own small network. */
export class RedirectorBench {
  readonly path: string;
  /** Namespace of the redirector and its bridge, and of the guest. */
  readonly outside: string;
  readonly inside: string;
  readonly packets: Buffer[] = [];
  readonly statuses: RedirectStatus[] = [];
  readonly listed: BlockRule[] = [];
  readonly faults: string[] = [];
  readonly service: RedirectorService;
  readonly #region: IvshmemRegion;
  readonly #records = new Map<bigint, CommandRecord>();
  readonly #timer: NodeJS.Timeout;
  #child: ChildProcess | undefined;
  #nextId = 1n;
  #readyCount = 0;

  constructor() {
    const name = randomBytes(6).toString("hex");
    this.outside = `uc-${name}-o`;
    this.inside = `uc-${name}-g`;
    this.path = `/dev/shm/uc-${name}`;
    for (const namespace of [this.outside, this.inside]) ip("netns", "add", namespace);
    this.#wire();
    createRegionFile(this.path, REGION_BYTES);
    this.#region = openIvshmemRegion(this.path);
    this.service = new RedirectorService({
      name: "redirector",
      id: "ab".repeat(16),
      region: this.#region,
      superblock: {
        layout: planRegion({ regionBytes: REGION_BYTES, packetRings: 2 }),
        serverInstance: randomBytes(16).toString("hex"),
        serverEpoch: 1n,
        featuresOffered: 0n,
        featuresRequired: 0n,
        recordBytesMax: RECORD_BYTES_MAX,
      },
      clock: systemClock(),
      randomBytes,
      takeIds: (count) => {
        const first = this.#nextId;
        this.#nextId += BigInt(count);
        return first;
      },
      silenceMs: 5000,
      hooks: {
        ready: () => void this.#readyCount++,
        packet: (_lane, { start, end }, batch) => {
          this.packets.push(Buffer.from(batch.subarray(start, end)));
        },
        status: (status) => void this.statuses.push(status),
        rule: (rule) => void this.listed.push(rule),
        command: (record) => void this.#records.set(record.id, record),
        state: () => {},
        faulted: (fault, reason) => void this.faults.push(`${fault}: ${reason}`),
      },
    });
    this.service.registration.open();
    this.#timer = setInterval(() => {
      this.service.control(performance.now());
      this.service.turn();
      this.service.commands.turn();
    }, 10);
  }

  /** Starts the redirector and waits for its registration. */
  async start(): Promise<void> {
    const before = this.#readyCount;
    const words = ["netns", "exec", this.outside, process.execPath, CLI, "redirector"];
    this.#child = spawn("ip", [...words, "--region", this.path], { stdio: "inherit" });
    await until("a session", () => this.#readyCount > before);
  }

  get redirectorPid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Ends the redirector with a signal and waits for its end; its exit status. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
    child.kill(signal);
    const [status] = await once(child, "exit");
    return status;
  }

  /** Outcome of a command, once it has one. */
  async send(command: Command): Promise<string> {
    const { id } = this.service.commands.send(command, { requestedBy: "test" });
    await until(command.kind, () => this.#records.get(id)?.outcome !== "pending");
    return this.#records.get(id)?.outcome ?? "";
  }

  /** Rules as the redirector lists them now. */
  async list(): Promise<readonly BlockRule[]> {
    this.listed.length = 0;
    await this.send({ kind: "block-list" });
    return [...this.listed];
  }

  /** True when the guest's stack answers a TCP connection from outside, if only by a refusal. */
  reaches(address: string, port: number = 1): boolean {
    const words = ["0.7", "bash", "-c", `: > /dev/tcp/${address}/${port}`];
    const { stderr } = this.run(this.outside, "timeout", ...words);
    return stderr.includes("refused");
  }

  /** Runs a program in one of the namespaces. */
  run(namespace: string, ...words: readonly string[]): { stderr: string; stdout: string } {
    const options = { encoding: "utf8" as const, timeout: WAIT_MS };
    return spawnSync("ip", ["netns", "exec", namespace, ...words], options);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.end("SIGKILL");
    this.service.close();
    this.#region.close();
    rmSync(this.path, { force: true });
    for (const namespace of [this.outside, this.inside]) {
      spawnSync("ip", ["netns", "del", namespace]);
    }
  }

  #wire(): void {
    const outside = (...words: string[]): void => ip("-n", this.outside, ...words);
    const inside = (...words: string[]): void => ip("-n", this.inside, ...words);
    outside("link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
    outside("link", "add", "tapg", "type", "veth", "peer", "name", "g0", "netns", this.inside);
    outside("link", "set", "tapg", "master", "br0", "up");
    outside("link", "set", "br0", "up");
    outside("link", "set", "lo", "up");
    inside("link", "set", "g0", "up");
    for (const [last, add, device] of [
      [1, outside, "br0"],
      [3, outside, "br0"],
      [2, inside, "g0"],
    ] as const) {
      add("addr", "add", `10.9.0.${last}/24`, "dev", device);
      add("addr", "add", `fd00:9::${last}/64`, "dev", device, "nodad");
    }
  }
}

/** Waits for something that must come. */
export async function until(what: string, isThere: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while (!isThere()) {
    if (performance.now() > endMs) throw new Error(`${what} did not come`);
    await sleep(20);
  }
}

function ip(...words: readonly string[]): void {
  execFileSync("ip", words, { stdio: ["ignore", "inherit", "inherit"] });
}
