// SPDX-License-Identifier: Apache-2.0
// The numbers of a server that its manager shows. Made by manager-link.ts. Counting is on the way
// of every event: one look-up a run of the same kind, no more.
import process from "node:process";
import type { LinkGuestStatistics, LinkStatistics } from "../../model/model.ts";
import type { EventStore } from "../../store/store.ts";
import type { Server } from "../composition.ts";
import type { GuestStats } from "../reports.ts";

/** Counts of one guest by kind of event. */
type Counts = Map<string, number>;

/** See the head of this file. */
export class LinkStatisticsDesk {
  readonly #server: Server;
  readonly #store: EventStore | undefined;
  readonly #startedMs: number = Date.now();
  readonly #counts = new Map<string, Counts>();
  readonly #stop: ReadonlyArray<() => void>;
  #stored = { rows: 0, bytes: 0 };

  constructor(server: Server, store: EventStore | undefined) {
    this.#server = server;
    this.#store = store;
    this.#stop = [
      server.on("events", ({ guest, items }) => this.#count(guest, items)),
      server.on("network", ({ guest, events }) => this.#count(guest, events)),
      server.on("detached", ({ name }) => void this.#counts.delete(name)),
    ];
    this.#askStore();
  }

  /** As they are now; those of the store as they were when last asked for. */
  read(queued: number): LinkStatistics {
    this.#askStore();
    const timeMs = Date.now();
    const { user, system } = process.cpuUsage();
    const { stats, findings } = this.#server;
    const found = new Map<string, number>();
    for (const { guest } of findings) found.set(guest, (found.get(guest) ?? 0) + 1);
    return {
      ...{ timeMs, uptimeMs: timeMs - this.#startedMs, cpuSeconds: (user + system) / 1e6 },
      ...{ memoryBytes: process.memoryUsage.rss(), queued },
      ...{ storeEvents: this.#stored.rows, storeBytes: this.#stored.bytes },
      guests: stats.guests.map((one) => this.#guest(one, found.get(one.guest.name) ?? 0)),
    };
  }

  close(): void {
    for (const stop of this.#stop) stop();
  }

  #count(guest: string, events: ReadonlyArray<{ readonly kind: string }>): void {
    let counts = this.#counts.get(guest);
    if (counts === undefined) {
      counts = new Map();
      this.#counts.set(guest, counts);
    }
    let kind = "";
    let run = 0;
    for (const event of events) {
      if (event.kind !== kind) {
        if (run > 0) counts.set(kind, (counts.get(kind) ?? 0) + run);
        kind = event.kind;
        run = 0;
      }
      run += 1;
    }
    if (run > 0) counts.set(kind, (counts.get(kind) ?? 0) + run);
  }

  #guest(stats: GuestStats, findings: number): LinkGuestStatistics {
    const { guest, events, bytes, loss, network, ringBytesUsed } = stats;
    const byClass: Record<string, number> = {};
    for (const [kind, count] of this.#counts.get(guest.name) ?? []) {
      if (kind === "loss") continue;
      const dot = kind.indexOf(".");
      const name = dot < 0 ? kind : kind.slice(0, dot);
      byClass[name] = (byClass[name] ?? 0) + count;
    }
    const lostBy = Object.entries(loss.byReason).map(([reason, count]) => {
      return [reason.replace(".", ":"), count];
    });
    return {
      ...{ id: guest.id, events, bytes, findings, ringBytesUsed, byClass },
      ...{ lost: loss.named + loss.unaccounted, lostBy: Object.fromEntries(lostBy) },
      ...{ packets: network.packets, heartbeatMs: guest.beatAgeMs },
    };
  }

  #askStore(): void {
    this.#store?.stats().then(
      ({ logRows, segmentRows, bytes }) => {
        this.#stored = { rows: logRows + segmentRows, bytes };
      },
      // A store that failed tells its owner by itself.
      () => undefined,
    );
  }
}
