// SPDX-License-Identifier: Apache-2.0
// Rows on their way to the manager, in parts that the link carries: what guests wrote into them
// must not make a part too large. Called by answers.ts.

import type { StoredEvent } from "../../model/model.ts";
import type { Server } from "../composition.ts";
import { type EventRow, eventRow } from "../store-search.ts";

export type SendRows = (rows: readonly EventRow[]) => Promise<void>;

/** Characters of one part, before JSON escapes them: six times as many at most. */
const PART_LENGTH_MAX = 500_000;
const LIVE_ROWS_MAX = 5000;
const LIVE_LENGTH_MAX = 8_000_000;
const LIVE_EVERY_MS = 250;

/** Sends rows in parts; resolves when there is room for more. Returns how many they were. */
export async function sendInParts(rows: readonly EventRow[], send: SendRows): Promise<number> {
  let from = 0;
  let length = 0;
  for (const [at, row] of rows.entries()) {
    length += rowLength(row);
    if (length < PART_LENGTH_MAX) continue;
    await send(rows.slice(from, at + 1));
    from = at + 1;
    length = 0;
  }
  if (from < rows.length) await send(rows.slice(from));
  return rows.length;
}

function rowLength(row: EventRow): number {
  let length = 0;
  for (const value of Object.values(row)) length += valueLength(value);
  return length;
}

function valueLength(value: unknown): number {
  if (typeof value === "string") return value.length + 32;
  if (typeof value !== "object" || value === null) return 32;
  return Object.values(value).reduce<number>((sum, part) => sum + valueLength(part), 32);
}

/** What a guest does, from now on until a signal. */
export async function sendLive(
  server: Server,
  guest: string,
  signal: AbortSignal,
  send: SendRows,
): Promise<{ readonly rows: number; readonly dropped: number }> {
  let waiting: EventRow[] = [];
  let length = 0;
  let dropped = 0;
  let rows = 0;
  const take = (event: StoredEvent): void => {
    if (waiting.length >= LIVE_ROWS_MAX || length >= LIVE_LENGTH_MAX) {
      dropped += 1;
      return;
    }
    const row = eventRow(event);
    waiting.push(row);
    length += rowLength(row);
  };
  const stop = [
    server.on("events", (batch) => {
      if (batch.guest !== guest) return;
      for (const item of batch.items) {
        take(item.kind === "loss" ? { ...item, timeMs: Date.now() } : item);
      }
    }),
    server.on("network", (batch) => {
      if (batch.guest === guest) for (const event of batch.events) take(event);
    }),
  ];
  try {
    while (!signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, LIVE_EVERY_MS));
      const ready = waiting;
      waiting = [];
      length = 0;
      rows += await sendInParts(ready, send);
    }
    return { rows, dropped };
  } finally {
    for (const one of stop) one();
  }
}
