// SPDX-License-Identifier: Apache-2.0
// What a search asks of the store, without SQL, and its translation for one class of events.
// Every value is bound, never written into the text.
import { type EventShape, type FieldName, KIND_SHAPES, type StoredKind } from "../model/model.ts";
import { type Column, columnsOf, isText } from "./columns.ts";
import { escapeText } from "./text-escape.ts";

export type FieldValue = bigint | boolean | number | string;

/**
 * A condition. Text is compared without regard to case, except by `equals`. A field that an event
 * does not have makes a comparison false.
 */
export type StorePredicate =
  | { readonly op: "and" | "or"; readonly parts: readonly StorePredicate[] }
  | { readonly op: "not"; readonly part: StorePredicate }
  | { readonly op: "has"; readonly field: FieldName }
  | {
      readonly op: "contains" | "ends" | "like" | "same" | "starts";
      readonly field: FieldName | "kind";
      /** like: `*` is any text, `?` any character, `\` takes the next one as it is. */
      readonly value: string;
    }
  | {
      readonly op: "equals" | "greater" | "greater-equal" | "less" | "less-equal";
      readonly field: FieldName | "kind";
      readonly value: FieldValue;
    };

export interface StoreQuery {
  readonly where?: StorePredicate;
  /** Beside `where`: conditions in SQL, made by the search room, of shapes that can match. */
  readonly compiled?: ReadonlyMap<EventShape, SqlCondition>;
  readonly kinds?: readonly StoredKind[];
  /** Milliseconds since 1970, both inclusive. */
  readonly fromMs?: number;
  readonly toMs?: number;
  /** Newest rows first, at most so many. Default 1000. */
  readonly limit?: number;
  /** Default 30 seconds. */
  readonly timeLimitMs?: number;
}

/** A condition as SQL over the columns of one shape. */
export interface SqlCondition {
  readonly sql: string;
  readonly values: ReadonlyArray<boolean | number | string>;
}

const COMPARISONS: Readonly<Record<string, string>> = {
  equals: "=",
  greater: ">",
  "greater-equal": ">=",
  less: "<",
  "less-equal": "<=",
};

/** Translates a query for one shape; undefined: no row of that shape can match. */
export function conditionOf(query: StoreQuery, shape: EventShape): SqlCondition | undefined {
  const compiled = query.compiled?.get(shape);
  if (query.compiled !== undefined && compiled === undefined) return undefined;
  const writer = new ConditionWriter(shape, compiled?.values);
  const parts: string[] = compiled === undefined ? [] : [`(${compiled.sql})`];
  if (query.kinds !== undefined) {
    const kinds = query.kinds.filter((kind) => KIND_SHAPES[kind] === shape);
    if (kinds.length === 0) return undefined;
    parts.push(`kind IN (${kinds.map((kind) => writer.bind(kind)).join(", ")})`);
  }
  // A repeated event lasts from its first time to its last.
  const last = columnsOf(shape).some(({ name }) => name === "last") ? `"last"` : `"time"`;
  if (query.fromMs !== undefined) parts.push(`${last} >= ${writer.bind(query.fromMs)}::DOUBLE`);
  if (query.toMs !== undefined) parts.push(`"time" <= ${writer.bind(query.toMs)}::DOUBLE`);
  if (query.where !== undefined) parts.push(writer.write(query.where));
  if (parts.includes(NEVER)) return undefined;
  return { sql: parts.length === 0 ? ALWAYS : parts.join(" AND "), values: writer.values };
}

const NEVER = "false";
const ALWAYS = "true";

class ConditionWriter {
  readonly values: Array<boolean | number | string>;
  readonly #columns: ReadonlyMap<string, Column>;

  constructor(shape: EventShape, values: SqlCondition["values"] = []) {
    this.values = [...values];
    this.#columns = new Map(columnsOf(shape).map((column) => [column.name, column]));
  }

  bind(value: boolean | number | string): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  write(predicate: StorePredicate): string {
    switch (predicate.op) {
      case "and":
        return this.#join(predicate.parts, "AND", NEVER, ALWAYS);
      case "or":
        return this.#join(predicate.parts, "OR", ALWAYS, NEVER);
      case "not": {
        const part = this.write(predicate.part);
        if (part === NEVER) return ALWAYS;
        return part === ALWAYS ? NEVER : `NOT (${part})`;
      }
      case "has":
        return this.#columns.has(predicate.field) ? ALWAYS : NEVER;
      default: {
        const column = this.#columns.get(predicate.field);
        return column === undefined ? NEVER : this.#compare(predicate.op, column, predicate.value);
      }
    }
  }

  #join(
    predicates: readonly StorePredicate[],
    word: string,
    decisive: string,
    neutral: string,
  ): string {
    const parts = predicates.map((part) => this.write(part)).filter((part) => part !== neutral);
    if (parts.includes(decisive)) return decisive;
    return parts.length === 0 ? neutral : `(${parts.join(` ${word} `)})`;
  }

  #compare(op: string, column: Column, value: FieldValue): string {
    const name = `"${column.name}"`;
    const comparison = COMPARISONS[op];
    if (!isText(column.type)) {
      if (comparison === undefined) return this.#compare("equals", column, value);
      const bound = boundNumber(column, value);
      if (bound === undefined) return NEVER;
      return `${name} ${comparison} ${this.bind(bound)}::${SQL_TYPES[column.type]}`;
    }
    const text = escapeText(String(value));
    if (column.type === "list" && (op === "equals" || op === "same")) {
      const element = typeof value === "string" ? JSON.stringify(text) : text;
      return `contains(lower(${name}), ${this.bind(element.toLowerCase())})`;
    }
    if (comparison !== undefined) return `${name} ${comparison} ${this.bind(text)}`;
    return textMatch(op, `lower(${name})`, text.toLowerCase(), (bound) => this.bind(bound));
  }
}

function textMatch(
  op: string,
  name: string,
  text: string,
  bind: (value: string) => string,
): string {
  switch (op) {
    case "contains":
      return `contains(${name}, ${bind(text)})`;
    case "starts":
      return `starts_with(${name}, ${bind(text)})`;
    case "ends":
      return `suffix(${name}, ${bind(text)})`;
    case "like":
      return `${name} LIKE ${bind(likePattern(text))} ESCAPE '\\'`;
    default:
      return `${name} = ${bind(text)}`;
  }
}

/** Type of a column in SQL. Texts, lists among them, are VARCHAR. */
export const SQL_TYPES: Readonly<Record<Column["type"], string>> = {
  address: "VARCHAR",
  bigint: "UBIGINT",
  flag: "BOOLEAN",
  list: "VARCHAR",
  number: "BIGINT",
  real: "DOUBLE",
  text: "VARCHAR",
  time: "DOUBLE",
};

// As text, because a 64-bit number has no other form that is bound exactly.
function boundNumber({ type }: Column, value: FieldValue): boolean | number | string | undefined {
  if (type === "flag") return typeof value === "boolean" ? value : value === "true";
  const text = String(value);
  if (type === "bigint") return /^\d{1,20}$/.test(text) ? text : undefined;
  const number = Number(value);
  if (!Number.isFinite(number)) return undefined;
  if (type !== "number") return number;
  return Number.isSafeInteger(number) ? text : undefined;
}

function likePattern(text: string): string {
  return text.replaceAll(/\\(.)|[\\%_*?]/gs, (found, taken: string | undefined) => {
    if (taken !== undefined) return /[\\%_]/.test(taken) ? `\\${taken}` : taken;
    if (found === "*") return "%";
    return found === "?" ? "_" : `\\${found}`;
  });
}
