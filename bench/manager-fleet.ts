// SPDX-License-Identifier: Apache-2.0
// Simulated servers of the manager bench: each is a real client of the link with a key and a
// connection of its own, and makes up its guests, findings and rows.
import { createHash } from "node:crypto";
import {
  type Authority,
  LinkClient,
  type LinkIdentity,
  makeRequest,
  ReportQueue,
} from "../lib/link/link.ts";
import {
  LINK_VERSION,
  type LinkGuest,
  type LinkReport,
  type LinkStatistics,
  toPlain,
} from "../lib/model/model.ts";
import { type EventRow, eventRow } from "../lib/server/server.ts";
import { exec } from "../test/unit/events.ts";
import { benchEvent } from "./store-events.ts";

export interface FleetSize {
  readonly servers: number;
  readonly guests: number;
  /** Rows of each server's answer to a search. */
  readonly rows: number;
}

interface Simulated {
  readonly identity: LinkIdentity;
  readonly queue: ReportQueue;
  readonly guests: readonly LinkGuest[];
  client: LinkClient | undefined;
  /** Statistics that it has sent; it tells this number as its `storeEvents`. */
  told: number;
}

/** Joined at a time: keys are made on all cores. */
const AT_ONCE = 8;
const WAIT_MS = 120_000;

/** See the head of this file. */
export class SimulatedFleet {
  readonly servers: readonly Simulated[];
  readonly #rows: readonly EventRow[];
  /** Servers from this number on take a search and never answer it. */
  answering: number;

  private constructor(servers: readonly Simulated[], rows: number) {
    this.servers = servers;
    this.answering = servers.length;
    // benchEvent() starts a program every twelve events.
    this.#rows = Array.from({ length: rows }, (_, at) => eventRow(benchEvent(at * 12, 1e12)));
  }

  /** Joins by the authority itself: over the network a manager lets in a few a second only. */
  static async join(
    authority: Authority,
    size: FleetSize,
    manager: string,
  ): Promise<SimulatedFleet> {
    const servers: Simulated[] = [];
    for (let first = 0; first < size.servers; first += AT_ONCE) {
      const count = Math.min(AT_ONCE, size.servers - first);
      const made = Array.from({ length: count }, async (_, at): Promise<Simulated> => {
        const name = `hv${first + at}`;
        const [secret = ""] = authority.makeToken(name, 3_600_000).split(".");
        const { key, request } = await makeRequest();
        const { id, certificate, authority: ca } = await authority.enrol(secret, request, name);
        return {
          identity: { id, key, certificate, authority: ca, manager },
          queue: new ReportQueue(":memory:"),
          guests: Array.from({ length: size.guests }, (_, number) => guestOf(name, number)),
          ...{ client: undefined, told: 0 },
        };
      });
      servers.push(...(await Promise.all(made)));
    }
    return new SimulatedFleet(servers, size.rows);
  }

  /** Connects the first servers, anew where they are connected, and waits until they are in. */
  async connect(count: number, statisticsMs: number): Promise<void> {
    this.disconnect();
    for (const server of this.servers.slice(0, count)) {
      server.client = this.#clientOf(server, statisticsMs);
      server.client.start();
    }
    await settled(() => this.servers.slice(0, count).every(({ client }) => client?.isConnected));
  }

  disconnect(): void {
    for (const server of this.servers) {
      server.client?.close();
      server.client = undefined;
    }
  }

  /** Tells findings of all servers in turn, and waits until all are acknowledged. */
  async tellFindings(first: number, count: number): Promise<void> {
    for (let number = first; number < first + count; number++) {
      const server = this.servers[number % this.servers.length];
      const guest = server?.guests[number % server.guests.length];
      if (guest !== undefined) server?.client?.report(findingOf(guest, number));
    }
    await settled(() => this.servers.every(({ queue }) => queue.count === 0));
  }

  close(): void {
    this.disconnect();
    for (const { queue } of this.servers) queue.close();
  }

  #clientOf(server: Simulated, statisticsMs: number): LinkClient {
    const { identity, queue, guests } = server;
    const content = { indicators: 0, rules: 0, policy: 0 };
    const about = { software: "0.1.0", machine: identity.id, instance: identity.id };
    return new LinkClient({
      ...{ identity, queue, statisticsMs },
      hooks: {
        hello: () => ({ version: LINK_VERSION, ...about, guests, content }),
        statistics: () => {
          server.told += 1;
          return statisticsOf(guests, server.told);
        },
        request: async (request, context) => {
          if (request.kind !== "search") return { outcome: "done" };
          if (this.servers.indexOf(server) >= this.answering) await new Promise(() => {});
          await context.rows(this.#rows);
          return { rows: this.#rows.length, isComplete: true };
        },
        state: () => {},
      },
    });
  }
}

/** Waits for what servers or the manager do. */
export async function settled(condition: () => unknown): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not done within ${WAIT_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function guestOf(server: string, number: number): LinkGuest {
  const name = `${server}-guest-${number}`;
  return {
    ...{ id: createHash("md5").update(name).digest("hex"), name },
    ...{ state: "monitored", sinceMs: 1000, reason: "its driver said hello", boot: "b" },
    isIsolated: false,
  };
}

function statisticsOf(guests: readonly LinkGuest[], turn: number): LinkStatistics {
  const byClass = { process: turn * 20, file: turn * 70, network: turn * 10 };
  return {
    ...{ timeMs: Date.now(), uptimeMs: turn, cpuSeconds: turn, memoryBytes: 2e8, queued: 0 },
    ...{ storeEvents: turn, storeBytes: turn },
    guests: guests.map(({ id }) => ({
      ...{ id, events: turn * 100, bytes: turn * 20_000, lost: 0, lostBy: {}, findings: 0 },
      ...{ ringBytesUsed: 4096, byClass, packets: turn, heartbeatMs: 20 },
    })),
  };
}

function findingOf(guest: LinkGuest, number: number): LinkReport {
  const evidence = toPlain([exec({ sequence: number })]);
  return {
    ...{ kind: "finding", guest: guest.id },
    finding: {
      ...{ id: `${number}`.padStart(32, "0"), guest: guest.name, rule: "cmdline:x" },
      ...{ title: "A title", severity: "high", field: "arguments", value: "/tmp/x --evil" },
      ...{ tags: ["indicator"], firstMs: 1e12, lastMs: 1e12 + number, count: 1, commands: [] },
      ...{ disposition: "none", evidence },
      process: { guest: guest.name, boot: "b", pid: 1, processStartNs: "1", execGeneration: 1 },
    },
  };
}
