// SPDX-License-Identifier: Apache-2.0
// What a policy wants done at a guest's tap about one detection, and the rules that do it. Called
// by the server for detections of the network; must not do anything itself.
import type { BlockRule, Detection, GuestNetworkEvent } from "../model/model.ts";
import { policyRule, type ResponsePolicy } from "./policy.ts";

export interface TapDecision {
  readonly action: "none" | "drop" | "isolate";
  readonly reason: string;
  readonly requestedBy: string;
  /** How long the rules hold. */
  readonly expiresInMs: number;
}

/** A rule before it has an id. */
export type TapRule = Omit<BlockRule, "id">;

const EXPIRES_MS = 3_600_000;
const TCP = 6;
const UDP = 17;

/** Decides about a detection; isolation goes before single drops. */
export function decideTapResponse(policy: ResponsePolicy, detection: Detection): TapDecision {
  const rule = policyRule(policy, detection.tags, detection.severity);
  const actions = rule?.actions ?? [];
  const action = actions.includes("isolate")
    ? "isolate"
    : actions.includes("drop")
      ? "drop"
      : "none";
  const seconds = rule?.blockSeconds;
  return {
    action,
    reason: rule === undefined ? "no rule of the policy holds" : `${policy.name}: ${rule.name}`,
    requestedBy: `policy:${policy.name}`,
    expiresInMs: seconds === undefined ? EXPIRES_MS : seconds * 1000,
  };
}

/**
 * Rules that cut off what a detection found: the listed address or range, the addresses that a
 * listed name was answered with, else the peer of the flow at its port.
 */
export function planDrops(
  detection: Detection,
  event: GuestNetworkEvent,
  expiresInMs: number,
): TapRule[] {
  const rule = { slot: event.slot, action: "drop" as const, expiresInMs };
  const listed = /^ip:(.+)$/.exec(detection.rule)?.[1];
  if (listed !== undefined) return [{ ...rule, remote: listed }];
  if (event.kind === "dns")
    return event.answers.filter(isAddress).map((remote) => ({ ...rule, remote }));
  const remote = event.outbound ? event.destinationAddress : event.sourceAddress;
  const remotePort = event.outbound ? event.destinationPort : event.sourcePort;
  if (event.transport !== "tcp" && event.transport !== "udp") return [{ ...rule, remote }];
  const protocol = event.transport === "tcp" ? TCP : UDP;
  return event.outbound
    ? [{ ...rule, remote, protocol, remotePort }]
    : [{ ...rule, remote, protocol, localPort: event.destinationPort }];
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
