// SPDX-License-Identifier: Apache-2.0
// One pass over a text for thousands of literals (Aho and Corasick, 1975): which it contains, which
// it begins or ends with, which it is. Case does not count. Built by a route for each field.
//
// States near the root and states that branch have a row for all classes of characters; the others,
// nearly all, have one edge and a fallback. That keeps 70,000 states in some megabytes, and the hot
// part in the processor's cache.

import { Reports } from "./automaton-reports.ts";
import { FOLD, foldText } from "./fold.ts";
import { CLASSES, type Literal, LiteralTrie, NONE, Scratch, SHARED } from "./literal-trie.ts";

/** What a scan writes to: each id once an epoch. */
export interface ScanHits {
  /** By id: the epoch that it was last seen in. */
  readonly stamps: Int32Array;
  epoch: number;
  /** Ids seen, in order; the first `count` are of this epoch. */
  readonly ids: Int32Array;
  count: number;
}

const DENSE_DEPTH = 2;

/** Literals to look for at once. */
export class Automaton {
  readonly #classes: Uint8Array;
  /** Of the length of a row, which is as short as its classes allow. */
  readonly #rowBits: number;
  /** Classes of all characters, for those beyond the first 256. */
  readonly #wide: ReadonlyMap<number, number>;
  /** Rows of dense states: place of the next state times two, plus 1 where something ends there. */
  readonly #rows: Int32Array;
  /** States from here on have one edge. */
  readonly #sparseFrom: number;
  readonly #edgeClass: Uint8Array;
  readonly #edgeNext: Int32Array;
  readonly #fallback: Int32Array;
  readonly #reports: Reports;
  /** By id: the literals that classes alone do not tell from each other, or from other text. */
  readonly #unsure: ReadonlyMap<number, readonly Literal[]>;
  /** By id: 1 for those of them, which a hit need not look up otherwise. */
  readonly #isUnsure: Uint8Array;

  constructor(literals: readonly Literal[], scratch: Scratch = new Scratch()) {
    scratch.reset();
    const classes = classify(literals);
    // The class 0 is that of all characters in no literal.
    this.#rowBits = Math.ceil(Math.log2(Math.min(classes.size + 1, CLASSES)));
    const trie = new LiteralTrie(literals, classes, scratch);
    const { order, fail } = trie.breadthFirst();
    const places = placeStates(trie, order, scratch);
    const tables = fillTables(trie, order, fail, { ...places, rowBits: this.#rowBits }, scratch);
    this.#classes = narrowClasses(classes);
    this.#wide = classes;
    this.#unsure = trie.unsure;
    this.#isUnsure = new Uint8Array(Math.max(-1, ...trie.unsure.keys()) + 1);
    for (const id of trie.unsure.keys()) this.#isUnsure[id] = 1;
    this.#sparseFrom = tables.rows.length;
    this.#rows = tables.rows;
    this.#edgeClass = tables.edgeClass;
    this.#edgeNext = tables.edgeNext;
    this.#fallback = tables.fallback;
    this.#reports = tables.reports;
  }

  /** Bytes of its tables. */
  get bytes(): number {
    return this.#rows.byteLength + this.#edgeClass.length * 9 + this.#reports.bytes;
  }

  /** Reports what the text contains, begins with, ends with or is. */
  scan(text: string, hits: ScanHits): void {
    const classes = this.#classes;
    const rows = this.#rows;
    const edgeClass = this.#edgeClass;
    const edgeNext = this.#edgeNext;
    const fallback = this.#fallback;
    const sparseFrom = this.#sparseFrom;
    let state = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      const kind = code < 256 ? (classes[code] ?? 0) : this.#wideClass(code);
      let entry = 0;
      if (state < sparseFrom) entry = rows[state + kind] ?? 0;
      else {
        for (;;) {
          const edge = state - sparseFrom;
          if (edgeClass[edge] === kind) {
            entry = edgeNext[edge] ?? 0;
            break;
          }
          state = fallback[edge] ?? 0;
          if (state < sparseFrom) {
            entry = rows[state + kind] ?? 0;
            break;
          }
        }
      }
      state = entry >> 1;
      if ((entry & 1) !== 0) this.#inner(this.#numberOf(state), at + 1, text, hits);
    }
    this.#end(this.#numberOf(state), text, hits);
  }

  #wideClass(code: number): number {
    return this.#wide.get(FOLD[code] ?? 0) ?? 0;
  }

  #numberOf(state: number): number {
    const sparseFrom = this.#sparseFrom;
    const bits = this.#rowBits;
    return state < sparseFrom ? state >> bits : (sparseFrom >> bits) + state - sparseFrom;
  }

  /** What ends at a place within the text. */
  #inner(state: number, end: number, text: string, hits: ScanHits): void {
    const { inner, starts, contains, nextInner, depth } = this.#reports;
    let report = inner[state] ?? NONE;
    if (report < 0) return;
    const start = starts[report] ?? NONE;
    // Only the state itself can begin where the text begins; those in its chain begin later.
    if (start >= 0 && depth[report] === end) this.#hit(start, end, text, hits);
    do {
      const inside = contains[report] ?? NONE;
      if (inside >= 0) this.#hit(inside, end, text, hits);
      report = nextInner[report] ?? NONE;
    } while (report >= 0);
  }

  /** What ends with the text. */
  #end(state: number, text: string, hits: ScanHits): void {
    const { end, ends, equals, nextEnd, depth } = this.#reports;
    let report = end[state] ?? NONE;
    if (report < 0) return;
    const whole = equals[report] ?? NONE;
    if (whole >= 0 && depth[report] === text.length) this.#hit(whole, text.length, text, hits);
    do {
      const last = ends[report] ?? NONE;
      if (last >= 0) this.#hit(last, text.length, text, hits);
      report = nextEnd[report] ?? NONE;
    } while (report >= 0);
  }

  #hit(id: number, end: number, text: string, hits: ScanHits): void {
    const unsure = this.#isUnsure[id] === 1 ? this.#unsure.get(id) : undefined;
    if (unsure === undefined) addHit(id, hits);
    else judge(unsure, end, text, hits);
  }
}

