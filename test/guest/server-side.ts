// SPDX-License-Identifier: Apache-2.0
// The hypervisor host's side of the driver's guest cases: a real server over the guest's region,
// told by the guest over the control port what to do next. It keeps every event for the tests.
import { setTimeout } from "node:timers/promises";
import { type Guest, makeRegionFile, type RegionFile } from "../../lib/hypervisor/hypervisor.ts";
import type {
  CommandRecord,
  GuestCommand,
  GuestEvent,
  Loss,
  VerdictRule,
} from "../../lib/model/model.ts";
import { createServer, type GuestStats, type Server } from "../../lib/server/server.ts";
import { openIvshmemRegion, type Region } from "../../lib/transport/transport.ts";
import { playServerChaos } from "./server-chaos.ts";

/** How the region is made. */
export interface ServerSideOptions {
  readonly placement?: "high" | "low";
  readonly dataRings?: number;
  readonly dataCapacityLog2?: number;
}

const guestName = "driver-test";
const regionBytes = 32 << 20;
const stepTimeoutMs = 60_000;
const pollMs = 10;

/** Watches and commands one guest. */
export class ServerSide {
  readonly events: GuestEvent[] = [];
  readonly losses: Loss[] = [];
  readonly states: string[] = [];
  readonly faults: string[] = [];
  /** Lines `told WORD REST` of the guest, by word. */
  readonly told: Map<string, string[]> = new Map();
  readonly regionFile: RegionFile;
  readonly placement: "high" | "low";
  readonly #region: Region;
  readonly #plan: Pick<ServerSideOptions, "dataRings" | "dataCapacityLog2">;
  #server: Server;
  readonly #commands = new Map<bigint, CommandRecord>();
  #generation = 1000;
  #lastStats: GuestStats | undefined;

  private constructor(file: RegionFile, region: Region, options: ServerSideOptions) {
    this.regionFile = file;
    this.placement = options.placement ?? "high";
    this.#region = region;
    const { dataRings, dataCapacityLog2 } = options;
    this.#plan = {
      ...(dataRings === undefined ? {} : { dataRings }),
      ...(dataCapacityLog2 === undefined ? {} : { dataCapacityLog2 }),
    };
    this.#server = this.#serve();
  }

  /** A server of its own epoch over the region. */
  #serve(): Server {
    const server = createServer({});
    server.on("events", ({ items }) => {
      for (const item of items) {
        if (item.kind === "loss") this.losses.push(item);
        else this.events.push(item);
      }
    });
    server.on("command", (record) => this.#commands.set(record.id, record));
    server.on("state", (change) => this.states.push(change.to));
    server.on("fault", ({ fault, reason }) => this.faults.push(`${fault}: ${reason}`));
    server.attachGuest({ name: guestName, region: this.#region, plan: this.#plan });
    server.start();
    return server;
  }

  static async open(options: ServerSideOptions = {}): Promise<ServerSide> {
    const file = makeRegionFile(regionBytes);
    const region = openIvshmemRegion({ path: file.path, bytes: file.bytes });
    return new ServerSide(file, region, options);
  }

  /** The server's numbers of the guest; after close() the last ones. */
  get stats(): GuestStats {
    const stats = this.#lastStats ?? this.#server.stats.guests[0];
    if (stats === undefined) throw new Error("the guest is not attached");
    return stats;
  }

  /** Answers the guest's lines until its end. */
  async play(guest: Guest): Promise<void> {
    for await (const line of guest.controlLines) {
      const [word = "", ...rest] = line.split(" ");
      if (word === "told") this.#note(rest);
      else guest.sendLine(await this.#do(word, rest));
    }
  }

  async close(): Promise<void> {
    this.#server.turn();
    this.#lastStats = this.stats;
    this.#server.close();
    this.#region.close();
    await this.regionFile.remove();
  }

  #note([word = "", ...rest]: readonly string[]): void {
    const lines = this.told.get(word) ?? [];
    lines.push(rest.join(" "));
    this.told.set(word, lines);
  }

  async #do(word: string, rest: readonly string[]): Promise<string> {
    switch (word) {
      case "monitored":
        return this.#until(() => this.states.at(-1) === "monitored");
      case "hold":
        return this.#hold(Number(rest[0]));
      case "chaos":
        return this.#chaos(Number(rest[0]));
      case "restart":
        return this.#restart();
      case "sync":
        return this.#sync();
      case "start":
        return this.#run({ kind: "start-monitoring", sensors: BigInt(rest[0] ?? "0x7f") });
      case "stop":
        return this.#run({ kind: "stop-monitoring" });
      case "rules":
        return this.#setRules(rest.join(" "));
      case "kill":
        return this.#kill(Number(rest[0]), rest[1] ?? "");
      case "executed":
        return this.#until(() => this.#execOf(Number(rest[0])) !== undefined);
      default:
        throw new Error(`the guest asks for "${word}", which is not known here`);
    }
  }

  /** Lets nothing of the server run for so long, soon after the answer. */
  #hold(ms: number): string {
    const block = (): void => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    };
    setTimeout(5 * pollMs).then(block);
    return "yes";
  }

  /** Replaces the server by one that writes noise, and that by a good one. */
  async #chaos(msEach: number): Promise<string> {
    this.#server.close();
    await playServerChaos(this.#region, this.#plan, msEach);
    return this.#restart();
  }

  #restart(): string {
    this.#server.close();
    this.states.length = 0;
    this.#server = this.#serve();
    return "yes";
  }

  /** All that the driver wrote before is here when its answer is, and one more turn has run. */
  async #sync(): Promise<string> {
    const answer = await this.#run({ kind: "ping" });
    await setTimeout(5 * pollMs);
    return answer;
  }

  #setRules(text: string): Promise<string> {
    const rules = (JSON.parse(text) as Omit<VerdictRule, "id">[]).map((rule, index) => ({
      ...rule,
      id: 100 + index,
    }));
    this.#generation++;
    return this.#run({ kind: "set-rules", generation: this.#generation, rules });
  }

  /** Kills by pid as the events name it; `wrong` names a part of the identity to get wrong. */
  #kill(pid: number, wrong: string): Promise<string> {
    const exec = this.#execOf(pid);
    const start = (exec?.processStartNs ?? 1n) + (wrong === "start" ? 1n : 0n);
    const generation = (exec?.execGeneration ?? 0) + (wrong === "generation" ? 1 : 0);
    const command: GuestCommand = {
      kind: "kill-process",
      pid,
      processStartNs: start,
      execGeneration: generation,
    };
    return this.#run(command);
  }

  #execOf(pid: number): GuestEvent | undefined {
    return this.events.findLast((event) => event.kind === "process.exec" && event.pid === pid);
  }

  async #run(command: GuestCommand): Promise<string> {
    const { id } = this.#server.send(guestName, command, { requestedBy: "test" });
    const outcome = (): string => this.#commands.get(id)?.outcome ?? "pending";
    await this.#until(() => outcome() !== "pending");
    return outcome() === "confirmed" ? "done" : outcome();
  }

  async #until(isTrue: () => boolean): Promise<string> {
    const end = performance.now() + stepTimeoutMs;
    while (!isTrue()) {
      if (performance.now() > end) return "timeout";
      await setTimeout(pollMs);
    }
    return "yes";
  }
}
