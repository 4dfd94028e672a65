// SPDX-License-Identifier: Apache-2.0
// Fills the disk below a store and prints what became of the events. Run by event-store.test.ts in
// a mount namespace of its own, with the folder of a small file system.
import { createSecretKey, randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openEventStore } from "../../lib/store/store.ts";
import { file } from "../unit/events.ts";

const directory = process.argv[2] ?? "";
const ballast = join(directory, "ballast");
writeFileSync(ballast, Buffer.alloc(1 << 20));
const store = await openEventStore({
  folder: join(directory, "store"),
  key: createSecretKey(randomBytes(32)),
  flushMs: 1,
  limits: { logRows: 2000 },
});
const counts = { stored: 0, refused: 0, lost: 0, rows: 0, removed: 0 };
const append = async (count: number): Promise<void> => {
  const path = (): string => randomBytes(100).toString("hex");
  const events = Array.from({ length: count }, () => file({ path: path(), timeMs: Date.now() }));
  await store.append(events).then(
    () => {
      counts.stored += count;
    },
    () => {
      counts.refused += count;
    },
  );
};
for (let batch = 0; batch < 60; batch += 1) await append(500);
rmSync(ballast);
await append(1);
counts.removed = (await store.settle()).removedRows;
for await (const { event } of store.search({ limit: 1_000_000 })) {
  if (event.kind === "loss") counts.lost += event.count;
  else counts.rows += 1;
}
await store.close();
console.log(JSON.stringify(counts));
