// SPDX-License-Identifier: Apache-2.0
// One test on one field of one event, the plain way. The interpreter is made of this; the compiled
// engine uses it for what its indexes do not answer.
import { RE2JS } from "re2js";
import { parseAddressRange } from "../../wire/wire.ts";
import type { SigmaEvent, SigmaScalar, SigmaValue } from "./event.ts";
import { subjectText } from "./fold.ts";
import { numberOf, regexFlags } from "./modifiers.ts";
import type { Leaf, Test } from "./rule.ts";
import { matchesPattern } from "./text-pattern.ts";
import { timePart } from "./time-part.ts";

/**
 * Characters of a value that a regular expression sees. Matching is linear, but a value of
 * megabytes times many expressions would still hold everything up.
 */
const REGEX_SUBJECT_MAX = 65_536;

/** Whether an event has what the leaf asks for. */
export function leafMatches(leaf: Leaf, event: SigmaEvent): boolean {
  if (leaf.field !== undefined) return valueMatches(leaf.test, event.get(leaf.field), event);
  for (const field of event.fieldNames()) {
    if (valueMatches(leaf.test, event.get(field), event)) return true;
  }
  return false;
}

/** Whether a field's value passes a test; the event is there for tests that compare two fields. */
export function valueMatches(test: Test, value: SigmaValue, event: SigmaEvent): boolean {
  if (test.kind === "null") return value === undefined || value === null;
  if (test.kind === "exists") return (value !== undefined) === test.wanted;
  if (value === undefined || value === null) return false;
  if (typeof value !== "object") return scalarMatches(test, value, event);
  return value.some((item) => scalarMatches(test, item, event));
}

function scalarMatches(test: Test, value: SigmaScalar, event: SigmaEvent): boolean {
  switch (test.kind) {
    case "text": {
      const { pattern, cased, dashes } = test;
      return matchesPattern(pattern, subjectText(String(value), cased, dashes));
    }
    case "regex":
      return regexOf(test).test(String(value).slice(0, REGEX_SUBJECT_MAX));
    case "number":
      return numberMatches(test, value);
    case "cidr":
      return rangeHolds(test, String(value));
    case "field":
      return fieldMatches(test, value, event);
    default:
      return false;
  }
}

type RegexTest = Test & { readonly kind: "regex" };
type NumberTest = Test & { readonly kind: "number" };
type RangeTest = Test & { readonly kind: "cidr" };
type FieldTest = Test & { readonly kind: "field" };

const regexes = new WeakMap<RegexTest, RE2JS>();

function regexOf(test: RegexTest): RE2JS {
  const known = regexes.get(test);
  if (known !== undefined) return known;
  const made = RE2JS.compile(test.source, regexFlags(test.flags));
  regexes.set(test, made);
  return made;
}

function numberMatches(test: NumberTest, value: SigmaScalar): boolean {
  const number = test.part === undefined ? decimal(value) : timePart(value, test.part);
  if (number === undefined) return false;
  switch (test.operator) {
    case "lt":
      return number < test.value;
    case "lte":
      return number <= test.value;
    case "gt":
      return number > test.value;
    case "gte":
      return number >= test.value;
    case "eq":
      return number === test.value;
  }
}

function decimal(value: SigmaScalar): number | undefined {
  return typeof value === "number" ? value : numberOf(value);
}

function rangeHolds({ range }: RangeTest, text: string): boolean {
  if (text.includes("/")) return false;
  // An IPv4 address in IPv6 clothes is that address.
  const address = parseAddressRange(text.replace(/^::ffff:(?=\d+\.)/i, ""));
  if (address === undefined || address.family !== range.family) return false;
  const whole = range.prefixBits >> 3;
  for (let at = 0; at < whole; at++) if (address.bytes[at] !== range.bytes[at]) return false;
  const rest = range.prefixBits & 7;
  if (rest === 0) return true;
  const mask = (0xff00 >> rest) & 0xff;
  return ((address.bytes[whole] ?? 0) & mask) === range.bytes[whole];
}

function fieldMatches(test: FieldTest, value: SigmaScalar, event: SigmaEvent): boolean {
  const other = event.get(test.field);
  if (other === undefined || other === null) return false;
  const others = typeof other === "object" ? other : [other];
  return others.some((item) => textsCompare(test, String(value), String(item)));
}

function textsCompare({ place, cased }: FieldTest, value: string, other: string): boolean {
  const text = subjectText(value, cased, false);
  const wanted = subjectText(other, cased, false);
  switch (place) {
    case "equals":
      return text === wanted;
    case "contains":
      return text.includes(wanted);
    case "startswith":
      return text.startsWith(wanted);
    case "endswith":
      return text.endsWith(wanted);
  }
}
