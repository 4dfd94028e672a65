// SPDX-License-Identifier: Apache-2.0
// Thread that watches how much lies unread in the rings of all guests. Started by founding-load.ts
// with mappings of its own, so that it looks at any moment and not only between the server's turns.
import { statSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { Mapping } from "../lib/native/native.ts";
import {
  planRegion,
  RING_COMMAND,
  RING_CONSUMER_LAYOUT,
  RING_PRODUCER_LAYOUT,
} from "../lib/wire/wire.ts";

const EVERY_MS = 5;

const { paths, dataRings, ms } = workerData as {
  paths: readonly string[];
  dataRings: number;
  ms: number;
};
const maps = paths.map((path) => Mapping.openFile(path, { bytes: statSync(path).size }));
const regionBytes = statSync(paths[0] ?? "").size;
const rings = planRegion({ regionBytes, dataRings }).rings.filter(
  ({ kind }) => kind !== RING_COMMAND,
);

function bytesInUse(): number {
  let sum = 0n;
  for (const map of maps) {
    for (const { producerOffset, consumerOffset } of rings) {
      // The head first: the tail only grows, so the difference never falls below zero.
      const head = map.loadU64(consumerOffset + RING_CONSUMER_LAYOUT.head);
      sum += map.loadU64(producerOffset + RING_PRODUCER_LAYOUT.tail) - head;
    }
  }
  return Number(sum);
}

const end = performance.now() + ms;
let most = 0;
while (performance.now() < end) {
  most = Math.max(most, bytesInUse());
  await setTimeout(EVERY_MS);
}
for (const map of maps) map.close();
parentPort?.postMessage(most);
