// SPDX-License-Identifier: Apache-2.0
// Holds what passed a guest's tap against what its socket sensor told: traffic that the guest
// opened and no process of it owns means that the sensor is blind, or somebody hides from it; a
// connection that no packet made means that the sensor lies, or that there is a way past the tap.
import type { FlowEvent, NetworkEvent, ProcessExitEvent, SocketEvent } from "../model/model.ts";

/** Who is told of contradictions. */
export interface CrossCheckHooks {
  /** A flow of the guest without an owner. */
  hidden(event: NetworkEvent): void;
  /** A connection of a process without a packet. */
  missing(event: SocketEvent): void;
}

/** After the sensor was turned on, and after records of it were lost, nobody is judged so long. */
const SETTLE_MS = 3000;
/** A flow is judged so long after it began: its record may be on the way. */
const GRACE_MS = 3000;
const FLOWS_MAX = 4096;
/** Ports of DHCP, which clients serve with sockets of their own kind. */
const RAW_PORTS: ReadonlySet<number> = new Set([67, 68, 546, 547]);

/** Flows that are remembered for a connection that is told late. */
const SEEN_MAX = 8192;
const TCP = 6;

interface Suspect {
  readonly event: NetworkEvent;
  readonly sinceMs: number;
  isAnswered: boolean;
}

/** Suspicions about one guest. */
export class CrossCheck {
  readonly #hooks: CrossCheckHooks;
  readonly #suspects = new Map<string, Suspect>();
  /** Connections that no packet has shown yet. */
  readonly #connected = new Map<
    string,
    { readonly event: SocketEvent; readonly sinceMs: number }
  >();
  readonly #seen = new Set<string>();
  /** Addresses of the guest itself. */
  readonly #own = new Set<string>();
  /** Network namespaces of the guest whose packets pass the tap. */
  readonly #namespaces = new Set<number>();
  /** Processes that may send what they like. */
  readonly #raw = new Set<string>();
  #sensorSinceMs = Number.POSITIVE_INFINITY;
  #lostMs = Number.NEGATIVE_INFINITY;
  #nowMs = 0;

  constructor(hooks: CrossCheckHooks) {
    this.#hooks = hooks;
  }

  setSensor(isOn: boolean, nowMs: number): void {
    if (!isOn) this.#sensorSinceMs = Number.POSITIVE_INFINITY;
    else if (this.#sensorSinceMs === Number.POSITIVE_INFINITY) this.#sensorSinceMs = nowMs;
    if (!isOn) this.#forget();
  }

  /** Records or packets were lost: nobody is blamed for what they would have shown. */
  lost(nowMs: number): void {
    this.#lostMs = nowMs;
    this.#forget();
  }

  /** A packet of a flow passed the tap; `own` is the guest's address in it. */
  seen(key: string, own: string): void {
    this.#connected.delete(key);
    this.#seen.delete(key);
    this.#seen.add(key);
    if (this.#own.size < FLOWS_MAX) this.#own.add(own);
    if (this.#seen.size <= SEEN_MAX) return;
    const [oldest] = this.#seen;
    if (oldest !== undefined) this.#seen.delete(oldest);
  }

  /** A process of that network namespace owns a flow that passed the tap. */
  joined(networkNamespace: number): void {
    if (this.#namespaces.size < FLOWS_MAX) this.#namespaces.add(networkNamespace);
  }

  /** A connect succeeded, so packets must have passed: by this tap, if its namespace uses it. */
  connected(event: SocketEvent, key: string): void {
    const { remoteAddress, protocol, result, networkNamespace } = event;
    if (protocol !== TCP || result !== 0 || this.#seen.has(key) || !this.#isSettled()) return;
    const isLocal = /^127\.|^::1$/.test(remoteAddress) || this.#own.has(remoteAddress);
    if (isLocal || !this.#namespaces.has(networkNamespace)) return;
    if (this.#connected.size < FLOWS_MAX) {
      this.#connected.set(key, { event, sinceMs: this.#nowMs });
    }
  }

  rawSocket(event: SocketEvent): void {
    this.#raw.add(`${event.pid} ${event.processStartNs}`);
  }

  exited(event: ProcessExitEvent): void {
    this.#raw.delete(`${event.pid} ${event.processStartNs}`);
  }

  /** An event of a flow, and whether somebody owns it. */
  flow(event: NetworkEvent, key: string, outbound: boolean, isOwned: boolean): void {
    const suspect = this.#suspects.get(key);
    if (isOwned) {
      this.#suspects.delete(key);
      return;
    }
    if (suspect !== undefined) {
      suspect.isAnswered ||= isAnswered(event);
      return;
    }
    if (!outbound || event.kind !== "flow.open" || !this.#isJudged(event)) return;
    if (this.#suspects.size >= FLOWS_MAX) return;
    this.#suspects.set(key, { event, sinceMs: this.#nowMs, isAnswered: event.transport === "udp" });
  }

  /** Tells of flows that have been without an owner for long enough. */
  turn(nowMs: number): void {
    this.#nowMs = nowMs;
    for (const [key, { event, sinceMs }] of this.#connected) {
      if (nowMs - sinceMs < GRACE_MS) break;
      this.#connected.delete(key);
      this.#hooks.missing(event);
    }
    for (const [key, suspect] of this.#suspects) {
      if (nowMs - suspect.sinceMs < GRACE_MS) return;
      // A connect that nobody answers is told only when it ends.
      if (!suspect.isAnswered) {
        if (nowMs - suspect.sinceMs > UNANSWERED_MS_MAX) this.#suspects.delete(key);
        continue;
      }
      this.#suspects.delete(key);
      if (this.#raw.size === 0) this.#hooks.hidden(suspect.event);
    }
  }

  #isSettled(): boolean {
    return this.#nowMs >= Math.max(this.#sensorSinceMs, this.#lostMs) + SETTLE_MS;
  }

  #forget(): void {
    this.#suspects.clear();
    this.#connected.clear();
  }

  // Streams picked up on their way may be older than the sensor; groups and DHCP are no sockets.
  #isJudged(event: FlowEvent): boolean {
    if (!this.#isSettled()) return false;
    if (event.transport === "tcp") return event.history.startsWith("S");
    if (event.transport !== "udp") return false;
    const isGroup = /^(22[4-9]|23\d|255)\.|^ff/i.test(event.destinationAddress);
    return !isGroup && !RAW_PORTS.has(event.destinationPort) && !RAW_PORTS.has(event.sourcePort);
  }
}

const UNANSWERED_MS_MAX = 180_000;

function isAnswered(event: NetworkEvent): boolean {
  switch (event.kind) {
    case "flow.update":
    case "flow.close":
      return event.sourcePackets > 0 && event.destinationPackets > 0;
    case "anomaly":
      return false;
    default:
      return event.kind !== "flow.open";
  }
}
