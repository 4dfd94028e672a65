// SPDX-License-Identifier: Apache-2.0
// Conformance of both ends when both behave: what goes in comes out, in order, whole and once.
import { expect } from "vitest";
import { CONSUMER_STAT, PRODUCER_STAT } from "../../lib/model/model.ts";
import type { Region } from "../../lib/transport/transport.ts";
import { CAPACITY, PLACEMENT, RECORD_BYTES_MAX, readWord } from "../support/ring-writer.ts";
import { type ConformanceCase, Rig } from "./rig.ts";

const pattern = (bytes: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, index) => (index * 7 + seed) & 0xff);

const FEATURES = [0n, 1n] as const;
const named = (features: bigint): string => (features === 0n ? "session check" : "CRC-32C");

/** Writes records until the ring refuses one, and says how many it took. */
function fillUp(rig: Rig, bytes: number): number {
  let count = 0;
  while (rig.producer.write(0x0202, 0, pattern(bytes, count)) === 1) count++;
  return count;
}

function everyLength(region: Region, features: bigint): void {
  const rig = new Rig(region, features).start(true);
  const lengths = [0, 1, 7, 8, 15, 16, 17, 31, 32, 255, 256, 1000, 1023, RECORD_BYTES_MAX];
  for (const [index, bytes] of lengths.entries()) {
    expect(rig.producer.write(0x0101 + index, index % 2, pattern(bytes, index))).toBe(1);
  }
  rig.producer.publish();
  const { records, end } = rig.takeAll();
  expect(end).toBe(0);
  expect(records).toEqual(
    lengths.map((bytes, index) => ({
      type: 0x0101 + index,
      flags: index % 2,
      sequence: index + 1,
      payload: pattern(bytes, index),
    })),
  );
  const total = lengths.reduce((sum, bytes) => sum + bytes, 0);
  expect(rig.consumer.stats[CONSUMER_STAT.delivered]).toBe(BigInt(lengths.length));
  expect(rig.consumer.stats[CONSUMER_STAT.bytes]).toBe(BigInt(total));
  expect(rig.consumer.stats[CONSUMER_STAT.lastSequence]).toBe(BigInt(lengths.length));
  expect(rig.producer.stats[PRODUCER_STAT.written]).toBe(BigInt(lengths.length));
  expect(rig.producer.stats[PRODUCER_STAT.bytes]).toBe(BigInt(total));
}

function manyLaps(region: Region, features: bigint): void {
  const rig = new Rig(region, features).start(true);
  const queue: Uint8Array[] = [];
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let round = 0; round < 400; round++) {
    for (let burst = random(12); burst > 0; burst--) {
      const payload = pattern(random(RECORD_BYTES_MAX + 1), round);
      if (rig.producer.write(0x0303, 0, payload) === 1) queue.push(payload);
    }
    rig.producer.publish();
    if (random(3) === 0) continue;
    const { records, end } = rig.takeAll();
    expect(end).toBe(0);
    for (const record of records) expect(record.payload).toEqual(queue.shift());
  }
  rig.producer.publish();
  for (const record of rig.takeAll().records) expect(record.payload).toEqual(queue.shift());
  expect(queue).toEqual([]);
  const tail = readWord(region, PLACEMENT.producerOffset);
  expect(tail).toBeGreaterThan(BigInt(20 * CAPACITY));
  expect(readWord(region, PLACEMENT.consumerOffset)).toBe(tail);
  expect(rig.consumer.stats[CONSUMER_STAT.head]).toBe(tail);
  expect(rig.producer.stats[PRODUCER_STAT.tail]).toBe(tail);
  expect(rig.consumer.stats[CONSUMER_STAT.pads]).toBeGreaterThan(10n);
  expect(rig.consumer.stats[CONSUMER_STAT.missing]).toBe(0n);
}

const perFeature = FEATURES.flatMap((features): ConformanceCase[] => [
  {
    name: `every length goes through (${named(features)})`,
    run: (region) => everyLength(region, features),
  },
  {
    name: `many laps keep order and bytes (${named(features)})`,
    run: (region) => manyLaps(region, features),
  },
  {
    name: `a record that ends at the ring's end needs no PAD (${named(features)})`,
    run: (region) => {
      const rig = new Rig(region, features).start(true);
      for (let at = 0; at < CAPACITY; at += 1024) {
        expect(rig.producer.write(0x0101, 0, pattern(1008, at))).toBe(1);
      }
      rig.producer.publish();
      expect(rig.takeAll().records.length).toBe(CAPACITY / 1024);
      expect(rig.producer.write(0x0101, 0, pattern(3, 3))).toBe(1);
      rig.producer.publish();
      expect(rig.takeAll().records[0]?.payload).toEqual(pattern(3, 3));
      expect(rig.consumer.stats[CONSUMER_STAT.pads]).toBe(0n);
    },
  },
  {
    name: `a PAD of one bare frame is passed (${named(features)})`,
    run: (region) => {
      const rig = new Rig(region, features).start(true);
      for (let at = 0; at < CAPACITY - 1024; at += 1024) {
        rig.producer.write(0x0101, 0, pattern(1008, at));
      }
      rig.producer.write(0x0101, 0, pattern(992, 0));
      rig.producer.publish();
      rig.takeAll();
      expect(rig.consumer.stats[CONSUMER_STAT.head]).toBe(BigInt(CAPACITY - 16));
      expect(rig.producer.write(0x0101, 0, pattern(1, 9))).toBe(1);
      rig.producer.publish();
      expect(rig.takeAll().records[0]?.payload).toEqual(pattern(1, 9));
      expect(rig.consumer.stats[CONSUMER_STAT.pads]).toBe(1n);
    },
  },
]);

