// SPDX-License-Identifier: Apache-2.0
// Verdicts of STIX 2.1 patterns over observations (§9.4, §9.5): which observations each comparison
// meets, then a search for different ones that satisfy operators and qualifiers together. The
// search is bounded; a pattern that needs more is an error, never a guess.
import { UndercroftError } from "../../errors/errors.ts";
import type { StixComparison, StixExpression, StixTest } from "./stix-ast.ts";
import { type StixObservation, someValue } from "./stix-observation.ts";
import { parseStixPattern } from "./stix-parser.ts";
import { readStixTime, type ValueTest, valueTest } from "./stix-values.ts";

/** Steps of one search. */
const SEARCH_MAX = 2_000_000;
/** Observations that one binding may hold: the search goes as deep. */
const BINDING_MAX = 500;

/** Tests an observation. */
type ObservationTest = (observation: StixObservation) => boolean;

/** A pattern that is ready to be asked again and again. */
export class StixPattern {
  readonly expression: StixExpression;
  readonly #tests = new Map<StixExpression, ObservationTest>();

  /** @throws {UndercroftError} ERR_UC_PATTERN where the text is no pattern */
  constructor(pattern: string) {
    this.expression = parseStixPattern(pattern);
    this.#prepare(this.expression);
  }

  /**
   * Whether the observations match.
   * @throws {UndercroftError} ERR_UC_PATTERN where a value cannot be compared or the search is too
   *   long
   */
  matches(observations: readonly StixObservation[]): boolean {
    const byTime = [...observations].sort((one, other) => one.lastMs - other.lastMs);
    return new Search(byTime, this.#tests).matches(this.expression);
  }

  #prepare(expression: StixExpression): void {
    if (expression.op === "observe") {
      this.#tests.set(expression, observationTest(expression.comparison));
    } else if ("parts" in expression) {
      for (const part of expression.parts) this.#prepare(part);
    } else {
      this.#prepare(expression.of);
    }
  }
}

type Properties = Readonly<Record<string, unknown>>;
type RootTest = (observation: StixObservation, root: Properties) => boolean;

// Comparisons joined in one pair of brackets speak of one and the same object.
function observationTest(comparison: StixComparison): ObservationTest {
  const test = rootTest(comparison);
  return (observation) => {
    for (const root of observation.objects.values()) {
      if (test(observation, root)) return true;
    }
    return false;
  };
}

function rootTest(comparison: StixComparison): RootTest {
  if (comparison.op === "test") return pathTest(comparison, valueTest(comparison));
  const parts = comparison.parts.map(rootTest);
  return comparison.op === "and"
    ? (observation, root) => parts.every((part) => part(observation, root))
    : (observation, root) => parts.some((part) => part(observation, root));
}

function pathTest(test: StixTest, ofValue: ValueTest): RootTest {
  const isAbsence = test.operator === "EXISTS" && test.isNegated;
  return (observation, root) => {
    if (root.type !== test.path.type) return false;
    return someValue(observation, root, test.path, ofValue) !== isAbsence;
  };
}

/** Goes on with the search; true ends it with success. */
type Continue = () => boolean;

interface Window {
  /** Place in the binding at which the qualified expression begins. */
  readonly start: number;
  readonly durationMs: number;
}

/** One search. What is bound so far is a stack; each operator binds more and calls on. */
class Search {
  readonly #observations: readonly StixObservation[];
  readonly #tests: ReadonlyMap<StixExpression, ObservationTest>;
  readonly #matching = new Map<StixExpression, readonly number[]>();
  readonly #used: Uint32Array;
  readonly #bound: number[] = [];
  readonly #windows: Window[] = [];
  #left = SEARCH_MAX;

  constructor(
    observations: readonly StixObservation[],
    tests: ReadonlyMap<StixExpression, ObservationTest>,
  ) {
    this.#observations = observations;
    this.#tests = tests;
    this.#used = new Uint32Array(observations.length);
  }

  matches(expression: StixExpression): boolean {
    return this.#countVerdict(expression) ?? this.#bind(expression, () => true);
  }

