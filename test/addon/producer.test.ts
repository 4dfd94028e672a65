// SPDX-License-Identifier: Apache-2.0
// The command ring's writing end: what it writes is what a consumer accepts, a lying guest head is
// a fault, and nothing that a guest does to the server's own pages changes anything.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CONSUMER_STAT, faultName, PRODUCER_STAT } from "../../lib/model/model.ts";
import { Mapping, NativeRingConsumer, NativeRingProducer } from "../../lib/native/native.ts";
import { CAPACITY, CRC, PLACEMENT, REGION_BYTES } from "./hand-made-ring.ts";

const limits = { recordBytesMax: 1024 };
let mapping: Mapping;
let producer: NativeRingProducer;
let consumer: NativeRingConsumer;

beforeEach(() => {
  mapping = Mapping.createMemfd("commands", REGION_BYTES);
  producer = new NativeRingProducer(mapping, PLACEMENT, limits);
  consumer = new NativeRingConsumer(mapping, PLACEMENT, limits);
});
afterEach(() => {
  producer.close();
  consumer.close();
  mapping.close();
});

const payloadOf = (index: number): Uint8Array =>
  Uint8Array.from({ length: (index * 61) % 1025 }, (_, i) => (index + i) & 0xff);

describe.each([0n, CRC])("with features %s", (features) => {
  it("what is written is read, over many laps", () => {
    producer.startSession(9, features);
    consumer.startSession(9, 8, features);
    let read = 0;
    const readAll = () => {
      producer.publish();
      for (let n = consumer.drain(); n !== 0; n = consumer.drain()) {
        expect(n).toBeGreaterThan(0);
        for (let i = 0; i < n; i++) {
          const [offset = 0, length = 0, kind, sequence] = consumer.records.subarray(
            i * 4,
            i * 4 + 4,
          );
          expect(kind).toBe(0x0f01 | (1 << 16));
          expect(sequence).toBe(++read);
          expect(consumer.batch.subarray(offset, offset + length)).toEqual(payloadOf(read));
        }
      }
    };
    for (let index = 1; index <= 500; index++) {
      if (producer.write(0x0f01, 1, payloadOf(index)) === 0) {
        readAll();
        expect(producer.write(0x0f01, 1, payloadOf(index))).toBe(1);
      }
    }
    readAll();
    expect(read).toBe(500);
    expect(consumer.stats[CONSUMER_STAT.missing]).toBe(0n);
    expect(consumer.stats[CONSUMER_STAT.pads]).toBeGreaterThan(5n);
    expect(producer.stats[PRODUCER_STAT.written]).toBe(500n);
    expect(producer.stats[PRODUCER_STAT.tail]).toBe(consumer.stats[CONSUMER_STAT.head]);
    expect(producer.stats[PRODUCER_STAT.full]).toBeGreaterThan(0n);
  });
});

it("nothing shows before publish, and a full ring takes no sequence", () => {
  producer.startSession(9, 0n);
  consumer.startSession(9, 8, 0n);
  let written = 0;
  while (producer.write(5, 0, new Uint8Array(100)) === 1) written++;
  expect(written).toBe(Math.floor(CAPACITY / 128));
  expect(consumer.drain()).toBe(0);
  producer.publish();
  expect(consumer.drain()).toBe(written);
  expect(producer.write(5, 0, new Uint8Array(100))).toBe(1);
  producer.publish();
  expect(consumer.drain()).toBe(1);
  expect(consumer.stats[CONSUMER_STAT.missing]).toBe(0n);
});

it("without a session nothing is written", () => {
  expect(producer.write(5, 0, new Uint8Array(4))).toBe(0);
  producer.publish();
  expect(mapping.loadU64(PLACEMENT.producerOffset)).toBe(0n);
});

it.each([
  ["beyond what was published", 144n],
  ["unaligned", 8n],
  ["behind zero", 2n ** 64n - 16n],
  ["half the number space away", 2n ** 63n],
])("a guest head %s is E_HEAD_RANGE", (_, head) => {
  producer.startSession(9, 0n);
  producer.write(5, 0, new Uint8Array(112));
  mapping.storeU64(PLACEMENT.consumerOffset, head);
  producer.publish();
  expect(faultName(producer.write(5, 0, new Uint8Array(1)))).toBe("E_HEAD_RANGE");
  expect(producer.stats[PRODUCER_STAT.faults]).toBe(1n);
  mapping.storeU64(PLACEMENT.consumerOffset, 0n);
  expect(faultName(producer.write(5, 0, new Uint8Array(1)))).toBe("E_HEAD_RANGE");
  producer.startSession(10, 0n);
  expect(producer.write(5, 0, new Uint8Array(1))).toBe(1);
});

it("a guest head that moves back is E_HEAD_RANGE", () => {
  producer.startSession(9, 0n);
  producer.write(5, 0, new Uint8Array(112));
  producer.publish();
  mapping.storeU64(PLACEMENT.consumerOffset, 128n);
  producer.publish();
  mapping.storeU64(PLACEMENT.consumerOffset, 64n);
  producer.publish();
  expect(faultName(producer.write(5, 0, new Uint8Array(1)))).toBe("E_HEAD_RANGE");
});

it("a head that never moves only fills the ring", () => {
  producer.startSession(9, 0n);
  let last = 1;
  for (let i = 0; i < 1000; i++) {
    last = producer.write(5, 0, new Uint8Array(100));
    producer.publish();
  }
  expect(last).toBe(0);
  expect(producer.stats[PRODUCER_STAT.faults]).toBe(0n);
});

it("a guest that overwrites the server's pages changes nothing for the server", () => {
  producer.startSession(9, 0n);
  producer.write(5, 0, new Uint8Array(100).fill(1));
  producer.publish();
  mapping.copyIn(PLACEMENT.ringOffset, new Uint8Array(CAPACITY).fill(0xff));
  mapping.storeU64(PLACEMENT.producerOffset, 2n ** 63n);
  expect(producer.write(5, 0, new Uint8Array(100).fill(2))).toBe(1);
  producer.publish();
  expect(mapping.loadU64(PLACEMENT.producerOffset)).toBe(256n);
  const frame = new Uint8Array(16);
  mapping.copyOut(PLACEMENT.ringOffset + 128, frame);
  expect(new DataView(frame.buffer).getUint32(8, true)).toBe(2);
});

it("the padding behind a record is zeros", () => {
  mapping.copyIn(PLACEMENT.ringOffset, new Uint8Array(64).fill(0xee));
  producer.startSession(9, 0n);
  producer.write(5, 0, Uint8Array.of(1, 2, 3));
  const bytes = new Uint8Array(48);
  mapping.copyOut(PLACEMENT.ringOffset, bytes);
  expect([...bytes.subarray(16, 32)]).toEqual([1, 2, 3, ...new Array(13).fill(0)]);
  expect(bytes[32]).toBe(0xee);
});

it.each([
  [0, 0, 4],
  [0xffff, 0, 4],
  [-1, 0, 4],
  [1.5, 0, 4],
  [5, 0x1_0000, 4],
  [5, 0, 1025],
])("type %s, flags %s, %s bytes are the caller's mistake", (type, flags, bytes) => {
  producer.startSession(9, 0n);
  expect(() => producer.write(type, flags, new Uint8Array(bytes))).toThrow(
    expect.objectContaining({ code: "ERR_UC_ARGUMENT" }),
  );
});
