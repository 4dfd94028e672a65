// SPDX-License-Identifier: Apache-2.0
// Child of sanitized-addon.test.ts: uses everything that the given addon file offers, in order, in
// two threads, and drops it for the garbage collector (run with --expose-gc). Prints what it saw.
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { type Addon, loadAddon } from "../../lib/native/native.ts";

const REGION_BYTES = 1 << 20;
const RING = [65536, 16384, 20480, 14, 1024] as const;
const path: string = isMainThread ? (process.argv[2] ?? "") : workerData;
const addon: Addon = loadAddon([path]);

/** One region's life: written, read, shared, rung, dropped without a close. */
async function live(): Promise<number> {
  const fd = addon.memfdCreate("orderly", REGION_BYTES);
  const region = addon.regionOpen(fd, REGION_BYTES);
  if (typeof region === "number") throw new Error(`errno ${region}`);
  const batch = new Uint8Array(4096);
  const records = new Uint32Array(64 * 4);
  const consumer = addon.consumerOpen(region, ...RING, batch, records, new BigUint64Array(9));
  const producer = addon.producerOpen(region, ...RING, new BigUint64Array(5));
  if (consumer === undefined || producer === undefined) throw new Error("no ring");
  addon.consumerStart(consumer, 2, 1, 1n, 0n);
  addon.producerStart(producer, 2, 1n);
  let read = 0;
  for (let i = 0; i < 2000; i++) {
    addon.producerWrite(producer, 5, 0, new Uint8Array(i % 1000));
    addon.producerPublish(producer);
    for (let n = addon.consumerDrain(consumer); n > 0; n = addon.consumerDrain(consumer)) read += n;
  }
  const shared = addon.sharedArrayBuffer(region);
  if (shared !== undefined) new Uint8Array(shared)[REGION_BYTES - 1] = 1;
  const bell = addon.eventFdCreate();
  let rings = 0;
  const watch = addon.watchStart(bell, (count) => {
    rings += count;
  });
  addon.eventFdRing(bell);
  await sleep(5);
  if (typeof watch !== "number") addon.watchStop(watch);
  addon.regionClose(region);
  // A broken tail, so that the evidence is copied too.
  addon.consumerEvidence(consumer);
  return read + rings;
}

let total = 0;
for (let i = 0; i < 5; i++) {
  total += await live();
  globalThis.gc?.();
}
await sleep(5);
globalThis.gc?.();
if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: path });
  total += await new Promise<number>((resolve, reject) => {
    worker.on("message", resolve);
    worker.on("error", reject);
  });
  process.stdout.write(String(total));
} else {
  parentPort?.postMessage(total);
}
