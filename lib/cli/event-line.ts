// SPDX-License-Identifier: Apache-2.0
// Turns the events worth a look into lines of a process tree: execs under their parents, ends by
// signal, refusals, modules. Called by the live view; file traffic stays in the counters.
import type { GuestEvent, ProcessExecEvent } from "../model/model.ts";
import { printable } from "../wire/wire.ts";

const processesMax = 4096;
const depthMax = 8;

/** Remembers who started whom, as far as the events said, to place each exec. */
export class EventLines {
  readonly #parents = new Map<number, number>();
  readonly #names = new Map<number, string>();

  /** A line for an event, or undefined where it is not worth one. */
  line(event: GuestEvent): string | undefined {
    switch (event.kind) {
      case "process.exec":
        return printable(this.#exec(event));
      case "process.existing":
        this.#remember(event.pid, event.parentPid, programName(event));
        return undefined;
      case "process.fork":
        this.#remember(event.childPid, event.pid, this.#names.get(event.pid) ?? "?");
        return undefined;
      case "process.exit": {
        const name = this.#names.get(event.pid) ?? "?";
        this.#parents.delete(event.pid);
        this.#names.delete(event.pid);
        if (event.signal === 0) return undefined;
        return printable(`exit  ${name}[${event.pid}] ended by signal ${event.signal}`);
      }
      case "verdict": {
        const name = this.#names.get(event.pid) ?? "?";
        const what = `${event.verdict} ${event.operation} ${event.path}`;
        return printable(`rule  ${name}[${event.pid}] ${what}`);
      }
      case "module.load":
      case "module.unload":
        return printable(`${event.kind} ${event.name}`);
      default:
        return undefined;
    }
  }

  #exec(event: ProcessExecEvent): string {
    this.#remember(event.pid, event.parentPid, programName(event));
    const branch = "  ".repeat(Math.min(this.#depth(event.pid), depthMax));
    return `exec  ${branch}${programName(event)}[${event.pid}] ${event.arguments.join(" ")}`;
  }

  #remember(pid: number, parentPid: number, name: string): void {
    this.#parents.set(pid, parentPid);
    this.#names.set(pid, name);
    // TRUST: a guest can name any number of processes; the oldest make room.
    if (this.#parents.size <= processesMax) return;
    const [oldest] = this.#parents.keys();
    if (oldest === undefined) return;
    this.#parents.delete(oldest);
    this.#names.delete(oldest);
  }

  #depth(pid: number): number {
    let depth = 0;
    let parent = this.#parents.get(pid);
    while (parent !== undefined && this.#parents.has(parent) && depth < depthMax) {
      depth += 1;
      parent = this.#parents.get(parent);
    }
    return depth;
  }
}

function programName(event: ProcessExecEvent): string {
  return event.path.slice(event.path.lastIndexOf("/") + 1);
}
