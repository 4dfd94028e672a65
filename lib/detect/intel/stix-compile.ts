// SPDX-License-Identifier: Apache-2.0
// Turns a STIX pattern into values that the stores can look up, which nearly all patterns of feeds
// are: one comparison, or several joined by OR, or by AND with one that identifies. The rest stays
// a pattern. Used by the STIX importer, and by that of OpenIOC for its own trees.
import type { IndicatorKind, Observable } from "../../model/model.ts";
import { isDigest, observable } from "./indicator-kinds.ts";
import type { StixComparison, StixExpression, StixLiteral, StixTest } from "./stix-ast.ts";
import { isContext, stixObservable } from "./stix-kinds.ts";

/** Values that must all hold. */
export type Conjunction = readonly Observable[];

/** What a pattern compiles to. */
export interface CompiledPattern {
  /** Any of these is a match; undefined where only an evaluation tells. */
  readonly anyOf?: readonly Conjunction[];
  /** Every value of ours that the pattern names in a positive test. */
  readonly named: readonly Observable[];
  /** Values that are none of their kind. */
  readonly faults: readonly string[];
}

/** Alternatives that one pattern may have; beyond, it stays a pattern. */
const ALTERNATIVES_MAX = 1000;
const NAMED_MAX = 64;

/** Which value says most, the first one: it is looked up, the others are conditions. */
const STRENGTH: readonly IndicatorKind[] = [
  ...(["sha256", "sha512", "sha3-256", "sha3-512", "sha384", "sha3-384", "sha512-256"] as const),
  ...(["sha224", "sha3-224", "sha512-224", "authentihash", "sha1", "md5"] as const),
  ...(["certificate", "certificate-sha1", "certificate-md5", "ja4", "ja3", "hassh"] as const),
  ...(["url", "domain", "address", "email", "registry-key", "mutex", "path"] as const),
  ...(["command-line", "imphash", "pehash", "vhash", "ssdeep", "tlsh", "pipe", "service"] as const),
  ...(["registry-value", "user-agent", "http-path", "email-attachment", "name", "mac"] as const),
];

/** The same values, the one that identifies first, none twice. */
export function strongestFirst(values: Conjunction): Conjunction {
  if (values.length < 2) return values;
  const rank = ({ kind }: Observable): number => {
    const place = STRENGTH.indexOf(kind);
    return place < 0 ? STRENGTH.length : place;
  };
  const unique = new Map(values.map((one) => [`${one.kind} ${one.value}`, one]));
  return [...unique.values()].sort((one, other) => rank(one) - rank(other));
}

/** Compiles a parsed pattern. */
export function compileStix(expression: StixExpression): CompiledPattern {
  const named: Observable[] = [];
  const faults: string[] = [];
  const simple = simpleTest(expression);
  if (simple !== undefined) {
    const [literal] = simple.values;
    const found = literal === undefined ? undefined : literalValue(simple, literal);
    if (typeof found === "object") return { anyOf: [[found]], named: [found], faults };
  }
  for (const test of testsOf(expression)) {
    for (const literal of test.isNegated ? [] : test.values) {
      const found = literalValue(test, literal);
      if (typeof found === "string") faults.push(found);
      else if (found !== undefined && named.length < NAMED_MAX) named.push(found);
    }
  }
  const anyOf = faults.length > 0 ? undefined : alternatives(expression);
  return { ...(anyOf === undefined ? {} : { anyOf }), named: strongestFirst(named), faults };
}

// One comparison for equality: what nearly every pattern of a feed is.
function simpleTest(expression: StixExpression): StixTest | undefined {
  if (expression.op !== "observe" || expression.comparison.op !== "test") return undefined;
  const { comparison } = expression;
  return comparison.operator === "=" && !comparison.isNegated ? comparison : undefined;
}

function testsOf(expression: StixExpression): StixTest[] {
  if (expression.op === "observe") return comparisonTests(expression.comparison);
  if ("parts" in expression) return expression.parts.flatMap(testsOf);
  return testsOf(expression.of);
}

function comparisonTests(comparison: StixComparison): StixTest[] {
  return comparison.op === "test" ? [comparison] : comparison.parts.flatMap(comparisonTests);
}

