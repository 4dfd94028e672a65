// SPDX-License-Identifier: Apache-2.0
// The response policy as data, and the decision about one detection. Called by the server for each
// new finding; must not do anything itself.
import type { Detection, EvidenceEvent, GuestCommand, Severity } from "../model/model.ts";

export type PolicyAction = "alert" | "kill" | "deny-open" | "deny-exec" | "drop" | "isolate";

/** Holds for detections that carry one of the tags (or all, where none is given). */
export interface PolicyRule {
  readonly name: string;
  readonly tags: readonly string[];
  readonly severityMin: Severity;
  readonly actions: readonly PolicyAction[];
  /** How long drop and isolate hold. Default: an hour. */
  readonly blockSeconds?: number;
}

export interface ResponsePolicy {
  readonly name: string;
  /** Tried in order; the first that holds decides. */
  readonly rules: readonly PolicyRule[];
  /** Never killed, whatever matches. */
  readonly protectedPids: readonly number[];
  readonly protectedNames: readonly string[];
  /** Addresses and ranges that an isolated guest may still reach. */
  readonly isolationAllow: readonly string[];
}

/** What a policy wants done about one detection. */
export type ResponseDecision =
  | { readonly action: "alert"; readonly reason: string }
  | { readonly action: "refused"; readonly reason: string }
  | {
      readonly action: "kill";
      readonly reason: string;
      readonly requestedBy: string;
      readonly command: GuestCommand;
    };

/**
 * Kills what runs with a bad hash or command line; refuses bad paths and names beforehand; drops
 * traffic with bad addresses, names and fingerprints.
 */
export const DEFAULT_POLICY: ResponsePolicy = {
  name: "default",
  rules: [
    {
      name: "kill bad programs",
      tags: ["indicator.sha256", "indicator.command-line"],
      severityMin: "medium",
      actions: ["alert", "kill"],
    },
    {
      name: "refuse bad files",
      tags: ["indicator.path", "indicator.name"],
      severityMin: "medium",
      actions: ["alert", "deny-open", "deny-exec"],
    },
    {
      name: "cut bad traffic off",
      tags: ["indicator.network"],
      severityMin: "medium",
      actions: ["alert", "drop"],
    },
  ],
  isolationAllow: [],
  protectedPids: [1],
  protectedNames: ["systemd", "init", "dbus-daemon", "sshd", "libvirtd"],
};

const SEVERITY_ORDER: readonly Severity[] = ["informational", "low", "medium", "high", "critical"];

/** The rule of a policy that holds for these tags and this severity. */
export function policyRule(
  policy: ResponsePolicy,
  tags: readonly string[],
  severity: Severity,
): PolicyRule | undefined {
  const level = SEVERITY_ORDER.indexOf(severity);
  return policy.rules.find(
    (rule) =>
      level >= SEVERITY_ORDER.indexOf(rule.severityMin) &&
      (rule.tags.length === 0 || rule.tags.some((tag) => tags.includes(tag))),
  );
}

/** Orders severities: negative when `one` weighs less. */
export function compareSeverity(one: Severity, other: Severity): number {
  return SEVERITY_ORDER.indexOf(one) - SEVERITY_ORDER.indexOf(other);
}

/**
 * Decides about a detection. programName: last component of what the process runs, as far as the
 * server knows, for the list of protected names.
 */
export function decideResponse(
  policy: ResponsePolicy,
  detection: Detection,
  programName: string,
): ResponseDecision {
  const rule = policyRule(policy, detection.tags, detection.severity);
  if (rule === undefined) return { action: "alert", reason: "no rule of the policy holds" };
  const requestedBy = `policy:${policy.name}`;
  const reason = `${policy.name}: ${rule.name}`;
  if (!rule.actions.includes("kill")) return { action: "alert", reason };
  const process = culprit(detection.event);
  if (process.pid === 0)
    return { action: "refused", reason: `${reason}: no process is known, or it is the kernel` };
  if (policy.protectedPids.includes(process.pid)) {
    return { action: "refused", reason: `${reason}: process ${process.pid} is protected` };
  }
  if (programName !== "" && policy.protectedNames.includes(programName)) {
    return { action: "refused", reason: `${reason}: ${programName} is protected` };
  }
  const command: GuestCommand = { kind: "kill-process", ...process };
  return { action: "kill", reason, requestedBy, command };
}

// The generation is part of the identity: a process that executes something else by the time the
// command arrives is not the one that was found.
function culprit(event: EvidenceEvent): {
  readonly pid: number;
  readonly processStartNs: bigint;
  readonly execGeneration: number;
} {
  const { pid, processStartNs, execGeneration } = event;
  return { pid, processStartNs, execGeneration };
}
