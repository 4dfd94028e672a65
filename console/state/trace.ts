// SPDX-License-Identifier: Apache-2.0
// Traces as the graph shows them: several joined into one, cut at a time, laid out by depth and
// time. Pure: parts/trace-graph.tsx draws.
import type { Trace, TraceEdge, TraceNode } from "../api/results.ts";

const COLUMN_PX = 230;
const ROW_PX = 64;
const ROWS_MAX = 14;

export interface Placed {
  readonly node: TraceNode;
  readonly x: number;
  readonly y: number;
}

/** Two traces as one: nodes by their id, edges by what they join. */
export function joinTraces(a: Trace, b: Trace): Trace {
  const nodes = new Map([...b.nodes, ...a.nodes].map((node) => [node.id, node]));
  const edges = new Map([...b.edges, ...a.edges].map((edge) => [edgeId(edge), edge]));
  const cuts = new Map([...a.cuts, ...b.cuts].map((cut) => [`${cut.entity} ${cut.reason}`, cut]));
  return {
    ...a,
    ...{ nodes: [...nodes.values()], edges: [...edges.values()], cuts: [...cuts.values()] },
    gaps: [...a.gaps, ...b.gaps],
  };
}

/** What was known at a time: edges begun by then, and what they touch. The start always stays. */
export function traceAsOf(trace: Trace, timeMs: number): Trace {
  const edges = trace.edges.filter(({ firstMs }) => firstMs <= timeMs);
  const touched = new Set([
    trace.start,
    ...edges.flatMap(({ source, target }) => [source, target]),
  ]);
  return { ...trace, edges, nodes: trace.nodes.filter(({ id }) => touched.has(id)) };
}

/** First and last time of a trace. */
export function traceSpan(trace: Trace): readonly [firstMs: number, lastMs: number] {
  const times = trace.edges.flatMap(({ firstMs, lastMs }) => [firstMs, lastMs]);
  if (times.length === 0) return [trace.timeMs, trace.timeMs];
  return [times.reduce((a, b) => Math.min(a, b)), times.reduce((a, b) => Math.max(a, b))];
}

/**
 * Places for all nodes: causes left, effects right. A node stands one column further than the
 * cause that is nearest to the left edge; many of one column take several.
 */
export function placeNodes(trace: Trace): readonly Placed[] {
  const column = columnsOf(trace);
  const byColumn = new Map<number, TraceNode[]>();
  const firstSeen = new Map<string, number>();
  for (const { source, target, firstMs } of trace.edges) {
    for (const id of [source, target]) {
      firstSeen.set(id, Math.min(firstMs, firstSeen.get(id) ?? Infinity));
    }
  }
  for (const node of trace.nodes) {
    const at = column.get(node.id) ?? 0;
    const there = byColumn.get(at);
    if (there === undefined) byColumn.set(at, [node]);
    else there.push(node);
  }
  let x = 0;
  const placed: Placed[] = [];
  for (const at of [...byColumn.keys()].sort((a, b) => a - b)) {
    const nodes = byColumn.get(at) ?? [];
    const seen = ({ id }: TraceNode): number => firstSeen.get(id) ?? 0;
    nodes.sort((a, b) => seen(a) - seen(b) || (a.id < b.id ? -1 : 1));
    nodes.forEach((node, index) => {
      const rows = Math.min(nodes.length, ROWS_MAX);
      const y = ((index % ROWS_MAX) - (rows - 1) / 2) * ROW_PX;
      placed.push({ node, x: x + Math.floor(index / ROWS_MAX) * COLUMN_PX, y });
    });
    x += Math.ceil(nodes.length / ROWS_MAX) * COLUMN_PX;
  }
  return placed;
}

// The shortest way from what nothing leads to; circles, which only hostile guests tell of in
// earnest, are entered at their first node.
function columnsOf({ nodes, edges }: Trace): ReadonlyMap<string, number> {
  const next = new Map<string, string[]>();
  const incoming = new Set<string>();
  for (const { source, target } of edges) {
    if (source === target) continue;
    incoming.add(target);
    const targets = next.get(source);
    if (targets === undefined) next.set(source, [target]);
    else targets.push(target);
  }
  const column = new Map<string, number>();
  const walk = (roots: readonly string[]): void => {
    let level = roots;
    for (let at = 0; level.length > 0; at++) {
      for (const id of level) column.set(id, at);
      const found = new Set(level.flatMap((id) => next.get(id) ?? []));
      level = [...found].filter((id) => !column.has(id));
    }
  };
  walk(nodes.filter(({ id }) => !incoming.has(id)).map(({ id }) => id));
  for (const { id } of nodes) if (!column.has(id)) walk([id]);
  return column;
}

/** Edges in the order of their beginnings, as a reader follows them. */
export function storyEdges({ edges }: Trace): readonly TraceEdge[] {
  return [...edges].sort((a, b) => a.firstMs - b.firstMs || (edgeId(a) < edgeId(b) ? -1 : 1));
}

/** Equal for equal edges only. */
export function edgeId({ kind, source, target }: TraceEdge): string {
  return JSON.stringify([kind, source, target]);
}
