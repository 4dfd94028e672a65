// SPDX-License-Identifier: Apache-2.0
// One search over the store's history, newest first: rows go out as soon as nothing newer can
// come any more. Runs on the keeper's worker.
import type { DuckDBConnection } from "@duckdb/node-api";
import type { EventShape } from "../model/model.ts";
import { selectRows } from "./column-engine.ts";
import { SHAPE_COLUMNS, type StoredRow } from "./columns.ts";
import type { Keeper, Source } from "./keeper.ts";
import {
  conditionOf,
  type SqlCondition,
  type StorePredicate,
  type StoreQuery,
} from "./predicate.ts";

const LIMIT_DEFAULT = 1000;
const LIMIT_MAX = 1_000_000;
const TIME_LIMIT_MS = 30_000;
/** Segments that are looked at together: enough to share the cost of a statement. */
const GROUP = 8;

/** A search that can be ended early. */
export class Search {
  readonly #keeper: Keeper;
  readonly #query: StoreQuery;
  #connection: DuckDBConnection | undefined;
  #isOver = false;

  constructor(keeper: Keeper, query: StoreQuery) {
    this.#keeper = keeper;
    this.#query = query;
  }

  cancel(): void {
    this.#isOver = true;
    this.#connection?.interrupt();
  }

  /** Calls `take` with rows in order; false when it was ended before its end. */
  async run(take: (rows: readonly StoredRow[]) => void): Promise<boolean> {
    const { timeLimitMs = TIME_LIMIT_MS } = this.#query;
    const timer = setTimeout(() => this.cancel(), timeLimitMs);
    this.#connection = await this.#keeper.engine.connect();
    try {
      await this.#look(await this.#keeper.beginSearch(), take);
      return !this.#isOver;
    } catch (cause) {
      if (this.#isOver) return false;
      throw cause;
    } finally {
      clearTimeout(timer);
      this.#keeper.endSearch();
      this.#connection.closeSync();
    }
  }

  async #look(all: readonly Source[], take: (rows: readonly StoredRow[]) => void): Promise<void> {
    const { limit = LIMIT_DEFAULT } = this.#query;
    const sources = all.filter((source) => this.#canHold(source)).sort((a, b) => b.toMs - a.toMs);
    const conditions = this.#conditions();
    let held: StoredRow[] = [];
    let left = Math.min(limit, LIMIT_MAX);
    for (let at = 0; at < sources.length && left > 0 && !this.#isOver; at += GROUP) {
      for (const [shape, condition] of conditions) {
        if (this.#isOver) return;
        held.push(...(await this.#group(sources.slice(at, at + GROUP), shape, condition, left)));
      }
      held.sort((a, b) => b.event.timeMs - a.event.timeMs);
      const newest = sources[at + GROUP]?.toMs ?? Number.NEGATIVE_INFINITY;
      const ready = held.filter(({ event }) => event.timeMs >= newest).slice(0, left);
      held = held.slice(ready.length, left);
      left -= ready.length;
      if (ready.length > 0) take(ready);
    }
  }

  async #group(
    sources: readonly Source[],
    shape: EventShape,
    condition: SqlCondition,
    limit: number,
  ): Promise<StoredRow[]> {
    const { cache } = this.#keeper;
    const files = sources.flatMap(({ parts }) =>
      parts.filter((part) => part.shape === shape).map(({ file }) => file),
    );
    const views = sources.flatMap((source) =>
      source.views.filter((view) => view.shape === shape).map(({ fd }) => fd),
    );
    const held: string[] = [];
    try {
      const fds = files.map((file) => {
        const fd = cache.acquire(file);
        held.push(file);
        return fd;
      });
      if (fds.length + views.length === 0 || this.#connection === undefined) return [];
      return await selectRows(this.#connection, shape, [...fds, ...views], condition, limit);
    } finally {
      for (const file of held) cache.release(file);
    }
  }

  #conditions(): Array<[EventShape, SqlCondition]> {
    return [...SHAPE_COLUMNS.keys()].flatMap((shape) => {
      const condition = conditionOf(this.#query, shape);
      return condition === undefined ? [] : [[shape, condition] as [EventShape, SqlCondition]];
    });
  }

  #canHold({ fromMs, toMs, guests }: Source): boolean {
    const { fromMs: from = fromMs, toMs: to = toMs, where } = this.#query;
    if (from > toMs || to < fromMs) return false;
    const guest = where === undefined ? undefined : neededGuest(where);
    return guest === undefined || guests === undefined || guests.includes(guest);
  }
}

/** The guest that all rows must be of, where the condition says so. */
function neededGuest(predicate: StorePredicate): string | undefined {
  if (predicate.op === "and") {
    return predicate.parts.map(neededGuest).find((guest) => guest !== undefined);
  }
  if (predicate.op !== "equals" || predicate.field !== "guest") return undefined;
  return String(predicate.value);
}
