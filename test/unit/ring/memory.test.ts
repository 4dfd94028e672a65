// SPDX-License-Identifier: Apache-2.0
// What is particular to the TypeScript rings: the memory they take, and that a drain needs no new
// memory for its records. Their behaviour is shown in test/conformance.
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { BufferRingConsumer, BufferRingProducer } from "../../../lib/ring/ring.ts";

const PLACEMENT = {
  ringOffset: 8192,
  producerOffset: 0,
  consumerOffset: 4096,
  capacityLog2: 20,
} as const;
const BYTES = 8192 + 2 ** 20;
const OPTIONS = { recordBytesMax: 4096 };

describe("a ring in TypeScript", () => {
  it.each([
    ["an ArrayBuffer", () => new ArrayBuffer(BYTES)],
    ["a SharedArrayBuffer", () => new SharedArrayBuffer(BYTES)],
  ])("works over %s", (_name, make) => {
    const memory = make();
    const producer = new BufferRingProducer(memory, PLACEMENT, OPTIONS);
    const consumer = new BufferRingConsumer(memory, PLACEMENT, OPTIONS);
    producer.startSession(3, 0n);
    consumer.startSession(3, 2, 0n);
    expect(producer.write(5, 0, Uint8Array.of(1, 2))).toBe(1);
    producer.publish();
    expect(consumer.drain()).toBe(1);
    expect([...consumer.batch.subarray(16, 18)]).toEqual([1, 2]);
  });

  it("keeps its batch apart from the ring's memory", () => {
    const memory = new SharedArrayBuffer(BYTES);
    const consumer = new BufferRingConsumer(memory, PLACEMENT, OPTIONS);
    expect(consumer.batch.buffer).not.toBe(memory);
    expect(consumer.batch.buffer).toBeInstanceOf(ArrayBuffer);
  });

  it("allocates by the drain, not by the record", () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const memory = new ArrayBuffer(BYTES);
    const producer = new BufferRingProducer(memory, PLACEMENT, OPTIONS);
    const consumer = new BufferRingConsumer(memory, PLACEMENT, OPTIONS);
    producer.startSession(1, 0n);
    consumer.startSession(1, 0, 0n);
    const payload = new Uint8Array(16);
    const round = (): number => {
      while (producer.write(5, 0, payload) === 1);
      producer.publish();
      const before = getHeapStatistics().used_heap_size;
      for (let count = consumer.drain(); count > 0; count = consumer.drain());
      return getHeapStatistics().used_heap_size - before;
    };
    // The first rounds compile; a collection within a measurement only makes it smaller.
    for (let warm = 0; warm < 20; warm++) round();
    collect();
    const records = 2 ** 20 / 32;
    const grown = Math.max(...Array.from({ length: 8 }, round));
    expect(grown).toBeLessThan(records * 4);
  });
});
