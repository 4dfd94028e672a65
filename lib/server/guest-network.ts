// SPDX-License-Identifier: Apache-2.0
// The network of one guest: packets of its interfaces to events, each with the process that the
// guest's sensor told to own the flow. An event without an owner waits a moment for one, because
// packets and socket records come by different ways.
import type {
  DnsQueryEvent,
  GuestEvent,
  GuestNetworkEvent,
  NetworkEvent,
  NetworkPlace,
  SocketEvent,
} from "../model/model.ts";
import { type AnalyzerDrops, NetworkAnalyzer } from "../network/network.ts";
import type { PacketRecord } from "../wire/wire.ts";
import { CrossCheck, type CrossCheckHooks } from "./cross-check.ts";
import { FlowOwners, flowKey } from "./flow-owners.ts";
import { networkDigests } from "./network-digests.ts";
import type { ProcessTable } from "./process-table.ts";

export interface GuestNetworkOptions {
  readonly guest: string;
  readonly processes: ProcessTable;
  readonly nowMs: () => number;
  readonly deliver: (events: readonly GuestNetworkEvent[]) => void;
  /** Told where the tap and the socket sensor contradict each other. */
  readonly contradictions: CrossCheckHooks;
}

/** Numbers of one guest's network. */
export interface NetworkStats {
  readonly packets: number;
  readonly flows: number;
  readonly events: number;
  readonly joined: number;
  readonly dropped: AnalyzerDrops;
}

interface Waiting {
  readonly event: NetworkEvent;
  readonly key: string;
  readonly outbound: boolean;
  readonly slot: number;
  readonly interfaceName: string;
  readonly dueMs: number;
}

interface Tap {
  /** Time of the newest packet, by its own clock and by ours. */
  packetMs: number;
  seenMs: number;
  readonly analyzer: NetworkAnalyzer;
  /** Flows that the guest opened, by number. */
  readonly outbound: Map<number, boolean>;
}

/** How long an event waits for the record of its socket. */
const JOIN_MS = 250;
const WAITING_MAX = 8192;
/** A guest's share of memory: a server has many guests. */
const FLOWS_MAX = 8192;
const HELD_BYTES_MAX = 4 << 20;
const UPDATE_MS = 5000;

/** Watches the interfaces of one guest. */
export class GuestNetwork {
  readonly #options: GuestNetworkOptions;
  readonly #owners = new FlowOwners();
  readonly #check: CrossCheck;
  readonly #taps = new Map<number, Tap>();
  readonly #waiting = new Set<Waiting>();
  #out: GuestNetworkEvent[] = [];
  #events = 0;
  #joined = 0;
  // What the packet in hand says, for the events that it makes.
  #fromGuest = false;
  #slot = 0;
  #interfaceName = "";

  constructor(options: GuestNetworkOptions) {
    this.#options = options;
    this.#check = new CrossCheck(options.contradictions);
  }

