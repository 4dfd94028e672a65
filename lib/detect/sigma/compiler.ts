// SPDX-License-Identifier: Apache-2.0
// Rules to closures over one event's state. Leaves that the scan answers cost one comparison of
// numbers; the others are asked in the plain way, at most once an event however many rules do.
import type { EventState } from "./event-state.ts";
import { leafMatches, valueMatches } from "./leaf-test.ts";
import { regexNeeds } from "./regex-needs.ts";
import type { Expression, Leaf, SigmaRule, Test } from "./rule.ts";
import { matchesPattern } from "./text-pattern.ts";
import { leafNeeds, type NeededLiteral, type Trigger, TriggerTable } from "./trigger.ts";
import { cheapestChoice, type WitnessContext, witnessOf } from "./witness.ts";

/** Answers for the event at hand. */
export type Check = (state: EventState) => boolean;

/** Literals this short are in nearly every text: they are looked for only where asked for. */
const SCANNED_LENGTH_MIN = 3;

const NO_TRIGGERS = new Int32Array(0);

/** A rule ready to run. */
export interface CompiledRule {
  readonly rule: SigmaRule;
  readonly check: Check;
  /** Triggers that wake it; undefined: every event does. */
  readonly witness: Int32Array | undefined;
  /** Triggers that its check reads; a scan must look for these. */
  readonly triggers: Int32Array;
}

/** Sets of triggers, of each of which a leaf needs one. */
type Choices = ReadonlyArray<readonly number[]>;

/** A rule set compiled. */
export class CompiledRules {
  readonly rules: readonly CompiledRule[];
  readonly table: TriggerTable = new TriggerTable();
  /** Names of all fields that rules ask for; their places are their numbers. */
  readonly fields: string[] = [];
  /** Leaves that are asked in the plain way. */
  leafCount = 0;
  readonly #fieldNumbers = new Map<string, number>();
  /** The trigger that is the same as the leaf: true of nearly all. */
  readonly #exact = new Map<Leaf, number>();
  /** What the other leaves need. */
  readonly #choices = new Map<Leaf, Choices>();
  readonly #uses: number[] = [];
  /** By their own text: leaves of many rules that ask the same. */
  readonly #lazy = new Map<string, Check>();

  constructor(rules: readonly SigmaRule[]) {
    for (const rule of rules) this.#plan(rule.expression);
    const witnesses = rules.map(({ expression }) => {
      const witness = witnessOf(expression, this.#witnessContext);
      return witness === undefined ? undefined : numbersOf(new Set(witness.numbers));
    });
    const waking = new Uint8Array(this.table.triggers.length);
    for (const witness of witnesses) for (const number of witness ?? []) waking[number] = 1;
    this.rules = rules.map((rule, index) => this.#compile(rule, witnesses[index], waking));
    // Only the compiling itself needs these.
    for (const map of [this.#exact, this.#choices, this.#lazy]) map.clear();
    this.table.close();
  }

  /** The number of a field. */
  fieldNumber(field: string): number {
    const known = this.#fieldNumbers.get(field);
    if (known !== undefined) return known;
    const number = this.fields.push(field) - 1;
    this.#fieldNumbers.set(field, number);
    return number;
  }

  get #witnessContext(): WitnessContext {
    return {
      choicesOf: (leaf) => this.#choicesOf(leaf),
      trigger: (number) => this.table.triggers[number],
      uses: (number) => this.#uses[number] ?? 0,
    };
  }

  #plan(expression: Expression): void {
    if (expression.kind === "not") this.#plan(expression.item);
    else if (expression.kind !== "leaf") for (const item of expression.items) this.#plan(item);
    else this.#planLeaf(expression);
  }

  #planLeaf(leaf: Leaf): void {
    if (this.#exact.has(leaf) || this.#choices.has(leaf)) return;
    const { choices, exact } = leafNeeds(leaf);
    const numberOf = ({ place, text }: NeededLiteral): number => {
      const number = this.table.number(leaf.field, place, text);
      this.#uses[number] = (this.#uses[number] ?? 0) + 1;
      return number;
    };
    const [first] = choices[0] ?? [];
    // Nearly all are one literal, for which no list is kept.
    if (exact && first !== undefined) this.#exact.set(leaf, numberOf(first));
    else if (choices.length > 0)
      this.#choices.set(
        leaf,
        choices.map((set) => set.map(numberOf)),
      );
  }

  #choicesOf(leaf: Leaf): Choices {
    const exact = this.#exact.get(leaf);
    return exact === undefined ? (this.#choices.get(leaf) ?? []) : [[exact]];
  }

  #compile(rule: SigmaRule, witness: Int32Array | undefined, waking: Uint8Array): CompiledRule {
    const triggers = new Set(witness);
    const check = this.#check(rule.expression, waking, triggers);
    return { rule, check, witness, triggers: numbersOf(triggers) };
  }

