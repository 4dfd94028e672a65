// SPDX-License-Identifier: Apache-2.0
// A search as data: what the parser makes, and what the printer, the evaluator and the SQL
// compiler read. docs/search.md has the grammar.

/** A search: which events, and what is made of them. */
export interface Search {
  readonly where: Condition;
  readonly stages: readonly Stage[];
}

export type Condition =
  | { readonly kind: "all" }
  | { readonly kind: "and" | "or"; readonly items: readonly Condition[] }
  | { readonly kind: "not"; readonly item: Condition }
  /** `field` is the name of a field or of a group of fields, any of which may pass. */
  | { readonly kind: "test"; readonly field: string; readonly test: Test }
  /** Somewhere in any text. */
  | { readonly kind: "word"; readonly pattern: Pattern };

export type Test =
  /** There is a value, and it is not an empty text or list. */
  | { readonly kind: "exists" }
  | { readonly kind: "text"; readonly pattern: Pattern }
  | { readonly kind: "range"; readonly low: Bound | undefined; readonly high: Bound | undefined }
  /** `low` and `high` are keys of lib/search/address-range.ts. */
  | { readonly kind: "network"; readonly low: string; readonly high: string; readonly text: string }
  | { readonly kind: "flag"; readonly value: boolean };

export interface Bound {
  readonly value: Point;
  readonly isIncluded: boolean;
}

/** A number of a field, or a time: milliseconds since 1970, or relative to when it is asked. */
export type Point = number | bigint | { readonly fromNowMs: number };

/** Texts and wildcards: `any` stands for any text, `one` for one character. */
export type Pattern = readonly PatternPart[];
export type PatternPart = { readonly text: string } | "any" | "one";

export type Stage =
  | { readonly kind: "stats"; readonly makes: readonly Aggregate[]; readonly by: readonly Key[] }
  | { readonly kind: "sort"; readonly keys: readonly SortKey[] }
  | { readonly kind: "fields"; readonly names: readonly string[] }
  | { readonly kind: "limit"; readonly count: number };

export type AggregateName = "avg" | "count" | "dc" | "max" | "min" | "sum";

/** `count` of rows has no field. */
export interface Aggregate {
  readonly name: AggregateName;
  readonly field: string | undefined;
}

/** A field to group by; a time may be cut to steps of `stepMs`. */
export interface Key {
  readonly field: string;
  readonly stepMs: number | undefined;
}

export interface SortKey {
  readonly column: string;
  readonly isDescending: boolean;
}

/** Name of the column that an aggregate makes. */
export function aggregateColumn({ name, field }: Aggregate): string {
  return `${name}(${field ?? ""})`;
}
