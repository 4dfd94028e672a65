// SPDX-License-Identifier: Apache-2.0
// The writing thread of threads.test.ts: opens the region that the test shares with it and writes
// numbered records as fast as the ring takes them. Waits without spinning when it is full.
import { openSync } from "node:fs";
import { workerData } from "node:worker_threads";
import { openIvshmemRegion, openMemoryRegion, type Region } from "../../lib/transport/transport.ts";
import { PLACEMENT, RECORD_BYTES_MAX, SESSION } from "../support/ring-writer.ts";
import { numberedPayload, type ThreadTask } from "./thread-task.ts";

const task = workerData as ThreadTask;
const region: Region =
  typeof task.memory === "string"
    ? openIvshmemRegion({ fd: openSync(task.memory, "r+"), bytes: task.bytes })
    : openMemoryRegion(task.memory);
const producer = region.openProducer(PLACEMENT, RECORD_BYTES_MAX);
producer.startSession(SESSION, task.features);
const sleeper = new Int32Array(new SharedArrayBuffer(4));
Atomics.store(task.ready, 0, 1);

for (let number = 1; number <= task.count; ) {
  const result = producer.write(0x0101, 0, numberedPayload(number));
  if (result < 0) throw new Error(`the producer found a fault: ${result}`);
  if (result === 1) number++;
  if (result === 0 || number % 7 === 0) producer.publish();
  if (result === 0) Atomics.wait(sleeper, 0, 0, 1);
}
producer.publish();
region.close();