  get stats(): NetworkStats {
    let [packets, flows] = [0, 0];
    const dropped = { flows: 0, fragments: 0, parsers: 0 };
    for (const { analyzer } of this.#taps.values()) {
      packets += analyzer.counts.packets;
      flows += analyzer.counts.flows;
      dropped.flows += analyzer.dropped.flows;
      dropped.fragments += analyzer.dropped.fragments;
      dropped.parsers += analyzer.dropped.parsers;
    }
    return { packets, flows, events: this.#events, joined: this.#joined, dropped };
  }

  get isWatching(): boolean {
    return this.#taps.size > 0;
  }

  /** The socket sensor is on from now on, or off. */
  setSensor(isOn: boolean): void {
    this.#check.setSensor(isOn, this.#options.nowMs());
  }

  /** Takes one packet of one interface: [start, end) of batch. */
  packet(slot: number, interfaceName: string, record: PacketRecord, batch: Uint8Array): void {
    const tap = this.#taps.get(slot) ?? this.#open(slot);
    tap.packetMs = record.timeMs;
    tap.seenMs = this.#options.nowMs();
    this.#fromGuest = record.fromGuest;
    this.#slot = slot;
    this.#interfaceName = interfaceName;
    tap.analyzer.packet(record.timeMs, record.linkType, batch, record.start, record.end);
  }

  /** Takes what the guest's driver told. */
  observe(event: GuestEvent): void {
    switch (event.kind) {
      case "socket.connect":
      case "socket.accept":
      case "socket.send":
      case "dns.query":
        this.#take(event);
        break;
      case "socket.raw":
        this.#check.rawSocket(event);
        break;
      case "process.exit":
        this.#owners.exited(event);
        this.#check.exited(event);
        break;
      default:
        break;
    }
  }

  /** Records of sockets were lost: nobody is blamed for a while. */
  lost(): void {
    this.#check.lost(this.#options.nowMs());
  }

  /** Lets go of events whose owner does not come, and hands on what is ready. */
  turn(): void {
    const nowMs = this.#options.nowMs();
    for (const { analyzer, packetMs, seenMs } of this.#taps.values()) {
      analyzer.advance(packetMs + nowMs - seenMs);
    }
    for (const waiting of this.#waiting) {
      if (waiting.dueMs > nowMs && this.#waiting.size <= WAITING_MAX) break;
      this.#waiting.delete(waiting);
      this.#finish(waiting);
    }
    this.#check.turn(nowMs);
    if (this.#out.length === 0) return;
    const events = this.#out;
    this.#out = [];
    this.#options.deliver(events);
  }

  /** The interface is watched no more. */
  close(slot: number): void {
    this.#taps.get(slot)?.analyzer.flush();
    this.#taps.delete(slot);
    this.turn();
  }

  #open(slot: number): Tap {
    const outbound = new Map<number, boolean>();
    const analyzer = new NetworkAnalyzer({
      digests: networkDigests,
      flowsMax: FLOWS_MAX,
      heldBytesMax: HELD_BYTES_MAX,
      parserBytesMax: HELD_BYTES_MAX,
      updateMs: UPDATE_MS,
      onEvent: (event) => this.#event(event, outbound),
    });
    const tap = { analyzer, outbound, packetMs: 0, seenMs: 0 };
    this.#taps.set(slot, tap);
    return tap;
  }

  #event(event: NetworkEvent, flows: Map<number, boolean>): void {
    if (event.kind === "flow.open") {
      // A flow that was turned began with an answer.
      const isTurned = event.history.startsWith("^");
      flows.set(event.flowId, this.#fromGuest !== isTurned);
    }
    const outbound = flows.get(event.flowId) ?? this.#fromGuest;
    if (event.kind === "flow.close") flows.delete(event.flowId);
    const waiting: Waiting = {
      ...{ event, outbound, slot: this.#slot, interfaceName: this.#interfaceName },
      key: flowKey(event, outbound),
      dueMs: this.#options.nowMs() + JOIN_MS,
    };
    const own = outbound ? event.sourceAddress : event.destinationAddress;
    if (event.kind === "flow.open") this.#check.seen(waiting.key, own);
    const canHaveOwner = event.transport === "tcp" || event.transport === "udp";
    const isKnown = this.#owners.find(waiting.key, event.timeMs) !== undefined;
    if (isKnown || !canHaveOwner) this.#finish(waiting);
    else this.#waiting.add(waiting);
  }

  #take(event: SocketEvent | DnsQueryEvent): void {
    const key = this.#owners.take(event);
    if (key === undefined) return;
    if (event.kind === "socket.connect" && this.isWatching) this.#check.connected(event, key);
    for (const waiting of this.#waiting) {
      if (waiting.key !== key) continue;
      this.#waiting.delete(waiting);
      this.#finish(waiting);
    }
  }

  #finish({ event, key, outbound, slot, interfaceName }: Waiting): void {
    const owner = this.#owners.find(key, event.timeMs);
    this.#events++;
    if (owner !== undefined) {
      this.#joined++;
      this.#check.joined(owner.networkNamespace);
    }
    this.#check.flow(event, key, outbound, owner !== undefined);
    const { processes, guest } = this.#options;
    const pid = owner?.pid ?? 0;
    const processStartNs = owner?.processStartNs ?? 0n;
    const exec = owner === undefined ? undefined : processes.find(pid, processStartNs)?.exec;
    const place: NetworkPlace = {
      ...{ guest, boot: owner?.boot ?? "", pid, processStartNs },
      ...{ execGeneration: owner?.execGeneration ?? 0, slot, interfaceName, outbound },
      program: exec?.path ?? "",
      commandLine: exec?.arguments.join(" ") ?? "",
      ancestors: owner === undefined ? [] : processes.ancestors(pid, processStartNs),
    };
    this.#out.push({ ...event, ...place });
  }
}
