// SPDX-License-Identifier: Apache-2.0
// A guest that is killed in the middle of a storm of events: what it did before is in the store,
// the rest of its rings too, and what is missing is named.
import { execFileSync } from "node:child_process";
import { createSecretKey, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createServer, EventRecorder } from "../../lib/server/server.ts";
import { openEventStore } from "../../lib/store/store.ts";
import { openIvshmemRegion } from "../../lib/transport/transport.ts";
import { startGuestProcess } from "./guest-process.ts";

const STORM_MS = 3000;
/** A minute; some ten thousand events a second. */
const STORM_BYTES = 100_000_000;

test("a guest killed in a storm leaves its events, the undrained ones among them", async () => {
  const directory = mkdtempSync("/dev/shm/uc-storm-");
  const folder = mkdtempSync("/tmp/uc-storm-");
  const key = createSecretKey(randomBytes(32));
  const guest = await startGuestProcess(directory, "storm", STORM_BYTES);
  const region = openIvshmemRegion({ path: guest.path });
  try {
    const store = await openEventStore({ folder: join(folder, "store"), key, repeatMs: 0 });
    const server = createServer();
    const recorder = new EventRecorder(server, store);
    let events = 0;
    let losses = 0;
    server.on("events", ({ items }) => {
      events += items.length;
      for (const item of items) if (item.kind === "loss") losses += item.count;
    });
    server.attachGuest({ name: "storm", region });
    server.start();
    guest.child.stdin?.write("begin\n");
    await setTimeout(STORM_MS);
    // Nobody reads any more; the guest writes on, and dies.
    server.close();
    const drained = events;
    await setTimeout(50);
    await guest.stop();
    const next = createServer();
    const nextRecorder = new EventRecorder(next, store);
    let recovered = 0;
    next.on("events", ({ items }) => {
      recovered += items.length;
    });
    next.attachGuest({ name: "storm", region });
    for (let turn = 0; turn < 2000; turn += 1) next.turn();
    next.detachGuest("storm");
    next.close();
    const told = await store.check();
    recorder.close();
    nextRecorder.close();
    await store.close();
    console.log(`${drained} drained, ${recovered} recovered after its death, ${losses} lost`);
    expect(drained).toBeGreaterThan(1000);
    expect(recovered).toBeGreaterThan(0);
    expect(told.damaged).toEqual([]);
    expect(told.segmentRows).toBeGreaterThanOrEqual(drained + recovered);
    expect(recorder.failed + nextRecorder.failed).toBe(0);
  } finally {
    region.close();
    rmSync(directory, { recursive: true });
    rmSync(folder, { recursive: true });
  }
});

test("a full disk costs the oldest segments; what it does not take is a named loss", () => {
  const directory = mkdtempSync("/tmp/uc-full-");
  try {
    const script = `mount -t tmpfs -o size=2600k none ${directory} && exec "$0" "$1" ${directory}`;
    const child = fileURLToPath(new URL("./full-disk-child.ts", import.meta.url));
    const args = ["--map-root-user", "--mount", "sh", "-c", script, process.execPath, child];
    const counts = JSON.parse(execFileSync("unshare", args, { encoding: "utf8" })) as {
      readonly [name in "lost" | "refused" | "removed" | "rows" | "stored"]: number;
    };
    expect(counts.removed).toBeGreaterThan(0);
    expect(counts.lost).toBe(counts.refused);
    expect(counts.rows).toBe(counts.stored - counts.removed);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
