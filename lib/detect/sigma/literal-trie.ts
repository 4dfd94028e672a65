// SPDX-License-Identifier: Apache-2.0
// Literals as a tree by classes of characters, in plain arrays. The first half of building an
// automaton, which is the only caller.

/** Where in a text a literal is looked for. */
export type LiteralPlace = "contains" | "startswith" | "endswith" | "equals";

/** A literal, folded, and the number that a scan reports it by. */
export interface Literal {
  readonly place: LiteralPlace;
  readonly text: string;
  readonly id: number;
}

/** Classes of characters, at most: rows of an automaton have so many entries or fewer. */
export const CLASSES = 128;
/** Class of all characters that are too rare for one of their own. */
export const SHARED: number = CLASSES - 1;
/** No state, or no literal. */
export const NONE = -1;

/**
 * Tables that building an automaton needs and drops: hundreds of automata are built one after the
 * other, and their tables would pile up as garbage.
 */
export class Scratch {
  #tables: Int32Array[] = [];
  #taken = 0;

  /** A table of numbers that are all `value`, the caller's until the next {@link reset}. */
  take(length: number, value: number): Int32Array {
    let table = this.#tables[this.#taken];
    if (table === undefined || table.length < length) {
      table = new Int32Array(length);
      this.#tables[this.#taken] = table;
    }
    this.#taken += 1;
    return table.subarray(0, length).fill(value);
  }

  /** All tables may be taken anew. */
  reset(): void {
    this.#taken = 0;
  }
}

/** The literals as a tree by class; children are linked as siblings. */
export class LiteralTrie {
  count = 1;
  readonly depth: Int32Array;
  readonly kind: Int32Array;
  readonly child: Int32Array;
  readonly sibling: Int32Array;
  readonly contains: Int32Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly equals: Int32Array;
  /** By id: literals with characters of the shared class, to be compared in full. */
  readonly unsure: Map<number, readonly Literal[]> = new Map();
  /** Children of the root by class. */
  readonly #first = new Int32Array(CLASSES).fill(NONE);
  readonly #scratch: Scratch;

  constructor(
    literals: readonly Literal[],
    classes: ReadonlyMap<number, number>,
    scratch: Scratch,
  ) {
    this.#scratch = scratch;
    let size = 1;
    for (const { text } of literals) size += text.length;
    const table = (): Int32Array => scratch.take(size, NONE);
    this.depth = scratch.take(size, 0);
    this.kind = scratch.take(size, 0);
    this.child = table();
    this.sibling = table();
    this.contains = table();
    this.starts = table();
    this.ends = table();
    this.equals = table();
    for (const literal of literals) this.#add(literal, classes);
  }

  #add(literal: Literal, classes: ReadonlyMap<number, number>): void {
    const { text } = literal;
    let state = 0;
    let isUnsure = false;
    for (let at = 0; at < text.length; at++) {
      const kind = classes.get(text.charCodeAt(at)) ?? 0;
      isUnsure ||= kind === SHARED;
      let next = this.next(state, kind);
      if (next < 0) {
        next = this.count;
        this.count += 1;
        this.kind[next] = kind;
        this.depth[next] = at + 1;
        this.sibling[next] = this.child[state] ?? NONE;
        this.child[state] = next;
        if (state === 0) this.#first[kind] = next;
      }
      state = next;
    }
    const ids = this.#idsOf(literal.place);
    const first = ids[state] ?? NONE;
    if (first < 0) ids[state] = literal.id;
    // Another literal may have the same classes: the first one's id stands for both.
    if (isUnsure) {
      const head = first < 0 ? literal.id : first;
      this.unsure.set(head, [...(this.unsure.get(head) ?? []), literal]);
    }
  }

  #idsOf(place: LiteralPlace): Int32Array {
    switch (place) {
      case "contains":
        return this.contains;
      case "startswith":
        return this.starts;
      case "endswith":
        return this.ends;
      case "equals":
        return this.equals;
    }
  }

  /** The child of a state for a class, or -1. */
  next(state: number, kind: number): number {
    if (state === 0) return this.#first[kind] ?? NONE;
    let child = this.child[state] ?? NONE;
    while (child >= 0 && this.kind[child] !== kind) child = this.sibling[child] ?? NONE;
    return child;
  }

  /** Where a state leads by a class, falling back as often as needed. */
  goto(from: number, kind: number, fail: Int32Array): number {
    let state = from;
    for (;;) {
      const next = this.next(state, kind);
      if (next >= 0) return next;
      if (state === 0) return 0;
      state = fail[state] ?? 0;
    }
  }

  /** The states with each after its parent, and the longest proper suffix of each that is one. */
  breadthFirst(): { order: Int32Array; fail: Int32Array } {
    const order = this.#scratch.take(this.count, 0);
    const fail = this.#scratch.take(this.count, 0);
    let known = 1;
    for (let turn = 0; turn < known; turn++) {
      const state = order[turn] ?? 0;
      let child = this.child[state] ?? NONE;
      for (; child >= 0; child = this.sibling[child] ?? NONE) {
        order[known] = child;
        known += 1;
        if (state !== 0) fail[child] = this.goto(fail[state] ?? 0, this.kind[child] ?? 0, fail);
      }
    }
    return { order, fail };
  }
}
