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
    this.#remember(event);
    const branch = "  ".repeat(Math.min(this.#depth(event.pid), depthMax));
    const words = event.arguments.slice(1).join(" ");
    return `exec  ${branch}${this.#names.get(event.pid)}[${event.pid}] ${event.path} ${words}`;
  }

  #remember(event: ProcessExecEvent): void {
    // TRUST: a guest can name any number of processes; the oldest make room.
    if (this.#parents.size >= processesMax) {
      const [oldest] = this.#parents.keys();
      if (oldest !== undefined) this.#parents.delete(oldest);
      if (oldest !== undefined) this.#names.delete(oldest);
    }
    const name = event.commandName || event.path.slice(event.path.lastIndexOf("/") + 1);
    this.#parents.set(event.pid, event.parentPid);
    this.#names.set(event.pid, name);
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
