// SPDX-License-Identifier: Apache-2.0
// Searches of the search language over one event store, as rows by the names of fields. Called by
// `undercroft search` and for the manager's searches; stages are for whoever merges the rows.
import { FIELD_TABLE, type FieldName, fieldOf, type StoredEvent } from "../model/model.ts";
import { type Condition, eventSchema, searchPeriod } from "../search/search.ts";
import { type EventStore, type StorePredicate, searchConditions } from "../store/store.ts";

/** An event by the names of its fields, those that it has. */
export type EventRow = Readonly<Record<string, unknown>>;

export interface StoreSearch {
  readonly where: Condition;
  readonly nowMs: number;
  /** Newest rows first, at most so many. */
  readonly limit: number;
  /** Only these fields; absent: all. */
  readonly fields?: ReadonlySet<string>;
  /** Only events of guests of these names; absent: of all. */
  readonly guests?: readonly string[];
  /** The value of the field `server`. */
  readonly server?: string;
  readonly timeLimitMs?: number;
  readonly signal?: AbortSignal;
}

const FIELD_NAMES = Object.keys(FIELD_TABLE) as FieldName[];
const ROWS_AT_ONCE = 200;

/** Hands over the rows of one store as they come. False: it was ended early. */
export async function searchStore(
  store: EventStore,
  search: StoreSearch,
  take: (rows: readonly EventRow[]) => Promise<void> | void,
): Promise<boolean> {
  const { where, nowMs, limit, fields, guests, server, timeLimitMs, signal } = search;
  if (guests?.length === 0) return true;
  const found = store.search({
    compiled: searchConditions(where, eventSchema, nowMs, server === undefined ? {} : { server }),
    limit,
    ...searchPeriod(where, nowMs),
    ...(guests === undefined ? {} : { where: ofGuests(guests) }),
    ...(timeLimitMs === undefined ? {} : { timeLimitMs }),
  });
  const cancel = (): void => found.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  if (signal?.aborted === true) cancel();
  const names = fields === undefined ? FIELD_NAMES : FIELD_NAMES.filter((name) => fields.has(name));
  let rows: EventRow[] = [];
  try {
    for await (const { event, count, lastMs } of found) {
      const row = eventRow(event, names);
      rows.push(count > 1 ? { ...row, count, last: lastMs } : row);
      if (rows.length < ROWS_AT_ONCE) continue;
      await take(rows);
      rows = [];
    }
    if (rows.length > 0) await take(rows);
    return found.complete;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

/** An event as a row: its kind and those of the fields that it has. */
export function eventRow(event: StoredEvent, names: readonly FieldName[] = FIELD_NAMES): EventRow {
  const row: Record<string, unknown> = { kind: event.kind };
  for (const name of names) {
    const value = fieldOf(event, name);
    if (value !== undefined) row[name] = value;
  }
  return row;
}

function ofGuests(guests: readonly string[]): StorePredicate {
  const parts = guests.map((value) => ({ op: "equals", field: "guest", value }) as const);
  return { op: "or", parts };
}
