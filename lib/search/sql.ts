// SPDX-License-Identifier: Apache-2.0
// A search as SQL for DuckDB: text and parameters, no connection. No value is ever written into
// the text, and names come from the schema only. Held equal to evaluate.ts by a property test.
import type { FieldType } from "../model/model.ts";
import { pointValue, withinPattern, wordFields } from "./evaluate.ts";
import { fold, plainText } from "./patterns.ts";
import { type FieldSchema, fieldsOf } from "./schema.ts";
import type { Bound, Condition, Pattern, SortKey, Stage, Test } from "./syntax.ts";
import { aggregateColumn } from "./syntax.ts";

/**
 * One relation of a store. Its columns are named as the fields and typed: text, address, list (as
 * JSON) VARCHAR; number BIGINT; bigint UBIGINT; real, time DOUBLE; flag BOOLEAN.
 */
export interface SqlRelation {
  readonly columns: ReadonlySet<string>;
  /** Values of what is the same for all its rows, such as `server`. */
  readonly place: Readonly<Record<string, string>>;
  readonly nowMs: number;
  /** How the store writes a text, where not as it is. */
  readonly encodeText?: (text: string) => string;
}

export interface SqlText {
  readonly sql: string;
  /** For `$1` and on. Numbers are texts, which the SQL casts: a binding would guess their type. */
  readonly values: ReadonlyArray<boolean | string>;
}

const NEVER = "false";
const ALWAYS = "true";

/** Compiles a condition; undefined where no row of the relation can pass. */
export function conditionSql(
  condition: Condition,
  schema: FieldSchema,
  relation: SqlRelation,
): SqlText | undefined {
  const writer = new SqlWriter(schema, relation);
  const sql = writer.condition(condition);
  return sql === NEVER ? undefined : { sql, values: writer.values };
}

class SqlWriter {
  readonly values: Array<boolean | string> = [];
  readonly #schema: FieldSchema;
  readonly #relation: SqlRelation;

  constructor(schema: FieldSchema, relation: SqlRelation) {
    this.#schema = schema;
    this.#relation = relation;
  }

  condition(condition: Condition): string {
    switch (condition.kind) {
      case "all":
        return ALWAYS;
      case "and":
        return joined(
          condition.items.map((item) => this.condition(item)),
          "AND",
          NEVER,
          ALWAYS,
        );
      case "or":
        return joined(
          condition.items.map((item) => this.condition(item)),
          "OR",
          ALWAYS,
          NEVER,
        );
      case "not": {
        const item = this.condition(condition.item);
        if (item === NEVER) return ALWAYS;
        // A comparison with nothing is nothing in SQL; here it is false.
        return item === ALWAYS ? NEVER : `NOT coalesce(${item}, false)`;
      }
      case "word": {
        const pattern = withinPattern(condition.pattern);
        const test: Test = { kind: "text", pattern };
        return this.#any(wordFields(this.#schema), test);
      }
      case "test":
        return this.#any(fieldsOf(this.#schema, condition.field), condition.test);
    }
  }

  #any(fields: readonly string[], test: Test): string {
    return joined(
      fields.map((field) => this.#test(field, test)),
      "OR",
      ALWAYS,
      NEVER,
    );
  }

  #test(field: string, test: Test): string {
    const { type = "text", isPlace, values } = this.#schema.fields.get(field) ?? {};
    if (isPlace) return this.#placeTest(this.#relation.place[field], test);
    if (!this.#relation.columns.has(field)) return NEVER;
    const column = name(field);
    switch (test.kind) {
      case "exists":
        return existsSql(column, type);
      case "flag":
        return `${column} = ${this.#bind(test.value)}::BOOLEAN`;
      case "range":
        return this.#range(column, type, test.low, test.high);
      case "network":
        return this.#network(column, test);
      case "text":
        if (type === "list") return this.#element(column, test.pattern);
        // Known values are in lower case already: the column stays bare for the engine's index.
        return this.#text(values === undefined ? `lower(${column})` : column, test.pattern);
    }
  }

  #placeTest(value: string | undefined, test: Test): string {
    if (value === undefined) return NEVER;
    if (test.kind === "exists") return value === "" ? NEVER : ALWAYS;
    if (test.kind !== "text") return NEVER;
    return this.#text(`${this.#bindText(value)}::VARCHAR`, test.pattern);
  }

  #text(folded: string, pattern: Pattern): string {
    const plain = plainText(pattern);
    if (plain !== undefined) return `${folded} = ${this.#bindText(plain)}`;
    const inner = pattern.slice(
      pattern[0] === "any" ? 1 : 0,
      pattern.at(-1) === "any" ? -1 : undefined,
    );
    const text = plainText(inner);
    if (text !== undefined && text !== "") {
      const call =
        pattern[0] !== "any" ? "starts_with" : pattern.at(-1) !== "any" ? "suffix" : "contains";
      return `${call}(${folded}, ${this.#bindText(text)})`;
    }
    const like = pattern.map((part) => {
      if (part === "any") return "%";
      return part === "one" ? "_" : part.text.replaceAll(/[\\%_]/g, "\\$&");
    });
    return `${folded} LIKE ${this.#bindText(like.join(""))} ESCAPE '\\'`;
  }

  /** Elements that are no text are compared as their JSON. */
  #element(column: string, pattern: Pattern): string {
    const elements = `from_json(${column}, '["VARCHAR"]')`;
    const test = this.#text("lower(element)", pattern);
    return `len(list_filter(${elements}, lambda element: ${test})) > 0`;
  }

  #range(column: string, type: FieldType, low: Bound | undefined, high: Bound | undefined): string {
    const parts: string[] = [];
    if (low !== undefined) {
      parts.push(this.#bound(column, type, low.isIncluded ? ">=" : ">", low));
    }
    if (high !== undefined) {
      parts.push(this.#bound(column, type, high.isIncluded ? "<=" : "<", high));
    }
    return joined(parts, "AND", NEVER, ALWAYS);
  }

  #bound(column: string, type: FieldType, sign: string, { value }: Bound): string {
    const point = pointValue(value, this.#relation.nowMs);
    if (type === "number") return `${column} ${sign} ${this.#bind(String(point))}::BIGINT`;
    if (type !== "bigint") return `${column} ${sign} ${this.#bind(String(Number(point)))}::DOUBLE`;
    if (point < 0) return sign.startsWith(">") ? `${column} IS NOT NULL` : NEVER;
    return `${column} ${sign} ${this.#bind(String(point))}::UBIGINT`;
  }

  #network(column: string, { low, high, text }: Extract<Test, { kind: "network" }>): string {
    if (low === high) return `${column} = ${this.#bindText(text)}`;
    const key = low.startsWith("4") ? ipv4Sql(column) : ipv6Sql(column);
    const first = `${this.#bind(low.slice(1))}::VARCHAR`;
    return `${key} BETWEEN ${first} AND ${this.#bind(high.slice(1))}::VARCHAR`;
  }

  #bindText(text: string): string {
    const { encodeText } = this.#relation;
    return this.#bind(encodeText === undefined ? fold(text) : encodeText(fold(text)));
  }

  #bind(value: boolean | string): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

