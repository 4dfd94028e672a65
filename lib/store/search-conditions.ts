// SPDX-License-Identifier: Apache-2.0
// A search of the search room as conditions over the store's columns, class by class.
import type { EventShape } from "../model/model.ts";
import { type Condition, conditionSql, type FieldSchema } from "../search/search.ts";
import { SHAPE_COLUMNS } from "./columns.ts";
import type { SqlCondition } from "./predicate.ts";
import { escapeText } from "./text-escape.ts";

/**
 * Conditions for `StoreQuery.compiled`; classes that cannot match are left out. place: values of
 * the fields that are the same for all rows of the store, such as its server.
 */
export function searchConditions(
  condition: Condition,
  schema: FieldSchema,
  nowMs: number,
  place: Readonly<Record<string, string>> = {},
): ReadonlyMap<EventShape, SqlCondition> {
  const conditions = new Map<EventShape, SqlCondition>();
  for (const [shape, columns] of SHAPE_COLUMNS) {
    const names = new Set(columns.map(({ name }) => name));
    const relation = { columns: names, place, nowMs, encodeText: escapeText };
    const compiled = conditionSql(condition, schema, relation);
    if (compiled !== undefined) conditions.set(shape, compiled);
  }
  return conditions;
}
