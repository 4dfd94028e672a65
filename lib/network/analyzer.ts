// SPDX-License-Identifier: Apache-2.0
// Packets in, network events out. Called by replays and by whoever drains a packet ring. Its clock
// is the packets' own; nothing a packet holds makes it throw, and all its memory is bounded.
import type { FlowEvent, NetworkEvent, NetworkEventBase } from "../model/model.ts";
import { ByteStore, ipv4Text, macText, u16 } from "./bytes.ts";
import { communityIdOf } from "./community-id.ts";
import { type Flow, type FlowParser, stateName } from "./flow.ts";
import { type CloseReason, FlowTable, isEnded } from "./flow-table.ts";
import { ACK, FIN, ICMP, ICMP6, type Packet, SYN, TCP, UDP } from "./packet.ts";
import { PacketDecoder } from "./packet-decoder.ts";
import type { NetworkDigests, ParserContext } from "./parser-context.ts";
import { detectDatagram, detectStream } from "./protocol-detection.ts";
import type { StreamBudget, StreamTaker, TcpStream } from "./tcp-stream.ts";

/** Settings of an analyzer; absent ones have working defaults. */
export interface AnalyzerOptions {
  readonly digests: NetworkDigests;
  readonly onEvent: (event: NetworkEvent) => void;
  /** Drop packets with wrong checksums; off, because offload leaves them unfilled on taps. */
  readonly verifyChecksums?: boolean;
  readonly flowsMax?: number;
  /** Bytes that all TCP streams together may hold back for order. Default 32 MiB. */
  readonly heldBytesMax?: number;
  /** Bytes that the parsers of all flows together may keep. Default 32 MiB. */
  readonly parserBytesMax?: number;
  /** Milliseconds between two updates of a live flow. */
  readonly updateMs?: number;
}

/** What an analyzer gave up for want of room. */
export interface AnalyzerDrops {
  readonly flows: number;
  readonly fragments: number;
  readonly parsers: number;
}

/** Counters of an analyzer. */
export interface AnalyzerCounts {
  packets: number;
  bytes: number;
  events: number;
  anomalies: number;
  flows: number;
}

/** Payloads that are looked at for a protocol: from its start a stream shows it soon, but one that
 * was picked up on its way may be in the middle of something long. */
const detectionTriesMax = 6;
const detectionTriesMidstreamMax = 64;
const expiredFlowsMax = 256;
/** Bytes of each side that are enough to know any protocol by. */
const startBytesMax = 64;

/** Analyses the packets of one source. */
export class NetworkAnalyzer implements StreamTaker, ParserContext {
  readonly digests: NetworkDigests;
  readonly counts: AnalyzerCounts = { packets: 0, bytes: 0, events: 0, anomalies: 0, flows: 0 };
  readonly #options: AnalyzerOptions;
  readonly #decoder: PacketDecoder;
  readonly #table: FlowTable;
  readonly #budget: StreamBudget;
  readonly #updateMs: number;
  readonly #parserBytesMax: number;
  #parserBytes = 0;
  #cutParsers = 0;
  /** Flows whose parsers keep something, those that have done so longest first. */
  readonly #holding = new Set<Flow>();
  #timeMs = 0;
  #flow: Flow | undefined;

