// SPDX-License-Identifier: Apache-2.0
// Holds what passed a guest's tap against what its socket sensor told: traffic that the guest
// opened and no process of it owns means that the sensor is blind, or somebody hides from it.
import type { FlowEvent, NetworkEvent, ProcessExitEvent, SocketEvent } from "../model/model.ts";

/** A flow of the guest without an owner. */
export interface HiddenTraffic {
  readonly event: NetworkEvent;
}

/** After the sensor was turned on, and after records of it were lost, nobody is judged so long. */
const SETTLE_MS = 3000;
/** A flow is judged so long after it began: its record may be on the way. */
const GRACE_MS = 3000;
const FLOWS_MAX = 4096;
/** Ports of DHCP, which clients serve with sockets of their own kind. */
const RAW_PORTS: ReadonlySet<number> = new Set([67, 68, 546, 547]);

interface Suspect {
  readonly event: NetworkEvent;
  readonly sinceMs: number;
  isAnswered: boolean;
}

/** Suspicions about one guest. */
export class CrossCheck {
  readonly #tell: (traffic: HiddenTraffic) => void;
  readonly #suspects = new Map<string, Suspect>();
  /** Processes that may send what they like. */
  readonly #raw = new Set<string>();
  #sensorSinceMs = Number.POSITIVE_INFINITY;
  #lostMs = Number.NEGATIVE_INFINITY;
  #nowMs = 0;

  constructor(tell: (traffic: HiddenTraffic) => void) {
    this.#tell = tell;
  }

  setSensor(isOn: boolean, nowMs: number): void {
    if (!isOn) this.#sensorSinceMs = Number.POSITIVE_INFINITY;
    else if (this.#sensorSinceMs === Number.POSITIVE_INFINITY) this.#sensorSinceMs = nowMs;
    if (!isOn) this.#suspects.clear();
  }

  lost(nowMs: number): void {
    this.#lostMs = nowMs;
    this.#suspects.clear();
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
    for (const [key, suspect] of this.#suspects) {
      if (nowMs - suspect.sinceMs < GRACE_MS) return;
      // A connect that nobody answers is told only when it ends.
      if (!suspect.isAnswered) {
        if (nowMs - suspect.sinceMs > UNANSWERED_MS_MAX) this.#suspects.delete(key);
        continue;
      }
      this.#suspects.delete(key);
      if (this.#raw.size === 0) this.#tell({ event: suspect.event });
    }
  }

  // Streams picked up on their way may be older than the sensor; groups and DHCP are no sockets.
  #isJudged(event: FlowEvent): boolean {
    const sinceMs = Math.max(this.#sensorSinceMs, this.#lostMs) + SETTLE_MS;
    if (!(this.#nowMs >= sinceMs)) return false;
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
