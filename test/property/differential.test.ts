// SPDX-License-Identifier: Apache-2.0
// The TypeScript ring and the native one, given the same bytes and the same calls, return the
// same results to the last number: on right, nearly right and random regions alike.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RingConsumer, RingProducer } from "../../lib/model/model.ts";
import { openIvshmemRegion, openMemoryRegion, type Region } from "../../lib/transport/transport.ts";
import { holds } from "../support/property.ts";
import {
  type Frame,
  LOST,
  PAD,
  PREVIOUS_SESSION,
  REGION_BYTES,
  RingWriter,
  readWord,
  SESSION,
} from "../support/ring-writer.ts";

const CAPACITY = 4096;
const PLACEMENT = {
  ringOffset: 65536,
  producerOffset: 16384,
  consumerOffset: 20480,
  capacityLog2: 12,
} as const;
const RECORD_BYTES_MAX = 480;

type Step =
  | { readonly do: "put"; readonly length: number; readonly skip: number; readonly wrong: Frame }
  | { readonly do: "pad"; readonly wrong: Frame }
  | { readonly do: "publish"; readonly off: bigint }
  | { readonly do: "scribble"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly do: "drain" }
  | { readonly do: "flush" }
  | { readonly do: "start"; readonly head: bigint; readonly features: bigint };

const u32 = fc.nat({ max: 0xffff_ffff });
/** Mostly right: a mutated field now and then. */
const wrong: fc.Arbitrary<Frame> = fc.oneof(
  { weight: 400, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.record({ flags: fc.nat(0xffff) }) },
  { weight: 1, arbitrary: fc.record({ check: u32 }) },
  { weight: 1, arbitrary: fc.record({ length: fc.oneof(fc.nat(600), u32) }) },
  { weight: 1, arbitrary: fc.record({ sequence: u32 }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom(0, LOST, PAD, 0x7777) }) },
  { weight: 1, arbitrary: fc.record({ session: fc.constantFrom(PREVIOUS_SESSION, 1) }) },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("put" as const),
      length: fc.nat(RECORD_BYTES_MAX),
      skip: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat(5)),
      wrong,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pad" as const), wrong }) },
  { weight: 12, arbitrary: fc.constant({ do: "flush" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("publish" as const),
      off: fc.oneof(
        { weight: 4, arbitrary: fc.constant(0n) },
        fc.bigInt(-8192n, 8192n),
        fc.bigInt(0n, 2n ** 64n - 1n),
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("scribble" as const),
      at: fc.nat(CAPACITY - 64),
      bytes: fc.uint8Array({ maxLength: 64 }),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ do: "drain" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("start" as const),
      head: fc.oneof(
        { weight: 4, arbitrary: fc.constant(0n) },
        { weight: 4, arbitrary: fc.bigInt(0n, 2n ** 60n - 1n).map((head) => head * 16n) },
        fc.bigInt(0n, 2n ** 64n - 1n),
      ),
      features: fc.constantFrom(0n, 1n),
    }),
  },
);

/** One side of the comparison: a region, a ring and a guest that lies as told. */
class Side {
  readonly region: Region;
  readonly consumer: RingConsumer;
  #writer: RingWriter;
  #sequence = 0;

  constructor(region: Region, limits: { batchBytes: number; recordsMax: number }) {
    this.region = region;
    this.consumer = region.openConsumer(PLACEMENT, RECORD_BYTES_MAX, limits);
    this.#writer = new RingWriter(region, 0n, PLACEMENT);
  }

  run(step: Step): unknown {
    switch (step.do) {
      case "put":
        this.#sequence += 1 + step.skip;
        this.#putWhole(new Uint8Array(step.length).fill(step.length), step.wrong);
        return undefined;
      case "pad":
        this.#pad(step.wrong);
        return undefined;
      case "publish":
        this.#writer.publish(this.#writer.at + step.off);
        return undefined;
      case "scribble":
        this.region.copyIn(PLACEMENT.ringOffset + step.at, step.bytes);
        return undefined;
      case "start":
        this.#writer = new RingWriter(this.region, step.features, PLACEMENT);
        this.#writer.at = step.head;
        this.#writer.publish();
        this.#sequence = 0;
        this.consumer.startSession(SESSION, PREVIOUS_SESSION, step.features, step.head);
        return undefined;
      case "drain":
        return this.#drain();
      case "flush":
        this.#writer.publish();
        return this.#drain();
    }
  }

  #toEnd(): number {
    return CAPACITY - Number(this.#writer.at % BigInt(CAPACITY));
  }

  /** A PAD that is in its place, unless the mutation puts it elsewhere. */
  #pad(mutation: Frame): void {
    const length = this.#toEnd() - 16;
    if (length > RECORD_BYTES_MAX && mutation.length === undefined) return;
    this.#writer.put({ type: PAD, length, ...mutation });
  }

  #putWhole(payload: Uint8Array, mutation: Frame): void {
    if (16 + Math.ceil(payload.length / 16) * 16 > this.#toEnd()) this.#pad({});
    this.#writer.put({ payload, sequence: this.#sequence >>> 0, ...mutation });
  }

  #drain(): unknown {
    const { consumer } = this;
    const count = consumer.drain();
    const records = consumer.records.slice(0, Math.max(count, 0) * 4);
    const last = records.length - 4;
    const used = last < 0 ? 0 : (records[last] ?? 0) + (records[last + 1] ?? 0);
    return {
      count,
      records,
      batch: consumer.batch.slice(0, used),
      stats: consumer.stats.slice(),
      evidence: [...consumer.evidence()],
      head: readWord(this.region, PLACEMENT.consumerOffset),
    };
  }

  close(): void {
    this.consumer.close();
    this.region.close();
  }
}

