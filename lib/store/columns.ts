// SPDX-License-Identifier: Apache-2.0
// The columns of each class of events, made of the model's table of fields. Used by the batch
// codec, by folding and by queries.
import {
  type EventShape,
  type FieldType,
  fieldType,
  SHAPE_FIELDS,
  type StoredEvent,
} from "../model/model.ts";

/** One event with what folding of repeats made of it. */
export interface StoredRow {
  readonly event: StoredEvent;
  /** How often it came; it is the first of them. */
  readonly count: number;
  /** Time of the last of them. */
  readonly lastMs: number;
}

export interface Column {
  readonly name: string;
  readonly type: FieldType;
  /** Property of the event; absent: the column is made by the store. */
  readonly property?: string;
}

const COUNT: Column = { name: "count", type: "number" };
const LAST: Column = { name: "last", type: "time" };
const KIND: Column = { name: "kind", type: "text" };
/** The arguments as a list, where the command line alone does not tell them apart; else empty. */
const ARGUMENTS: Column = { name: "arguments", type: "list" };

/** Columns of each shape, in their order on disk. */
export const SHAPE_COLUMNS: ReadonlyMap<EventShape, readonly Column[]> = new Map(
  Object.entries(SHAPE_FIELDS).map(([shape, fields]) => {
    const own = Object.entries(fields).map(([property, name]): Column => {
      return { name, property, type: fieldType(name) };
    });
    const names = new Set(own.map(({ name }) => name));
    const made = [
      KIND,
      ...(shape === "exec" ? [ARGUMENTS] : []),
      ...[COUNT, LAST].filter(({ name }) => !names.has(name)),
    ];
    return [shape as EventShape, [...made, ...own]];
  }),
);

/** Columns of a shape. */
export function columnsOf(shape: EventShape): readonly Column[] {
  return SHAPE_COLUMNS.get(shape) ?? [];
}

/** True for what is stored as text: also lists, as JSON. */
export function isText(type: FieldType): boolean {
  return type === "text" || type === "address" || type === "list";
}

/** A list as text. A bigint within becomes `{"bigint":"1"}`, which no event has otherwise. */
export function listToText(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "bigint" ? { bigint: String(part) } : part,
  );
}

/** The inverse of {@link listToText}. */
export function textToList(text: string): unknown {
  return JSON.parse(text, (_, part: unknown) => {
    const isBig = typeof part === "object" && part !== null && "bigint" in part;
    return isBig && typeof part.bigint === "string" ? BigInt(part.bigint) : part;
  });
}
