// SPDX-License-Identifier: Apache-2.0
// A whole search over rows in memory: condition, order, stages. Used for live rows, for merging
// what servers found, and as the reference of the store's SQL.
import { elementText, type Row, rowTest } from "./evaluate.ts";
import { pageOrder, rowOrder } from "./order.ts";
import type { FieldSchema } from "./schema.ts";
import { type Aggregate, aggregateColumn, type Search, type Stage } from "./syntax.ts";

/** Rows of a search in its order. `ties` are the columns that tell rows apart. */
export function runSearch(
  search: Search,
  rows: Iterable<Row>,
  schema: FieldSchema,
  nowMs: number,
  ties: readonly string[] = [],
): readonly Row[] {
  const test = rowTest(search.where, schema, nowMs);
  let result: readonly Row[] = [...rows].filter(test).sort(rowOrder(pageOrder(search, ties)));
  for (const stage of search.stages) result = runStage(stage, result);
  return result;
}

function runStage(stage: Stage, rows: readonly Row[]): readonly Row[] {
  switch (stage.kind) {
    case "sort":
      return [...rows].sort(rowOrder(stage.keys));
    case "limit":
      return rows.slice(0, stage.count);
    case "fields":
      return rows.map((row) =>
        Object.fromEntries(stage.names.map((name) => [name, row[name] ?? null])),
      );
    case "stats":
      return statsOf(stage, rows);
  }
}

type Stats = Extract<Stage, { kind: "stats" }>;

/** One row a group, in the order of the keys; without groups one row, also of no rows. */
function statsOf({ makes, by }: Stats, rows: readonly Row[]): readonly Row[] {
  const groups = new Map<string, { readonly keys: Row; readonly rows: Row[] }>();
  if (by.length === 0) groups.set("[]", { keys: {}, rows: [] });
  for (const row of rows) {
    const keys = Object.fromEntries(
      by.map(({ field, stepMs }) => [
        field,
        stepMs === undefined ? (row[field] ?? null) : cut(row[field], stepMs),
      ]),
    );
    const name = JSON.stringify(by.map(({ field }) => valueName(keys[field])));
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { keys, rows: [row] });
    else group.rows.push(row);
  }
  const order = rowOrder(by.map(({ field }) => ({ column: field, isDescending: false })));
  return [...groups.values()]
    .map((group) => {
      const made = makes.map((one) => [aggregateColumn(one), aggregate(one, group.rows)]);
      return { ...group.keys, ...Object.fromEntries(made) };
    })
    .sort(order);
}

/** The begin of the step that a time is in. */
function cut(time: unknown, stepMs: number): number | null {
  return typeof time === "number" ? Math.floor(time / stepMs) * stepMs : null;
}

function valueName(value: unknown): string {
  return `${typeof value}:${elementText(value)}`;
}

function aggregate({ name, field }: Aggregate, rows: readonly Row[]): unknown {
  if (name === "count" || field === undefined) return rows.length;
  const values = rows
    .map((row) => row[field])
    .filter((value) => value !== undefined && value !== null);
  if (name === "dc") return new Set(values.map(valueName)).size;
  if (values.length === 0) return null;
  const numbers = values as (bigint | number)[];
  const isLeast = name === "min";
  if (isLeast || name === "max") return numbers.reduce((a, b) => (b < a === isLeast ? b : a));
  const sum = numbers.reduce((total: number, value) => total + Number(value), 0);
  return name === "sum" ? sum : sum / numbers.length;
}
