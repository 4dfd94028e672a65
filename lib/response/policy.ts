// SPDX-License-Identifier: Apache-2.0
// The response policy as data: which finding, on which guests, is answered how. Written by people
// (policy-parse.ts reads it), asked by decide.ts; must not do anything itself.
import type { Severity } from "../model/model.ts";

/** What a rule may ask for. alert asks for nothing but the finding. */
export type PolicyAction =
  | "alert"
  | "deny-exec"
  | "deny-open"
  | "drop"
  | "isolate"
  | "kill"
  | "kill-tree"
  | "pause"
  | "snapshot";

/** So many responses in so much time. */
export interface ResponseLimit {
  readonly count: number;
  readonly seconds: number;
}

/** Holds for findings that fit all that it names; what it leaves out fits anything. */
export interface PolicyRule {
  readonly name: string;
  /** One of these tags. */
  readonly tags: readonly string[];
  /** One of these ids of rules or indicators; `*` stands for anything. */
  readonly rules: readonly string[];
  readonly severityMin: Severity;
  /** One of these names of guests; `*` stands for anything. */
  readonly guests: readonly string[];
  readonly actions: readonly PolicyAction[];
  /** How long drop and isolate hold. Default: an hour. */
  readonly blockSeconds?: number;
  /** Decided and told, but not done. */
  readonly dryRun: boolean;
  /** A person must agree within this time, or nothing is done. Absent: nobody is asked. */
  readonly approvalSeconds?: number;
  /** Beyond it a finding is only told. */
  readonly limit?: ResponseLimit;
}

export interface ResponsePolicy {
  readonly name: string;
  /** Nothing of the policy is done, only told. */
  readonly dryRun: boolean;
  /** Tried in order; the first that holds decides. */
  readonly rules: readonly PolicyRule[];
  /** Never killed, whatever matches. */
  readonly protectedPids: readonly number[];
  readonly protectedNames: readonly string[];
  /** Guests to which nothing is done but telling and refusing files; `*` stands for anything. */
  readonly protectedGuests: readonly string[];
  /** Addresses and ranges that an isolated guest may still reach. */
  readonly isolationAllow: readonly string[];
  /** For all rules together. */
  readonly limit?: ResponseLimit;
}

/** A rule with only what is needed; the rest fits anything. */
export function policyRule(
  rule: Pick<PolicyRule, "actions" | "name"> & Partial<PolicyRule>,
): PolicyRule {
  const any = { tags: [], rules: [], guests: [], severityMin: "informational", dryRun: false };
  return { ...any, ...rule } as PolicyRule;
}

/**
 * Kills what runs with a bad hash or command line; refuses bad paths and names beforehand; drops
 * traffic with bad addresses, names and fingerprints.
 */
export const DEFAULT_POLICY: ResponsePolicy = {
  name: "default",
  dryRun: false,
  rules: [
    policyRule({
      name: "kill bad programs",
      tags: ["indicator.sha256", "indicator.command-line"],
      severityMin: "medium",
      actions: ["alert", "kill"],
    }),
    policyRule({
      name: "refuse bad files",
      tags: ["indicator.path", "indicator.name"],
      severityMin: "medium",
      actions: ["alert", "deny-open", "deny-exec"],
    }),
    policyRule({
      name: "cut bad traffic off",
      tags: ["indicator.network"],
      severityMin: "medium",
      actions: ["alert", "drop"],
    }),
  ],
  isolationAllow: [],
  protectedPids: [1],
  protectedNames: ["systemd", "init", "dbus-daemon", "sshd", "libvirtd"],
  protectedGuests: [],
};

/** What a policy asks about a finding. */
export interface FindingFacts {
  readonly guest: string;
  /** Id of the rule or indicator behind it. */
  readonly rule: string;
  readonly severity: Severity;
  readonly tags: readonly string[];
}

const SEVERITY_ORDER: readonly Severity[] = ["informational", "low", "medium", "high", "critical"];

/** The rule of a policy that holds for a finding: the first that fits. */
export function findPolicyRule(
  policy: ResponsePolicy,
  finding: FindingFacts,
): PolicyRule | undefined {
  return policy.rules.find(
    ({ severityMin, tags, rules, guests }) =>
      compareSeverity(finding.severity, severityMin) >= 0 &&
      (tags.length === 0 || tags.some((tag) => finding.tags.includes(tag))) &&
      (rules.length === 0 || fitsAny(rules, finding.rule)) &&
      (guests.length === 0 || fitsAny(guests, finding.guest)),
  );
}

/** Whether a text fits one of some patterns, in which `*` stands for anything. */
export function fitsAny(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) => fits(pattern, text));
}

/** Orders severities: negative when `one` weighs less. */
export function compareSeverity(one: Severity, other: Severity): number {
  return SEVERITY_ORDER.indexOf(one) - SEVERITY_ORDER.indexOf(other);
}

// Each part between stars at its first place after the one before: linear, never back.
function fits(pattern: string, text: string): boolean {
  const parts = pattern.split("*");
  const [first = ""] = parts;
  if (parts.length === 1) return pattern === text;
  const last = parts.at(-1) ?? "";
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
