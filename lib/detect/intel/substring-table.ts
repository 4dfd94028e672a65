// SPDX-License-Identifier: Apache-2.0
// Which of many texts occur in one text, for sets that change: each is filed under the hash of one
// window of it, the least crowded, and a rolling hash over the input asks for candidates. Used for
// command lines; the fixed SubstringIndex needs a rebuild for every change.
import { HashTable, hashEnd } from "./hash-table.ts";
import type { IndicatorRows } from "./indicator-rows.ts";

const WIDTHS: readonly number[] = [8, 4, 2, 1];
const BASE = 0x2c9277b5;
/** Windows of a text that are looked at for the least crowded. */
const WINDOWS_TRIED = 64;

interface Filed {
  readonly hash: number;
  readonly offset: number;
  readonly length: number;
  readonly table: HashTable;
}

/** Texts by their rows. */
export class SubstringTable {
  readonly #rows: IndicatorRows;
  readonly #tables: readonly HashTable[] = WIDTHS.map(() => new HashTable());
  readonly #filed = new Map<number, Filed>();

  constructor(rows: IndicatorRows) {
    this.#rows = rows;
  }

  get bytes(): number {
    return this.#tables.reduce((sum, table) => sum + table.bytes, this.#filed.size * 100);
  }

  add(row: number, text: string): void {
    const index = WIDTHS.findIndex((width) => width <= text.length);
    const table = this.#tables[index];
    if (table === undefined) return;
    const width = WIDTHS[index] ?? 1;
    let best: Filed | undefined;
    let bestCount = Number.POSITIVE_INFINITY;
    const last = Math.min(text.length - width, WINDOWS_TRIED);
    for (let offset = 0; offset <= last && bestCount > 0; offset++) {
      const hash = windowHash(text, offset, width);
      const count = countOf(table, hash, bestCount);
      if (count >= bestCount) continue;
      bestCount = count;
      best = { hash, offset, length: text.length, table };
    }
    if (best === undefined) return;
    table.add(best.hash, row);
    this.#filed.set(row, best);
  }

  /** Takes out a row, or puts another of the same text in its place. */
  replace(row: number, other: number): void {
    const filed = this.#filed.get(row);
    if (filed === undefined) return;
    const { table, hash } = filed;
    let place = table.first(hash);
    while (place >= 0 && table.rowAt(place) !== row) place = table.next(hash, place);
    if (place < 0) return;
    this.#filed.delete(row);
    if (other < 0) {
      table.removeAt(place);
    } else {
      table.setRow(place, other);
      this.#filed.set(other, filed);
    }
  }

  /** Calls back with the row of each text that occurs, once each. */
  find(text: string, found: (row: number) => void): void {
    if (this.#filed.size === 0) return;
    let seen: Set<number> | undefined;
    for (let index = 0; index < WIDTHS.length; index++) {
      const table = this.#tables[index];
      if (table === undefined || table.size === 0) continue;
      const width = WIDTHS[index] ?? 1;
      this.#scan(text, width, table, (row) => {
        seen ??= new Set();
        if (seen.has(row)) return;
        seen.add(row);
        found(row);
      });
    }
  }

  #scan(text: string, width: number, table: HashTable, found: (row: number) => void): void {
    const leaving = power(width);
    let rolling = 0;
    for (let at = 0; at < text.length; at++) {
      rolling = (Math.imul(rolling, BASE) + text.charCodeAt(at)) | 0;
      if (at >= width) {
        rolling = (rolling - Math.imul(leaving, text.charCodeAt(at - width))) | 0;
      }
      if (at + 1 < width) continue;
      const hash = hashEnd(rolling);
      for (let place = table.first(hash); place >= 0; place = table.next(hash, place)) {
        const row = table.rowAt(place);
        const filed = this.#filed.get(row);
        if (filed === undefined) continue;
        const start = at + 1 - width - filed.offset;
        const end = start + filed.length;
        if (start < 0 || end > text.length) continue;
        const value = this.#rows.values[row] ?? 0;
        if (this.#rows.pool.equals(value, text, start, end, false)) found(row);
      }
    }
  }
}

function power(exponent: number): number {
  let value = 1;
  for (let step = 0; step < exponent; step++) value = Math.imul(value, BASE);
  return value;
}

function windowHash(text: string, offset: number, width: number): number {
  let rolling = 0;
  for (let at = offset; at < offset + width; at++) {
    rolling = (Math.imul(rolling, BASE) + text.charCodeAt(at)) | 0;
  }
  return hashEnd(rolling);
}

function countOf(table: HashTable, hash: number, limit: number): number {
  let count = 0;
  for (let place = table.first(hash); place >= 0; place = table.next(hash, place)) {
    count++;
    if (count >= limit) break;
  }
  return count;
}
