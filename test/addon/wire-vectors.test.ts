// SPDX-License-Identifier: Apache-2.0
// The native rings against the wire vectors that every implementation must meet: golden rings are
// read record by record, malformed ones yield the fault that the vector names.
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, it } from "vitest";
import { faultName } from "../../lib/model/model.ts";
import { Mapping, NativeRingConsumer, NativeRingProducer } from "../../lib/native/native.ts";
import { REGION_BYTES } from "./hand-made-ring.ts";

interface RingVector {
  readonly name: string;
  readonly capacityLog2: number;
  readonly sessionId: number;
  readonly previousSessionId?: number;
  readonly features: string;
  readonly tail: string;
  /** Where reading begins, when not at 0. */
  readonly head?: string;
  readonly ringHex: string;
}

interface GoldenRing extends RingVector {
  readonly ops: ReadonlyArray<{ readonly bytes?: number; readonly drain?: boolean }>;
  readonly records: ReadonlyArray<{ type: number; length: number; sequence: number }>;
}

interface MalformedRing extends RingVector {
  readonly fault: string;
}

interface MalformedHead {
  readonly name: string;
  readonly capacityLog2: number;
  readonly tail: string;
  readonly head: string;
  readonly fault: string;
}

const read = (name: string): unknown =>
  JSON.parse(
    readFileSync(new URL(`../../guest-drivers/wire/vectors/${name}`, import.meta.url), "utf8"),
  );
const golden = read("rings.json") as readonly GoldenRing[];
const malformed = read("malformed.json") as {
  readonly rings: readonly MalformedRing[];
  readonly heads: readonly MalformedHead[];
};

let mapping: Mapping;
beforeEach(() => {
  mapping = Mapping.createMemfd("vectors", REGION_BYTES);
});
afterEach(() => mapping.close());

const placement = (capacityLog2: number) => ({
  ringOffset: 65536,
  producerOffset: 16384,
  consumerOffset: 20480,
  capacityLog2,
});

const frameBytes = (payloadBytes: number): number => 16 + Math.ceil(payloadBytes / 16) * 16;

/** A golden ring that was drained on the way shows what came after: reading begins there. */
function drainedTo({ ops, capacityLog2 }: GoldenRing): bigint {
  const drain = ops.findIndex((op) => op.drain);
  let position = 0;
  for (const { bytes = 0 } of ops.slice(0, Math.max(drain, 0))) {
    const end = position + frameBytes(bytes);
    if (end <= 2 ** capacityLog2) position = end;
  }
  return BigInt(position);
}

function openRing(vector: RingVector, head = BigInt(vector.head ?? 0)): NativeRingConsumer {
  const place = placement(vector.capacityLog2);
  mapping.copyIn(place.ringOffset, Buffer.from(vector.ringHex, "hex"));
  mapping.storeU64(place.producerOffset, BigInt(vector.tail));
  const consumer = new NativeRingConsumer(mapping, place, {
    recordBytesMax: 65536,
    batchBytes: 131072,
  });
  const previous = vector.previousSessionId ?? 0;
  consumer.startSession(vector.sessionId, previous, BigInt(vector.features), head);
  return consumer;
}

it.each(golden)("golden ring: $name", (vector) => {
  const consumer = openRing(vector, drainedTo(vector));
  const records: unknown[] = [];
  for (let count = consumer.drain(); count !== 0; count = consumer.drain()) {
    expect(count).toBeGreaterThan(0);
    for (let i = 0; i < count; i++) {
      const [, length, kind = 0, sequence] = consumer.records.subarray(i * 4, i * 4 + 4);
      records.push({ type: kind & 0xffff, length, sequence });
    }
  }
  expect(records).toEqual(
    vector.records.map(({ type, length, sequence }) => ({ type, length, sequence })),
  );
  consumer.close();
});

it.each(malformed.rings)("malformed ring: $name", (vector) => {
  const consumer = openRing(vector);
  let result = consumer.drain();
  while (result > 0) result = consumer.drain();
  expect(result === 0 ? "no fault" : faultName(result)).toBe(vector.fault);
  consumer.close();
});

it.each(malformed.heads)("malformed head: $name", (vector) => {
  const place = placement(vector.capacityLog2);
  const producer = new NativeRingProducer(mapping, place, { recordBytesMax: 65536 });
  producer.startSession(1, 0n);
  while (BigInt(producer.stats[4] ?? 0n) < BigInt(vector.tail)) {
    expect(producer.write(1, 0, new Uint8Array(0))).toBe(1);
  }
  expect(String(producer.stats[4])).toBe(vector.tail);
  mapping.storeU64(place.consumerOffset, BigInt(vector.head));
  producer.publish();
  expect(faultName(producer.write(1, 0, new Uint8Array(0)))).toBe(vector.fault);
  producer.close();
});
