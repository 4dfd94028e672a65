// SPDX-License-Identifier: Apache-2.0
// Reads what follows a condition: `| stats`, `| sort`, `| fields`, `| limit`. It knows the columns
// that each stage leaves to the next. Called by the parser.
import type { FieldType } from "../model/model.ts";
import { quoted, searchFault } from "./fault.ts";
import { durationMs } from "./literals.ts";
import type { Scanner } from "./scanner.ts";
import { type FieldSchema, nearest } from "./schema.ts";
import type { Key, SortKey, Stage } from "./syntax.ts";
import { type Aggregate, type AggregateName, aggregateColumn } from "./syntax.ts";

const STAGES_MAX = 8;
const NAMES_MAX = 64;
const COUNT_MAX = 1_000_000;

/** The names of stages. */
export const STAGE_NAMES: readonly string[] = ["stats", "sort", "fields", "limit"];
/** The names of aggregates. */
export const AGGREGATE_NAMES: readonly string[] = ["avg", "count", "dc", "max", "min", "sum"];

/** Reads all stages to the end of the text. */
export function parseStages(scanner: Scanner, schema: FieldSchema): readonly Stage[] {
  const reader = new StageReader(scanner, schema);
  const stages: Stage[] = [];
  while (scanner.peek() === "|") {
    if (stages.length === STAGES_MAX) {
      throw searchFault(`more than ${STAGES_MAX} stages`, scanner.at);
    }
    scanner.at += 1;
    stages.push(reader.read());
  }
  if (scanner.peek() !== "") {
    throw searchFault(`${quoted(scanner.text.slice(scanner.at))} is unexpected here`, scanner.at);
  }
  return stages;
}

class StageReader {
  readonly #scanner: Scanner;
  #columns: ReadonlyMap<string, FieldType>;

  constructor(scanner: Scanner, schema: FieldSchema) {
    this.#scanner = scanner;
    this.#columns = new Map([...schema.fields].map(([name, { type }]) => [name, type]));
  }

  read(): Stage {
    this.#scanner.skipSpace();
    const { at } = this.#scanner;
    const name = this.#scanner.match(/[a-z]+/iy)?.[0].toLowerCase() ?? "";
    if (name === "stats") return this.#stats();
    if (name === "sort") return this.#sort();
    if (name === "fields") return this.#fields();
    if (name === "limit") return this.#limit();
    const like = nearest(name, STAGE_NAMES);
    throw searchFault(`no stage ${quoted(name)}; there are ${STAGE_NAMES.join(", ")}`, at, like);
  }

  #stats(): Stage {
    const makes = this.#list(() => this.#aggregate());
    const hasBy = this.#take(/by(?=\s)/iy) !== undefined;
    const by = hasBy ? this.#list(() => this.#key()) : [];
    const columns = new Map(by.map(({ field }) => [field, this.#typeOf(field)]));
    for (const made of makes) columns.set(aggregateColumn(made), this.#madeType(made));
    this.#columns = columns;
    return { kind: "stats", makes, by };
  }

  #madeType({ name, field }: Aggregate): FieldType {
    if (name === "count" || name === "dc") return "number";
    return name === "min" || name === "max" ? this.#typeOf(field ?? "") : "real";
  }

  #aggregate(): Aggregate {
    this.#scanner.skipSpace();
    const { at } = this.#scanner;
    const found = this.#scanner.match(/([a-z]+)\s*(?:\(\s*([a-z0-9_.]*)\s*\))?/iy);
    const name = found?.[1]?.toLowerCase() ?? "";
    if (!AGGREGATE_NAMES.includes(name)) {
      const all = AGGREGATE_NAMES.join(", ");
      throw searchFault(
        `no function ${quoted(name)}; there are ${all}`,
        at,
        nearest(name, AGGREGATE_NAMES),
      );
    }
    const written = found?.[2] ?? "";
    if (name === "count") {
      if (written !== "") throw searchFault("count() has no field; dc(FIELD) counts values", at);
      return { name, field: undefined };
    }
    const field = this.#column(written, at);
    const isNumber = ["number", "real", "bigint", "time"].includes(this.#typeOf(field));
    if (name !== "dc" && !isNumber) {
      throw searchFault(`${name}() wants a number, and ${field} is none`, at);
    }
    return { name: name as AggregateName, field };
  }

  #key(): Key {
    this.#scanner.skipSpace();
    const { at } = this.#scanner;
    const bin = this.#scanner.match(/bin\s*\(\s*([a-z0-9_.]+)\s*,\s*(\w+)\s*\)/iy);
    if (bin === undefined) return { field: this.#name(), stepMs: undefined };
    const field = this.#column(bin[1] ?? "", at);
    const stepMs = durationMs(bin[2] ?? "");
    if (this.#typeOf(field) !== "time" || stepMs === undefined || stepMs === 0) {
      throw searchFault("bin wants a time and a step, such as bin(time, 1h)", at);
    }
    return { field, stepMs };
  }

  #sort(): Stage {
    return { kind: "sort", keys: this.#list(() => this.#sortKey()) };
  }

  #sortKey(): SortKey {
    this.#scanner.skipSpace();
    const sign = this.#scanner.match(/[-+]\s*/y)?.[0] ?? "";
    return { column: this.#name(), isDescending: sign.startsWith("-") };
  }

  #fields(): Stage {
    const { at } = this.#scanner;
    const names = this.#list(() => this.#name(true));
    if (new Set(names).size < names.length) throw searchFault("a field is named twice", at);
    this.#columns = new Map(names.map((name) => [name, this.#typeOf(name)]));
    return { kind: "fields", names };
  }

  #limit(): Stage {
    this.#scanner.skipSpace();
    const { at } = this.#scanner;
    const count = Number(this.#scanner.match(/\d{1,9}(?=[\s|]|$)/y)?.[0] ?? 0);
    if (count < 1 || count > COUNT_MAX) {
      throw searchFault(`limit wants a number from 1 to ${COUNT_MAX}`, at);
    }
    return { kind: "limit", count };
  }

  #list<T>(read: () => T): readonly T[] {
    const items: T[] = [];
    do {
      if (items.length === NAMES_MAX) {
        throw searchFault(`more than ${NAMES_MAX} names`, this.#scanner.at);
      }
      items.push(read());
    } while (this.#take(/,/y) !== undefined);
    return items;
  }

  #take(expression: RegExp): RegExpExecArray | undefined {
    this.#scanner.skipSpace();
    return this.#scanner.match(expression);
  }

  #name(mayBeList = false): string {
    this.#scanner.skipSpace();
    const { at } = this.#scanner;
    const name = this.#scanner.match(/[a-z0-9_.]+(?:\([a-z0-9_.]*\))?/iy)?.[0] ?? "";
    return this.#column(name, at, mayBeList);
  }

  /** The column of that name, or the only aggregate of that name. */
  #column(written: string, at: number, mayBeList = false): string {
    const name = written.toLowerCase();
    const column = this.#columns.has(name) ? name : `${name}()`;
    if (!this.#columns.has(column)) {
      const what = name === "" ? "the name of a field is missing here" : `no field ${quoted(name)}`;
      throw searchFault(what, at, nearest(name, this.#columns.keys()));
    }
    if (this.#typeOf(column) === "list" && !mayBeList) {
      throw searchFault(`${column} is a list: it can be searched and shown, not sorted`, at);
    }
    return column;
  }

  #typeOf(column: string): FieldType {
    return this.#columns.get(column) ?? "text";
  }
}
