// SPDX-License-Identifier: Apache-2.0
// The history of guests as a graph, built event by event: processes and who started them, what
// they read, wrote, executed and talked to, and where records are missing. Bounded: what finds no
// room is counted. Called by the server, the store's search and the console's trace-back.
import type { ProcessIdentity, StoredEvent } from "../model/model.ts";
import { type Doubt, type Edge, type EdgeKind, type Entity, entityId } from "./entity.ts";
import { deedsOf, passageOf } from "./event-edges.ts";
import { ProcessForest, type ProcessLife, programOf } from "./process-forest.ts";

/** Records of one guest that are missing: what happened then may be unknown. */
export interface Gap {
  readonly guest: string;
  readonly boot: string;
  readonly recordClass: string;
  readonly reason: string;
  readonly count: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** When it was noticed. */
  readonly timeMs: number;
}

export interface GraphLimits {
  readonly processes: number;
  readonly edges: number;
}

interface OpenEdge extends Edge {
  firstMs: number;
  lastMs: number;
  count: number;
}

interface Links {
  readonly entity: Entity;
  readonly edges: OpenEdge[];
}

const LIMITS: GraphLimits = { processes: 2_000_000, edges: 4_000_000 };
const GAPS_MAX = 10_000;
const NO_DOUBT: readonly Doubt[] = [];

export class ProvenanceGraph {
  readonly #forest: ProcessForest;
  readonly #links = new Map<string, Links>();
  readonly #edges = new Map<string, OpenEdge>();
  readonly #gaps: Gap[] = [];
  readonly #limits: GraphLimits;
  /** Edges and gaps that found no room. */
  #refused = 0;

  constructor(limits: GraphLimits = LIMITS) {
    this.#limits = limits;
    this.#forest = new ProcessForest(limits.processes);
  }

  /** Processes, edges besides those of the tree, and what found no room. */
  get size(): { readonly processes: number; readonly edges: number; readonly refused: number } {
    const refused = this.#refused + this.#forest.refused;
    return { processes: this.#forest.size, edges: this.#edges.size, refused };
  }

  get gaps(): readonly Gap[] {
    return this.#gaps;
  }

  processes(): Iterable<ProcessLife> {
    return this.#forest.lives();
  }

  process(id: string): ProcessLife | undefined {
    return this.#forest.find(id);
  }

  /** Takes in an event; the order of events does not matter for who made whom. */
  observe(event: StoredEvent): void {
    switch (event.kind) {
      case "loss":
        this.#gap(event);
        return;
      case "finding":
        return;
      case "process.fork":
        this.#forest.fork(event);
        return;
      case "process.exec":
      case "process.existing":
        this.#forest.exec(event);
        break;
      case "process.exit":
        this.#forest.exit(event);
        return;
      case "process.hash":
        this.#forest.hash(event);
        return;
      default:
    }
    const deeds = deedsOf(event);
    const life = deeds.length === 0 ? undefined : this.#forest.seen(event, event.timeMs);
    if (life === undefined) return;
    const doubts = this.#doubtsOf(life, event);
    for (const { kind, thing, isInward, isTwoWay } of deeds) {
      const [source, target] = isInward ? [thing, life] : [life, thing];
      this.#edge(kind, source, target, isTwoWay, event.timeMs, doubts);
    }
    const passage = passageOf(event);
    if (passage !== undefined) {
      this.#edge(passage.kind, passage.source, passage.target, false, event.timeMs, NO_DOUBT);
    }
  }

  /** The edges at an entity, those of the tree of processes among them. */
  edgesOf(id: string): readonly Edge[] {
    const own: readonly Edge[] = this.#links.get(id)?.edges ?? [];
    const life = this.#forest.find(id);
    if (life === undefined) return own;
    const tree = life.children.map(treeEdge);
    if (life.parent !== undefined) tree.push(treeEdge(life));
    return [...tree, ...own];
  }

  entity(id: string): Entity | undefined {
    return this.#forest.find(id) ?? this.#links.get(id)?.entity;
  }

  /** Gaps in the records that tell of processes, within a time of a guest's boot. */
  gapsOf(process: { guest: string; boot: string }, fromMs: number, toMs: number): readonly Gap[] {
    return this.#gaps.filter(
      ({ guest, boot, timeMs, recordClass }) =>
        guest === process.guest &&
        boot === process.boot &&
        (recordClass === "process" || recordClass === "unknown") &&
        timeMs >= fromMs &&
        timeMs <= toMs,
    );
  }

  #doubtsOf(life: ProcessLife, { execGeneration }: ProcessIdentity): readonly Doubt[] {
    return programOf(life, execGeneration) === undefined ? ["program-unknown"] : NO_DOUBT;
  }

  #gap(event: Extract<StoredEvent, { kind: "loss" }>): void {
    if (this.#gaps.length >= GAPS_MAX) {
      this.#refused += 1;
      return;
    }
    const { guest, boot, recordClass, reason, count, timeMs } = event;
    const { firstSequence, lastSequence } = event;
    this.#gaps.push({
      guest,
      boot,
      recordClass,
      reason,
      count,
      firstSequence,
      lastSequence,
      timeMs,
    });
  }

  #edge(
    kind: EdgeKind,
    from: Entity,
    to: Entity,
    isTwoWay: boolean,
    timeMs: number,
    doubts: readonly Doubt[],
  ): void {
    const source = entityId(from);
    const target = entityId(to);
    const name = `${kind} ${doubts.length} ${source} ${target}`;
    const known = this.#edges.get(name);
    if (known !== undefined) {
      known.count += 1;
      known.firstMs = Math.min(known.firstMs, timeMs);
      known.lastMs = Math.max(known.lastMs, timeMs);
      return;
    }
    if (this.#edges.size >= this.#limits.edges) {
      this.#refused += 1;
      return;
    }
    const times = { firstMs: timeMs, lastMs: timeMs, count: 1 };
    const edge: OpenEdge = { kind, source, target, isTwoWay, doubts, ...times };
    this.#edges.set(name, edge);
    this.#link(source, from).edges.push(edge);
    if (target !== source) this.#link(target, to).edges.push(edge);
  }

  #link(id: string, entity: Entity): Links {
    const known = this.#links.get(id);
    if (known !== undefined) return known;
    const links = { entity, edges: [] };
    this.#links.set(id, links);
    return links;
  }
}

/** The edge from a process's parent to it. */
function treeEdge(child: ProcessLife): Edge {
  const isFork = child.parentBasis === "fork";
  return {
    kind: isFork ? "fork" : "parent",
    source: child.parent?.id ?? "",
    target: child.id,
    firstMs: child.firstMs,
    lastMs: child.firstMs,
    count: 1,
    isTwoWay: false,
    doubts: isFork ? NO_DOUBT : ["parent-at-exec"],
  };
}