  #check(expression: Expression, waking: Uint8Array, triggers: Set<number>): Check {
    switch (expression.kind) {
      case "leaf":
        return this.#leafCheck(expression, waking, triggers);
      case "not": {
        const check = this.#check(expression.item, waking, triggers);
        return (state) => !check(state);
      }
      default:
        return this.#listCheck(expression, waking, triggers);
    }
  }

  /** Scanned leaves of a list first, in one loop; then the others, regular expressions last. */
  #listCheck(
    { kind, items }: Expression & { readonly kind: "and" | "or" },
    waking: Uint8Array,
    triggers: Set<number>,
  ): Check {
    const scanned: number[] = [];
    const others: Expression[] = [];
    for (const item of items) {
      const number = item.kind === "leaf" ? this.#scannedTrigger(item, waking) : undefined;
      if (number === undefined) others.push(item);
      else scanned.push(number);
    }
    for (const number of scanned) triggers.add(number);
    others.sort((one, two) => weightOf(one) - weightOf(two));
    const checks = others.map((item) => this.#check(item, waking, triggers));
    if (scanned.length > 0) checks.unshift(triggersCheck(kind, Int32Array.from(scanned)));
    return joinedChecks(kind, checks);
  }

  /** The trigger whose scan answers a leaf. */
  #scannedTrigger(leaf: Leaf, waking: Uint8Array): number | undefined {
    const exact = this.#exact.get(leaf);
    if (exact === undefined || waking[exact] === 1) return exact;
    return isWorthScanning(this.table.triggers[exact]) ? exact : undefined;
  }

  #leafCheck(leaf: Leaf, waking: Uint8Array, triggers: Set<number>): Check {
    const scanned = this.#scannedTrigger(leaf, waking);
    if (scanned === undefined) return this.#lazyCheck(leaf, triggers);
    triggers.add(scanned);
    return (state) => state.stamps[scanned] === state.epoch;
  }

  /** A leaf asked in the plain way, if what it needs is there; kept for other rules. */
  #lazyCheck(leaf: Leaf, triggers: Set<number>): Check {
    const guard = this.#guardOf(leaf);
    for (const number of guard) triggers.add(number);
    const key = `${leaf.field ?? ""}\0${testKey(leaf.test)}`;
    const known = this.#lazy.get(key);
    if (known !== undefined) return known;
    const check = this.#remembered(this.#ask(leaf));
    const guarded =
      guard.length === 0 ? check : joinedChecks("and", [triggersCheck("or", guard), check]);
    this.#lazy.set(key, guarded);
    return guarded;
  }

  /** Triggers of which one must be seen before a leaf is asked. */
  #guardOf(leaf: Leaf): Int32Array {
    if (this.#exact.has(leaf)) return NO_TRIGGERS;
    const usable = this.#choicesOf(leaf).filter((set) =>
      set.every((number) => isWorthScanning(this.table.triggers[number])),
    );
    return Int32Array.from(cheapestChoice(usable, this.#witnessContext)?.numbers ?? []);
  }

  /** Asks at most once an event. */
  #remembered(ask: Check): Check {
    const number = this.leafCount;
    this.leafCount += 1;
    return (state) => {
      const answer = state.answers[number] ?? 0;
      if (answer >> 1 === state.epoch) return (answer & 1) !== 0;
      const isTrue = ask(state);
      state.answers[number] = state.epoch * 2 + (isTrue ? 1 : 0);
      return isTrue;
    };
  }

  #ask(leaf: Leaf): Check {
    if (leaf.field === undefined) return (state) => leafMatches(leaf, state.event);
    const { test } = leaf;
    const field = this.fieldNumber(leaf.field);
    if (test.kind === "regex") return regexAsk(test, field);
    if (test.kind !== "text" || test.cased || test.dashes) {
      return (state) => valueMatches(test, state.value(field), state.event);
    }
    const { pattern } = test;
    return (state) => {
      const value = state.value(field);
      if (typeof value !== "string") return valueMatches(test, value, state.event);
      return matchesPattern(pattern, state.folded(field, value));
    };
  }
}

