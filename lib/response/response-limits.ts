// SPDX-License-Identifier: Apache-2.0
// Counts responses against the limits of a policy, so that a rule gone wrong, or a guest that makes
// findings on purpose, cannot make the server do harm at speed. Held by the server.
import type { PolicyRule, ResponseLimit, ResponsePolicy } from "./policy.ts";

/** When responses were made, by rule; the empty name stands for all of them. */
export class ResponseLimits {
  readonly #made = new Map<string, number[]>();

  /** Counts a response. Returns why it is one too many, and then counts nothing. */
  take(policy: ResponsePolicy, rule: PolicyRule, nowMs: number): string | undefined {
    const ofRule = this.#room(`rule ${rule.name}`, rule.limit, nowMs);
    const ofAll = this.#room("", policy.limit, nowMs);
    if (ofRule === "full") return `the limit of rule "${rule.name}" is reached`;
    if (ofAll === "full") return "the limit of the policy is reached";
    ofRule?.push(nowMs);
    ofAll?.push(nowMs);
    return undefined;
  }

  #room(
    key: string,
    limit: ResponseLimit | undefined,
    nowMs: number,
  ): number[] | "full" | undefined {
    if (limit === undefined) return undefined;
    const since = nowMs - limit.seconds * 1000;
    const made = (this.#made.get(key) ?? []).filter((ms) => ms > since);
    this.#made.set(key, made);
    return made.length < limit.count ? made : "full";
  }
}
