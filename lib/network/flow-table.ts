// SPDX-License-Identifier: Apache-2.0
// All live flows, found by hash and kept in order of last use. Called by the analyzer. Their
// number is bounded: the longest idle makes room, and that is counted.
import { Flow } from "./flow.ts";
import { type Packet, TCP } from "./packet.ts";
import type { StreamBudget } from "./tcp-stream.ts";

export type CloseReason = "ended" | "idle" | "evicted" | "flush";

const tcpIdleMsMax = 300_000;
const otherIdleMsMax = 60_000;
const endedIdleMsMax = 5_000;

/** Finds or makes the flow of each packet. */
export class FlowTable {
  size = 0;
  evictedCount = 0;
  readonly #buckets: Array<Flow | undefined>;
  readonly #mask: number;
  readonly #flowsMax: number;
  readonly #budget: StreamBudget;
  readonly #onClose: (flow: Flow, reason: CloseReason) => void;
  #oldest: Flow | undefined;
  #newest: Flow | undefined;
  #lastId = 0;

  constructor(
    flowsMax: number,
    budget: StreamBudget,
    onClose: (flow: Flow, reason: CloseReason) => void,
  ) {
    const buckets = 2 ** Math.ceil(Math.log2(Math.max(16, flowsMax)));
    this.#buckets = new Array<Flow | undefined>(buckets).fill(undefined);
    this.#mask = buckets - 1;
    this.#flowsMax = flowsMax;
    this.#budget = budget;
    this.#onClose = onClose;
  }

  /** The flow of a packet; a new one where none is live. */
  find(packet: Packet): Flow {
    // A few at each packet: the order of last use is nearly that of expiry.
    this.expire(packet.timeMs, 4);
    const hash = hashOf(packet);
    const place = hash & this.#mask;
    let flow = this.#buckets[place];
    while (flow !== undefined && !(flow.hash === hash && isSame(flow, packet))) {
      flow = flow.chained;
    }
    if (flow !== undefined && isOver(flow, packet)) {
      this.#remove(flow);
      this.#onClose(flow, "ended");
      flow = undefined;
    }
    if (flow !== undefined) {
      this.#touch(flow);
      return flow;
    }
    if (this.size >= this.#flowsMax && this.#oldest !== undefined) {
      this.evictedCount += 1;
      const evicted = this.#oldest;
      this.#remove(evicted);
      this.#onClose(evicted, "evicted");
    }
    this.#lastId += 1;
    const made = new Flow(this.#lastId, packet, hash, this.#budget);
    made.chained = this.#buckets[place];
    this.#buckets[place] = made;
    this.#append(made);
    this.size += 1;
    return made;
  }

  /** Closes all flows, the longest idle first. */
  flush(): void {
    while (this.#oldest !== undefined) {
      const flow = this.#oldest;
      this.#remove(flow);
      this.#onClose(flow, "flush");
    }
  }

  /** Closes flows that have been idle for too long, the longest idle first. */
  expire(nowMs: number, countMax: number): void {
    for (let count = 0; count < countMax; count += 1) {
      const flow = this.#oldest;
      if (flow === undefined || nowMs - flow.lastMs <= idleMsMax(flow)) return;
      this.#remove(flow);
      this.#onClose(flow, isEnded(flow) ? "ended" : "idle");
    }
  }

  #touch(flow: Flow): void {
    if (flow === this.#newest) return;
    this.#unlink(flow);
    this.#append(flow);
  }

  #append(flow: Flow): void {
    flow.older = this.#newest;
    flow.newer = undefined;
    if (this.#newest !== undefined) this.#newest.newer = flow;
    this.#newest = flow;
    this.#oldest ??= flow;
  }

  #unlink(flow: Flow): void {
    if (flow.older === undefined) this.#oldest = flow.newer;
    else flow.older.newer = flow.newer;
    if (flow.newer === undefined) this.#newest = flow.older;
    else flow.newer.older = flow.older;
  }

  #remove(flow: Flow): void {
    this.#unlink(flow);
    const place = flow.hash & this.#mask;
    let before = this.#buckets[place];
    if (before === flow) {
      this.#buckets[place] = flow.chained;
    } else {
      while (before !== undefined && before.chained !== flow) before = before.chained;
      if (before !== undefined) before.chained = flow.chained;
    }
    flow.chained = undefined;
    this.size -= 1;
  }
}

/** Both sides closed it, or one broke it off. */
export function isEnded(flow: Flow): boolean {
  const { source, destination } = flow;
  if (source.state === "reset" || destination.state === "reset") return true;
  return source.state === "closed" && destination.state === "closed";
}

function idleMsMax(flow: Flow): number {
  if (flow.protocol !== TCP) return otherIdleMsMax;
  return isEnded(flow) ? endedIdleMsMax : tcpIdleMsMax;
}

// Ports are used again: a new SYN after the end opens another flow, and so does long silence.
function isOver(flow: Flow, packet: Packet): boolean {
  if (packet.timeMs - flow.lastMs > idleMsMax(flow)) return true;
  if (packet.protocol !== TCP || (packet.flags & 0x16) !== 2) return false;
  // One side closed, and of the other nothing is seen at all: it cannot close either.
  const isHalf = flow.source.state === "closed" && flow.destination.state === "none";
  return isHalf || isEnded(flow);
}

// The same for both directions: sums do not care about order.
function hashOf(packet: Packet): number {
  const { address } = packet;
  let hash = packet.protocol * 0x9e3779b1;
  for (let word = 0; word < 4; word += 1) {
    const both = mix(address[word] as number) + mix(address[word + 4] as number);
    hash = Math.imul(hash ^ both, 0x85ebca6b);
  }
  hash ^= Math.imul(mix(packet.sourcePort) + mix(packet.destinationPort), 0xc2b2ae35);
  return (hash ^ (hash >>> 15)) | 0;
}

function mix(value: number): number {
  const spread = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  return spread ^ (spread >>> 15);
}

function isSame(flow: Flow, packet: Packet): boolean {
  if (flow.protocol !== packet.protocol || flow.isV6 !== packet.isV6) return false;
  if (flow.isFromSource(packet)) return true;
  if (flow.sourcePort !== packet.destinationPort) return false;
  if (flow.destinationPort !== packet.sourcePort) return false;
  for (let word = 0; word < 4; word += 1) {
    if (flow.address[word] !== packet.address[word + 4]) return false;
    if (flow.address[word + 4] !== packet.address[word]) return false;
  }
  return true;
}