  // `[...] REPEATS n TIMES WITHIN s SECONDS`, the usual case, needs no search: the observations
  // near each one are counted. The same holds without WITHIN.
  #countVerdict(expression: StixExpression): boolean | undefined {
    const inner = expression.op === "within" ? expression.of : expression;
    if (inner.op !== "repeats" || inner.of.op !== "observe") return undefined;
    const matching = this.#match(inner.of);
    const durationMs = expression.op === "within" ? expression.seconds * 1000 : undefined;
    if (durationMs === undefined) return this.#countOf(matching) >= inner.times;
    return matching.some((index) => {
      const start = this.#observations[index]?.lastMs ?? 0;
      const near = matching.filter((one) => {
        const { firstMs = 0, lastMs = 0 } = this.#observations[one] ?? {};
        return lastMs >= start && firstMs <= start + durationMs;
      });
      return this.#countOf(near) >= inner.times;
    });
  }

  #countOf(indexes: readonly number[]): number {
    return indexes.reduce((sum, index) => sum + (this.#observations[index]?.count ?? 0), 0);
  }

  #match(expression: StixExpression): readonly number[] {
    const known = this.#matching.get(expression);
    if (known !== undefined) return known;
    const test = this.#tests.get(expression) ?? (() => false);
    const indexes: number[] = [];
    for (const [index, observation] of this.#observations.entries()) {
      if (test(observation)) indexes.push(index);
    }
    this.#matching.set(expression, indexes);
    return indexes;
  }

  #bind(expression: StixExpression, next: Continue): boolean {
    switch (expression.op) {
      case "observe":
        return this.#bindOne(expression, next);
      case "or":
        return expression.parts.some((part) => this.#bind(part, next));
      case "and":
        return this.#bindAll(expression.parts, 0, next);
      case "followedby":
        return this.#bindInOrder(expression.parts, 0, 0, next);
      case "repeats":
        return this.#repeat(expression.of, expression.times, -1, next);
      case "within":
        return this.#within(expression.of, expression.seconds * 1000, next);
      default:
        return this.#between(expression, next);
    }
  }

  #bindOne(expression: StixExpression, next: Continue): boolean {
    for (const index of this.#match(expression)) {
      if ((this.#used[index] ?? 0) >= (this.#observations[index]?.count ?? 0)) continue;
      if (this.#left-- <= 0) throw undecided(`more than ${SEARCH_MAX} steps`);
      if (this.#bound.length >= BINDING_MAX) throw undecided(`over ${BINDING_MAX} observations`);
      this.#used[index] = (this.#used[index] ?? 0) + 1;
      this.#bound.push(index);
      const isFound = this.#fitsWindows() && next();
      this.#bound.pop();
      this.#used[index] = (this.#used[index] ?? 0) - 1;
      if (isFound) return true;
    }
    return false;
  }

  #bindAll(parts: readonly StixExpression[], at: number, next: Continue): boolean {
    const part = parts[at];
    return part === undefined ? next() : this.#bind(part, () => this.#bindAll(parts, at + 1, next));
  }

  // a FOLLOWEDBY b FOLLOWEDBY c is (a FOLLOWEDBY b) FOLLOWEDBY c: each part after all before it.
  #bindInOrder(
    parts: readonly StixExpression[],
    at: number,
    start: number,
    next: Continue,
  ): boolean {
    const part = parts[at];
    if (part === undefined) return next();
    const from = at === 0 ? this.#bound.length : start;
    const middle = this.#bound.length;
    return this.#bind(part, () => {
      const isInOrder = at === 0 || this.#latestFirst(from, middle) <= this.#earliestLast(middle);
      return isInOrder && this.#bindInOrder(parts, at + 1, from, next);
    });
  }

  // The order of repetitions says nothing, so only bindings in the order of their first
  // observations are tried.
  #repeat(of: StixExpression, times: number, lowest: number, next: Continue): boolean {
    if (times === 0) return next();
    const start = this.#bound.length;
    return this.#bind(of, () => {
      const first = this.#bound[start] ?? 0;
      return first >= lowest && this.#repeat(of, times - 1, first, next);
    });
  }

  #within(of: StixExpression, durationMs: number, next: Continue): boolean {
    const window = { start: this.#bound.length, durationMs };
    this.#windows.push(window);
    const isFound = this.#bind(of, () => {
      // What is bound later is not of this window.
      this.#windows.pop();
      const isDone = next();
      this.#windows.push(window);
      return isDone;
    });
    this.#windows.pop();
    return isFound;
  }

  // More observations only make a window tighter, so one that is too far ends a branch at once.
  #fitsWindows(): boolean {
    return this.#windows.every(({ start, durationMs }) => {
      const end = this.#earliestLast(start) + durationMs;
      return this.#latestFirst(start, this.#bound.length) <= end;
    });
  }

  #between(expression: StixExpression & { readonly op: "between" }, next: Continue): boolean {
    const startMs = timeMs(expression.start);
    const stopMs = timeMs(expression.stop);
    if (startMs >= stopMs) return false;
    const from = this.#bound.length;
    return this.#bind(expression.of, () => {
      const isInside = this.#bound.slice(from).every((index) => {
        const { firstMs = 0, lastMs = 0 } = this.#observations[index] ?? {};
        return lastMs >= startMs && firstMs < stopMs;
      });
      return isInside && next();
    });
  }

  #latestFirst(from: number, to: number): number {
    let latest = Number.NEGATIVE_INFINITY;
    for (let at = from; at < to; at++) {
      const { firstMs = 0 } = this.#observations[this.#bound[at] ?? 0] ?? {};
      if (firstMs > latest) latest = firstMs;
    }
    return latest;
  }

  #earliestLast(from: number): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (let at = from; at < this.#bound.length; at++) {
      const { lastMs = 0 } = this.#observations[this.#bound[at] ?? 0] ?? {};
      if (lastMs < earliest) earliest = lastMs;
    }
    return earliest;
  }
}

function timeMs(text: string): number {
  const { seconds = 0, fraction = "" } = readStixTime(text) ?? {};
  return seconds * 1000 + Number(`0.${fraction || "0"}`) * 1000;
}

function undecided(why: string): UndercroftError {
  return new UndercroftError("ERR_UC_PATTERN", `a pattern's search needs ${why}; no verdict`);
}