function numbersOf(numbers: ReadonlySet<number>): Int32Array {
  const result = new Int32Array(numbers.size);
  let at = 0;
  for (const number of numbers) {
    result[at] = number;
    at += 1;
  }
  return result;
}

function isWorthScanning(trigger: Trigger | undefined): boolean {
  if (trigger?.field === undefined) return false;
  return trigger.place !== "contains" || trigger.text.length >= SCANNED_LENGTH_MIN;
}

/** Sets of more literals take as long to look for as the expression itself. */
const LOOKED_SET_MAX = 4;

/** Of a text too short to match, or without what a match needs, the expression is not asked. */
function regexAsk(test: Test & { readonly kind: "regex" }, field: number): Check {
  const { lengthMin, choices } = regexNeeds(test.source, test.flags);
  const looked = choices.filter((set) => set.length <= LOOKED_SET_MAX);
  return (state) => {
    const value = state.value(field);
    if (typeof value === "string") {
      if (value.length < lengthMin) return false;
      if (looked.length > 0 && !holdsEach(looked, state.folded(field, value))) return false;
    }
    return valueMatches(test, value, state.event);
  };
}

function holdsEach(sets: ReadonlyArray<readonly string[]>, text: string): boolean {
  for (let at = 0; at < sets.length; at++) {
    if (sets[at]?.some((literal) => text.includes(literal)) !== true) return false;
  }
  return true;
}

function triggersCheck(kind: "and" | "or", numbers: Int32Array): Check {
  const [first = 0] = numbers;
  if (numbers.length === 1) return (state) => state.stamps[first] === state.epoch;
  if (kind === "and") {
    return ({ stamps, epoch }) => {
      for (let at = 0; at < numbers.length; at++) {
        if (stamps[numbers[at] ?? 0] !== epoch) return false;
      }
      return true;
    };
  }
  return ({ stamps, epoch }) => {
    for (let at = 0; at < numbers.length; at++) {
      if (stamps[numbers[at] ?? 0] === epoch) return true;
    }
    return false;
  };
}

function joinedChecks(kind: "and" | "or", checks: readonly Check[]): Check {
  const [first, second] = checks;
  if (first === undefined) return () => kind === "and";
  if (second === undefined) return first;
  const isAnd = kind === "and";
  if (checks.length === 2) {
    return isAnd
      ? (state) => first(state) && second(state)
      : (state) => first(state) || second(state);
  }
  return (state) => {
    for (let at = 0; at < checks.length; at++) if (checks[at]?.(state) !== isAnd) return !isAnd;
    return isAnd;
  };
}

/** What costs more is asked later. */
function weightOf(expression: Expression): number {
  if (expression.kind === "not") return weightOf(expression.item);
  if (expression.kind !== "leaf") return 1;
  if (expression.test.kind === "regex") return 3;
  return expression.field === undefined ? 2 : 0;
}

function testKey(test: Test): string {
  if (test.kind === "cidr") return `cidr ${test.text}`;
  return JSON.stringify(test);
}
