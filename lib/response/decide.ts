// SPDX-License-Identifier: Apache-2.0
// What a policy wants done about one detection: every action that its rule asks for, with whether
// it may be done and why not. Called by the server for each new finding; must not do anything
// itself.
import type { Detection } from "../model/model.ts";
import {
  findPolicyRule,
  fitsAny,
  type PolicyAction,
  type PolicyRule,
  type ResponsePolicy,
} from "./policy.ts";

/** What is done when a finding opens: deny rules are there before, alert is the finding itself. */
export type ResponseAction = Exclude<PolicyAction, "alert" | "deny-exec" | "deny-open">;

/** One action of a rule, and whether it is to be done. */
export interface ResponseStep {
  readonly action: ResponseAction;
  /** ask: a person must agree first. */
  readonly verdict: "ask" | "do" | "dry-run" | "refuse";
  readonly reason: string;
}

/** What a policy makes of one detection. */
export interface ResponseDecision {
  /** Policy and rule that decided, or that none holds. */
  readonly reason: string;
  /** Absent where none holds. */
  readonly rule?: PolicyRule;
  /** In the order in which they are to be done. Empty: the finding is only told. */
  readonly steps: readonly ResponseStep[];
}

/** What is known about where a detection was made. */
export interface DetectionPlace {
  readonly guest: string;
  /** Last component of what the process runs, as far as the server knows. */
  readonly programName: string;
}

/** Evidence before it is gone, then the nearest remedy, then the wider ones. */
const ORDER: readonly ResponseAction[] = [
  "snapshot",
  "kill",
  "kill-tree",
  "drop",
  "isolate",
  "pause",
];

/** Decides about a detection. */
export function decideResponse(
  policy: ResponsePolicy,
  detection: Detection,
  place: DetectionPlace,
): ResponseDecision {
  const { guest } = place;
  const rule = findPolicyRule(policy, { ...detection, guest });
  if (rule === undefined) return { reason: "no rule of the policy holds", steps: [] };
  const reason = `${policy.name}: ${rule.name}`;
  const wanted = ORDER.filter(
    (action) => rule.actions.includes(action) && !isCovered(action, rule),
  );
  const steps = wanted.map((action): ResponseStep => {
    const refusal = refusalOf(policy, detection, place, action);
    if (refusal !== undefined) {
      return { action, verdict: "refuse", reason: `${reason}: ${refusal}` };
    }
    if (policy.dryRun || rule.dryRun) return { action, verdict: "dry-run", reason };
    return { action, verdict: rule.approvalSeconds === undefined ? "do" : "ask", reason };
  });
  return { reason, rule, steps };
}

// The wider of two actions does the narrower one too.
function isCovered(action: ResponseAction, { actions }: PolicyRule): boolean {
  if (action === "kill") return actions.includes("kill-tree");
  return action === "drop" && actions.includes("isolate");
}

function refusalOf(
  policy: ResponsePolicy,
  { event }: Detection,
  { guest, programName }: DetectionPlace,
  action: ResponseAction,
): string | undefined {
  if (fitsAny(policy.protectedGuests, guest)) return `guest ${guest} is protected`;
  if (action !== "kill" && action !== "kill-tree") return undefined;
  if (event.pid === 0) return "no process is known, or it is the kernel";
  if (policy.protectedPids.includes(event.pid)) return `process ${event.pid} is protected`;
  const isProtected = programName !== "" && policy.protectedNames.includes(programName);
  return isProtected ? `${programName} is protected` : undefined;
}