function joined(parts: readonly string[], word: string, decisive: string, neutral: string): string {
  if (parts.includes(decisive)) return decisive;
  const left = parts.filter((part) => part !== neutral);
  if (left.length === 0) return neutral;
  return left.length === 1 ? (left[0] ?? neutral) : `(${left.join(` ${word} `)})`;
}

function name(field: string): string {
  return `"${field.replaceAll('"', '""')}"`;
}

function existsSql(column: string, type: FieldType): string {
  if (type === "list") return `${column} NOT IN ('', '[]')`;
  return type === "text" || type === "address" ? `${column} <> ''` : `${column} IS NOT NULL`;
}

/** Eight hex digits of a dotted address; NULL of any other text. */
function ipv4Sql(column: string): string {
  const bytes = [1, 2, 3, 4].map(
    (at) => `printf('%02x', try_cast(split_part(${column}, '.', ${at}) AS UTINYINT)::INTEGER)`,
  );
  return bytes.join(" || ");
}

/** 32 hex digits of an address as RFC 5952 writes it; NULL of any other text. */
function ipv6Sql(column: string): string {
  const side = (at: number) => {
    const part = `split_part(${column}, '::', ${at})`;
    const groups = `list_transform(string_split(${part}, ':'), lambda one: lpad(one, 4, '0'))`;
    return `CASE WHEN ${part} = '' THEN '' ELSE array_to_string(${groups}, '') END`;
  };
  const right = `(${side(2)})`;
  const whole = `rpad(${side(1)}, (32 - length(${right}))::INTEGER, '0') || ${right}`;
  return `CASE WHEN contains(${column}, ':') THEN ${whole} END`;
}

/**
 * A SELECT of a search's rows, in order, from a relation that already holds only what passes the
 * condition. `order` is that of lib/search/order.ts.
 */
export function stagesSql(
  relation: string,
  stages: readonly Stage[],
  order: readonly SortKey[],
): string {
  let from = relation;
  let keys = order;
  let visible = "*";
  for (const stage of stages) {
    switch (stage.kind) {
      case "sort": {
        const named = new Set(stage.keys.map(({ column }) => column));
        keys = [...stage.keys, ...keys.filter(({ column }) => !named.has(column))];
        break;
      }
      case "limit":
        from = `(SELECT * FROM ${from}${orderSql(keys)} LIMIT ${stage.count})`;
        break;
      case "fields":
        visible = stage.names.map(name).join(", ");
        break;
      case "stats":
        from = statsSql(from, stage);
        keys = stage.by.map(({ field }) => ({ column: field, isDescending: false }));
        visible = "*";
    }
  }
  return `SELECT ${visible} FROM ${from}${orderSql(keys)}`;
}

function orderSql(keys: readonly SortKey[]): string {
  if (keys.length === 0) return "";
  const parts = keys.map(
    ({ column, isDescending }) => `${name(column)} ${isDescending ? "DESC" : "ASC"} NULLS LAST`,
  );
  return ` ORDER BY ${parts.join(", ")}`;
}

function statsSql(from: string, { makes, by }: Extract<Stage, { kind: "stats" }>): string {
  const keys = by.map(({ field, stepMs }) =>
    stepMs === undefined
      ? name(field)
      : `floor(${name(field)} / ${stepMs}) * ${stepMs} AS ${name(field)}`,
  );
  const made = makes.map((aggregate) => {
    const field = name(aggregate.field ?? "");
    const calls = {
      avg: `avg(${field}::DOUBLE)`,
      count: "count(*)",
      dc: `count(DISTINCT ${field})`,
      max: `max(${field})`,
      min: `min(${field})`,
      sum: `sum(${field}::DOUBLE)`,
    };
    return `${calls[aggregate.name]} AS ${name(aggregateColumn(aggregate))}`;
  });
  const group = by.length === 0 ? "" : ` GROUP BY ${by.map((_, at) => at + 1).join(", ")}`;
  return `(SELECT ${[...keys, ...made].join(", ")} FROM ${from}${group})`;
}
