// SPDX-License-Identifier: Apache-2.0
// The time that a search is about, so that a store need not look at what is older or newer. Wider
// than the condition is allowed, narrower never.
import { pointValue } from "./evaluate.ts";
import type { Condition } from "./syntax.ts";

/** Milliseconds since 1970, both inclusive; an absent end is open. */
export interface SearchPeriod {
  readonly fromMs?: number;
  readonly toMs?: number;
}

/** Times outside of which no event can pass. */
export function searchPeriod(condition: Condition, nowMs: number): SearchPeriod {
  if (condition.kind === "and") {
    return condition.items.map((item) => searchPeriod(item, nowMs)).reduce(both, {});
  }
  if (condition.kind !== "test" || condition.field !== "time") return {};
  const { test } = condition;
  if (test.kind !== "range") return {};
  const { low, high } = test;
  return {
    ...(low === undefined ? {} : { fromMs: Number(pointValue(low.value, nowMs)) }),
    ...(high === undefined ? {} : { toMs: Number(pointValue(high.value, nowMs)) }),
  };
}

function both(one: SearchPeriod, other: SearchPeriod): SearchPeriod {
  const from = Math.max(one.fromMs ?? -Infinity, other.fromMs ?? -Infinity);
  const to = Math.min(one.toMs ?? Infinity, other.toMs ?? Infinity);
  return {
    ...(from === -Infinity ? {} : { fromMs: from }),
    ...(to === Infinity ? {} : { toMs: to }),
  };
}
