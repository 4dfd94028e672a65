// SPDX-License-Identifier: Apache-2.0
// The rules at a guest's tap that carry out drop and isolate. Called by the server; must not do
// anything itself.
import type { BlockRule, Detection, GuestEvent, GuestNetworkEvent } from "../model/model.ts";
import type { PolicyRule } from "./policy.ts";

/** A rule before it has an id. */
export type TapRule = Omit<BlockRule, "id">;

const EXPIRES_MS = 3_600_000;
const TCP = 6;
const UDP = 17;

/** How long the rules that a policy's rule leads to hold at a tap, in ms. */
export function blockMs({ blockSeconds }: PolicyRule): number {
  return blockSeconds === undefined ? EXPIRES_MS : blockSeconds * 1000;
}

/**
 * Rules that cut off what a detection found: the listed address or range, the addresses that a
 * listed name was answered with, else the peer of the flow at its port. slots: the guest's
 * interfaces, for what a driver told and no tap. None where the event names no peer.
 */
export function planDrops(
  { rule: source, event }: Detection,
  slots: readonly number[],
  expiresInMs: number,
): TapRule[] {
  const rule = { action: "drop" as const, expiresInMs };
  const listed = /^ip:(.+)$/.exec(source)?.[1];
  if (!("slot" in event)) {
    const match = listed === undefined ? socketMatch(event) : { remote: listed };
    return match === undefined ? [] : slots.map((slot) => ({ ...rule, slot, ...match }));
  }
  const { slot } = event;
  if (listed !== undefined) return [{ ...rule, slot, remote: listed }];
  if (event.kind === "dns") {
    return event.answers.filter(isAddress).map((remote) => ({ ...rule, slot, remote }));
  }
  return [{ ...rule, slot, ...flowMatch(event) }];
}

type TapMatch = Pick<BlockRule, "localPort" | "protocol" | "remote" | "remotePort">;

function flowMatch(event: GuestNetworkEvent): TapMatch {
  const remote = event.outbound ? event.destinationAddress : event.sourceAddress;
  const remotePort = event.outbound ? event.destinationPort : event.sourcePort;
  if (event.transport !== "tcp" && event.transport !== "udp") return { remote };
  const protocol = event.transport === "tcp" ? TCP : UDP;
  return event.outbound
    ? { remote, protocol, remotePort }
    : { remote, protocol, localPort: event.destinationPort };
}

function socketMatch(event: GuestEvent): TapMatch | undefined {
  if (event.kind !== "socket.connect" && event.kind !== "socket.send") return undefined;
  const { remoteAddress, remotePort } = event;
  return remoteAddress === ""
    ? undefined
    : { remote: remoteAddress, remotePort, protocol: event.protocol };
}

/** Rules that leave a guest's interface nothing but what the policy allows. */
export function planIsolation(
  slot: number,
  allow: readonly string[],
  expiresInMs: number,
): TapRule[] {
  const allowed = allow.map((remote) => ({ slot, action: "allow" as const, remote, expiresInMs }));
  return [{ slot, action: "isolate", expiresInMs }, ...allowed];
}

// Answers hold names and other texts too.
function isAddress(answer: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(answer) || /^[0-9a-f:]*:[0-9a-f:.]*$/.test(answer);
}
