// SPDX-License-Identifier: Apache-2.0
// A small model checker: visits every state that any interleaving of a model's steps can reach,
// and reports the shortest way to a bad one. States are plain data; nothing is sampled.

export interface Model<State> {
  readonly initial: State;
  /** Every step that some thread can take now, by name. None: the run is over. */
  steps(state: State): ReadonlyArray<readonly [name: string, next: State]>;
  /** What is wrong with a state, if anything is. `isEnd`: no thread can take a step. */
  problem(state: State, isEnd: boolean): string | undefined;
}

export interface Exploration {
  readonly states: number;
  readonly ends: number;
  readonly problem?: string;
  /** Steps that lead to the problem. */
  readonly trace?: readonly string[];
}

const STATES_MAX = 3_000_000;

/** Breadth first, so that a trace is as short as any. */
export function explore<State>(model: Model<State>): Exploration {
  const cameFrom = new Map<string, readonly [parent: string, step: string]>();
  const first = JSON.stringify(model.initial);
  cameFrom.set(first, ["", ""]);
  let frontier: Array<readonly [key: string, state: State]> = [[first, model.initial]];
  let ends = 0;
  while (frontier.length > 0) {
    const next: Array<readonly [key: string, state: State]> = [];
    for (const [key, state] of frontier) {
      const steps = model.steps(state);
      if (steps.length === 0) ends++;
      const problem = model.problem(state, steps.length === 0);
      if (problem !== undefined) {
        return { states: cameFrom.size, ends, problem, trace: traceTo(key, cameFrom) };
      }
      for (const [name, following] of steps) {
        const followingKey = JSON.stringify(following);
        if (cameFrom.has(followingKey)) continue;
        cameFrom.set(followingKey, [key, name]);
        next.push([followingKey, following]);
      }
    }
    if (cameFrom.size > STATES_MAX) throw new Error(`more than ${STATES_MAX} states`);
    frontier = next;
  }
  return { states: cameFrom.size, ends };
}

function traceTo(
  end: string,
  cameFrom: ReadonlyMap<string, readonly [parent: string, step: string]>,
): string[] {
  const trace: string[] = [];
  for (let key = end; ; ) {
    const [parent = "", step = ""] = cameFrom.get(key) ?? [];
    if (parent === "") return trace.reverse();
    trace.push(step);
    key = parent;
  }
}

/** A store that its thread has made and the others cannot see yet, or a fence between two. */
export type Buffered = readonly [word: string, value: number] | "fence";

/**
 * Ways in which the oldest stores of a buffer can become visible. In order: as on x86 memory.
 * Out of order up to the next fence: as in a write-combining mapping.
 */
export function drains(
  buffer: readonly Buffered[],
  inOrder: boolean,
): ReadonlyArray<readonly [word: string, value: number, rest: readonly Buffered[]]> {
  const begin = buffer.findIndex((entry) => entry !== "fence");
  if (begin < 0) return [];
  const out: Array<readonly [string, number, readonly Buffered[]]> = [];
  const seen = new Set<string>();
  for (let at = begin; at < buffer.length; at++) {
    const entry = buffer[at];
    if (entry === undefined || entry === "fence") break;
    const [word, value] = entry;
    // Two stores to one word keep their order on every kind of mapping.
    if (!seen.has(word))
      out.push([word, value, [...buffer.slice(begin, at), ...buffer.slice(at + 1)]]);
    seen.add(word);
    if (inOrder) break;
  }
  return out;
}

/** What a thread reads: its own latest store to that word, else what all see. */
export function seenBy(
  buffer: readonly Buffered[],
  memory: Readonly<Record<string, number>>,
  word: string,
): number {
  const own = buffer.findLast((entry) => entry !== "fence" && entry[0] === word);
  return own === undefined || own === "fence" ? (memory[word] ?? 0) : own[1];
}
