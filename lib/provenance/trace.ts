// SPDX-License-Identifier: Apache-2.0
// Trace-back and its opposite: from an entity along the edges, against or with the way that cause
// and data went, in the order of time. Bounded three ways; the result names every place where a
// bound cut it. History that is not in memory is asked for by entity, as it is reached.
import type { StoredEvent } from "../model/model.ts";
import { type Edge, type Entity, entityId } from "./entity.ts";
import type { Gap, ProvenanceGraph } from "./graph.ts";

/** Stored history, by entity. The event store is one. */
export interface HistorySource {
  /** Events that name the entity within a time, at most `limit`. */
  eventsAbout(
    entity: Entity,
    fromMs: number,
    toMs: number,
    limit: number,
  ): Promise<{ readonly events: Iterable<StoredEvent>; readonly isComplete: boolean }>;
}

export interface TraceQuery {
  readonly start: Entity;
  readonly direction: "backward" | "forward";
  /** Backward: what happened after it has no part; forward: what happened before it. */
  readonly timeMs: number;
  /** Milliseconds from `timeMs` that are looked at. */
  readonly spanMs: number;
  readonly nodesMax: number;
  readonly depthMax: number;
  /** Edges of one entity: a library that everybody loads says nothing. */
  readonly degreeMax: number;
}

export interface Cut {
  readonly entity: string;
  readonly reason: "degree" | "depth" | "history" | "nodes";
  /** Edges that were not followed; -1 where they were not counted. */
  readonly edges: number;
}

export interface TraceNode {
  readonly id: string;
  readonly entity: Entity;
  readonly depth: number;
}

export interface Trace {
  readonly query: TraceQuery;
  readonly nodes: readonly TraceNode[];
  readonly edges: readonly Edge[];
  readonly cuts: readonly Cut[];
  /** Missing records of the guests and the time that the trace went through. */
  readonly gaps: readonly Gap[];
}

const EVENTS_MAX = 10_000;

/** Follows a history; events that `source` gives are taken into the graph. */
export async function traceHistory(
  graph: ProvenanceGraph,
  query: TraceQuery,
  source?: HistorySource,
): Promise<Trace> {
  const tracer = new Tracer(graph, query);
  for (let next = tracer.next(); next !== undefined; next = tracer.next()) {
    if (source !== undefined) await tracer.ask(source, next);
    tracer.expand(next);
  }
  return tracer.result();
}

interface Reached extends TraceNode {
  /** Backward: the latest time that matters here; forward: the earliest. */
  readonly timeMs: number;
}

class Tracer {
  readonly #graph: ProvenanceGraph;
  readonly #query: TraceQuery;
  readonly #nodes = new Map<string, Reached>();
  readonly #edges = new Set<Edge>();
  readonly #edgeNames = new Set<string>();
  readonly #cuts: Cut[] = [];
  readonly #asked = new Set<string>();
  readonly #seen = new Set<string>();
  #queue: Reached[] = [];
  #at = 0;

  constructor(graph: ProvenanceGraph, query: TraceQuery) {
    this.#graph = graph;
    this.#query = query;
    const { start: entity, timeMs } = query;
    this.#reach({ id: entityId(entity), entity, depth: 0, timeMs });
  }

  next(): Reached | undefined {
    const next = this.#queue[this.#at];
    this.#at += 1;
    return next;
  }

