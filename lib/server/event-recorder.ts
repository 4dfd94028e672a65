// SPDX-License-Identifier: Apache-2.0
// Puts everything that a server tells of its guests into the event store: events, network events,
// losses, and each finding as often as it changes. Made by whoever runs a server with a store.
import type { StreamItem } from "../channel/channel.ts";
import type { Finding, StoredEvent, StoredFinding } from "../model/model.ts";
import type { EventStore } from "../store/store.ts";
import type { Server } from "./composition.ts";

/** Joins a server and a store. The store stays the caller's: close it after the server. */
export class EventRecorder {
  readonly #store: EventStore;
  readonly #nowMs: () => number;
  readonly #stop: ReadonlyArray<() => void>;
  #stored = 0;
  #failed = 0;

  constructor(server: Server, store: EventStore, nowMs: () => number = Date.now) {
    this.#store = store;
    this.#nowMs = nowMs;
    this.#stop = [
      server.on("events", ({ items }) => this.#keep(items.map((item) => this.#timed(item)))),
      server.on("network", ({ events }) => this.#keep(events)),
      server.on("finding", (finding) => this.#keep([this.#row(finding)])),
    ];
  }

  /** Events that are on disk. */
  get stored(): number {
    return this.#stored;
  }

  /** Events that the store did not take; it names them as losses when it takes events again. */
  get failed(): number {
    return this.#failed;
  }

  /** Listens no more. */
  close(): void {
    for (const stop of this.#stop) stop();
  }

  #keep(events: readonly StoredEvent[]): void {
    const { length } = events;
    if (length === 0) return;
    this.#store.append(events).then(
      () => {
        this.#stored += length;
      },
      () => {
        this.#failed += length;
      },
    );
  }

  #timed(item: StreamItem): StoredEvent {
    return item.kind === "loss" ? { ...item, timeMs: this.#nowMs() } : item;
  }

  #row({ process, ...finding }: Finding): StoredFinding {
    return { ...finding, ...process, kind: "finding", timeMs: finding.lastMs };
  }
}
