// SPDX-License-Identifier: Apache-2.0
// One flow: who talks to whom, how much, in which state. Filled by the flow table and the
// analyzer; the letters of its history and the names of its states are Zeek's.

import type { ByteStore } from "./bytes.ts";
import { ACK, addressText, FIN, type Packet, RST, SYN, TCP, UDP } from "./packet.ts";
import { type StreamBudget, TcpStream } from "./tcp-stream.ts";

export type EndState = "none" | "syn" | "syn-ack" | "partial" | "open" | "closed" | "reset";

/** One side of a flow. */
export class FlowSide {
  packets = 0;
  ipBytes = 0;
  payloadBytes = 0;
  state: EndState = "none";
  finOffset = -1;
  /** First bytes, while no protocol is known. */
  start: ByteStore | undefined;
  readonly stream: TcpStream;

  constructor(isSource: boolean, budget: StreamBudget) {
    this.stream = new TcpStream(isSource, budget);
  }
}

/** Reads what a flow carries. */
export interface FlowParser {
  readonly service: string;
  /** True once the flow is known to be what it looked like. */
  readonly isConfirmed: boolean;
  /** True once it reads no more. */
  readonly isDone: boolean;
  data(isFromSource: boolean, bytes: Uint8Array, start: number, end: number): void;
  gap(isFromSource: boolean, bytes: number): void;
  /** The flow ends: tell what is still open. */
  end(): void;
}

const likelyServerPorts: ReadonlySet<number> = new Set([
  21, 22, 23, 25, 53, 67, 80, 81, 88, 110, 123, 137, 143, 161, 389, 443, 445, 514, 563, 585, 587,
  614, 631, 636, 989, 990, 992, 993, 995, 1080, 1812, 3128, 3268, 3269, 3306, 3389, 5060, 5072,
  5223, 5353, 5355, 5432, 6379, 6666, 6667, 6668, 6669, 8000, 8080, 8888,
]);

/** A flow and its two sides; words 0 to 3 of the address are the source. */
export class Flow {
  readonly id: number;
  readonly isV6: boolean;
  readonly protocol: number;
  readonly vlan: number;
  readonly address: Int32Array;
  readonly hash: number;
  readonly startMs: number;
  lastMs: number;
  /** End of the duration: the last acknowledgement after both ends closed is left out. */
  activeMs: number;
  reportedMs: number;
  sourcePort: number;
  destinationPort: number;
  source: FlowSide;
  destination: FlowSide;
  history = "";
  services: string[] = [];
  parser: FlowParser | undefined;
  /** Bytes that the parser keeps. */
  heldBytes = 0;
  /** Payloads in which no protocol was recognised yet. */
  detectionTries = 0;
  communityId = "";
  sourceAddress: string;
  destinationAddress: string;
  // Chain of the hash bucket, and the order of last use.
  chained: Flow | undefined;
  older: Flow | undefined;
  newer: Flow | undefined;

  constructor(id: number, packet: Packet, hash: number, budget: StreamBudget) {
    this.id = id;
    this.isV6 = packet.isV6;
    this.protocol = packet.protocol;
    this.vlan = packet.vlan;
    this.address = packet.address.slice();
    this.hash = hash;
    this.startMs = packet.timeMs;
    this.lastMs = packet.timeMs;
    this.activeMs = packet.timeMs;
    this.reportedMs = packet.timeMs;
    this.sourcePort = packet.sourcePort;
    this.destinationPort = packet.destinationPort;
    this.source = new FlowSide(true, budget);
    this.destination = new FlowSide(false, budget);
    if (isReversed(packet)) this.#reverse();
    this.sourceAddress = addressText(this.address, 0, this.isV6);
    this.destinationAddress = addressText(this.address, 4, this.isV6);
  }

  /** Whether a packet of this flow goes from its source to its destination. */
  isFromSource(packet: Packet): boolean {
    if (packet.sourcePort !== this.sourcePort) return false;
    if (packet.destinationPort !== this.destinationPort) return false;
    for (let word = 0; word < 8; word += 1) {
      if (packet.address[word] !== this.address[word]) return false;
    }
    return true;
  }

  /** Counts a packet, and brings state and history up to date. */
  count(packet: Packet, isFromSource: boolean): FlowSide {
    const side = isFromSource ? this.source : this.destination;
    const peer = isFromSource ? this.destination : this.source;
    side.packets += 1;
    side.ipBytes += packet.ipBytes;
    side.payloadBytes += packet.payloadBytes;
    if (packet.timeMs > this.lastMs) this.lastMs = packet.timeMs;
    const isOver = side.state === "closed" && peer.state === "closed";
    if (!isOver || packet.payloadBytes > 0) this.activeMs = this.lastMs;
    if (packet.protocol !== TCP) {
      if (packet.protocol === UDP) this.mark("d", isFromSource);
      side.state = "open";
      return side;
    }
    this.#markFlags(packet, isFromSource);
    side.state = nextState(side.state, peer, packet, isFromSource);
    return side;
  }

