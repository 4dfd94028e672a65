// SPDX-License-Identifier: Apache-2.0
// Who started whom, held against made-up histories of which the truth is known: pids that come
// again, orphans that are adopted, reboots, records that are lost and records out of order.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GuestEvent, StoredEvent } from "../../../lib/model/model.ts";
import { ancestorsOf, ProvenanceGraph, processId } from "../../../lib/provenance/provenance.ts";
import { Random } from "../../sim/random.ts";
import { exec, exit, fork } from "../events.ts";

const PIDS = 40;

interface Process {
  readonly boot: string;
  readonly pid: number;
  readonly startNs: bigint;
  readonly maker: Process | undefined;
  /** Everybody whose child it was when it executed something. */
  readonly parentsAtExec: Process[];
  parent: Process | undefined;
  generation: number;
  isAlive: boolean;
}

interface History {
  readonly processes: readonly Process[];
  readonly events: readonly GuestEvent[];
}

/** One guest through some boots. */
class Machine {
  readonly processes: Process[] = [];
  readonly events: GuestEvent[] = [];
  readonly #random: Random;
  #alive: Process[] = [];
  #boot = 0;
  #now = 1;

  constructor(random: Random) {
    this.#random = random;
    this.#start();
  }

  step(): void {
    this.#now += 1;
    const one = this.#alive[this.#random.below(this.#alive.length)];
    if (one === undefined) return;
    if (this.#random.chance(0.01)) this.#start();
    else if (this.#random.chance(0.45)) this.#fork(one);
    else if (this.#random.chance(0.5)) this.#exec(one);
    else if (one.maker !== undefined) this.#exit(one);
  }

  #start(): void {
    this.#boot += 1;
    this.#alive = [];
    this.#add(1, undefined);
  }

  #add(pid: number, maker: Process | undefined): Process {
    const made: Process = {
      ...{ boot: `boot-${this.#boot}`, pid, startNs: BigInt(this.#now), maker, parent: maker },
      ...{ parentsAtExec: [], generation: maker?.generation ?? 1, isAlive: true },
    };
    this.processes.push(made);
    this.#alive.push(made);
    return made;
  }

  #fork(parent: Process): void {
    const used = new Set(this.#alive.map(({ pid }) => pid));
    const pid = 2 + this.#random.below(PIDS);
    if (used.has(pid)) return;
    const child = this.#add(pid, parent);
    const made = { childPid: pid, childStartNs: child.startNs };
    this.events.push(fork({ ...this.#by(parent), ...made }));
  }

  #exec(one: Process): void {
    one.generation += 1;
    const { parent } = one;
    if (parent !== undefined) one.parentsAtExec.push(parent);
    this.events.push(
      exec({
        ...this.#by(one),
        path: `/bin/${one.pid}-${one.generation}`,
        parentPid: parent?.pid ?? 0,
        parentStartNs: parent?.startNs ?? 0n,
        parentExecGeneration: parent?.generation ?? 0,
      }),
    );
  }

  #exit(one: Process): void {
    this.#alive.splice(this.#alive.indexOf(one), 1);
    one.isAlive = false;
    const [init] = this.#alive;
    for (const child of this.#alive) if (child.parent === one) child.parent = init;
    this.events.push(exit(this.#by(one)));
  }

  #by({ boot, pid, startNs, generation }: Process) {
    const sequence = this.events.length + 1;
    return {
      ...{ guest: "g", boot, pid, processStartNs: startNs, execGeneration: generation },
      ...{ sequence, timeMs: this.#now },
    };
  }
}

function makeHistory(seed: number, steps: number): History {
  const machine = new Machine(new Random(seed));
  for (let step = 0; step < steps; step++) machine.step();
  return machine;
}

/** Processes of which the graph names a parent that never was theirs. */
function wrongParents(graph: ProvenanceGraph, { processes }: History): readonly string[] {
  return processes.flatMap((one) => {
    const life = graph.process(idOf(one));
    if (life?.parent === undefined) return [];
    const allowed = life.parentBasis === "fork" ? [one.maker] : [one.maker, ...one.parentsAtExec];
    const isTrue = allowed.some((parent) => parent && idOf(parent) === life.parent?.id);
    return isTrue ? [] : [`${life.id}: ${life.parentBasis} ${life.parent.id}`];
  });
}

const idOf = ({ boot, pid, startNs }: Process): string => processId("g", boot, pid, startNs);

function graphOf(events: Iterable<StoredEvent>): ProvenanceGraph {
  const graph = new ProvenanceGraph();
  for (const event of events) graph.observe(event);
  return graph;
}

const seeds = fc.integer({ min: 1, max: 1_000_000 });

describe("parents", () => {
  test("of a history without loss are all the makers", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const history = makeHistory(seed, 600);
        const graph = graphOf(history.events);
        for (const one of history.processes) {
          const life = graph.process(idOf(one));
          if (one.maker === undefined) continue;
          expect([life?.parent?.id, life?.parentBasis]).toEqual([idOf(one.maker), "fork"]);
        }
        expect(wrongParents(graph, history)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test("are never wrong where records are lost and come in any order", () => {
    fc.assert(
      fc.property(seeds, fc.double({ min: 0, max: 0.9, noNaN: true }), (seed, loss) => {
        const history = makeHistory(seed, 600);
        const random = new Random(seed + 1);
        const told = history.events
          .filter(() => !random.chance(loss))
          .map((event) => ({ event, place: event.sequence + random.below(50) }))
          .sort((one, other) => one.place - other.place)
          .map(({ event }) => event);
        expect(wrongParents(graphOf(told), history)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test("lead up to the first process, whatever was adopted meanwhile", () => {
    const history = makeHistory(7, 3000);
    const graph = graphOf(history.events);
    for (const one of history.processes) {
      const life = graph.process(idOf(one));
      if (life === undefined) continue;
      const truth: string[] = [];
      for (let up = one.maker; up !== undefined; up = up.maker) truth.push(idOf(up));
      const { ancestors, end } = ancestorsOf(life);
      expect(ancestors.map(({ process }) => process.id)).toEqual(truth);
      expect(end).toBe("top");
    }
  });

  test("canary: without the start of a process the truth is missed", () => {
    const history = makeHistory(7, 3000);
    const blind = history.events.map((event) => ({ ...event, processStartNs: 1n }));
    const seen = blind.map((event) =>
      event.kind === "process.fork" ? { ...event, childStartNs: 1n } : event,
    );
    const graph = graphOf(seen);
    const wrong = history.processes.filter((one) => {
      const life = graph.process(processId("g", one.boot, one.pid, 1n));
      return one.maker !== undefined && life?.parent?.pid !== one.maker.pid;
    });
    expect(wrong.length).toBeGreaterThan(10);
  });
});
