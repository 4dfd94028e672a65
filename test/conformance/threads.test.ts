// SPDX-License-Identifier: Apache-2.0
// Both ends at once, in two threads, over many laps of a small ring: every record arrives whole,
// once and in order. Each transport shares its region with the other thread in its own way.
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import {
  type MemoryRegion,
  openIvshmemRegion,
  openMemoryRegion,
  type Region,
} from "../../lib/transport/transport.ts";
import {
  CAPACITY,
  PLACEMENT,
  PREVIOUS_SESSION,
  RECORD_BYTES_MAX,
  REGION_BYTES,
  SESSION,
} from "../support/ring-writer.ts";
import { file } from "./rig.ts";
import { numberedPayload, type ThreadTask } from "./thread-task.ts";

const COUNT = 20_000;

interface Shared {
  readonly region: Region;
  readonly memory: ThreadTask["memory"];
  close(): void;
}

function sharedMemory(region: MemoryRegion): Shared {
  if (!(region.memory instanceof SharedArrayBuffer)) throw new Error("threads cannot share it");
  return { region, memory: region.memory, close: () => region.close() };
}

const ways: Readonly<Record<string, () => Shared>> = {
  memory: () => sharedMemory(openMemoryRegion(REGION_BYTES)),
  memfd: () => {
    const region = openIvshmemRegion({ memfd: "threads", bytes: REGION_BYTES });
    return { region, memory: `/proc/self/fd/${region.fd}`, close: () => region.close() };
  },
  file: () => {
    const { region, close } = file.open();
    return { region, memory: region.name, close };
  },
};

async function drainAll(shared: Shared, features: bigint): Promise<void> {
  const consumer = shared.region.openConsumer(PLACEMENT, RECORD_BYTES_MAX);
  const ready = new Int32Array(new SharedArrayBuffer(4));
  const { memory } = shared;
  const task: ThreadTask = { memory, bytes: REGION_BYTES, features, count: COUNT, ready };
  const worker = new Worker(new URL("./producer-thread.ts", import.meta.url), { workerData: task });
  const ended = new Promise<void>((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
  let failure: unknown;
  ended.catch((error: unknown) => {
    failure = error;
  });
  while (Atomics.load(ready, 0) === 0 && failure === undefined) await setImmediate();
  consumer.startSession(SESSION, PREVIOUS_SESSION, features);
  let number = 0;
  while (number < COUNT && failure === undefined) {
    const count = consumer.drain();
    expect(count).toBeGreaterThanOrEqual(0);
    for (let at = 0; at < count * 4; at += 4) {
      const [offset = 0, length = 0] = consumer.records.subarray(at, at + 2);
      const expected = numberedPayload(++number);
      const seen = consumer.batch.subarray(offset, offset + length);
      // One comparison a record: vitest's own would take most of the test's time.
      if (Buffer.compare(seen, expected) !== 0) expect(seen).toEqual(expected);
    }
    if (count === 0) await setImmediate();
  }
  await ended;
  expect(number).toBe(COUNT);
  expect(consumer.drain()).toBe(0);
  expect(consumer.stats[2]).toBe(0n);
  expect(consumer.stats[7]).toBeGreaterThan(BigInt(200 * CAPACITY));
}

describe.each(Object.keys(ways))("two threads over %s", (way) => {
  it.each([0n, 1n])("lose and tear nothing (features %s)", async (features) => {
    const shared = ways[way]?.();
    if (shared === undefined) throw new Error(`no way ${way}`);
    try {
      await drainAll(shared, features);
    } finally {
      shared.close();
    }
  });
});
