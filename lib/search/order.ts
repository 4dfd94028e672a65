// SPDX-License-Identifier: Apache-2.0
// How rows are ordered, and where a page ends: the sort keys of a search with tie-breakers behind
// them, so that pages neither repeat nor skip a row while others come in. A cursor is the keys of
// the last row that was shown. Called by the evaluator, the SQL compiler and the manager's merge.

import type { Row } from "./evaluate.ts";
import { searchFault } from "./fault.ts";
import type { Search, SortKey } from "./syntax.ts";

const CURSOR_LENGTH_MAX = 16_384;

type Value = bigint | boolean | number | string | null;

/**
 * The order of a search's rows: its own `sort`, or the newest first, then `ties`, which together
 * tell any two rows of a store apart.
 */
export function pageOrder(search: Search, ties: readonly string[]): readonly SortKey[] {
  const [first] = search.stages;
  const keys: readonly SortKey[] =
    first?.kind === "sort" ? first.keys : [{ column: "time", isDescending: true }];
  const named = new Set(keys.map(({ column }) => column));
  const rest = ties.filter((column) => !named.has(column));
  return [...keys, ...rest.map((column) => ({ column, isDescending: false }))];
}

/** Compares rows; what has no value comes last, whatever the direction. */
export function rowOrder(keys: readonly SortKey[]): (a: Row, b: Row) => number {
  return (a, b) => {
    for (const { column, isDescending } of keys) {
      const order = compareValues(a[column], b[column], isDescending);
      if (order !== 0) return order;
    }
    return 0;
  };
}

function compareValues(a: unknown, b: unknown, isDescending: boolean): number {
  const isMissing = a === undefined || a === null;
  if (isMissing || b === undefined || b === null) {
    return Number(isMissing) - Number(b === undefined || b === null);
  }
  const order = compareKnown(a, b);
  return isDescending ? -order : order;
}

function compareKnown(a: unknown, b: unknown): number {
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  const left = a as number;
  const right = b as number;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Orders texts as UTF-8 bytes do, which is how DuckDB sorts. */
function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left === right) continue;
    // A surrogate is part of a character above all those of one unit.
    const isLeftHigh = left >= 0xd800 && left <= 0xdfff;
    const isRightHigh = right >= 0xd800 && right <= 0xdfff;
    return isLeftHigh === isRightHigh ? left - right : isLeftHigh ? 1 : -1;
  }
  return a.length - b.length;
}

/** The place behind a row, as text. */
export function cursorAfter(row: Row, keys: readonly SortKey[]): string {
  return JSON.stringify(
    keys.map(({ column }) => {
      const value = row[column] ?? null;
      return typeof value === "bigint" ? { integer: String(value) } : value;
    }),
  );
}

/**
 * The keys of a cursor, in the order of `keys`.
 * @throws {UndercroftError} ERR_UC_SEARCH: not a cursor of a search with these keys
 */
export function readCursor(text: string, keys: readonly SortKey[]): readonly Value[] {
  const values = text.length > CURSOR_LENGTH_MAX ? undefined : cursorValues(text);
  if (values === undefined || values.length !== keys.length) {
    throw searchFault("this cursor belongs to another search; begin at the first page", 0);
  }
  return values;
}

function cursorValues(text: string): readonly Value[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const values = parsed.map((value: unknown): Value | undefined => {
    if (value === null || ["boolean", "number", "string"].includes(typeof value)) {
      return value as Value;
    }
    const integer = (value as { readonly integer?: unknown }).integer;
    const isInteger = typeof integer === "string" && /^-?\d{1,20}$/.test(integer);
    return isInteger ? BigInt(integer) : undefined;
  });
  return values.includes(undefined) ? undefined : (values as Value[]);
}

/** Whether a row comes after a cursor. */
export function isAfter(cursor: readonly Value[], keys: readonly SortKey[]): (row: Row) => boolean {
  const last = Object.fromEntries(keys.map(({ column }, at) => [column, cursor[at] ?? null]));
  const order = rowOrder(keys);
  return (row) => order(last, row) < 0;
}
