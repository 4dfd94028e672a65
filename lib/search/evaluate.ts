// SPDX-License-Identifier: Apache-2.0
// Whether a row passes a condition: the plain meaning of the language, for live events and as the
// reference that the store's SQL is held equal to. What a row lacks passes no test.
import type { FieldType } from "../model/model.ts";
import { addressKeys } from "./address-range.ts";
import { patternTest } from "./patterns.ts";
import { type FieldSchema, fieldsOf, typeOf } from "./schema.ts";
import type { Bound, Condition, Pattern, Point, Test } from "./syntax.ts";

/** An event by field names; a missing field is undefined or null. */
export type Row = Readonly<Record<string, unknown>>;

export type RowTest = (row: Row) => boolean;

/** Compiles a condition; `nowMs` is what `now` means in it. */
export function rowTest(condition: Condition, schema: FieldSchema, nowMs: number): RowTest {
  switch (condition.kind) {
    case "all":
      return () => true;
    case "not": {
      const item = rowTest(condition.item, schema, nowMs);
      return (row) => !item(row);
    }
    case "and": {
      const items = condition.items.map((item) => rowTest(item, schema, nowMs));
      return (row) => items.every((item) => item(row));
    }
    case "or": {
      const items = condition.items.map((item) => rowTest(item, schema, nowMs));
      return (row) => items.some((item) => item(row));
    }
    case "word":
      return wordTest(condition.pattern, schema);
    case "test": {
      const fields = fieldsOf(schema, condition.field);
      const test = valueTest(condition.test, typeOf(schema, condition.field) ?? "text", nowMs);
      return (row) => fields.some((field) => isValue(row[field]) && test(row[field]));
    }
  }
}

/** Fields that a word without a field is looked for in. */
export function wordFields(schema: FieldSchema): readonly string[] {
  return [...schema.fields]
    .filter(([, { type }]) => type === "text" || type === "address" || type === "list")
    .map(([name]) => name);
}

/** A word is found within a text: wildcards at both its ends. */
export function withinPattern(pattern: Pattern): Pattern {
  const open = pattern[0] === "any" ? [] : (["any"] as const);
  const close = pattern.at(-1) === "any" ? [] : (["any"] as const);
  return [...open, ...pattern, ...close];
}

/** What an element of a list is compared as. */
export function elementText(element: unknown): string {
  return typeof element === "string" ? element : (JSON.stringify(element, bigintText) ?? "");
}

/** Milliseconds since 1970, or the number, of a point. */
export function pointValue(point: Point, nowMs: number): number | bigint {
  return typeof point === "object" ? nowMs + point.fromNowMs : point;
}

function wordTest(pattern: Pattern, schema: FieldSchema): RowTest {
  const fields = wordFields(schema);
  const test = textTest(patternTest(withinPattern(pattern)));
  return (row) => fields.some((field) => isValue(row[field]) && test(row[field]));
}

function isValue(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function valueTest(test: Test, type: FieldType, nowMs: number): (value: unknown) => boolean {
  switch (test.kind) {
    case "exists":
      return (value) => value !== "" && !(Array.isArray(value) && value.length === 0);
    case "text":
      return textTest(patternTest(test.pattern));
    case "flag":
      return (value) => value === test.value;
    case "range":
      return rangeTest(test.low, test.high, nowMs);
    case "network":
      return (value) => {
        const key = typeof value === "string" ? addressKeys(value)?.low : undefined;
        return type === "address" && key !== undefined && key >= test.low && key <= test.high;
      };
  }
}

function textTest(test: (text: string) => boolean): (value: unknown) => boolean {
  return (value) =>
    Array.isArray(value)
      ? value.some((element: unknown) => test(elementText(element)))
      : test(String(value));
}

function rangeTest(
  low: Bound | undefined,
  high: Bound | undefined,
  nowMs: number,
): (value: unknown) => boolean {
  const first = low === undefined ? undefined : pointValue(low.value, nowMs);
  const last = high === undefined ? undefined : pointValue(high.value, nowMs);
  return (value) => {
    if (typeof value !== "number" && typeof value !== "bigint") return false;
    if (first !== undefined && !(low?.isIncluded ? value >= first : value > first)) return false;
    return last === undefined || (high?.isIncluded ? value <= last : value < last);
  };
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
