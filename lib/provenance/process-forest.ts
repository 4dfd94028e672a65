// SPDX-License-Identifier: Apache-2.0
// Who started whom. A process is (guest, boot, pid, start): reuse of a pid and reboots never join
// two histories. A fork says who made a process; an exec says only whose child it is then, which
// after the maker's end is whoever adopted it. What was never told stays unknown.
import type {
  ProcessExecEvent,
  ProcessExitEvent,
  ProcessForkEvent,
  ProcessHashEvent,
  ProcessIdentity,
} from "../model/model.ts";
import { type ProcessEntity, processId } from "./entity.ts";

/** What a process executes from one exec to the next. */
export interface Program {
  readonly generation: number;
  readonly image: string;
  readonly commandLine: string;
  readonly user: string;
  readonly uid: number;
  readonly timeMs: number;
  readonly sequence: number;
  /** Empty while no digest came. */
  readonly sha256: string;
}

/** How a parent is known. */
export type ParentBasis = "exec" | "fork" | "unknown";

export interface ProcessLife extends ProcessEntity {
  readonly id: string;
  /** Some event was its own, not only told by a child of it. */
  readonly isSeen: boolean;
  readonly parent: ProcessLife | undefined;
  readonly parentBasis: ParentBasis;
  /** Exec generation of the parent when it made this process; -1 when unknown. */
  readonly parentGeneration: number;
  readonly children: readonly ProcessLife[];
  readonly programs: readonly Program[];
  /** First time it was heard of; a fork's time where there was one. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Undefined while it runs, and where its end was lost. */
  readonly exitMs: number | undefined;
  /** Parents other than the maker, in the order told. */
  readonly adopters: readonly ProcessLife[];
}

interface OpenLife extends ProcessLife {
  isSeen: boolean;
  parent: OpenLife | undefined;
  parentBasis: ParentBasis;
  parentGeneration: number;
  parentSequence: number;
  children: OpenLife[];
  /** Place among the parent's children. */
  place: number;
  programs: Program[];
  firstMs: number;
  lastMs: number;
  exitMs: number | undefined;
  adopters: OpenLife[];
}

/** Ancestors that inherit a program without an exec, at most. */
const INHERITED_MAX = 256;
const ADOPTERS_MAX = 16;

export class ProcessForest {
  readonly #lives = new Map<string, OpenLife>();
  readonly #lifeMax: number;
  /** Processes that were not taken in, because there were too many. */
  refused = 0;

  constructor(lifeMax: number) {
    this.#lifeMax = lifeMax;
  }

  get size(): number {
    return this.#lives.size;
  }

  lives(): IterableIterator<ProcessLife> {
    return this.#lives.values();
  }

  find(id: string): ProcessLife | undefined {
    return this.#lives.get(id);
  }

  /** The process of an event, made when it was never heard of; undefined for none or no room. */
  seen(event: ProcessIdentity, timeMs: number): ProcessLife | undefined {
    const life = this.#life(event.guest, event.boot, event.pid, event.processStartNs, timeMs);
    if (life !== undefined) life.isSeen = true;
    return life;
  }

