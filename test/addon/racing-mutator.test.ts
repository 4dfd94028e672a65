// SPDX-License-Identifier: Apache-2.0
// A guest that rewrites its region from another thread while it is drained: frames flip between
// any two reads, the tail jumps. Every drain must stay within its bounds and agree with its stats.
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";
import { CONSUMER_STAT, FAULT_NAMES } from "../../lib/model/model.ts";
import { CRC, HandMadeRing, PLACEMENT, RECORD_BYTES_MAX, SESSION } from "./hand-made-ring.ts";

const SECONDS = Number(process.env.UC_SLOW === "1" ? 30 : 2);

const mutator = `
  const { parentPort, workerData: { shared, ring, tail, seed } } = require("node:worker_threads");
  const bytes = new Uint8Array(shared);
  const words = new BigUint64Array(shared);
  let state = seed;
  const random = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
  parentPort.postMessage("running");
  for (;;) {
    const at = ring + random(1024) * 16;
    const kind = random(16);
    if (kind === 0) words[tail / 8] = BigInt(random(64) * 256);
    else if (kind === 1) words[tail / 8] = words[tail / 8] ^ (1n << BigInt(random(64)));
    else if (kind < 6) bytes[at + random(16)] ^= 1 << random(8);
    else bytes[at] = random(256);
  }`;

it.each([0n, CRC])("drains stay within bounds (features %s)", async (features) => {
  const ring = new HandMadeRing(features, { batchBytes: 4096, recordsMax: 64 });
  const worker = new Worker(mutator, {
    eval: true,
    workerData: {
      shared: ring.mapping.sharedArrayBuffer(),
      ring: PLACEMENT.ringOffset,
      tail: PLACEMENT.producerOffset,
      seed: 20,
    },
  });
  await new Promise((resolve) => worker.once("message", resolve));
  const { consumer } = ring;
  const faults = new Map<number, number>();
  let drains = 0;
  let delivered = 0n;
  const end = Date.now() + SECONDS * 1000;
  while (Date.now() < end) {
    // Good frames again, so that the race has something to break.
    ring.at = 0;
    for (let i = 0; i < 32; i++) ring.put({ length: (i * 29) % 500, sequence: i + 1 });
    ring.publish();
    consumer.startSession(SESSION, 1, features);
    for (let i = 0; i < 50; i++) {
      const headBefore = consumer.stats[CONSUMER_STAT.head] ?? 0n;
      const count = consumer.drain();
      drains++;
      if (count < 0) {
        expect(FAULT_NAMES[-count]).toBeDefined();
        faults.set(count, (faults.get(count) ?? 0) + 1);
        break;
      }
      expect(count).toBeLessThanOrEqual(64);
      delivered += BigInt(count);
      checkRecords(consumer.records, count);
      const head = consumer.stats[CONSUMER_STAT.head] ?? 0n;
      expect(head - headBefore).toBeGreaterThanOrEqual(BigInt(count) * 16n);
      expect(head % 16n).toBe(0n);
    }
  }
  await worker.terminate();
  expect(consumer.stats[CONSUMER_STAT.delivered]).toBe(delivered);
  expect(drains).toBeGreaterThan(100);
  expect(delivered).toBeGreaterThan(100n);
  expect(faults.size).toBeGreaterThan(2);
  ring.close();
});

function checkRecords(records: Uint32Array, count: number): void {
  let end = 0;
  let last: number | undefined;
  for (let i = 0; i < count; i++) {
    const [offset = 0, length = 0, kind = 0, sequence = 0] = records.subarray(i * 4, i * 4 + 4);
    expect(offset).toBe(end + 16);
    expect(length).toBeLessThanOrEqual(RECORD_BYTES_MAX);
    end = offset + Math.ceil(length / 16) * 16;
    expect(end).toBeLessThanOrEqual(4096);
    expect([0, 0xffff]).not.toContain(kind & 0xffff);
    if (last !== undefined) expect(((sequence - last) >>> 0) - 1).toBeLessThan(0x7fff_ffff);
    last = sequence;
  }
}
