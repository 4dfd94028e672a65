// SPDX-License-Identifier: Apache-2.0
// The event index word by word: who rings the doorbell, who sleeps, and which fence keeps a
// wake-up from being lost. For wake-model.test.ts; mutations are its canaries.
import { type Buffered, drains, type Model, seenBy } from "./explore.ts";

/** A bug to plant. */
export type WakeMutation =
  | "no fence in the producer"
  | "no fence in the consumer"
  | "no last look"
  | "rings at the position only"
  | "rings beyond the position only"
  | "arms one too far";

export interface WakeModelOptions {
  /** Positions that the producer publishes, one after the other. */
  readonly tails: readonly number[];
  /** How far ahead of its head the consumer arms: 1 = every record, more = a batch. */
  readonly watermark: number;
  readonly mutation?: WakeMutation;
}

interface WakeState {
  readonly memory: Readonly<Record<string, number>>;
  readonly producer: {
    readonly at: "store" | "fence" | "look";
    readonly index: number;
    readonly before: number;
    readonly buffer: readonly Buffered[];
  };
  readonly consumer: {
    readonly at: "drain" | "arm" | "fence" | "look" | "asleep";
    readonly head: number;
    readonly buffer: readonly Buffered[];
  };
  /** The eventfd: coalesces any number of rings. */
  readonly doorbell: boolean;
  readonly rings: number;
}

type Step = readonly [name: string, next: WakeState];

/** The model of one doorbell. */
export function wakeModel(options: WakeModelOptions): Model<WakeState> {
  return {
    initial: {
      memory: { tail: 0, wakeAt: 0 },
      producer: { at: "store", index: 0, before: 0, buffer: [] },
      consumer: { at: "drain", head: 0, buffer: [] },
      doorbell: false,
      rings: 0,
    },
    steps: (state) => [
      ...producerSteps(state, options),
      ...consumerSteps(state, options),
      ...visibleSteps(state),
    ],
    problem: (state, isEnd) => problem(state, isEnd, options),
  };
}

/** Nobody can move: then less than a watermark may wait, and a prompt consumer has it all. */
function problem(
  { memory, consumer, rings }: WakeState,
  isEnd: boolean,
  { watermark, tails }: WakeModelOptions,
): string | undefined {
  if (rings > tails.length) return "more rings than publishes";
  if (!isEnd) return undefined;
  const waiting = (memory.tail ?? 0) - consumer.head;
  return waiting >= watermark ? `asleep while ${waiting} wait` : undefined;
}

function producerSteps(state: WakeState, { tails, mutation }: WakeModelOptions): Step[] {
  const { producer } = state;
  const step = (
    name: string,
    change: Partial<WakeState["producer"]>,
    more: Partial<WakeState> = {},
  ): Step[] => [[`producer ${name}`, { ...state, ...more, producer: { ...producer, ...change } }]];
  const tail = tails[producer.index];
  if (tail === undefined) return [];
  switch (producer.at) {
    case "store": {
      const buffer: readonly Buffered[] = [...producer.buffer, ["tail", tail]];
      return step("stores tail", { at: "fence", buffer });
    }
    case "fence":
      if (mutation === "no fence in the producer") return step("goes on", { at: "look" });
      return producer.buffer.length > 0 ? [] : step("fences", { at: "look" });
    case "look": {
      const wakeAt = seenBy(producer.buffer, state.memory, "wakeAt");
      // As uc_ring.c has it, but that positions of the model are too small to wrap.
      let isCrossed = producer.before < wakeAt && wakeAt <= tail;
      if (mutation === "rings at the position only") isCrossed = wakeAt === tail;
      if (mutation === "rings beyond the position only") {
        isCrossed = producer.before < wakeAt && wakeAt < tail;
      }
      const next = { at: "store", index: producer.index + 1, before: tail } as const;
      if (!isCrossed) return step("does not ring", next);
      return step("rings", next, { doorbell: true, rings: state.rings + 1 });
    }
  }
}

function consumerSteps(state: WakeState, { watermark, mutation }: WakeModelOptions): Step[] {
  const { consumer } = state;
  const step = (
    name: string,
    change: Partial<WakeState["consumer"]>,
    more: Partial<WakeState> = {},
  ): Step[] => [[`consumer ${name}`, { ...state, ...more, consumer: { ...consumer, ...change } }]];
  const tail = seenBy(consumer.buffer, state.memory, "tail");
  switch (consumer.at) {
    case "drain":
      return step("drains", { at: "arm", head: tail });
    case "arm": {
      const far = mutation === "arms one too far" ? 1 : 0;
      const wakeAt = consumer.head + watermark + far;
      return step("arms", { at: "fence", buffer: [...consumer.buffer, ["wakeAt", wakeAt]] });
    }
    case "fence":
      if (mutation === "no fence in the consumer") return step("goes on", { at: "look" });
      return consumer.buffer.length > 0 ? [] : step("fences", { at: "look" });
    case "look": {
      const isEnough = tail - consumer.head >= watermark && mutation !== "no last look";
      return step("takes a last look", { at: isEnough ? "drain" : "asleep" });
    }
    case "asleep":
      return state.doorbell ? step("wakes", { at: "drain" }, { doorbell: false }) : [];
  }
}

/** Stores stay in order here: the fences of this algorithm are for the load behind a store. */
function visibleSteps(state: WakeState): Step[] {
  const steps: Step[] = [];
  for (const thread of ["producer", "consumer"] as const) {
    for (const [word, value, rest] of drains(state[thread].buffer, true)) {
      const memory = { ...state.memory, [word]: value };
      const moved = { ...state, memory, [thread]: { ...state[thread], buffer: rest } };
      steps.push([`${word} = ${value} becomes visible`, moved]);
    }
  }
  return steps;
}
