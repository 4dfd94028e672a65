// SPDX-License-Identifier: Apache-2.0
// What the detect room shows of its Sigma engine.
export * from "./problem.ts";
export type * from "./rule.ts";
export * from "./rule-set.ts";
