// SPDX-License-Identifier: Apache-2.0
// Face of the store room: what is written to disk about guests, sealed with a key.
export { BatchBuilder, type ColumnBatch, readBatch, rowsOf } from "./column-batch.ts";
export type { StoredRow } from "./columns.ts";
export {
  type EventStore,
  type EventStoreOptions,
  openEventStore,
  type SearchRows,
} from "./event-store.ts";
export type { FieldValue, SqlCondition, StorePredicate, StoreQuery } from "./predicate.ts";
export {
  createSealedLog,
  readSealedLog,
  type SealedLog,
  type SealedLogContent,
} from "./sealed-log.ts";
export { searchConditions } from "./search-conditions.ts";
export { readStoreKey } from "./store-key.ts";
export type { StoreLimits, StoreStats, Unstored } from "./store-messages.ts";
