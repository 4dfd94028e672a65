// SPDX-License-Identifier: Apache-2.0
// What each process of one guest runs and who started it, as far as records told. Lets a hash that
// comes later name the program. Bounded: a guest cannot grow it.
import type { GuestEvent, ProcessExecEvent } from "../model/model.ts";

/** One process. Exited ones stay until their place is needed, for records that come late. */
export interface ProcessEntry {
  readonly pid: number;
  readonly processStartNs: bigint;
  readonly parentPid: number;
  /** 0 when the parent was never seen. */
  readonly parentStartNs: bigint;
  readonly parentKnown: boolean;
  /** The newest exec; absent where only a fork or nothing was seen. */
  readonly exec: ProcessExecEvent | undefined;
  readonly exited: boolean;
}

const ENTRIES_MAX = 65_536;
const ANCESTORS_MAX = 32;

/** Processes of one boot of one guest, by pid; a pid's start time tells its users apart. */
export class ProcessTable {
  readonly #entries = new Map<number, ProcessEntry>();
  #boot = "";

  get size(): number {
    return this.#entries.size;
  }

  /** Those that have not exited. */
  get running(): readonly ProcessEntry[] {
    return [...this.#entries.values()].filter(({ exited }) => !exited);
  }

  /** Takes note of an event; most kinds change nothing. */
  observe(event: GuestEvent): void {
    switch (event.kind) {
      case "process.fork":
        this.#fork(event.boot, event);
        break;
      case "process.exec":
      case "process.existing":
        this.#exec(event);
        break;
      case "process.exit": {
        const entry = this.find(event.pid, event.processStartNs);
        if (entry !== undefined) this.#store({ ...entry, exited: true });
        break;
      }
      default:
        break;
    }
  }

  /** The process with exactly this pid and start time. */
  find(pid: number, processStartNs: bigint): ProcessEntry | undefined {
    const entry = this.#entries.get(pid);
    return entry?.processStartNs === processStartNs ? entry : undefined;
  }

  /** Last component of what a process executes, or nothing when that is unknown. */
  programName(pid: number, processStartNs: bigint): string {
    const path = this.find(pid, processStartNs)?.exec?.path ?? "";
    return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  }

  /** Programs of a process's ancestors, the parent first; "?" where one was never seen. */
  ancestors(pid: number, processStartNs: bigint): readonly string[] {
    const programs: string[] = [];
    let entry = this.find(pid, processStartNs);
    while (entry !== undefined && entry.parentPid > 0 && programs.length < ANCESTORS_MAX) {
      const parent = this.find(entry.parentPid, entry.parentStartNs);
      programs.push(parent?.exec?.path || "?");
      entry = parent;
    }
    return programs;
  }

  /** What a process started, and what those did, nearest first, exited ones included. */
  descendants(pid: number, processStartNs: bigint): readonly ProcessEntry[] {
    const children = new Map<string, ProcessEntry[]>();
    for (const entry of this.#entries.values()) {
      const parent = `${entry.parentPid}:${entry.parentStartNs}`;
      const siblings = children.get(parent);
      if (siblings === undefined) children.set(parent, [entry]);
      else siblings.push(entry);
    }
    const found: ProcessEntry[] = [];
    const take = (key: string): void => {
      // Each process once, whatever parents a guest claims.
      found.push(...(children.get(key) ?? []));
      children.delete(key);
    };
    take(`${pid}:${processStartNs}`);
    for (const entry of found) take(`${entry.pid}:${entry.processStartNs}`);
    return found;
  }

  #fork(boot: string, event: Extract<GuestEvent, { kind: "process.fork" }>): void {
    this.#enter(boot);
    const parent = this.find(event.pid, event.processStartNs);
    this.#store({
      pid: event.childPid,
      processStartNs: event.childStartNs,
      parentPid: event.pid,
      parentStartNs: event.processStartNs,
      parentKnown: parent !== undefined,
      exec: parent?.exec,
      exited: false,
    });
  }

  #exec(event: ProcessExecEvent): void {
    this.#enter(event.boot);
    const parentStartNs = event.parentStartNs;
    this.#store({
      pid: event.pid,
      processStartNs: event.processStartNs,
      parentPid: event.parentPid,
      parentStartNs,
      parentKnown: this.find(event.parentPid, parentStartNs) !== undefined,
      exec: event,
      exited: false,
    });
  }

  #enter(boot: string): void {
    if (boot === this.#boot) return;
    this.#boot = boot;
    this.#entries.clear();
  }

  // The newest user of a pid replaces the one before; insertion order is age, for eviction.
  #store(entry: ProcessEntry): void {
    this.#entries.delete(entry.pid);
    this.#entries.set(entry.pid, entry);
    if (this.#entries.size <= ENTRIES_MAX) return;
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#entries.delete(oldest.value);
  }
}
