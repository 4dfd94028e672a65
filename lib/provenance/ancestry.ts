// SPDX-License-Identifier: Apache-2.0
// Up and down the tree of processes: ancestors of one, the tree below one, at a time. Every result
// says where its certainty ends.
import type { Doubt } from "./entity.ts";
import { type ProcessLife, type Program, programAt, programOf } from "./process-forest.ts";

const ANCESTORS_MAX = 4096;

export interface Ancestor {
  readonly process: ProcessLife;
  /** What it executed when it made the process below it; undefined where that is not known. */
  readonly program: Program | undefined;
  /** Why this may not be who made the process below it; empty: a fork said so. */
  readonly doubts: readonly Doubt[];
}

export interface Ancestry {
  /** The parent first. */
  readonly ancestors: readonly Ancestor[];
  /** Why it ends: nobody told of a parent, the top of the guest, too long, or a circle. */
  readonly end: "circle" | "cut" | "top" | "unknown";
}

/** Ancestors of a process, from its parent up. */
export function ancestorsOf(process: ProcessLife, max: number = ANCESTORS_MAX): Ancestry {
  const ancestors: Ancestor[] = [];
  const passed = new Set<ProcessLife>([process]);
  let child = process;
  for (;;) {
    const { parent, parentBasis, parentGeneration } = child;
    if (parent === undefined) return { ancestors, end: child.pid === 1 ? "top" : "unknown" };
    if (passed.has(parent)) return { ancestors, end: "circle" };
    if (ancestors.length >= max) return { ancestors, end: "cut" };
    const doubts: Doubt[] = parentBasis === "fork" ? [] : ["parent-at-exec"];
    const program = programOf(parent, parentGeneration);
    if (program === undefined) doubts.push("program-unknown");
    ancestors.push({ process: parent, program, doubts });
    passed.add(parent);
    child = parent;
  }
}

/** A tree in which each process comes after its parent. */
export interface ProcessTree {
  readonly processes: readonly ProcessLife[];
  /** Place of each process's parent in `processes`; -1 for the root. */
  readonly parents: Int32Array;
  /** Descendants that were left out by `max`: the children of those that were reached. */
  readonly cut: number;
}

export interface TreeQuery {
  /** Only what ran then; without it all that ever ran. */
  readonly atMs?: number;
  readonly max?: number;
}

const TREE_MAX = 2_000_000;

/** The processes below one, itself first. */
export function treeOf(root: ProcessLife, { atMs, max = TREE_MAX }: TreeQuery = {}): ProcessTree {
  const processes: ProcessLife[] = [root];
  const parents: number[] = [-1];
  const reached = new Set<ProcessLife>([root]);
  let cut = 0;
  for (let at = 0; at < processes.length; at++) {
    for (const child of processes[at]?.children ?? []) {
      if (reached.has(child) || (atMs !== undefined && child.firstMs > atMs)) continue;
      if (processes.length >= max) {
        cut += 1;
        continue;
      }
      reached.add(child);
      processes.push(child);
      parents.push(at);
    }
  }
  const tree = { processes, parents: Int32Array.from(parents), cut };
  return atMs === undefined ? tree : runningAt(tree, atMs);
}

/** Leaves out what had ended and has nothing running below it. */
function runningAt({ processes, parents, cut }: ProcessTree, atMs: number): ProcessTree {
  const isKept = processes.map(
    ({ exitMs }, at) => at === 0 || exitMs === undefined || exitMs > atMs,
  );
  for (let at = processes.length - 1; at > 0; at--) {
    if (isKept[at]) isKept[parents[at] ?? 0] = true;
  }
  const places = new Int32Array(processes.length).fill(-1);
  const kept: ProcessLife[] = [];
  const above: number[] = [];
  for (const [at, process] of processes.entries()) {
    if (!isKept[at]) continue;
    places[at] = kept.length;
    above.push(at === 0 ? -1 : (places[parents[at] ?? 0] ?? -1));
    kept.push(process);
  }
  return { processes: kept, parents: Int32Array.from(above), cut };
}

/** What a process executed at a time, or at its end. */
export function imageOf(process: ProcessLife, atMs?: number): string {
  return programAt(process, atMs)?.image ?? "";
}
