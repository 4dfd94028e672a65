// SPDX-License-Identifier: Apache-2.0
// Child of mapping.test.ts: cuts a region file while it is mapped and tells what it saw. With
// "raise" it sends itself the signal instead, which must end it as if no guard were there.
import { truncateSync } from "node:fs";
import { faultName } from "../../lib/model/model.ts";
import { Mapping, NativeRingConsumer, NativeRingProducer } from "../../lib/native/native.ts";
import { PLACEMENT, REGION_BYTES } from "./hand-made-ring.ts";

const [path = "", mode] = process.argv.slice(2);
const neighbour = Mapping.createMemfd("neighbour", REGION_BYTES);
const mapping = Mapping.openFile(path, { bytes: REGION_BYTES, create: true });
if (mode === "raise") process.kill(process.pid, "SIGBUS");

const producer = new NativeRingProducer(mapping, PLACEMENT, { recordBytesMax: 512 });
const consumer = new NativeRingConsumer(mapping, PLACEMENT, { recordBytesMax: 512 });
const shared = new Uint8Array(mapping.sharedArrayBuffer());
producer.startSession(1, 0n);
consumer.startSession(1, 0, 0n);
neighbour.storeU64(0, 99n);
producer.write(1, 0, new Uint8Array(8));
producer.publish();
const before = consumer.drain();
truncateSync(path, 0);

const drain = faultName(consumer.drain());
producer.publish();
const write = faultName(producer.write(1, 0, new Uint8Array(8)));
const report = {
  before,
  drain,
  write,
  copied: mapping.copyOut(0, new Uint8Array(16)),
  isFailed: mapping.isFailed,
  shared: shared[PLACEMENT.ringOffset],
  neighbour: String(neighbour.loadU64(0)),
};
process.stdout.write(JSON.stringify(report));
