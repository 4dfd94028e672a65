// SPDX-License-Identifier: Apache-2.0
// Face of the search room: the search language. Pure, no I/O.
export { type Completion, type CompletionItem, completeSearch } from "./complete.ts";
export { type Row, type RowTest, rowTest } from "./evaluate.ts";
export {
  type MergedRows,
  type MergeOptions,
  mergeRows,
  type SearchShare,
  searchShare,
} from "./merge.ts";
export { cursorAfter, isAfter, pageOrder, readCursor, rowOrder } from "./order.ts";
export { parseSearch } from "./parser.ts";
export { type SearchPeriod, searchPeriod } from "./period.ts";
export { printSearch } from "./print.ts";
export { runSearch } from "./run.ts";
export { eventSchema, type FieldSchema, type SearchField } from "./schema.ts";
export { conditionSql, type SqlRelation, type SqlText, stagesSql } from "./sql.ts";
export * from "./syntax.ts";