function judge(literals: readonly Literal[], end: number, text: string, hits: ScanHits): void {
  for (const literal of literals) {
    const found = text.slice(end - literal.text.length, end);
    if (foldText(found) === literal.text) addHit(literal.id, hits);
  }
}

/** Notes an id, once an epoch. */
export function addHit(id: number, hits: ScanHits): void {
  if (hits.stamps[id] === hits.epoch) return;
  hits.stamps[id] = hits.epoch;
  hits.ids[hits.count] = id;
  hits.count += 1;
}

/** A class for each of the commonest characters, all others share one. By folded character. */
function classify(literals: readonly Literal[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { text } of literals) {
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      counts.set(code, (counts.get(code) ?? 0) + 1);
    }
  }
  const common = [...counts].sort((one, two) => two[1] - one[1] || one[0] - two[0]);
  return new Map(common.map(([code], index) => [code, Math.min(index + 1, SHARED)]));
}

/** The classes of the first 256 characters as they stand in a text, of either case. */
function narrowClasses(classes: ReadonlyMap<number, number>): Uint8Array {
  const result = new Uint8Array(256);
  for (let code = 0; code < result.length; code++) result[code] = classes.get(FOLD[code] ?? 0) ?? 0;
  return result;
}

interface Places {
  /** By state: its number, dense ones first. */
  readonly numbers: Int32Array;
  readonly denseCount: number;
}

function placeStates(trie: LiteralTrie, order: Int32Array, scratch: Scratch): Places {
  const isDense = (state: number): boolean => {
    const child = trie.child[state] ?? NONE;
    const branches = child >= 0 && (trie.sibling[child] ?? NONE) >= 0;
    return branches || (trie.depth[state] ?? 0) <= DENSE_DEPTH;
  };
  const numbers = scratch.take(trie.count, 0);
  let next = 0;
  for (let turn = 0; turn < order.length; turn++) {
    const state = order[turn] ?? 0;
    if (!isDense(state)) continue;
    numbers[state] = next;
    next += 1;
  }
  const denseCount = next;
  for (let turn = 0; turn < order.length; turn++) {
    const state = order[turn] ?? 0;
    if (isDense(state)) continue;
    numbers[state] = next;
    next += 1;
  }
  return { numbers, denseCount };
}

interface Tables {
  readonly rows: Int32Array;
  readonly edgeClass: Uint8Array;
  readonly edgeNext: Int32Array;
  readonly fallback: Int32Array;
  readonly reports: Reports;
}

function fillTables(
  trie: LiteralTrie,
  order: Int32Array,
  fail: Int32Array,
  { numbers, denseCount, rowBits }: Places & { readonly rowBits: number },
  scratch: Scratch,
): Tables {
  const reports = new Reports(trie, order, fail, numbers, scratch);
  const sparseFrom = denseCount << rowBits;
  const placeOf = (state: number): number => {
    const number = numbers[state] ?? 0;
    return number < denseCount ? number << rowBits : sparseFrom + number - denseCount;
  };
  const entryOf = (state: number): number => {
    return placeOf(state) * 2 + (reports.isInner(numbers[state] ?? 0) ? 1 : 0);
  };
  const sparseCount = trie.count - denseCount;
  const rows = new Int32Array(sparseFrom);
  const edgeClass = new Uint8Array(sparseCount).fill(CLASSES);
  const edgeNext = new Int32Array(sparseCount);
  const fallback = new Int32Array(sparseCount);
  const isDense = (state: number): boolean => (numbers[state] ?? 0) < denseCount;
  const setChildren = (state: number, row: number): void => {
    for (let child = trie.child[state] ?? NONE; child >= 0; child = trie.sibling[child] ?? NONE) {
      rows[row + (trie.kind[child] ?? 0)] = entryOf(child);
    }
  };
  for (let turn = 0; turn < order.length; turn++) {
    const state = order[turn] ?? 0;
    const place = placeOf(state);
    const back = fail[state] ?? 0;
    if (isDense(state)) {
      if (state !== 0) copyRow(back, place);
      setChildren(state, place);
      continue;
    }
    const edge = place - sparseFrom;
    fallback[edge] = placeOf(back);
    const child = trie.child[state] ?? NONE;
    if (child < 0) continue;
    edgeClass[edge] = trie.kind[child] ?? 0;
    edgeNext[edge] = entryOf(child);
  }
  return { rows, edgeClass, edgeNext, fallback, reports };

  /** Where a state leads that falls back to `from`: the row of the next dense one, then edges. */
  function copyRow(from: number, row: number): void {
    if (isDense(from)) {
      rows.copyWithin(row, placeOf(from), placeOf(from) + (1 << rowBits));
      return;
    }
    copyRow(fail[from] ?? 0, row);
    setChildren(from, row);
  }
}
