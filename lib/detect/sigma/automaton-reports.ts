// SPDX-License-Identifier: Apache-2.0
// What an automaton reports in which state, and the chain of shorter literals that end at the same
// place. Few states report anything, so that only these have entries.
import { type LiteralTrie, NONE, type Scratch } from "./literal-trie.ts";

export class Reports {
  /** By state's number: the report to begin with inside a text, or at its end; -1 for none. */
  readonly inner: Int32Array;
  readonly end: Int32Array;
  /** By report: ids of its literals by place, or -1. */
  readonly contains: Int32Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly equals: Int32Array;
  readonly depth: Int32Array;
  /** By report: the next one in the chain. */
  readonly nextInner: Int32Array;
  readonly nextEnd: Int32Array;

  constructor(
    trie: LiteralTrie,
    order: Int32Array,
    fail: Int32Array,
    numbers: Int32Array,
    scratch: Scratch,
  ) {
    const states: number[] = [];
    const reportOf = scratch.take(trie.count, NONE);
    // Counted loops here and below: an iterator would make an object for each of many states.
    for (let turn = 0; turn < order.length; turn++) {
      const state = order[turn] ?? 0;
      if (!hasLiteral(trie, state)) continue;
      reportOf[state] = states.length;
      states.push(state);
    }
    const picked = (table: Int32Array): Int32Array => {
      const result = new Int32Array(states.length);
      for (let at = 0; at < result.length; at++) result[at] = table[states[at] ?? 0] ?? NONE;
      return result;
    };
    this.contains = picked(trie.contains);
    this.starts = picked(trie.starts);
    this.ends = picked(trie.ends);
    this.equals = picked(trie.equals);
    this.depth = picked(trie.depth);
    const chain = (ids: Int32Array): Int32Array => {
      const first = scratch.take(trie.count, NONE);
      fillChainStarts(first, order, fail, reportOf, ids);
      return first;
    };
    const inner = chain(this.contains);
    const end = chain(this.ends);
    const backs = picked(fail);
    const behind = (chained: Int32Array): Int32Array => backs.map((back) => chained[back] ?? NONE);
    this.nextInner = behind(inner);
    this.nextEnd = behind(end);
    // A state's own report comes first for what only it can say: starts and equals.
    const own = (chained: Int32Array, ids: Int32Array): Int32Array => {
      const result = new Int32Array(trie.count);
      for (let state = 0; state < trie.count; state++) {
        const report = reportOf[state] ?? NONE;
        const isOwn = report >= 0 && (ids[report] ?? NONE) >= 0;
        result[numbers[state] ?? 0] = isOwn ? report : (chained[state] ?? NONE);
      }
      return result;
    };
    this.inner = own(inner, this.starts);
    this.end = own(end, this.equals);
  }

  /** Whether a state reports anything inside a text. */
  isInner(number: number): boolean {
    return (this.inner[number] ?? NONE) >= 0;
  }

  get bytes(): number {
    return 8 * this.inner.length + 28 * this.depth.length;
  }
}

function hasLiteral({ contains, starts, ends, equals }: LiteralTrie, state: number): boolean {
  // An id is 0 or more: only of four times -1 is the sign of all set.
  const all =
    (contains[state] ?? NONE) &
    (starts[state] ?? NONE) &
    (ends[state] ?? NONE) &
    (equals[state] ?? NONE);
  return all >= 0;
}

/** By state: the first report of its chain, itself included, that has an id. */
function fillChainStarts(
  first: Int32Array,
  order: Int32Array,
  fail: Int32Array,
  reportOf: Int32Array,
  ids: Int32Array,
): void {
  for (let turn = 0; turn < order.length; turn++) {
    const state = order[turn] ?? 0;
    const report = reportOf[state] ?? NONE;
    const isOne = report >= 0 && (ids[report] ?? NONE) >= 0;
    if (isOne) first[state] = report;
    else if (state !== 0) first[state] = first[fail[state] ?? 0] ?? NONE;
  }
}