  /** Adds a letter to the history, once for each side. */
  mark(letter: string, isFromSource: boolean): void {
    const cased = isFromSource ? letter.toUpperCase() : letter;
    if (!this.history.includes(cased)) this.history += cased;
  }

  /** Makes the destination the source: what came first was an answer. For datagrams only. */
  turn(): void {
    const { source, sourceAddress, history } = this;
    this.source = this.destination;
    this.destination = source;
    this.sourceAddress = this.destinationAddress;
    this.destinationAddress = sourceAddress;
    this.#reverse();
    this.history += [...history].map((letter) => turned(letter)).join("");
  }

  #markFlags(packet: Packet, isFromSource: boolean): void {
    const { flags } = packet;
    if (flags & SYN) {
      if (flags & (FIN | RST)) this.mark("q", isFromSource);
      this.mark(flags & ACK ? "h" : "s", isFromSource);
    }
    if ((flags & (FIN | RST)) === (FIN | RST)) this.mark("i", isFromSource);
    const isPlain = (flags & (SYN | FIN | RST)) === 0;
    if (packet.payloadBytes > 0) this.mark("d", isFromSource);
    else if (flags & ACK && isPlain) this.mark("a", isFromSource);
    if (flags & FIN) this.mark("f", isFromSource);
    if (flags & RST) this.mark("r", isFromSource);
    if (packet.window === 0 && isPlain && flags & ACK) this.mark("w", isFromSource);
  }

  #reverse(): void {
    for (let word = 0; word < 4; word += 1) {
      const kept = this.address[word] as number;
      this.address[word] = this.address[word + 4] as number;
      this.address[word + 4] = kept;
    }
    const port = this.sourcePort;
    this.sourcePort = this.destinationPort;
    this.destinationPort = port;
    this.history = "^";
  }
}

function turned(letter: string): string {
  return letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase();
}

// The first packet seen need not be the first sent: an answer, or one to a client, shows it.
function isReversed(packet: Packet): boolean {
  if (packet.protocol === TCP) {
    if ((packet.flags & (SYN | ACK)) === (SYN | ACK)) return true;
    if (packet.flags & SYN) return false;
  } else if (packet.protocol !== UDP) {
    return false;
  }
  const isServer = likelyServerPorts.has(packet.sourcePort);
  return isServer && !likelyServerPorts.has(packet.destinationPort);
}

function nextState(
  state: EndState,
  peer: FlowSide,
  packet: Packet,
  isFromSource: boolean,
): EndState {
  const { flags } = packet;
  if (flags & RST) return "reset";
  if (state === "reset") return state;
  if (flags & FIN) return "closed";
  if (state === "closed") return state;
  if (flags & SYN) {
    if (state !== "none") return state;
    if ((flags & ACK) === 0) return "syn";
    if (!isFromSource && peer.state === "syn") {
      peer.state = "open";
      return "open";
    }
    return "syn-ack";
  }
  if (state === "none") {
    if (peer.state === "syn-ack") {
      peer.state = "open";
      return "open";
    }
    return "partial";
  }
  return state;
}

/** A flow's state in Zeek's words. */
export function stateName(flow: Flow): string {
  const source = flow.source.state;
  const destination = flow.destination.state;
  if (flow.protocol === UDP) {
    if (source === "open") return destination === "open" ? "SF" : "S0";
    return destination === "open" ? "SHR" : "OTH";
  }
  if (flow.protocol !== TCP) return "OTH";
  const isSourceIdle = source === "none" || source === "partial";
  const isDestinationIdle = destination === "none" || destination === "partial";
  if (destination === "reset") {
    if (source === "syn" || source === "syn-ack") return "REJ";
    const isEmpty =
      flow.source.stream.highestBytes === 0 && flow.destination.stream.highestBytes === 0;
    if (source === "reset" && isEmpty) return "REJ";
    return isSourceIdle ? "RSTRH" : "RSTR";
  }
  if (source === "reset") return isDestinationIdle ? "RSTOS0" : "RSTO";
  if (source === "closed") {
    if (destination === "closed") return "SF";
    return isDestinationIdle ? "SH" : "S2";
  }
  if (destination === "closed") return isSourceIdle ? "SHR" : "S3";
  if (source === "syn" && destination === "none") return "S0";
  return source === "open" && destination === "open" ? "S1" : "OTH";
}