  async ask(source: HistorySource, { id, entity }: Reached): Promise<void> {
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    const [fromMs, toMs] = this.#window();
    const { events, isComplete } = await source.eventsAbout(entity, fromMs, toMs, EVENTS_MAX);
    for (const event of events) {
      if (this.#isNew(event)) this.#graph.observe(event);
    }
    if (!isComplete) this.#cuts.push({ entity: id, reason: "history", edges: -1 });
  }

  // The same event is about both its ends.
  #isNew(event: StoredEvent): boolean {
    const place = "sequence" in event ? event.sequence : "flowId" in event ? event.flowId : 0;
    const name = `${event.guest} ${event.boot} ${event.kind} ${event.timeMs} ${place}`;
    if (this.#seen.has(name)) return false;
    this.#seen.add(name);
    return true;
  }

  expand(node: Reached): void {
    const { depthMax, degreeMax } = this.#query;
    const edges = this.#graph.edgesOf(node.id).filter((edge) => this.#leads(node, edge));
    if (edges.length === 0) return;
    if (node.depth >= depthMax) {
      this.#cuts.push({ entity: node.id, reason: "depth", edges: edges.length });
      return;
    }
    // The tree of processes first, then what is nearest in time.
    edges.sort((a, b) => rank(a) - rank(b) || this.#distance(a) - this.#distance(b));
    if (edges.length > degreeMax) {
      this.#cuts.push({ entity: node.id, reason: "degree", edges: edges.length - degreeMax });
    }
    let left = 0;
    for (const edge of edges.slice(0, degreeMax)) {
      if (!this.#follow(node, edge)) left += 1;
    }
    if (left > 0) this.#cuts.push({ entity: node.id, reason: "nodes", edges: left });
  }

  #leads(node: Reached, edge: Edge): boolean {
    const isBackward = this.#query.direction === "backward";
    const near = isBackward ? edge.target : edge.source;
    if (near !== node.id && !edge.isTwoWay) return false;
    const [fromMs, toMs] = this.#window();
    if (edge.lastMs < fromMs || edge.firstMs > toMs) return false;
    return isBackward ? edge.firstMs <= node.timeMs : edge.lastMs >= node.timeMs;
  }

  #follow(node: Reached, edge: Edge): boolean {
    const id = edge.source === node.id ? edge.target : edge.source;
    const timeMs =
      this.#query.direction === "backward"
        ? Math.min(node.timeMs, edge.lastMs)
        : Math.max(node.timeMs, edge.firstMs);
    const known = this.#nodes.get(id);
    if (known === undefined) {
      const entity = this.#graph.entity(id);
      if (entity === undefined || this.#nodes.size >= this.#query.nodesMax) return false;
      this.#reach({ id, entity, depth: node.depth + 1, timeMs });
    } else if (this.#isWider(timeMs, known.timeMs)) {
      // Reached again with more of its time open: what that opens is followed as well.
      this.#reach({ ...known, timeMs });
    }
    const name = `${edge.kind} ${edge.source} ${edge.target} ${edge.doubts.join()}`;
    if (this.#edgeNames.has(name)) return true;
    this.#edgeNames.add(name);
    this.#edges.add(edge);
    return true;
  }

  #isWider(timeMs: number, knownMs: number): boolean {
    return this.#query.direction === "backward" ? timeMs > knownMs : timeMs < knownMs;
  }

  #reach(node: Reached): void {
    this.#nodes.set(node.id, node);
    this.#queue.push(node);
    if (this.#at > 4096) {
      this.#queue = this.#queue.slice(this.#at);
      this.#at = 0;
    }
  }

  #distance({ firstMs, lastMs }: Edge): number {
    const { timeMs, direction } = this.#query;
    return Math.abs(timeMs - (direction === "backward" ? lastMs : firstMs));
  }

  #window(): readonly [number, number] {
    const { timeMs, spanMs, direction } = this.#query;
    return direction === "backward" ? [timeMs - spanMs, timeMs] : [timeMs, timeMs + spanMs];
  }

  result(): Trace {
    const [fromMs, toMs] = this.#window();
    const boots = new Map<string, { guest: string; boot: string }>();
    for (const { entity } of this.#nodes.values()) {
      if (entity.kind !== "process") continue;
      boots.set(`${entity.guest} ${entity.boot}`, { guest: entity.guest, boot: entity.boot });
    }
    const gaps = [...boots.values()].flatMap((one) => this.#graph.gapsOf(one, fromMs, toMs));
    const nodes = [...this.#nodes.values()].map(({ id, entity, depth }) => ({ id, entity, depth }));
    return {
      query: this.#query,
      nodes,
      edges: [...this.#edges],
      cuts: uniqueCuts(this.#cuts),
      gaps,
    };
  }
}

function rank({ kind }: Edge): number {
  return kind === "fork" || kind === "parent" ? 0 : 1;
}

/** An entity that was followed twice names a bound once, as it was last. */
function uniqueCuts(cuts: readonly Cut[]): readonly Cut[] {
  return [...new Map(cuts.map((cut) => [`${cut.reason} ${cut.entity}`, cut])).values()];
}
