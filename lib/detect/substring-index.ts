// SPDX-License-Identifier: Apache-2.0
// Finds which of many texts occur in one text (Aho and Corasick, 1975): one pass over the input
// however many patterns there are. Used for command lines.

interface Node {
  readonly next: Map<number, number>;
  /** Longest proper suffix that is a node too. */
  fail: number;
  /** Patterns that end here, by index; those of `fail` are linked, not copied. */
  readonly ends: number[];
  /** Nearest node on the fail path where a pattern ends, or -1. */
  link: number;
}

const node = (): Node => ({ next: new Map(), fail: 0, ends: [], link: -1 });

/** A set of patterns to search for at once. */
export class SubstringIndex {
  readonly #nodes: Node[] = [node()];

  constructor(patterns: readonly string[]) {
    for (const [index, pattern] of patterns.entries()) {
      let at = 0;
      for (let place = 0; place < pattern.length; place++) at = this.#child(at, pattern, place);
      if (at !== 0) this.#nodes[at]?.ends.push(index);
    }
    this.#connect();
  }

  /** Indexes of the patterns in `text`, each at most once, in no special order. */
  find(text: string): readonly number[] {
    if (this.#nodes.length === 1) return NONE;
    let found: Set<number> | undefined;
    let at = 0;
    for (let place = 0; place < text.length; place++) {
      at = this.#step(at, text.charCodeAt(place));
      const here = this.#nodes[at];
      let end = here === undefined ? -1 : here.ends.length > 0 ? at : here.link;
      while (end >= 0) {
        const { ends = [], link = -1 } = this.#nodes[end] ?? {};
        found ??= new Set();
        for (const index of ends) found.add(index);
        end = link;
      }
    }
    return found === undefined ? NONE : [...found];
  }

  #child(at: number, pattern: string, place: number): number {
    const parent = this.#nodes[at];
    const code = pattern.charCodeAt(place);
    const known = parent?.next.get(code);
    if (known !== undefined) return known;
    const made = this.#nodes.push(node()) - 1;
    parent?.next.set(code, made);
    return made;
  }

  #step(from: number, code: number): number {
    let at = from;
    for (;;) {
      const here = this.#nodes[at];
      const next = here?.next.get(code);
      if (next !== undefined) return next;
      if (at === 0) return 0;
      at = here?.fail ?? 0;
    }
  }

  // Breadth first, so that a node's fail target is complete before the node itself.
  #connect(): void {
    const queue = [...(this.#nodes[0]?.next.values() ?? [])];
    for (let turn = 0; turn < queue.length; turn++) {
      const index = queue[turn] ?? 0;
      const here = this.#nodes[index];
      if (here === undefined) continue;
      const target = this.#nodes[here.fail];
      here.link = target !== undefined && target.ends.length > 0 ? here.fail : (target?.link ?? -1);
      for (const [code, child] of here.next) {
        const childNode = this.#nodes[child];
        if (childNode !== undefined) childNode.fail = this.#step(here.fail, code);
        queue.push(child);
      }
    }
  }
}

const NONE: readonly number[] = [];
