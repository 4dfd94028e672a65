// SPDX-License-Identifier: Apache-2.0
// Values of text to rows, looked up in three ways: as they are, a domain with all domains above it,
// a URL with all paths above its own. A look-up makes no object and copies no text. Used by the
// indicator store.
import { HashTable, hashEnd, hashStart, hashStep } from "./hash-table.ts";
import type { IndicatorRows } from "./indicator-rows.ts";
import { isMark, urlKey } from "./url-key.ts";

const DOT = 46;
const SLASH = 47;

/** Whether a row found on the way is the one wanted; the search goes on where it is not. */
type Accept = (row: number, isWhole: boolean) => boolean;

/** One table of texts; values of several kinds may share it. */
export class TextTable {
  readonly #rows: IndicatorRows;
  readonly #table = new HashTable();

  constructor(rows: IndicatorRows) {
    this.#rows = rows;
  }

  get bytes(): number {
    return this.#table.bytes;
  }

  get size(): number {
    return this.#table.size;
  }

  /** The row of exactly this kind and text, or -1. */
  get(kind: number, text: string): number {
    const place = this.#placeOf(kind, text);
    return place < 0 ? -1 : this.#table.rowAt(place);
  }

  /** Sets the row of a kind and text; -1 removes it. */
  set(kind: number, text: string, row: number): void {
    const place = this.#placeOf(kind, text);
    if (row < 0) {
      if (place >= 0) this.#table.removeAt(place);
    } else if (place >= 0) {
      this.#table.setRow(place, row);
    } else {
      this.#table.add(hashEnd(backward(kind, text, 0, text.length)), row);
    }
  }

  /**
   * The row of a domain or of the nearest one above it that is accepted, or -1. A dot at the end
   * and the case of letters are nothing.
   */
  findDomain(kind: number, name: string, accept: Accept): number {
    if (this.#table.size === 0) return -1;
    const end = name.charCodeAt(name.length - 1) === DOT ? name.length - 1 : name.length;
    let hash = hashStart(kind);
    let best = -1;
    for (let at = end - 1; at >= -1; at--) {
      const code = at < 0 ? DOT : name.charCodeAt(at);
      // Each dot, and the beginning, completes a suffix: the last one found is the nearest.
      if (code === DOT && at < end - 1) {
        const row = this.#rowOf(hashEnd(hash), kind, name, at + 1, end);
        if (row >= 0 && accept(row, at < 0)) best = row;
      }
      hash = hashStep(hash, code >= 65 && code <= 90 ? code | 32 : code);
    }
    return best;
  }

  /**
   * The row of a key of {@link urlKey} or of the nearest one above it that is accepted, or -1.
   * `pathStart`: where its path begins.
   */
  findUrl(kind: number, key: string, pathStart: number, accept: Accept): number {
    if (this.#table.size === 0) return -1;
    let hash = hashStart(kind);
    let best = -1;
    for (let at = 0; at <= key.length; at++) {
      const isBoundary =
        at > pathStart &&
        (at === key.length || isMark(key, at) || key.charCodeAt(at - 1) === SLASH);
      if (isBoundary) {
        const row = this.#urlRow(hashEnd(hash), kind, key, at);
        if (row >= 0 && accept(row, at === key.length)) best = row;
      }
      if (at < key.length) hash = hashStep(hash, key.charCodeAt(at));
    }
    return best;
  }

  /** The row whose URL has exactly this key, or -1. */
  getUrl(kind: number, key: string): number {
    return this.#urlRow(hashEnd(forward(kind, key)), kind, key, key.length);
  }

  /** Sets the row of a URL's key; -1 removes it. */
  setUrl(kind: number, key: string, row: number): void {
    const hash = hashEnd(forward(kind, key));
    const known = this.#urlRow(hash, kind, key, key.length);
    if (known < 0) {
      if (row >= 0) this.#table.add(hash, row);
      return;
    }
    let place = this.#table.first(hash);
    while (this.#table.rowAt(place) !== known) place = this.#table.next(hash, place);
    if (row < 0) this.#table.removeAt(place);
    else this.#table.setRow(place, row);
  }

  #placeOf(kind: number, text: string): number {
    const hash = hashEnd(backward(kind, text, 0, text.length));
    const { kinds, values, pool } = this.#rows;
    for (let at = this.#table.first(hash); at >= 0; at = this.#table.next(hash, at)) {
      const row = this.#table.rowAt(at);
      if (kinds[row] === kind && pool.equals(values[row] ?? 0, text, 0, text.length, false)) {
        return at;
      }
    }
    return -1;
  }

  #rowOf(hash: number, kind: number, text: string, start: number, end: number): number {
    const { kinds, values, pool } = this.#rows;
    for (let at = this.#table.first(hash); at >= 0; at = this.#table.next(hash, at)) {
      const row = this.#table.rowAt(at);
      if (kinds[row] === kind && pool.equals(values[row] ?? 0, text, start, end, true)) return row;
    }
    return -1;
  }

  // A URL is kept as people know it; its key is made again, of one in 2^32 that is not a hit.
  #urlRow(hash: number, kind: number, key: string, end: number): number {
    for (let at = this.#table.first(hash); at >= 0; at = this.#table.next(hash, at)) {
      const row = this.#table.rowAt(at);
      if (this.#rows.kinds[row] !== kind) continue;
      const known = urlKey(this.#rows.value(row));
      if (known !== undefined && known.length === end && key.startsWith(known)) return row;
    }
    return -1;
  }
}

function backward(kind: number, text: string, start: number, end: number): number {
  let hash = hashStart(kind);
  for (let at = end - 1; at >= start; at--) hash = hashStep(hash, text.charCodeAt(at));
  return hash;
}

function forward(kind: number, text: string): number {
  let hash = hashStart(kind);
  for (let at = 0; at < text.length; at++) hash = hashStep(hash, text.charCodeAt(at));
  return hash;
}