  fork(event: ProcessForkEvent): void {
    const parent = this.#life(
      event.guest,
      event.boot,
      event.pid,
      event.processStartNs,
      event.timeMs,
    );
    const { childPid, childStartNs, timeMs } = event;
    const child = this.#life(event.guest, event.boot, childPid, childStartNs, timeMs);
    if (parent === undefined || child === undefined || parent === child) return;
    parent.isSeen = true;
    child.isSeen = true;
    child.firstMs = Math.min(child.firstMs, timeMs);
    if (child.parentBasis === "fork") return;
    const adopter = child.parent;
    this.#setParent(child, parent, "fork", event.execGeneration, event.sequence);
    if (adopter !== undefined && adopter !== parent) noteAdopter(child, adopter);
  }

  exec(event: ProcessExecEvent): void {
    const { guest, boot, timeMs, parentStartNs, sequence } = event;
    const life = this.#life(guest, boot, event.pid, event.processStartNs, timeMs);
    if (life === undefined) return;
    life.isSeen = true;
    addProgram(life, event);
    if (event.parentPid <= 0 || parentStartNs === 0n) return;
    const parent = this.#life(guest, boot, event.parentPid, parentStartNs, timeMs);
    if (parent === undefined || parent === life) return;
    const isEarlier = life.parentBasis === "exec" && sequence < life.parentSequence;
    if (life.parentBasis === "unknown" || isEarlier) {
      const later = life.parent;
      this.#setParent(life, parent, "exec", event.parentExecGeneration, sequence);
      if (later !== undefined && later !== parent) noteAdopter(life, later);
    } else if (life.parent !== parent) noteAdopter(life, parent);
  }

  exit(event: ProcessExitEvent): void {
    const life = this.#life(event.guest, event.boot, event.pid, event.processStartNs, event.timeMs);
    if (life === undefined) return;
    life.isSeen = true;
    life.exitMs = event.timeMs;
  }

  hash(event: ProcessHashEvent): void {
    if (event.sha256 === "") return;
    const life = this.#life(event.guest, event.boot, event.pid, event.processStartNs, event.timeMs);
    const at = life?.programs.findIndex(({ sequence }) => sequence === event.execSequence) ?? -1;
    const program = life?.programs[at];
    if (life === undefined || program === undefined) return;
    life.programs[at] = { ...program, sha256: event.sha256 };
  }

  #setParent(
    child: OpenLife,
    parent: OpenLife,
    basis: ParentBasis,
    generation: number,
    sequence: number,
  ): void {
    // The last child takes the place that becomes free: a parent may have a million.
    const last = child.parent?.children.pop();
    if (child.parent !== undefined && last !== undefined && last !== child) {
      child.parent.children[child.place] = last;
      last.place = child.place;
    }
    child.parent = parent;
    child.place = parent.children.length;
    child.parentBasis = basis;
    child.parentGeneration = generation;
    child.parentSequence = sequence;
    parent.children.push(child);
  }

  #life(
    guest: string,
    boot: string,
    pid: number,
    startNs: bigint,
    timeMs: number,
  ): OpenLife | undefined {
    // No pid, or no start: it cannot be told from others.
    if (pid <= 0 || startNs === 0n) return undefined;
    const id = processId(guest, boot, pid, startNs);
    const known = this.#lives.get(id);
    if (known !== undefined) {
      if (timeMs < known.firstMs) known.firstMs = timeMs;
      if (timeMs > known.lastMs) known.lastMs = timeMs;
      return known;
    }
    if (this.#lives.size >= this.#lifeMax) {
      this.refused += 1;
      return undefined;
    }
    const life = newLife({ kind: "process", guest, boot, pid, startNs }, id, timeMs);
    this.#lives.set(id, life);
    return life;
  }
}

function newLife(entity: ProcessEntity, id: string, timeMs: number): OpenLife {
  return {
    ...entity,
    id,
    isSeen: false,
    parent: undefined,
    parentBasis: "unknown",
    parentGeneration: -1,
    parentSequence: 0,
    children: [],
    place: 0,
    programs: [],
    firstMs: timeMs,
    lastMs: timeMs,
    exitMs: undefined,
    adopters: [],
  };
}

function noteAdopter(life: OpenLife, adopter: OpenLife): void {
  if (life.adopters.includes(adopter) || life.adopters.length >= ADOPTERS_MAX) return;
  life.adopters.push(adopter);
}

function addProgram(life: OpenLife, event: ProcessExecEvent): void {
  const { execGeneration: generation } = event;
  if (life.programs.some((program) => program.generation === generation)) return;
  life.programs.push({
    generation,
    image: event.path,
    commandLine: event.arguments.join(" "),
    user: event.user,
    uid: event.uid,
    timeMs: event.timeMs,
    sequence: event.sequence,
    sha256: "",
  });
  life.programs.sort((a, b) => a.generation - b.generation);
}

/**
 * What a process executes in an exec generation; undefined where that exec was lost. A process
 * that executed nothing since its fork has its maker's program.
 */
export function programOf(life: ProcessLife, generation: number): Program | undefined {
  let one: ProcessLife | undefined = life;
  for (let steps = 0; one !== undefined && steps < INHERITED_MAX; steps++) {
    const own = one.programs.find((program) => program.generation === generation);
    if (own !== undefined) return own;
    if (one.parentBasis !== "fork" || one.parentGeneration !== generation) return undefined;
    one = one.parent;
  }
  return undefined;
}

/** The last program before a time, or the newest; a maker's where there is none of its own. */
export function programAt(
  life: ProcessLife,
  timeMs: number = Number.POSITIVE_INFINITY,
): Program | undefined {
  const own = life.programs.findLast((program) => program.timeMs <= timeMs);
  if (own !== undefined) return own;
  const { parent, parentBasis, parentGeneration } = life;
  if (parent === undefined || parentBasis !== "fork") return undefined;
  return programOf(parent, parentGeneration);
}
