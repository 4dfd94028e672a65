// SPDX-License-Identifier: Apache-2.0
// Reads the value after a field's colon into a test of the field's type. Called by the parser.
import type { FieldType } from "../model/model.ts";
import { addressKeys } from "./address-range.ts";
import { quoted, searchFault } from "./fault.ts";
import { durationMs, parseSpan, type Span } from "./literals.ts";
import { plainText } from "./patterns.ts";
import type { Scanner, Word } from "./scanner.ts";
import { type FieldSchema, nearest, typeOf } from "./schema.ts";
import type { Bound, Condition, Test } from "./syntax.ts";

const RANGE = /([[{])\s*([^\s[\]{}]+)\s+to\s+([^\s[\]{}]+)\s*([\]}])/iy;
const WANTED: Readonly<Record<FieldType, string>> = {
  address: "an address, a network such as 10.0.0.0/8, or [FIRST TO LAST]",
  bigint: "a whole number, >N, or [FIRST TO LAST]",
  flag: "true or false",
  list: "a text",
  number: "a whole number, >N, or [FIRST TO LAST]",
  real: "a number, >N, or [FIRST TO LAST]",
  text: "a text",
  time: "a time such as 2026-01-31, 2026-01-31T08:00 or now-1h, with > or <, or [FIRST TO LAST]",
};

/** A word without a field: somewhere in any text. */
export function wordOf({ pattern, at, text }: Word): Condition {
  if (pattern.length === 0) throw searchFault(`${quoted(text)} finds everything`, at);
  if (pattern.every((part) => part === "any")) return { kind: "all" };
  return { kind: "word", pattern };
}

/** Reads the value of a field, which is known to be there or to be `last`. */
export function parseTest(scanner: Scanner, schema: FieldSchema, field: string): Condition {
  scanner.skipSpace();
  const { at } = scanner;
  if (field === "last") {
    const since = /(\d+(?:ms|[wdhms]))(?=[\s()|]|$)/y;
    const distance = durationMs(scanner.match(since)?.[1] ?? "");
    if (distance !== undefined) return sinceNow(distance);
  }
  const type = typeOf(schema, field);
  if (type === undefined) throw searchFault(`${field}: wants a duration such as 24h`, at);
  const reader = new TestReader(scanner, type, field);
  const test = reader.read();
  if (test.kind === "text") checkKnown(schema, field, test, at);
  return { kind: "test", field, test };
}

function sinceNow(distance: number): Condition {
  const low = { value: { fromNowMs: 0 - distance + 0 }, isIncluded: true };
  return { kind: "test", field: "time", test: { kind: "range", low, high: undefined } };
}

function checkKnown(schema: FieldSchema, field: string, test: Test, at: number): void {
  const values = schema.fields.get(field)?.values;
  const text = test.kind === "text" ? plainText(test.pattern) : undefined;
  if (values === undefined || text === undefined) return;
  if (values.includes(text.toLowerCase())) return;
  throw searchFault(`${field} is never ${quoted(text)}`, at, nearest(text, values));
}

/** One value of one field. */
class TestReader {
  readonly #scanner: Scanner;
  readonly #type: FieldType;
  readonly #field: string;

  constructor(scanner: Scanner, type: FieldType, field: string) {
    this.#scanner = scanner;
    this.#type = type;
    this.#field = field;
  }

  read(): Test {
    const { at } = this.#scanner;
    const isText = this.#type === "text" || this.#type === "list";
    if (!isText && /[[{]/.test(this.#scanner.text[at] ?? "")) return this.#range();
    const sign = isText ? undefined : this.#scanner.match(/([<>]=?)\s*/y)?.[1];
    const word = this.#scanner.takeWord();
    if (word.text === "") throw this.#refused(at, "nothing");
    if (word.pattern.length === 1 && word.pattern[0] === "any" && sign === undefined) {
      return { kind: "exists" };
    }
    if (isText) return { kind: "text", pattern: word.pattern };
    const text = plainText(word.pattern);
    if (text === undefined) throw this.#refused(at, word.text);
    if (sign !== undefined) return this.#compared(sign, text, at);
    if (this.#type === "flag") return this.#flag(text, at);
    if (this.#type === "address") {
      const keys = addressKeys(text);
      if (keys === undefined) throw this.#refused(at, text);
      return { kind: "network", ...keys };
    }
    const { first, next } = this.#span(text, at);
    return { kind: "range", low: from(first), high: next === undefined ? from(first) : to(next) };
  }

  #flag(text: string, at: number): Test {
    const word = text.toLowerCase();
    if (word !== "true" && word !== "false") throw this.#refused(at, text);
    return { kind: "flag", value: word === "true" };
  }

  #compared(sign: string, text: string, at: number): Test {
    if (this.#type === "flag" || this.#type === "address")
      throw this.#refused(at, `${sign}${text}`);
    const span = this.#span(text, at);
    return sign.startsWith(">")
      ? { kind: "range", low: lowOf(span, sign === ">="), high: undefined }
      : { kind: "range", low: undefined, high: highOf(span, sign === "<=") };
  }

  #range(): Test {
    const { at } = this.#scanner;
    const found = this.#scanner.match(RANGE);
    if (found === undefined || this.#type === "flag") {
      throw searchFault(`${this.#field}: a range is [FIRST TO LAST], with * for no end`, at);
    }
    const [, open, low = "", high = "", close] = found;
    if (this.#type === "address") return this.#addresses(low, high, `${open}${close}`, at);
    return {
      kind: "range",
      low: low === "*" ? undefined : lowOf(this.#span(low, at), open === "["),
      high: high === "*" ? undefined : highOf(this.#span(high, at), close === "]"),
    };
  }

  #addresses(low: string, high: string, ends: string, at: number): Test {
    const first = addressKeys(low);
    const last = addressKeys(high);
    if (
      first?.low[0] !== last?.low[0] ||
      first === undefined ||
      last === undefined ||
      ends !== "[]"
    ) {
      throw this.#refused(at, `${low} TO ${high}`);
    }
    const text = `[${first.text} TO ${last.text}]`;
    return { kind: "network", low: first.low, high: last.high, text };
  }

  #span(text: string, at: number): Span {
    const span = parseSpan(this.#type, text);
    if (span === undefined) throw this.#refused(at, text);
    return span;
  }

  #refused(at: number, text: string): Error {
    const what = text === "nothing" ? text : quoted(text);
    return searchFault(`${this.#field} wants ${WANTED[this.#type]}, not ${what}`, at);
  }
}

function from(value: Span["first"]): Bound {
  return { value, isIncluded: true };
}

function to(value: Span["first"]): Bound {
  return { value, isIncluded: false };
}

/** Above a day is after its end; from a day on is from its begin. */
function lowOf({ first, next }: Span, isIncluded: boolean): Bound {
  if (isIncluded || next === undefined) return { value: first, isIncluded };
  return from(next);
}

/** Up to a day is up to its end; below a day is before its begin. */
function highOf({ first, next }: Span, isIncluded: boolean): Bound {
  if (!isIncluded || next === undefined) return { value: first, isIncluded };
  return to(next);
}