function alternatives(expression: StixExpression): Conjunction[] | undefined {
  const observations = expression.op === "or" ? expression.parts : [expression];
  const found: Conjunction[] = [];
  for (const one of observations) {
    if (one.op !== "observe") return undefined;
    const sums = sumOfProducts(one.comparison);
    if (sums === undefined) return undefined;
    for (const tests of sums) {
      const values = conjunction(tests);
      if (values === undefined || found.length >= ALTERNATIVES_MAX) return undefined;
      found.push(values);
    }
  }
  return found;
}

type Term = { readonly test: StixTest; readonly literal: StixLiteral | undefined };

function sumOfProducts(comparison: StixComparison): Term[][] | undefined {
  if (comparison.op === "test") {
    if (comparison.operator !== "IN" || comparison.isNegated) {
      return [[{ test: comparison, literal: comparison.values[0] }]];
    }
    return comparison.values.map((literal) => [{ test: comparison, literal }]);
  }
  let sums: Term[][] | undefined = comparison.op === "or" ? [] : [[]];
  for (const part of comparison.parts) {
    const more = sumOfProducts(part);
    if (more === undefined || sums === undefined) return undefined;
    if (comparison.op === "or") {
      sums.push(...more);
    } else {
      if (sums.length * more.length > ALTERNATIVES_MAX) return undefined;
      sums = sums.flatMap((one) => more.map((other) => [...one, ...other]));
    }
    if (sums.length > ALTERNATIVES_MAX) return undefined;
  }
  return sums;
}

// A digest of the content makes every other test of the same file true by itself.
function conjunction(terms: readonly Term[]): Conjunction | undefined {
  const values: Observable[] = [];
  let directory: string | undefined;
  const isOther: StixTest[] = [];
  for (const { test, literal } of terms) {
    if (isContext(test)) continue;
    const value = literal === undefined || test.isNegated ? undefined : literalValue(test, literal);
    if (value !== undefined && typeof value !== "string") values.push(value);
    else if (isDirectory(test)) directory = String(literal?.value);
    else isOther.push(test);
  }
  const isIdentified = values.some(({ kind }) => isDigest(kind));
  if (isOther.some(({ path }) => !isIdentified || path.type !== "file")) return undefined;
  const joined = directory === undefined ? values : inDirectory(directory, values);
  return joined === undefined || joined.length === 0 ? undefined : strongestFirst(joined);
}

function isDirectory({ path, operator, isNegated }: StixTest): boolean {
  const isPath = path.type === "file" && path.steps.join(".") === "parent_directory_ref.path";
  return isPath && operator === "=" && !isNegated;
}

function inDirectory(directory: string, values: readonly Observable[]): Conjunction | undefined {
  const slash = directory.startsWith("/") ? "/" : "\\";
  const named = values.filter(({ kind }) => kind === "name");
  const [name] = named;
  if (name === undefined || named.length > 1) return undefined;
  const whole = `${directory.replace(/[/\\]$/, "")}${slash}${name.value}`;
  const path = observable("path", whole);
  return typeof path === "string" ? undefined : [path, ...values.filter((one) => one !== name)];
}

function literalValue(test: StixTest, literal: StixLiteral): Observable | string | undefined {
  if (literal.type !== "string" && literal.type !== "number") return undefined;
  const text = String(literal.value);
  switch (test.operator) {
    case "=":
    case "IN":
      return stixObservable(test.path, text);
    case "ISSUBSET": {
      const value = stixObservable(test.path, text);
      return typeof value === "object" && value.kind === "address" ? value : undefined;
    }
    case "LIKE":
      return commandLinePart(test, text);
    default:
      return undefined;
  }
}

// A command line that must hold a text is what the stores look up; one that must equal it is not.
function commandLinePart({ path }: StixTest, text: string): Observable | undefined {
  if (path.type !== "process" || path.steps.join() !== "command_line") return undefined;
  const part = /^%([^%_]+)%$/.exec(text)?.[1];
  return part === undefined ? undefined : { kind: "command-line", value: part };
}
