// SPDX-License-Identifier: Apache-2.0
// Comparing one value of an object with the constants of a pattern (STIX 2.1 §9.6): which types
// compare at all, times as times, text and binary by code point, addresses in ranges.
import { RE2JS } from "re2js";
import { AddressKey, maskOf } from "./address-key.ts";
import type { StixLiteral, StixTest } from "./stix-ast.ts";
import { patternError } from "./stix-tokens.ts";

/** What a JSON value may be, and the bytes that a `_bin` or `_hex` property stands for. */
export type StixValue = unknown;

/** A test of one value, made once for a pattern. */
export type ValueTest = (value: StixValue) => boolean;

/**
 * The test of a comparison.
 * @throws {UndercroftError} ERR_UC_PATTERN for a regular expression or range that is none; the
 *   test itself throws it where a value that is compared with a time is no time
 */
export function valueTest({ operator, isNegated, values }: StixTest): ValueTest {
  const [literal] = values;
  const plain = (): ValueTest => {
    if (operator === "EXISTS") return () => true;
    if (operator === "IN") return (value) => values.some((one) => isEqual(value, one));
    if (literal === undefined) return () => false;
    if (operator === "=") return (value) => isEqual(value, literal);
    if (operator === "!=") return (value) => !isEqual(value, literal);
    const text = String(literal.value);
    if (operator === "LIKE") return likeTest(text);
    if (operator === "MATCHES") return matchTest(text);
    if (operator === "ISSUBSET") return rangeTest(text, true);
    if (operator === "ISSUPERSET") return rangeTest(text, false);
    return orderTest(operator, literal, isNegated);
  };
  const test = plain();
  // EXISTS is negated over all values, an order only over those that have one.
  const isDone = operator === "EXISTS" || ["<", ">", "<=", ">="].includes(operator);
  return isNegated && !isDone ? (value) => !test(value) : test;
}

function isEqual(value: StixValue, literal: StixLiteral): boolean {
  return order(value, literal) === 0;
}

function orderTest(operator: string, literal: StixLiteral, isNegated: boolean): ValueTest {
  return (value) => {
    const sign = order(value, literal);
    if (sign === undefined || typeof value === "boolean") return false;
    const isTrue =
      (operator === "<" && sign < 0) ||
      (operator === ">" && sign > 0) ||
      (operator === "<=" && sign <= 0) ||
      (operator === ">=" && sign >= 0);
    return isTrue !== isNegated;
  };
}

/** Below, at or above 0; undefined where the two do not compare. */
function order(value: StixValue, literal: StixLiteral): number | undefined {
  switch (literal.type) {
    case "number":
      return typeof value === "number" ? value - literal.value : undefined;
    case "boolean":
      return typeof value === "boolean" ? Number(value) - Number(literal.value) : undefined;
    case "timestamp":
      return typeof value === "string" ? compareTimes(value, literal.value) : undefined;
    case "string":
      if (typeof value === "string") return compareTexts(value, literal.value);
      return value instanceof Uint8Array ? binaryOrder(value, literal.value) : undefined;
    default:
  }
  if (value instanceof Uint8Array) return compareBytes(value, literal.value);
  const reversed = typeof value === "string" ? binaryOrder(literal.value, value) : undefined;
  return reversed === undefined ? undefined : -reversed;
}

// By code point, not by UTF-16 unit.
function compareTexts(one: string, other: string): number {
  if (one === other) return 0;
  const points = [...one];
  const others = [...other];
  for (let at = 0; at < points.length && at < others.length; at++) {
    const difference = (points[at]?.codePointAt(0) ?? 0) - (others[at]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return points.length - others.length;
}

function binaryOrder(bytes: Uint8Array, text: string): number | undefined {
  const units = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 255) return undefined;
    units[at] = code;
  }
  return compareBytes(bytes, units);
}

