// SPDX-License-Identifier: Apache-2.0
// What a drain hands out when the guest behaves: where records lie, limits of one call, loss.
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { CONSUMER_STAT, CONSUMER_STATS, PRODUCER_STAT } from "../../lib/model/model.ts";
import { Mapping, NativeRingConsumer } from "../../lib/native/native.ts";
import {
  CAPACITY,
  CRC,
  HandMadeRing,
  PLACEMENT,
  PREVIOUS_SESSION,
  REGION_BYTES,
  SESSION,
} from "./hand-made-ring.ts";

let ring: HandMadeRing;
afterEach(() => ring?.close());

const stat = (name: keyof typeof CONSUMER_STAT): bigint | undefined =>
  ring.consumer.stats[CONSUMER_STAT[name]];

describe("records", () => {
  it.each([0n, CRC])("lie in the private batch (features %s)", (features) => {
    ring = new HandMadeRing(features);
    ring.put({ payload: Uint8Array.of(1, 2, 3), type: 0x0202, flags: 1, sequence: 1 });
    ring.put({ payload: new Uint8Array(0), type: 0x7777, sequence: 2 });
    ring.publish();
    expect(ring.consumer.drain()).toBe(2);
    expect([...ring.consumer.records.subarray(0, 8)]).toEqual([
      16, 3, 0x0001_0202, 1, 48, 0, 0x7777, 2,
    ]);
    // The guest changes its bytes afterwards: the copy stands.
    ring.mapping.zero(PLACEMENT.ringOffset, 64);
    expect([...ring.consumer.batch.subarray(16, 19)]).toEqual([1, 2, 3]);
    expect(ring.mapping.loadU64(PLACEMENT.consumerOffset)).toBe(48n);
  });

  it("wait for a session", () => {
    const mapping = Mapping.createMemfd("no-session", REGION_BYTES);
    const consumer = new NativeRingConsumer(mapping, PLACEMENT, { recordBytesMax: 512 });
    mapping.storeU64(PLACEMENT.producerOffset, 7n);
    expect(consumer.drain()).toBe(0);
    consumer.close();
    mapping.close();
  });

  it("are limited per call by count and by bytes, and none is lost at a limit", () => {
    ring = new HandMadeRing(0n, { batchBytes: 2048, recordsMax: 5 });
    let sequence = 0;
    for (let i = 0; i < 20; i++) ring.put({ length: 48, sequence: ++sequence });
    for (let i = 0; i < 6; i++) ring.put({ length: 1000, sequence: ++sequence });
    ring.publish();
    const counts: number[] = [];
    const seen: number[] = [];
    for (let count = ring.consumer.drain(); count !== 0; count = ring.consumer.drain()) {
      expect(count).toBeGreaterThan(0);
      counts.push(count);
      for (let i = 0; i < count; i++) seen.push(ring.consumer.records[i * 4 + 3] ?? 0);
    }
    expect(counts).toEqual([5, 5, 5, 5, 2, 2, 2]);
    expect(seen).toEqual(Array.from({ length: 26 }, (_, i) => i + 1));
  });

  it("arrive while the tail is sampled once a call", () => {
    ring = new HandMadeRing();
    ring.put({ sequence: 1 });
    ring.publish();
    ring.put({ sequence: 2 });
    expect(ring.consumer.drain()).toBe(1);
    expect(ring.consumer.drain()).toBe(0);
    ring.publish();
    expect(ring.consumer.drain()).toBe(1);
  });

  it("cover many laps, whatever their sizes", () => {
    ring = new HandMadeRing();
    let sequence = 0;
    let bytes = 0n;
    for (let lap = 0; lap < 200; lap++) {
      for (let i = 0; i < 10; i++) {
        const length = (lap * 37 + i * 101) % 1000;
        const toEnd = CAPACITY - (ring.at % CAPACITY);
        if (16 + Math.ceil(length / 16) * 16 > toEnd) {
          ring.put({ type: 0xffff, sequence: 0, length: toEnd - 16 });
        }
        ring.put({ length, sequence: ++sequence });
        bytes += BigInt(length);
      }
      ring.publish();
      let seen = 0;
      for (let n = ring.consumer.drain(); n !== 0; n = ring.consumer.drain()) seen += n;
      expect(seen).toBe(10);
    }
    expect(stat("delivered")).toBe(2000n);
    expect(stat("bytes")).toBe(bytes);
    expect(stat("head")).toBe(BigInt(ring.at));
    expect(stat("missing")).toBe(0n);
  });
});

