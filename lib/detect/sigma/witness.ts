// SPDX-License-Identifier: Apache-2.0
// Which triggers wake a rule: a set of which one must be there whenever the rule matches, and that
// is there as seldom as can be. A rule without such a set is asked at every event.
import type { Expression, Leaf } from "./rule.ts";
import type { Trigger } from "./trigger.ts";

/** Triggers of which one must be there, and how often that is, as a guess without a unit. */
export interface Witness {
  readonly numbers: readonly number[];
  readonly cost: number;
}

/** What the choice needs to know of leaves and triggers. */
export interface WitnessContext {
  /** Sets of triggers, of each of which a leaf needs one. */
  readonly choicesOf: (leaf: Leaf) => ReadonlyArray<readonly number[]>;
  readonly trigger: (number: number) => Trigger | undefined;
  /** How many leaves of all rules need a trigger: what many rules ask for is common. */
  readonly uses: (number: number) => number;
}

/** The cheapest set of triggers that a rule needs; undefined where it needs none. */
export function witnessOf(expression: Expression, context: WitnessContext): Witness | undefined {
  switch (expression.kind) {
    case "leaf":
      return cheapestChoice(context.choicesOf(expression), context);
    case "and":
      return cheapestOf(expression.items, context);
    case "or":
      return together(expression.items, context);
    case "not":
      return undefined;
  }
}

/** The cheapest of some sets of triggers. */
export function cheapestChoice(
  choices: ReadonlyArray<readonly number[]>,
  context: WitnessContext,
): Witness | undefined {
  const [only] = choices;
  const [number] = only ?? [];
  if (choices.length === 1 && only?.length === 1 && number !== undefined) {
    return { numbers: only, cost: costOf(number, context) };
  }
  return cheapest(
    choices.map((set) => ({
      numbers: set,
      cost: set.reduce((sum, number) => sum + costOf(number, context), 0),
    })),
  );
}

function costOf(number: number, context: WitnessContext): number {
  const trigger = context.trigger(number);
  return trigger === undefined ? 0 : triggerCost(trigger, context.uses(number));
}

function cheapest(choices: readonly Witness[]): Witness | undefined {
  let best: Witness | undefined;
  for (const choice of choices) if (best === undefined || choice.cost < best.cost) best = choice;
  return best;
}

function cheapestOf(items: readonly Expression[], context: WitnessContext): Witness | undefined {
  let best: Witness | undefined;
  for (const item of items) {
    const found = witnessOf(item, context);
    if (found !== undefined && (best === undefined || found.cost < best.cost)) best = found;
  }
  return best;
}

function together(items: readonly Expression[], context: WitnessContext): Witness | undefined {
  const numbers: number[] = [];
  let cost = 0;
  for (const item of items) {
    const part = witnessOf(item, context);
    if (part === undefined) return undefined;
    for (const number of part.numbers) numbers.push(number);
    cost += part.cost;
  }
  return { numbers, cost };
}

/** By length: how often a literal is found in some text. */
const CONTAINS_COST = [9999, 5000, 1000, 200, 60, 30, 15, 8, 4, 2] as const;
const ENDS_COST = [9999, 3000, 800, 400, 300, 30, 10, 5, 3, 2] as const;
/** A search in all values of an event is the last choice. */
const KEYWORD_COST = 100_000;

function triggerCost({ field, place, text }: Trigger, uses: number): number {
  const costs = place === "contains" ? CONTAINS_COST : ENDS_COST;
  const byLength = place === "equals" ? 2 : (costs[text.length] ?? 1);
  return byLength * (1 + uses) + (field === undefined ? KEYWORD_COST : 0);
}
