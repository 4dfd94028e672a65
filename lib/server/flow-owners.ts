// SPDX-License-Identifier: Apache-2.0
// Which process of a guest owns which flow: what its socket sensor told, by the ends of the flow
// as the guest sees them. Bounded; the pair told longest ago makes room, and that is counted.
import type {
  DnsQueryEvent,
  NetworkEvent,
  ProcessExitEvent,
  ProcessIdentity,
  SocketEvent,
} from "../model/model.ts";

/** Who a socket belonged to, and from when to when on the server's clock. */
export interface FlowOwner extends ProcessIdentity {
  readonly sinceMs: number;
  readonly endedMs: number;
  readonly networkNamespace: number;
}

const OWNERS_MAX = 16_384;
/** Packets of a process may be seen so long after it was told to have ended. */
const LATE_MS = 2000;
const PROTOCOLS: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp" };

/** Sockets of one guest, by the ends of their flows. */
export class FlowOwners {
  readonly #owners = new Map<string, FlowOwner>();
  #evicted = 0;

  /** Pairs that were forgotten for want of room. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Takes a socket event; returns the key of the flow that has an owner now. */
  take(event: SocketEvent | DnsQueryEvent): string | undefined {
    const transport = PROTOCOLS[event.protocol];
    if (transport === undefined || event.remotePort === 0) return undefined;
    const key = keyOf(transport, event.localPort, event.remoteAddress, event.remotePort);
    const { guest, boot, pid, processStartNs, execGeneration } = event;
    this.#owners.delete(key);
    this.#owners.set(key, {
      ...{ guest, boot, pid, processStartNs, execGeneration },
      ...{ sinceMs: event.timeMs, endedMs: Number.POSITIVE_INFINITY },
      networkNamespace: event.networkNamespace,
    });
    if (this.#owners.size > OWNERS_MAX) this.#forgetOldest();
    return key;
  }

  /** What a process did before it ended is still its own; what comes later is not. */
  exited(event: ProcessExitEvent): void {
    for (const [key, owner] of this.#owners) {
      const isSame = owner.pid === event.pid && owner.processStartNs === event.processStartNs;
      if (isSame) this.#owners.set(key, { ...owner, endedMs: event.timeMs });
    }
  }

  find(key: string, timeMs: number): FlowOwner | undefined {
    const owner = this.#owners.get(key);
    return owner !== undefined && timeMs <= owner.endedMs + LATE_MS ? owner : undefined;
  }

  #forgetOldest(): void {
    for (const key of this.#owners.keys()) {
      this.#owners.delete(key);
      this.#evicted++;
      return;
    }
  }
}

/** Key of the flow that an event belongs to, as the guest's sockets have it. */
export function flowKey(event: NetworkEvent, outbound: boolean): string {
  return outbound
    ? keyOf(event.transport, event.sourcePort, event.destinationAddress, event.destinationPort)
    : keyOf(event.transport, event.destinationPort, event.sourceAddress, event.sourcePort);
}

function keyOf(transport: string, local: number, remote: string, remotePort: number): string {
  return `${transport} ${local} ${remote} ${remotePort}`;
}
