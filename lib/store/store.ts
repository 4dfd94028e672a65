// SPDX-License-Identifier: Apache-2.0
// Face of the store room: what is written to disk about guests, sealed with a key.
export { BatchBuilder, type ColumnBatch, readBatch, rowsOf } from "./column-batch.ts";
export type { StoredRow } from "./columns.ts";
export {
  createSealedLog,
  readSealedLog,
  type SealedLog,
  type SealedLogContent,
} from "./sealed-log.ts";
export { readStoreKey } from "./store-key.ts";
