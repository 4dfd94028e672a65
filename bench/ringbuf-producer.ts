// SPDX-License-Identifier: Apache-2.0
// The writing thread of ringbuf.js, T3's peer: one record a push. Started by ring.ts only.
import { workerData } from "node:worker_threads";
import { RingBuffer } from "ringbuf.js";

const { memory, size, count } = workerData as {
  memory: SharedArrayBuffer;
  size: number;
  count: number;
};
const ring = new RingBuffer(memory, Uint8Array);
const record = new Uint8Array(size);
for (let at = 0; at < count; at++) {
  while (ring.available_write() < size) {}
  ring.push(record);
}