export const streamCases: readonly ConformanceCase[] = [
  ...perFeature,
  {
    name: "nothing is visible before publish",
    run: (region) => {
      const rig = new Rig(region).start(true);
      rig.producer.write(0x0101, 0, pattern(20, 1));
      expect(rig.take()).toBe(0);
      rig.producer.publish();
      expect(rig.takeAll().records.length).toBe(1);
    },
  },
  {
    name: "both ends wait for a session",
    run: (region) => {
      const rig = new Rig(region);
      rig.writer.publish(7n);
      expect(rig.take()).toBe(0);
      expect(rig.producer.write(0x0101, 0, pattern(4, 0))).toBe(0);
      rig.producer.publish();
      expect(readWord(region, PLACEMENT.producerOffset)).toBe(7n);
    },
  },
  {
    name: "an empty ring drains nothing and moves nothing",
    run: (region) => {
      const rig = new Rig(region).start(true);
      for (let turn = 0; turn < 3; turn++) expect(rig.take()).toBe(0);
      expect(readWord(region, PLACEMENT.consumerOffset)).toBe(0n);
    },
  },
  {
    name: "a full ring refuses, takes no sequence, and goes on once there is space",
    run: (region) => {
      const rig = new Rig(region).start(true);
      expect(fillUp(rig, 240)).toBe(CAPACITY / 256);
      expect(rig.producer.stats[PRODUCER_STAT.full]).toBe(1n);
      expect(rig.producer.write(0x0101, 0, new Uint8Array(0))).toBe(0);
      rig.producer.publish();
      expect(rig.takeAll().records.length).toBe(CAPACITY / 256);
      expect(fillUp(rig, 240)).toBe(CAPACITY / 256);
      rig.producer.publish();
      const { records } = rig.takeAll();
      expect(records[0]?.sequence).toBe(CAPACITY / 256 + 1);
      expect(rig.consumer.stats[CONSUMER_STAT.missing]).toBe(0n);
    },
  },
  {
    name: "a PAD needs space too",
    run: (region) => {
      const rig = new Rig(region, 0n, { recordsMax: 1 }).start(true);
      for (let at = 0; at < CAPACITY - 1024; at += 1024) {
        rig.producer.write(0x0101, 0, pattern(1008, at));
      }
      rig.producer.publish();
      // 1024 free before the end and 1024 behind it: enough for the record, not for a PAD as well.
      rig.take();
      expect(rig.producer.write(0x0101, 0, pattern(1024, 1))).toBe(0);
      rig.take();
      expect(rig.producer.write(0x0101, 0, pattern(1024, 1))).toBe(1);
      rig.producer.publish();
      const { records, end } = rig.takeAll();
      expect(end).toBe(0);
      expect(records.at(-1)?.payload).toEqual(pattern(1024, 1));
      expect(records.length).toBe(14);
    },
  },
  {
    name: "records per call have a limit, and none is lost at it",
    run: (region) => {
      const rig = new Rig(region, 0n, { recordsMax: 5 }).start(true);
      for (let count = 0; count < 13; count++) rig.producer.write(0x0101, 0, pattern(5, count));
      rig.producer.publish();
      const counts = [rig.take(), rig.take(), rig.take(), rig.take()].map((taken) =>
        typeof taken === "number" ? taken : taken.map((record) => record.sequence),
      );
      expect(counts).toEqual([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13], 0]);
    },
  },
  {
    name: "bytes per call have a limit, and none is lost at it",
    run: (region) => {
      const rig = new Rig(region, 0n, { batchBytes: 2048 }).start(true);
      for (let count = 0; count < 5; count++) rig.producer.write(0x0101, 0, pattern(900, count));
      rig.producer.publish();
      const counts = [rig.take(), rig.take(), rig.take(), rig.take()].map((taken) =>
        typeof taken === "number" ? taken : taken.map((record) => record.payload[0]),
      );
      expect(counts).toEqual([[0, 1], [2, 3], [4], 0]);
      expect(rig.consumer.batch.length).toBe(2048);
    },
  },
  {
    name: "what the other side writes after the drain does not reach the batch",
    run: (region) => {
      const rig = new Rig(region).start(true);
      rig.producer.write(0x0101, 0, pattern(64, 5));
      rig.producer.publish();
      expect(rig.consumer.drain()).toBe(1);
      region.zero(PLACEMENT.ringOffset, CAPACITY);
      expect(rig.consumer.batch.slice(16, 80)).toEqual(pattern(64, 5));
    },
  },
  {
    name: "the tail is sampled once a call",
    run: (region) => {
      const rig = new Rig(region).start();
      rig.writer.put({ sequence: 1 });
      rig.writer.publish();
      rig.writer.put({ sequence: 2 });
      expect(rig.takeAll().records.length).toBe(1);
      rig.writer.publish();
      expect(rig.takeAll().records.length).toBe(1);
    },
  },
  {
    name: "padding after a payload is zeros",
    run: (region) => {
      region.copyIn(PLACEMENT.ringOffset, new Uint8Array(CAPACITY).fill(0xff));
      const rig = new Rig(region).start(true);
      rig.producer.write(0x0101, 0, pattern(17, 1));
      const seen = new Uint8Array(64);
      region.copyOut(PLACEMENT.ringOffset, seen);
      expect([...seen.subarray(33, 48)]).toEqual(new Array(15).fill(0));
      expect([...seen.subarray(48)]).toEqual(new Array(16).fill(0xff));
    },
  },
];