function compareBytes(one: Uint8Array, other: Uint8Array): number {
  for (let at = 0; at < one.length && at < other.length; at++) {
    const difference = (one[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;

/** A time as seconds since 1970 and the digits behind the point; undefined where it is none. */
export function readStixTime(text: string): { seconds: number; fraction: string } | undefined {
  if (!TIME.test(text)) return undefined;
  const number = (at: number): number => 10 * digit(text, at) + digit(text, at + 1);
  const [month, day] = [number(5), number(8)];
  const [hour, minute, second] = [number(11), number(14), number(17)];
  if (month < 1 || month > 12 || day < 1 || day > 31) return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const year = 100 * number(0) + number(2);
  const seconds = Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
  return { seconds, fraction: text.slice(20, -1).replace(/0+$/, "") };
}

function digit(text: string, at: number): number {
  return text.charCodeAt(at) - 48;
}

function compareTimes(text: string, literal: string): number {
  const time = readStixTime(text);
  const other = readStixTime(literal);
  if (time === undefined || other === undefined) {
    throw patternError(`${JSON.stringify(text.slice(0, 40))} of an object is no time`, 0);
  }
  if (time.seconds !== other.seconds) return time.seconds - other.seconds;
  // Digits behind the point sort as texts do.
  if (time.fraction === other.fraction) return 0;
  return time.fraction < other.fraction ? -1 : 1;
}

// % stands for any text, _ for one character. Greedy, and back to the last % only: no blow-up.
function likeTest(pattern: string): ValueTest {
  const wanted = [...pattern.normalize("NFC")];
  return (value) => {
    const text = typeof value === "string" ? value : textOf(value);
    return text !== undefined && isLike([...text.normalize("NFC")], wanted);
  };
}

function textOf(value: StixValue): string | undefined {
  return value instanceof Uint8Array ? new TextDecoder("utf-8").decode(value) : undefined;
}

function isLike(text: readonly string[], wanted: readonly string[]): boolean {
  let at = 0;
  let place = 0;
  let star = -1;
  let from = 0;
  while (at < text.length) {
    if (wanted[place] === "%") {
      star = place++;
      from = at;
    } else if (wanted[place] === "_" || wanted[place] === text[at]) {
      place++;
      at++;
    } else if (star >= 0) {
      place = star + 1;
      at = ++from;
    } else {
      return false;
    }
  }
  while (wanted[place] === "%") place++;
  return place === wanted.length;
}

function matchTest(expression: string): ValueTest {
  const regex = compileRegex(expression.normalize("NFC"));
  return (value) => {
    if (typeof value === "string") return regex.matcher(value.normalize("NFC")).find();
    if (!(value instanceof Uint8Array)) return false;
    // Bytes are code points up to 255 to a regular expression that has no other.
    const text = Array.from(value, (byte) => String.fromCharCode(byte)).join("");
    return regex.matcher(text).find();
  };
}

function compileRegex(expression: string): RE2JS {
  try {
    return RE2JS.compile(expression);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw patternError(`a regular expression that cannot be used: ${reason.slice(0, 200)}`, 0);
  }
}

function rangeTest(text: string, isSubset: boolean): ValueTest {
  const known = new AddressKey();
  if (!known.read(text)) {
    throw patternError(`${JSON.stringify(text.slice(0, 60))} is no address or range`, 0);
  }
  const seen = new AddressKey();
  return (value) => {
    if (typeof value !== "string" || !seen.read(value)) return false;
    return isSubset ? isInside(seen, known) : isInside(known, seen);
  };
}

function isInside(inner: AddressKey, outer: AddressKey): boolean {
  if (inner.family !== outer.family || inner.bits < outer.bits) return false;
  const count = inner.family === 4 ? 1 : 4;
  for (let at = 0; at < count; at++) {
    const mask = maskOf(outer.bits - at * 32);
    if ((((inner.words[at] ?? 0) ^ (outer.words[at] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}
