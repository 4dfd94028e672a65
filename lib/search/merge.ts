// SPDX-License-Identifier: Apache-2.0
// One search over several stores: what each of them has to give, and what is made of all that they
// gave. Called by `undercroft search`, by servers and by the manager.
import { UndercroftError } from "../errors/errors.ts";
import type { Row } from "./evaluate.ts";
import { runSearch } from "./run.ts";
import type { FieldSchema } from "./schema.ts";
import type { Search } from "./syntax.ts";

/** Rows of one store that stages may work on, where the caller sets no other bound. */
const ROWS_MAX = 1_000_000;

/** What tells rows of one moment apart, so that their order is always the same. */
const TIE_BREAKERS = ["guest", "boot", "seq", "kind"];

/** What one store gives to a search. */
export interface SearchShare {
  /** Its newest rows, at most so many. */
  readonly limit: number;
  /** Whether the newest rows are enough: stages that make others need all there are. */
  readonly isNewest: boolean;
  /** Fields that the stages use; absent: all. */
  readonly fields?: ReadonlySet<string>;
}

export interface MergeOptions {
  /** Rows that are shown where the search sets no limit. */
  readonly shown: number;
  /** Rows of one store that stages may work on. Default 1,000,000. */
  readonly rowsMax?: number;
}

/** What each store has to give. */
export function searchShare({ stages }: Search, options: MergeOptions): SearchShare {
  const { shown, rowsMax = ROWS_MAX } = options;
  const [first] = stages;
  const isNewest = first === undefined || first.kind === "limit" || first.kind === "fields";
  const wanted = first?.kind === "limit" ? first.count : shown;
  // One more than is shown tells that there are more.
  const limit = isNewest ? Math.min(wanted + 1, rowsMax) : rowsMax;
  if (first?.kind !== "stats") return { limit, isNewest };
  const used = [...first.by.map(({ field }) => field), ...first.makes.map(({ field }) => field)];
  return { limit, isNewest, fields: new Set(used.filter((field) => field !== undefined)) };
}

/** Rows of a search over several stores, in its order. */
export interface MergedRows {
  readonly rows: readonly Row[];
  /** There is more than is shown. */
  readonly isCut: boolean;
}

/**
 * Makes one answer of what the stores gave.
 * @throws {UndercroftError} ERR_UC_SEARCH where one of them has more than stages may work on
 */
export function mergeRows(
  search: Search,
  shares: ReadonlyArray<readonly Row[]>,
  schema: FieldSchema,
  options: MergeOptions & { readonly nowMs: number },
): MergedRows {
  const { nowMs, shown, rowsMax = ROWS_MAX } = options;
  const { isNewest } = searchShare(search, options);
  if (!isNewest && shares.some(({ length }) => length >= rowsMax)) {
    const what = `the search finds more than ${rowsMax} events in one store`;
    throw new UndercroftError("ERR_UC_SEARCH", `${what}; narrow it by time or field`);
  }
  // The stores have looked at the condition.
  const staged = { ...search, where: { kind: "all" } as const };
  const made = runSearch(staged, shares.flat(), schema, nowMs, TIE_BREAKERS);
  const isBounded = search.stages.some(({ kind }) => kind === "limit" || kind === "stats");
  const isCut = !isBounded && made.length > shown;
  return { rows: isCut ? made.slice(0, shown) : made, isCut };
}
