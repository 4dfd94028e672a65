// SPDX-License-Identifier: Apache-2.0
// The history of a process out of an event store, as a graph. Called by `undercroft trace` and for
// the manager's traces.
import { UndercroftError } from "../errors/errors.ts";
import { type FieldName, fieldOf, type StoredEvent } from "../model/model.ts";
import {
  type Entity,
  entityId,
  type HistorySource,
  type ProcessEntity,
  type ProcessLife,
  type ProvenanceDocument,
  ProvenanceGraph,
  provenanceDocument,
  traceHistory,
} from "../provenance/provenance.ts";
import type { EventStore, StorePredicate } from "../store/store.ts";

const NODES_MAX = 1000;
const DEPTH_MAX = 64;
const DEGREE_MAX = 200;

/** Which way a trace goes, and how far from an event. */
export interface StoreTrace {
  readonly direction: "backward" | "forward";
  readonly spanMs: number;
  /** Only events of guests of these names; absent: of all. */
  readonly guests?: readonly string[];
}

export interface TracedProcess {
  readonly document: ProvenanceDocument;
  /** The process that was asked for, where any event tells of it. */
  readonly start: ProcessLife | undefined;
}

/**
 * Traces the process of an event.
 * @throws {UndercroftError} ERR_UC_SEARCH where its start is not known, ERR_UC_STORE
 */
export async function traceStore(
  store: EventStore,
  event: StoredEvent,
  { direction, spanMs, guests }: StoreTrace,
): Promise<TracedProcess> {
  const start = processOf(event);
  const graph = new ProvenanceGraph();
  await takeLosses(store, graph, event, spanMs);
  const found = await traceHistory(
    graph,
    {
      ...{ start, direction, timeMs: event.timeMs, spanMs },
      ...{ nodesMax: NODES_MAX, depthMax: DEPTH_MAX, degreeMax: DEGREE_MAX },
    },
    new StoreHistory(store, guests),
  );
  const document = provenanceDocument(found, graph);
  return { document, start: graph.process(entityId(start)) };
}

/** Which process of which guest; what is absent may be anything. */
export interface ProcessQuestion {
  readonly guest: string;
  readonly boot?: string;
  readonly pid: number;
  readonly startNs?: bigint;
  /** Not later than this. */
  readonly timeMs: number;
}

/**
 * The newest event of a process.
 * @throws {UndercroftError} ERR_UC_SEARCH where the store has none
 */
export async function findProcess(
  store: EventStore,
  { guest, boot, pid, startNs, timeMs }: ProcessQuestion,
): Promise<StoredEvent> {
  const where = all(
    equals("guest", guest),
    equals("pid", pid),
    ...(boot === undefined ? [] : [equals("boot", boot)]),
    ...(startNs === undefined ? [] : [equals("start_ns", startNs)]),
  );
  for await (const { event } of store.search({ where, toMs: timeMs, limit: 1 })) return event;
  const message = `no event of process ${pid} of guest "${guest}" is stored from that time`;
  throw new UndercroftError("ERR_UC_SEARCH", message, { guest });
}

// What is missing belongs to no entity: it is asked for once.
async function takeLosses(
  store: EventStore,
  graph: ProvenanceGraph,
  { guest, timeMs }: StoredEvent,
  spanMs: number,
): Promise<void> {
  const period = { fromMs: timeMs - spanMs, toMs: timeMs + spanMs };
  const where = equals("guest", guest);
  for await (const { event } of store.search({ kinds: ["loss"], where, ...period })) {
    graph.observe(event);
  }
}

/** A store as the history that a trace asks. */
class StoreHistory implements HistorySource {
  readonly #store: EventStore;
  readonly #guests: readonly string[] | undefined;

  constructor(store: EventStore, guests: readonly string[] | undefined) {
    this.#store = store;
    this.#guests = guests;
  }

  async eventsAbout(
    entity: Entity,
    fromMs: number,
    toMs: number,
    limit: number,
  ): Promise<{ readonly events: Iterable<StoredEvent>; readonly isComplete: boolean }> {
    const events: StoredEvent[] = [];
    const about = aboutEntity(entity);
    const allowed = this.#guests?.map((guest) => equals("guest", guest));
    const where = allowed === undefined ? about : all(about, any(...allowed));
    const found = this.#store.search({ where, fromMs, toMs, limit });
    for await (const { event } of found) events.push(event);
    return { events, isComplete: found.complete && events.length < limit };
  }
}

const equals = (field: FieldName, value: bigint | number | string): StorePredicate => ({
  ...{ op: "equals", field, value },
});
const all = (...parts: StorePredicate[]): StorePredicate => ({ op: "and", parts });
const any = (...parts: StorePredicate[]): StorePredicate => ({ op: "or", parts });

function aboutEntity(entity: Entity): StorePredicate {
  switch (entity.kind) {
    case "process": {
      const { guest, boot, pid, startNs } = entity;
      const own = all(equals("pid", pid), equals("start_ns", startNs));
      const made = all(equals("child_pid", pid), equals("child_start_ns", startNs));
      const entered = all(equals("target_pid", pid), equals("target_start_ns", startNs));
      return all(equals("guest", guest), equals("boot", boot), any(own, made, entered));
    }
    case "file": {
      const { guest, path } = entity;
      const named = any(equals("path", path), equals("old_path", path), equals("image", path));
      return all(equals("guest", guest), named);
    }
    case "key":
      return all(equals("guest", entity.guest), equals("key", entity.key));
    case "module":
      return all(equals("guest", entity.guest), equals("module", entity.name));
    case "address":
      return any(
        equals("remote_address", entity.address),
        equals("destination_address", entity.address),
        equals("source_address", entity.address),
      );
  }
}

function processOf(event: StoredEvent): ProcessEntity {
  const [pid, start] = [fieldOf(event, "pid"), fieldOf(event, "start_ns")];
  const boot = fieldOf(event, "boot");
  if (typeof pid === "number" && typeof start === "bigint" && start !== 0n) {
    return { kind: "process", guest: event.guest, boot: String(boot), pid, startNs: start };
  }
  throw new UndercroftError("ERR_UC_SEARCH", "the process of that event is not known by its start");
}