  constructor(options: AnalyzerOptions) {
    this.#options = options;
    this.digests = options.digests;
    this.#updateMs = options.updateMs ?? 60_000;
    this.#parserBytesMax = options.parserBytesMax ?? 32 << 20;
    this.#budget = { heldBytes: 0, heldBytesMax: options.heldBytesMax ?? 32 << 20 };
    this.#table = new FlowTable(options.flowsMax ?? 65_536, this.#budget, (flow, reason) =>
      this.#close(flow, reason),
    );
    const handler = {
      onPacket: (packet: Packet) => this.#packet(packet),
      onArp: (bytes: Uint8Array, start: number) => this.#arp(bytes, start),
      onAnomaly: (name: string) => this.#decoderAnomaly(name),
    };
    this.#decoder = new PacketDecoder(handler, options.verifyChecksums ?? false);
  }

  /** Takes one packet: [start, end) of bytes. */
  packet(timeMs: number, linkType: number, bytes: Uint8Array, start: number, end: number): void {
    this.counts.packets += 1;
    this.counts.bytes += end - start;
    this.#timeMs = timeMs;
    this.#flow = undefined;
    this.#decoder.decode(timeMs, linkType, bytes, start, end);
  }

  /** Time goes on without packets: closes flows that have been idle for too long. */
  advance(timeMs: number): void {
    this.#table.expire(timeMs, expiredFlowsMax);
  }

  /** Closes all flows and tells what is still open. */
  flush(): void {
    this.#table.flush();
  }

  /** What was given up for want of room: flows, datagrams in fragments, the reading of flows. */
  get dropped(): AnalyzerDrops {
    const fragments = this.#decoder.fragments.droppedCount;
    return { flows: this.#table.evictedCount, fragments, parsers: this.#cutParsers };
  }

  hold(bytes: number): void {
    const flow = this.#flow;
    if (flow === undefined) return;
    this.#parserBytes += bytes;
    flow.heldBytes += bytes;
    if (flow.heldBytes > 0) this.#holding.add(flow);
    else this.#holding.delete(flow);
  }

  base(): NetworkEventBase {
    const flow = this.#flow;
    if (flow === undefined) return noFlow(this.#timeMs);
    if (flow.communityId === "") flow.communityId = communityIdOf(flow, this.digests);
    return {
      timeMs: this.#timeMs,
      flowId: flow.id,
      transport: transportName(flow.protocol),
      sourceAddress: flow.sourceAddress,
      sourcePort: flow.sourcePort,
      destinationAddress: flow.destinationAddress,
      destinationPort: flow.destinationPort,
      communityId: flow.communityId,
    };
  }

  emit(event: NetworkEvent): void {
    this.counts.events += 1;
    this.#options.onEvent(event);
  }

  anomaly(name: string): void {
    this.counts.anomalies += 1;
    this.emit({ ...this.base(), kind: "anomaly", name });
  }

  turn(): void {
    this.#flow?.turn();
  }

  onData(isFromSource: boolean, bytes: Uint8Array, start: number, end: number): void {
    const flow = this.#flow;
    if (flow === undefined) return;
    if (flow.parser === undefined) {
      if (!hasTriesLeft(flow)) return;
      flow.detectionTries += 1;
      flow.parser = detectStream(this, bytes, start, end);
      if (flow.parser === undefined) {
        this.#keepStart(flow, isFromSource, bytes, start, end);
        return;
      }
    }
    this.#read(flow, flow.parser, isFromSource, bytes, start, end);
  }

  #read(
    flow: Flow,
    parser: FlowParser,
    isFromSource: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (!parser.isDone) parser.data(isFromSource, bytes, start, end);
    if (parser.isConfirmed && !flow.services.includes(parser.service)) {
      flow.services.push(parser.service);
    }
  }

  // A start that comes in crumbs would hide the protocol: the first bytes of each side are put
  // together, and looked at again with each crumb.
  #keepStart(
    flow: Flow,
    isFromSource: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const side = isFromSource ? flow.source : flow.destination;
    const peer = isFromSource ? flow.destination : flow.source;
    side.start ??= new ByteStore(startBytesMax, this);
    const taken = Math.min(end, start + startBytesMax - side.start.length);
    if (taken <= start || !side.start.append(bytes, start, taken)) return;
    // Crumbs do not use up the tries.
    if (side.start.length < startBytesMax) flow.detectionTries -= 1;
    const parser = detectStream(this, side.start.bytes, 0, side.start.length);
    if (parser === undefined) return;
    flow.parser = parser;
    for (const [store, isSource] of [
      [peer.start, !isFromSource],
      [side.start, isFromSource],
    ] as const) {
      if (store === undefined) continue;
      this.#read(flow, parser, isSource, store.bytes, 0, store.length);
      store.consume(store.length);
    }
    if (taken < end) this.#read(flow, parser, isFromSource, bytes, taken, end);
  }

  onGap(isFromSource: boolean, bytes: number): void {
    const parser = this.#flow?.parser;
    if (parser !== undefined && !parser.isDone) parser.gap(isFromSource, bytes);
  }

  #packet(packet: Packet): void {
    const flow = this.#table.find(packet);
    this.#flow = flow;
    const isNew = flow.source.packets + flow.destination.packets === 0;
    const isFromSource = flow.isFromSource(packet);
    if (packet.isDamaged) {
      flow.mark("c", isFromSource);
      return;
    }
    flow.count(packet, isFromSource);
    if (isNew) {
      this.counts.flows += 1;
      this.#tellFlow(flow, "flow.open", "open");
    } else if (packet.timeMs - flow.reportedMs >= this.#updateMs) {
      flow.reportedMs = packet.timeMs;
      this.#tellFlow(flow, "flow.update", "open");
    }
    if (packet.protocol === TCP) this.#segment(flow, packet, isFromSource);
    else if (packet.protocol === UDP) this.#datagram(flow, packet, isFromSource);
    if (packet.protocol === TCP && isEnded(flow)) this.#finish(flow);
    if (this.#parserBytes > this.#parserBytesMax) this.#cutParsersDown();
  }

  // Nothing follows an orderly end, so what ends with the flow is told now and not when it is idle.
  #finish(flow: Flow): void {
    const { source, destination, parser } = flow;
    if (parser === undefined) return;
    const isReset = source.state === "reset" || destination.state === "reset";
    const isWhole = isComplete(source.stream) && isComplete(destination.stream);
    if (!isReset && !isWhole) return;
    parser.end();
    flow.parser = undefined;
    flow.detectionTries = detectionTriesMidstreamMax;
    this.#giveBack(flow);
  }

  // Those that have kept something longest stop being read.
  #cutParsersDown(): void {
    for (const flow of this.#holding) {
      this.#stopParser(flow);
      if (this.#parserBytes <= this.#parserBytesMax) return;
    }
  }

  #stopParser(flow: Flow): void {
    const outer = this.#flow;
    this.#flow = flow;
    this.#cutParsers += 1;
    this.anomaly("memory_limit");
    flow.parser?.end();
    flow.parser = undefined;
    flow.detectionTries = detectionTriesMidstreamMax;
    this.#giveBack(flow);
    this.#flow = outer;
  }

  #giveBack(flow: Flow): void {
    this.#parserBytes -= flow.heldBytes;
    flow.heldBytes = 0;
    this.#holding.delete(flow);
  }

  #segment(flow: Flow, packet: Packet, isFromSource: boolean): void {
    const side = isFromSource ? flow.source : flow.destination;
    const peer = isFromSource ? flow.destination : flow.source;
    const { stream } = side;
    const isSyn = (packet.flags & SYN) !== 0;
    const first = isSyn ? (packet.sequence + 1) % 2 ** 32 : packet.sequence;
    if (!stream.isStarted || (isSyn && stream.highestBytes === 0)) stream.begin(first);
    const isRead = !(flow.parser?.isDone ?? !hasTriesLeft(flow));
    const taker = isRead ? this : undefined;
    if (packet.flags & ACK && peer.stream.isStarted) {
      const acknowledged = peer.stream.offsetOf(packet.acknowledgement);
      const limit = peer.finOffset >= 0 ? peer.finOffset : acknowledged;
      // A reset may acknowledge anything.
      if ((packet.flags & 4) === 0) peer.stream.acknowledge(Math.min(acknowledged, limit), taker);
    }
    const offset = stream.offsetOf(first);
    if (packet.end > packet.start && offset >= 0 && (packet.flags & 4) === 0) {
      const isAgain = stream.data(offset, packet.bytes, packet.start, packet.end, taker);
      if (isAgain) flow.mark("t", isFromSource);
    }
    if (packet.flags & FIN) side.finOffset = offset + packet.payloadBytes;
  }

  #datagram(flow: Flow, packet: Packet, isFromSource: boolean): void {
    const { bytes, start, end } = packet;
    if (end <= start) return;
    if (flow.parser === undefined) {
      if (!hasTriesLeft(flow)) return;
      flow.detectionTries += 1;
      flow.parser = detectDatagram(this, bytes, start, end);
      if (flow.parser === undefined) return;
    }
    this.#read(flow, flow.parser, isFromSource, bytes, start, end);
  }

  #close(flow: Flow, reason: CloseReason): void {
    const outer = this.#flow;
    this.#flow = flow;
    for (const side of [flow.source, flow.destination]) {
      const isRead = flow.parser !== undefined && !flow.parser.isDone;
      side.stream.end(isRead ? this : undefined);
    }
    flow.parser?.end();
    this.#giveBack(flow);
    this.#tellFlow(flow, "flow.close", reason);
    this.#flow = outer;
  }

  #tellFlow(flow: Flow, kind: FlowEvent["kind"], reason: FlowEvent["reason"]): void {
    const { source, destination } = flow;
    const isTcp = flow.protocol === TCP;
    this.emit({
      ...this.base(),
      kind,
      timeMs: kind === "flow.close" ? flow.lastMs : this.#timeMs,
      startMs: flow.startMs,
      durationMs: flow.activeMs - flow.startMs,
      ipProtocol: flow.protocol,
      vlan: flow.vlan,
      services: [...flow.services],
      sourceBytes: isTcp ? source.stream.highestBytes : source.payloadBytes,
      destinationBytes: isTcp ? destination.stream.highestBytes : destination.payloadBytes,
      sourcePackets: source.packets,
      destinationPackets: destination.packets,
      sourceIpBytes: source.ipBytes,
      destinationIpBytes: destination.ipBytes,
      missedBytes: source.stream.missedBytes + destination.stream.missedBytes,
      overlapBytes: source.stream.overlapBytes + destination.stream.overlapBytes,
      state: stateName(flow),
      history: flow.history,
      reason,
    });
  }

  #arp(bytes: Uint8Array, start: number): void {
    this.emit({
      ...noFlow(this.#timeMs),
      kind: "arp",
      sourceAddress: ipv4Text(bytes, start + 14),
      destinationAddress: ipv4Text(bytes, start + 24),
      operation: u16(bytes, start + 6),
      senderMac: macText(bytes, start + 8),
      targetMac: macText(bytes, start + 18),
    });
  }

  #decoderAnomaly(name: string): void {
    this.#flow = undefined;
    this.anomaly(name);
  }
}

function isComplete(stream: TcpStream): boolean {
  return stream.deliveredBytes >= stream.highestBytes;
}

function hasTriesLeft(flow: Flow): boolean {
  const isMidstream = flow.protocol === TCP && flow.source.state === "partial";
  return flow.detectionTries < (isMidstream ? detectionTriesMidstreamMax : detectionTriesMax);
}

function noFlow(timeMs: number): NetworkEventBase {
  return {
    timeMs,
    flowId: 0,
    transport: "other",
    sourceAddress: "",
    sourcePort: 0,
    destinationAddress: "",
    destinationPort: 0,
    communityId: "",
  };
}

function transportName(protocol: number): NetworkEventBase["transport"] {
  if (protocol === TCP) return "tcp";
  if (protocol === UDP) return "udp";
  if (protocol === ICMP) return "icmp";
  return protocol === ICMP6 ? "icmp6" : "other";
}
