// SPDX-License-Identifier: Apache-2.0
// What the detect room shows of its Sigma engine.
export type {
  CorrelationMatch,
  CorrelatorOptions,
  CorrelatorState,
  CorrelatorStats,
} from "./correlator.ts";
export * from "./engine.ts";
export * from "./event.ts";
export * from "./explain.ts";
export { recordEvent } from "./flat-record.ts";
export { type GuestFacts, guestMappings, guestSigmaEvent } from "./guest-event.ts";
export { ruleMatches } from "./interpreter.ts";
export { Matcher, type MatcherStats } from "./matcher.ts";
export { networkMappings, networkSigmaEvent } from "./network-event.ts";
export * from "./problem.ts";
export type * from "./rule.ts";
export * from "./rule-set.ts";
export { windowsEvent } from "./windows-event.ts";
