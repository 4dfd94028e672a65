// SPDX-License-Identifier: Apache-2.0
// The hypervisor host's side of the doorbell cases: a holder, a real server attached to it, and a
// guest that does what it is asked (driver-doorbell.sh). For doorbell.test.ts and the benchmark.
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Guest } from "../../lib/hypervisor/hypervisor.ts";
import type { GuestEvent } from "../../lib/model/model.ts";
import type { Holder } from "../../lib/native/native.ts";
import { createServer, type GuestStats, type Server } from "../../lib/server/server.ts";
import { type IvshmemRegion, openIvshmemRegion } from "../../lib/transport/transport.ts";

export const GUEST_NAME = "web1";
export const GUEST_FILE = "/tmp/uc-doorbell";
const STEP_MS = 60_000;

/** What the driver counts. */
export interface DriverNumbers {
  /** Times that it rang the server. */
  readonly rings: number;
  /** Times that the server's ring reached it. */
  readonly interrupts: number;
  /** Commands that such a ring brought. */
  readonly commands: number;
}

/** One server over a guest of the holder. */
export class ServedGuest {
  readonly states: string[] = [];
  readonly server: Server = createServer({});
  readonly region: IvshmemRegion;
  /** Opens of the guest's file that were told. */
  opens = 0;
  onOpen: (event: GuestEvent) => void = () => {};
  lost = 0;
  readonly faults: string[] = [];
  readonly #outcomes = new Map<bigint, string>();

  constructor(region: IvshmemRegion, dataRings: number) {
    this.region = region;
    this.server.on("events", ({ items }) => {
      for (const item of items) {
        if (item.kind === "loss") this.lost += item.count;
        else if (item.kind === "file.open" && item.path === GUEST_FILE) {
          this.opens++;
          this.onOpen(item);
        }
      }
    });
    this.server.on("state", ({ to }) => this.states.push(to));
    this.server.on("fault", ({ fault, reason }) => this.faults.push(`${fault}: ${reason}`));
    this.server.on("command", ({ id, outcome }) => this.#outcomes.set(id, outcome));
    this.server.attachGuest({ name: GUEST_NAME, region, plan: { dataRings } });
    this.server.start();
  }

  static attach(holder: Holder, dataRings: number = 2): ServedGuest {
    const region = openIvshmemRegion({ holder: holder.path, guest: GUEST_NAME });
    return new ServedGuest(region, dataRings);
  }

  /** The same region without its doorbell: both sides poll. */
  static attachPolled(holder: Holder, dataRings: number = 2): ServedGuest {
    const { region, bytes, server, guest } = holder.attach(GUEST_NAME);
    for (const fd of [...server, ...guest]) closeSync(fd);
    return new ServedGuest(openIvshmemRegion({ fd: region, bytes }), dataRings);
  }

  get stats(): GuestStats {
    const [stats] = this.server.stats.guests;
    if (stats === undefined) throw new Error("the guest is not attached");
    return stats;
  }

  get doorbell(): NonNullable<GuestStats["doorbell"]> {
    const { doorbell } = this.stats;
    if (doorbell === undefined) throw new Error("the region has no doorbell");
    return doorbell;
  }

  async isMonitored(): Promise<void> {
    await until(() => this.states.at(-1) === "monitored", "the guest to be monitored");
  }

  /** Sends a ping and waits for its answer. */
  async ping(): Promise<void> {
    const { id } = this.server.send(GUEST_NAME, { kind: "ping" }, { requestedBy: "test" });
    await until(() => this.#outcomes.get(id) === "done", `the answer to command ${id}`);
  }

  /** The same; returns how long the answer took. */
  async pingMs(): Promise<number> {
    const beganMs = performance.now();
    const isDone = new Promise<number>((resolve) => {
      const end = this.server.on("command", ({ command, outcome }) => {
        if (command.kind !== "ping" || outcome !== "done") return;
        end();
        resolve(performance.now() - beganMs);
      });
    });
    this.server.send(GUEST_NAME, { kind: "ping" }, { requestedBy: "test" });
    return isDone;
  }

  /** Stops serving as a process that is killed does: the session stays open in the region. */
  close(): void {
    this.server.close();
    this.region.close();
  }
}

/** The guest's script, one request at a time. */
export class AskedGuest {
  readonly #guest: Guest;
  readonly #lines: AsyncIterator<string>;
  readonly #monitored: () => Promise<void>;

  /** monitored: waits until the guest is, whoever serves it now. */
  constructor(guest: Guest, monitored: () => Promise<void>) {
    this.#guest = guest;
    this.#lines = guest.controlLines[Symbol.asyncIterator]();
    this.#monitored = monitored;
  }

  /** Has the guest open its file so often, and waits until it asks for more. */
  async open(count: number, pauseUs: number): Promise<void> {
    this.begin(count, pauseUs);
    await this.isReady();
  }

  /** The same without waiting. */
  begin(count: number, pauseUs: number): void {
    this.#guest.sendLine(`open ${GUEST_FILE} ${count} ${pauseUs}`);
  }

  async numbers(): Promise<DriverNumbers> {
    this.#guest.sendLine("numbers");
    const [, , rings, , interrupts, , commands] = (await this.isReady()).split(" ");
    return { rings: Number(rings), interrupts: Number(interrupts), commands: Number(commands) };
  }

  /** Like begin(); the guest then tells when it opened each, in ns of its boot-time clock. */
  beginStamped(count: number, pauseUs: number): void {
    this.#guest.sendLine(`stamp ${GUEST_FILE} ${count} ${pauseUs}`);
  }

  async stamps(): Promise<number[]> {
    const [, ...stamps] = (await this.isReady()).split(" ");
    return stamps.map(Number);
  }

  async reload(): Promise<void> {
    this.#guest.sendLine("reload");
    await this.isReady();
  }

  end(): void {
    this.#guest.sendLine("end");
  }

  /** Waits until the guest asks what to do next. What it told before. */
  async isReady(): Promise<string> {
    let told = "";
    for (;;) {
      const { value: line, done } = await this.#lines.next();
      if (done === true) throw new Error("the guest ended");
      if (line === "next") return told;
      if (line === "monitored") {
        await this.#monitored();
        this.#guest.sendLine("yes");
      }
      if (line.startsWith("told ")) told = line.slice("told ".length);
    }
  }
}

/** Lets nothing of this process's event loop run for so long, as a long pause of any kind might. */
export function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

export async function until(isTrue: () => boolean, what: string): Promise<void> {
  const end = performance.now() + STEP_MS;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(2);
  }
}
