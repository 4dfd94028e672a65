// SPDX-License-Identifier: Apache-2.0
// The real TypeScript ring at its smallest, under every sequence of a few operations, against an
// array queue that keeps its own books of space. The models next door show the steps inside one
// operation; this shows that the code does what the models say between operations.
import { describe, expect, it } from "vitest";
import { BufferRingConsumer, BufferRingProducer } from "../../lib/ring/ring.ts";

const PLACEMENT = {
  ringOffset: 8192,
  producerOffset: 0,
  consumerOffset: 4096,
  capacityLog2: 12,
} as const;
const CAPACITY = 4096;
const LIMIT = 512;
const LENGTH = 7;

/** Two lengths, so that laps do not line up; a publish; one drain, or all. */
const OPERATIONS = ["large", "odd", "publish", "drain once", "drain all"] as const;
type Operation = (typeof OPERATIONS)[number];

interface Entry {
  readonly number: number;
  readonly start: number;
  readonly end: number;
}

/** An array queue with its own count of space: a gap between two entries is a PAD. */
class Oracle {
  readonly #pending: Entry[] = [];
  readonly #visible: Entry[] = [];
  #tail = 0;
  #head = 0;
  #headSeen = 0;
  #published = 0;

  write(number: number, bytes: number): number {
    const need = 16 + Math.ceil(bytes / 16) * 16;
    const toEnd = CAPACITY - (this.#tail % CAPACITY);
    const start = need > toEnd ? this.#tail + toEnd : this.#tail;
    const end = start + need;
    if (end - this.#headSeen > CAPACITY) this.#headSeen = this.#head;
    if (end - this.#headSeen > CAPACITY) return 0;
    this.#tail = end;
    this.#pending.push({ number, start, end });
    return 1;
  }

  publish(): void {
    this.#visible.push(...this.#pending.splice(0));
    this.#published = this.#tail;
    this.#headSeen = this.#head;
  }

  /** Two records at most, of one lap; a PAD behind fewer than two is passed. */
  drain(): number[] {
    const lap = (entry: Entry | undefined): number => Math.floor((entry?.start ?? 0) / CAPACITY);
    const isPair = this.#visible.length > 1 && lap(this.#visible[0]) === lap(this.#visible[1]);
    const out = this.#visible.splice(0, isPair ? 2 : 1);
    this.#head = out.at(-1)?.end ?? this.#head;
    if (out.length === 1) this.#head = this.#visible[0]?.start ?? this.#head;
    return out.map((entry) => entry.number);
  }

  get positions(): readonly [tail: number, head: number] {
    return [this.#published, this.#head];
  }
}

/** The ring and its oracle, side by side. */
class Pair {
  readonly #memory = new ArrayBuffer(PLACEMENT.ringOffset + CAPACITY);
  readonly #words = new BigUint64Array(this.#memory);
  readonly #producer = new BufferRingProducer(this.#memory, PLACEMENT, { recordBytesMax: LIMIT });
  readonly #consumer: BufferRingConsumer;
  readonly #payload = new Uint8Array(LIMIT);
  #oracle = new Oracle();
  #number = 0;

  /** The oracle takes two records a drain; another number of the ring's is a planted bug. */
  constructor(recordsMax: number = 2) {
    const options = { recordBytesMax: LIMIT, batchBytes: 8192, recordsMax };
    this.#consumer = new BufferRingConsumer(this.#memory, PLACEMENT, options);
  }

  /** Begins again near the ring's end, so that few operations reach the wrap. */
  restart(): string | undefined {
    this.#words.fill(0n);
    this.#producer.startSession(7, 0n);
    this.#consumer.startSession(7, 6, 0n);
    this.#oracle = new Oracle();
    this.#number = 0;
    for (let count = 0; count < 6; count++) this.run("large");
    return this.run("publish") ?? this.run("drain all");
  }

  /** Runs one operation on both; what differs, or undefined. */
  run(operation: Operation): string | undefined {
    switch (operation) {
      case "large":
        return this.#write(LIMIT);
      case "odd":
        return this.#write(481);
      case "publish":
        this.#producer.publish();
        this.#oracle.publish();
        return this.#differs("positions", this.#positions(), this.#oracle.positions);
      case "drain once":
        return this.#drain().problem;
      case "drain all":
        return this.#drainAll();
    }
  }

  #write(bytes: number): string | undefined {
    this.#number++;
    this.#payload[0] = this.#number;
    const result = this.#producer.write(0x0101, 0, this.#payload.subarray(0, bytes));
    return this.#differs("write", result, this.#oracle.write(this.#number, bytes));
  }

  #drainAll(): string | undefined {
    for (;;) {
      const { count, problem } = this.#drain();
      if (problem !== undefined || count === 0) return problem;
    }
  }

  #drain(): { readonly count: number; readonly problem: string | undefined } {
    const { batch, records } = this.#consumer;
    const count = this.#consumer.drain();
    const seen = count < 0 ? [`fault ${count}`] : [];
    for (let at = 0; at < count * 4; at += 4) seen.push(`${batch[records[at] ?? 0]}`);
    const problem =
      this.#differs("drain", seen, this.#oracle.drain().map(String)) ??
      this.#differs("positions", this.#positions(), this.#oracle.positions);
    return { count, problem };
  }

  #positions(): readonly [number, number] {
    return [Number(this.#words[0]), Number(this.#words[PLACEMENT.consumerOffset / 8])];
  }

  #differs(what: string, seen: unknown, expected: unknown): string | undefined {
    const [left, right] = [JSON.stringify(seen), JSON.stringify(expected)];
    return left === right ? undefined : `${what}: ${left} instead of ${right}`;
  }
}

/** Runs every sequence of that length; the first difference with its operations. */
function everySequence(pair: Pair): { readonly runs: number; readonly problem?: string } {
  const runs = OPERATIONS.length ** LENGTH;
  for (let run = 0; run < runs; run++) {
    const wrongStart = pair.restart();
    if (wrongStart !== undefined) return { runs: run, problem: wrongStart };
    const done: Operation[] = [];
    for (let step = 0, rest = run; step < LENGTH; step++) {
      const operation = OPERATIONS[rest % OPERATIONS.length] ?? "publish";
      rest = Math.floor(rest / OPERATIONS.length);
      done.push(operation);
      const problem = pair.run(operation);
      if (problem !== undefined) return { runs: run, problem: `${done.join(", ")}: ${problem}` };
    }
  }
  return { runs };
}

describe("every sequence of operations", () => {
  it("gives what an array queue gives", () => {
    const { runs, problem } = everySequence(new Pair());
    expect(problem).toBeUndefined();
    expect(runs).toBe(OPERATIONS.length ** LENGTH);
  });

  it("tells a ring that drains one record too many", () => {
    expect(everySequence(new Pair(3)).problem).toMatch(/drain: .* instead of /);
  });
});
