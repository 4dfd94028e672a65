// SPDX-License-Identifier: Apache-2.0
// The ring's algorithm word by word: a producer and a consumer over a few slots of two words each,
// stores delayed as a mapping may delay them. For ring-model.test.ts; mutations are its canaries.
import { type Buffered, drains, type Model, seenBy } from "./explore.ts";

/** A bug to plant. */
export type RingMutation =
  | "tail before payload"
  | "no fence before tail"
  | "head before copy"
  | "one slot too many"
  | "head of the sampled tail";

export interface RingModelOptions {
  readonly slots: number;
  /** Records to send; more than the slots, so that positions go around. */
  readonly records: number;
  /** False: stores become visible in any order between fences, as in write-combined memory. */
  readonly inOrder: boolean;
  /** Records that the producer writes before it publishes. */
  readonly publishEach: number;
  /** Records that one drain takes at most. */
  readonly drainMax: number;
  readonly mutation?: RingMutation;
}

interface Producer {
  readonly at: "space" | "first" | "second" | "publish" | "done";
  readonly tail: number;
  readonly published: number;
  /** The consumer's head as last read. */
  readonly head: number;
  readonly buffer: readonly Buffered[];
}

interface Consumer {
  readonly at: "sample" | "first" | "second" | "head";
  readonly head: number;
  readonly tail: number;
  /** Next slot to copy, and the first word of the record being copied. */
  readonly next: number;
  readonly copied: number;
  readonly buffer: readonly Buffered[];
}

export interface RingState {
  readonly memory: Readonly<Record<string, number>>;
  readonly producer: Producer;
  readonly consumer: Consumer;
  /** Records as delivered: two words that must be equal, so that a torn one shows. */
  readonly delivered: ReadonlyArray<readonly [first: number, second: number]>;
}

type Step = readonly [name: string, next: RingState];

/** The model of one ring with these dimensions. */
export function ringModel(options: RingModelOptions): Model<RingState> {
  return {
    initial: {
      memory: { tail: 0, head: 0 },
      producer: { at: "space", tail: 0, published: 0, head: 0, buffer: [] },
      consumer: { at: "sample", head: 0, tail: 0, next: 0, copied: 0, buffer: [] },
      delivered: [],
    },
    steps: (state) => [
      ...producerSteps(state, options),
      ...consumerSteps(state, options),
      ...visibleSteps(state, options),
    ],
    problem: (state, isEnd) => problem(state, isEnd, options),
  };
}

/** The oracle: an array queue holds 1, 2, 3 .. and nothing else may ever come out. */
function problem(
  { delivered }: RingState,
  isEnd: boolean,
  { records }: RingModelOptions,
): string | undefined {
  const wrong = delivered.findIndex(([a, b], index) => a !== index + 1 || b !== index + 1);
  if (wrong >= 0) return `record ${wrong + 1} came out as ${delivered[wrong]?.join("|")}`;
  if (delivered.length > records) return "more records came out than went in";
  if (isEnd && delivered.length < records) return `stuck after ${delivered.length} records`;
  return undefined;
}

function producerSteps(state: RingState, options: RingModelOptions): Step[] {
  const { producer } = state;
  const { slots, records, mutation, publishEach } = options;
  const step = (name: string, change: Partial<Producer>): Step[] => [
    [`producer ${name}`, { ...state, producer: { ...producer, ...change } }],
  ];
  const store = (word: string, value: number): readonly Buffered[] => [
    ...producer.buffer,
    [word, value],
  ];
  const slot = producer.tail % slots;
  const number = producer.tail + 1;
  const tailFirst = mutation === "tail before payload";
  switch (producer.at) {
    case "space": {
      const capacity = mutation === "one slot too many" ? slots + 1 : slots;
      if (producer.tail - producer.head < capacity) {
        if (!tailFirst) return step("finds space", { at: "first" });
        const buffer = store("tail", number);
        return step("stores tail too early", { at: "first", buffer, published: number });
      }
      // Full by what it knows: it publishes what it has and looks at the head again.
      if (producer.published < producer.tail) return step("is full", { at: "publish" });
      const head = seenBy(producer.buffer, state.memory, "head");
      return head === producer.head ? [] : step("reads head", { head });
    }
    case "first":
      return step("stores first", { at: "second", buffer: store(`${slot}a`, number) });
    case "second": {
      const isDue = number - producer.published >= publishEach || number === records;
      return step("stores second", {
        at: isDue ? "publish" : "space",
        tail: number,
        buffer: store(`${slot}b`, number),
      });
    }
    case "publish": {
      const fenced: readonly Buffered[] =
        mutation === "no fence before tail" ? producer.buffer : [...producer.buffer, "fence"];
      return step("publishes", {
        at: producer.tail === records ? "done" : "space",
        published: producer.tail,
        buffer: tailFirst ? producer.buffer : [...fenced, ["tail", producer.tail]],
      });
    }
    case "done":
      return [];
  }
}

function consumerSteps(state: RingState, options: RingModelOptions): Step[] {
  const { consumer, memory } = state;
  const { mutation, slots, drainMax } = options;
  const step = (name: string, change: Partial<Consumer>, more: Partial<RingState> = {}): Step[] => [
    [`consumer ${name}`, { ...state, ...more, consumer: { ...consumer, ...change } }],
  ];
  const read = (word: string): number => seenBy(consumer.buffer, memory, word);
  const slot = consumer.next % slots;
  const store = (head: number): readonly Buffered[] => [
    ...consumer.buffer,
    "fence",
    ["head", head],
  ];
  switch (consumer.at) {
    case "sample": {
      const tail = read("tail");
      if (tail === consumer.head) return [];
      const end = Math.min(tail, consumer.head + drainMax);
      const early = mutation === "head before copy";
      return step("samples tail", {
        at: "first",
        tail: end,
        next: consumer.head,
        ...(early ? { head: end, buffer: store(end) } : {}),
      });
    }
    case "first":
      return step("copies first", { at: "second", copied: read(`${slot}a`) });
    case "second": {
      const next = consumer.next + 1;
      const isLast = next >= consumer.tail;
      return step(
        "copies second",
        {
          at: isLast ? "head" : "first",
          next,
          copied: 0,
        },
        { delivered: [...state.delivered, [consumer.copied, read(`${slot}b`)]] },
      );
    }
    case "head": {
      if (mutation === "head before copy") return step("ends", { at: "sample" });
      const head = mutation === "head of the sampled tail" ? read("tail") : consumer.next;
      return step("stores head", { at: "sample", head, buffer: store(head) });
    }
  }
}

function visibleSteps(state: RingState, { inOrder }: RingModelOptions): Step[] {
  const steps: Step[] = [];
  for (const thread of ["producer", "consumer"] as const) {
    // The consumer stores the head alone, on a page of its own.
    for (const [word, value, rest] of drains(state[thread].buffer, inOrder)) {
      const memory = { ...state.memory, [word]: value };
      const moved = { ...state, memory, [thread]: { ...state[thread], buffer: rest } };
      steps.push([`${word} = ${value} becomes visible`, moved]);
    }
  }
  return steps;
}