/** vitest's own comparison is slow; it is asked only for its report of a difference. */
function same(ours: unknown, native: unknown): void {
  if (!isDeepStrictEqual(ours, native)) expect(ours).toEqual(native);
}

function sides(limits: { batchBytes: number; recordsMax: number }): readonly [Side, Side] {
  return [
    new Side(openMemoryRegion(REGION_BYTES), limits),
    new Side(openIvshmemRegion({ memfd: "differential", bytes: REGION_BYTES }), limits),
  ];
}

const limits = fc.record({
  batchBytes: fc.constantFrom(512, 1024, 8192),
  recordsMax: fc.constantFrom(1, 3, 64),
});

describe("TypeScript and native consumers agree", () => {
  it("on steps of a guest that is right most of the time", () => {
    const tally = { delivered: 0, pads: 0, faults: 0 };
    const property = fc.property(
      limits,
      fc.constantFrom(0n, 1n),
      fc.array(step, { minLength: 30, maxLength: 150, size: "max" }),
      (limit, features, steps) => {
        const [ours, native] = sides(limit);
        try {
          const all: Step[] = [{ do: "start", head: 0n, features }, ...steps, { do: "flush" }];
          for (const one of all) same(ours.run(one), native.run(one));
          tally.delivered += Number(ours.consumer.stats[0]);
          tally.pads += Number(ours.consumer.stats[5]);
          tally.faults += Number(ours.consumer.stats[6]);
        } finally {
          ours.close();
          native.close();
        }
      },
    );
    holds(property, 1000);
    // The generator is worth something only if it reaches both good records and faults.
    expect(tally.delivered).toBeGreaterThan(5000);
    expect(tally.pads).toBeGreaterThan(200);
    expect(tally.faults).toBeGreaterThan(200);
  });

  it("on random, all-zero and all-ones rings", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 64, maxLength: 512 }),
      fc.constantFrom(0, 0xff).map((value) => new Uint8Array(512).fill(value)),
    );
    const property = fc.property(
      bytes,
      fc.constantFrom(0n, 1n),
      fc.nat(CAPACITY / 16),
      (content, features, tail) => {
        const [ours, native] = sides({ batchBytes: 4096, recordsMax: 64 });
        try {
          const results = [ours, native].map((side) => {
            side.region.copyIn(PLACEMENT.ringOffset, content);
            side.region.storeU64(PLACEMENT.producerOffset, BigInt(tail * 16));
            side.run({ do: "start", head: 0n, features });
            side.region.storeU64(PLACEMENT.producerOffset, BigInt(tail * 16));
            return [side.run({ do: "drain" }), side.run({ do: "drain" })];
          });
          same(results[0], results[1]);
        } finally {
          ours.close();
          native.close();
        }
      },
    );
    holds(property, 400);
  });
});

interface Write {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly publish: boolean;
  /** Where the reader says it is: an offset from where it may be. */
  readonly head: bigint | undefined;
}

const write: fc.Arbitrary<Write> = fc.record({
  length: fc.nat(RECORD_BYTES_MAX),
  type: fc.integer({ min: 1, max: 0xfffe }),
  flags: fc.nat(0xffff),
  publish: fc.boolean(),
  head: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 6, arbitrary: fc.constant(0n) },
    { weight: 1, arbitrary: fc.bigInt(-64n, 64n) },
  ),
});

function produce(region: Region, producer: RingProducer, one: Write): unknown {
  const result = producer.write(one.type, one.flags, new Uint8Array(one.length).fill(one.length));
  if (one.publish) producer.publish();
  if (one.head !== undefined) {
    const tail = readWord(region, PLACEMENT.producerOffset);
    region.storeU64(PLACEMENT.consumerOffset, BigInt.asUintN(64, tail + one.head));
  }
  const ring = new Uint8Array(CAPACITY);
  region.copyOut(PLACEMENT.ringOffset, ring);
  const tail = readWord(region, PLACEMENT.producerOffset);
  return { result, stats: producer.stats.slice(), tail, ring };
}

describe("TypeScript and native producers agree", () => {
  it("byte by byte, whatever the reader says", () => {
    let written = 0;
    const property = fc.property(
      fc.constantFrom(0n, 1n),
      fc.array(write, { minLength: 1, maxLength: 60, size: "max" }),
      (features, writes) => {
        const regions = [
          openMemoryRegion(REGION_BYTES),
          openIvshmemRegion({ memfd: "differential", bytes: REGION_BYTES }),
        ];
        const producers = regions.map((region) => region.openProducer(PLACEMENT, RECORD_BYTES_MAX));
        for (const producer of producers) producer.startSession(SESSION, features);
        for (const one of writes) {
          const [ours, native] = regions.map((region, index) => {
            const producer = producers[index];
            return producer === undefined ? undefined : produce(region, producer, one);
          });
          same(ours, native);
        }
        written += Number(producers[0]?.stats[0]);
        for (const region of regions) region.close();
      },
    );
    holds(property, 250);
    expect(written).toBeGreaterThan(500);
  });
});