describe("loss", () => {
  it("a jump of the sequence is counted, a LOST frame names it", () => {
    ring = new HandMadeRing();
    const lost = new DataView(new ArrayBuffer(32));
    lost.setBigUint64(8, 6n, true);
    ring.put({ sequence: 3 });
    ring.put({ sequence: 8, type: 0xfffe, payload: new Uint8Array(lost.buffer) });
    ring.publish();
    expect(ring.consumer.drain()).toBe(2);
    expect([stat("missing"), stat("named"), stat("lostFrames")]).toEqual([6n, 6n, 1n]);
    expect([stat("delivered"), stat("lastSequence")]).toEqual([2n, 8n]);
  });

  it("a LOST claim cannot wrap the sum", () => {
    ring = new HandMadeRing();
    const lost = new DataView(new ArrayBuffer(32));
    lost.setBigUint64(8, 2n ** 64n - 1n, true);
    for (const sequence of [1, 2]) {
      ring.put({ sequence, type: 0xfffe, payload: new Uint8Array(lost.buffer) });
    }
    ring.put({ sequence: 3, type: 0xfffe, payload: new Uint8Array(8) });
    ring.publish();
    expect(ring.consumer.drain()).toBe(3);
    expect(stat("named")).toBe(2n ** 64n - 1n);
    expect(stat("lostFrames")).toBe(3n);
  });

  it("the sequence goes on across 2^32", () => {
    ring = new HandMadeRing();
    for (const sequence of [0x7fff_ffff, 0xffff_fffe, 0xffff_ffff, 0, 2]) ring.put({ sequence });
    ring.publish();
    expect(ring.consumer.drain()).toBe(5);
    expect(stat("missing")).toBe(0x7fff_fffen + 0x7fff_fffen + 1n);
    expect(stat("lastSequence")).toBe(2n);
  });

  it("a resumed session takes its first sequence as it comes", () => {
    ring = new HandMadeRing();
    ring.put({ sequence: 41 });
    ring.put({ sequence: 42 });
    ring.put({ sequence: 44 });
    ring.publish();
    ring.consumer.startSession(SESSION, PREVIOUS_SESSION, 0n, 16n);
    expect(ring.consumer.drain()).toBe(2);
    expect(stat("missing")).toBe(1n);
    expect(ring.mapping.loadU64(PLACEMENT.consumerOffset)).toBe(48n);
  });
});

describe("configuration", () => {
  const open = (change: object, limits: object = {}) => {
    const mapping = Mapping.createMemfd("layout", REGION_BYTES);
    try {
      new NativeRingConsumer(
        mapping,
        { ...PLACEMENT, ...change },
        { recordBytesMax: 1024, ...limits },
      ).close();
    } finally {
      mapping.close();
    }
  };

  it.each([
    ["a ring past the region", { ringOffset: REGION_BYTES - 4096 }, {}],
    ["an unaligned ring", { ringOffset: 4104 }, {}],
    ["a page past the region", { consumerOffset: REGION_BYTES }, {}],
    ["an offset of 2^52", { producerOffset: 2 ** 52 }, {}],
    ["a capacity too small", { capacityLog2: 11 }, {}],
    ["a capacity too large", { capacityLog2: 31 }, {}],
    ["a capacity of 2^64", { capacityLog2: 64 }, {}],
    ["a batch that is no power of two", {}, { batchBytes: 3000 }],
    ["a batch smaller than a record", {}, { batchBytes: 1024 }],
    ["no records", {}, { recordsMax: 0 }],
    ["no record bytes", {}, { recordBytesMax: 0 }],
  ])("refuses %s", (_, change, limits) => {
    expect(() => open(change, limits)).toThrow(
      expect.objectContaining({ name: "UndercroftError", code: "ERR_UC_LAYOUT" }),
    );
  });

  it("takes the largest capacity that fits", () => {
    expect(() => open({ ringOffset: REGION_BYTES / 2, capacityLog2: 19 })).not.toThrow();
  });
});

it("the header's stats are those of lib/model", () => {
  const values = (file: string, prefix: string): Record<string, number> => {
    const text = readFileSync(new URL(`../../addon/${file}`, import.meta.url), "utf8");
    const found = text.matchAll(new RegExp(`#define ${prefix}_([A-Z_]+) (\\d+)u`, "g"));
    const camel = (name: string) =>
      name.toLowerCase().replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    return Object.fromEntries(Array.from(found, (m) => [camel(m[1] ?? ""), Number(m[2])]));
  };
  const { stats, ...consumer } = values("drain.h", "UC_CONSUMER");
  expect(consumer).toEqual(CONSUMER_STAT);
  expect(stats).toBe(CONSUMER_STATS);
  const { stats: count, ...producer } = values("producer.h", "UC_PRODUCER");
  expect(producer).toEqual(PRODUCER_STAT);
  expect(count).toBe(Object.keys(PRODUCER_STAT).length);
});
