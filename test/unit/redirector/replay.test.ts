// SPDX-License-Identifier: Apache-2.0
// Captures through a redirector's packet ring: the server gets the file packet for packet, plain or
// packed, also through a ring that is far too small for it.
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { GuestNetworkEvent } from "../../../lib/model/model.ts";
import { CaptureReader } from "../../../lib/network/network.ts";
import { openRedirector, type Redirector } from "../../../lib/redirector/redirector.ts";
import { createServer, type InterfaceStats, type Server } from "../../../lib/server/server.ts";
import {
  createRegionFile,
  type IvshmemRegion,
  openIvshmemRegion,
} from "../../../lib/transport/transport.ts";
import { Random } from "../../sim/random.ts";
import { SimulatedGuest } from "../../sim/simulated-guest.ts";
import { ends, pcap, udp } from "../network/packets.ts";

const sample = join(import.meta.dirname, "../../samples/loopback.pcap");
const regionBytes = 1 << 20;
const waitMs = 15_000;

let folder = "";
let path = "";
let region: IvshmemRegion;
let server: Server;
let guest: SimulatedGuest;
let redirector: Redirector | undefined;
let network: GuestNetworkEvent[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "undercroft-replay-"));
  path = `/dev/shm/undercroft-replay-${randomBytes(5).toString("hex")}`;
  createRegionFile(path, regionBytes);
  region = openIvshmemRegion(path);
  guest = new SimulatedGuest({
    ...{ name: "g0", index: 0, regionBytes: 1 << 20, random: new Random(1), forgetful: false },
  });
  network = [];
  server = createServer({ silenceMs: 60_000 });
  server.on("network", ({ events }) => network.push(...events));
  // Four rings share the region: 128 KiB each.
  server.attachRedirector({ name: "files", region, packetRings: 4 });
  const plan = { dataRings: 2, dataCapacityLog2: 14 };
  server.attachGuest({ name: "g0", region: guest.region, plan, interfaces: [{ name: "cap0" }] });
  server.start();
});

afterEach(() => {
  redirector?.close();
  redirector = undefined;
  server.close();
  region.close();
  rmSync(path, { force: true });
  rmSync(folder, { recursive: true });
});

async function replay(file: string, isRealTime = false): Promise<InterfaceStats> {
  const files = [{ interfaceName: "cap0", path: file }];
  redirector = openRedirector({
    ...{ regionPath: path, version: "test", log: () => {} },
    replay: { files, isRealTime },
  });
  guest.boot(performance.now());
  const endMs = performance.now() + waitMs;
  for (;;) {
    guest.step(performance.now());
    const [stats] = server.stats.guests[0]?.interfaces ?? [];
    if (stats?.state === "stopped" && stats.delivered === stats.counts.kept) return stats;
    if (performance.now() > endMs) throw new Error(`the replay did not end: ${stats?.state}`);
    await sleep(20);
  }
}

function countOf(bytes: Uint8Array): number {
  const reader = new CaptureReader(bytes);
  let count = 0;
  while (reader.next()) count += 1;
  return count;
}

test.each([false, true])("each packet of a file arrives once, packed: %s", async (isPacked) => {
  const bytes = readFileSync(sample);
  const file = join(folder, "capture");
  writeFileSync(file, isPacked ? gzipSync(bytes) : bytes);
  const { counts, delivered } = await replay(file);
  expect(counts).toMatchObject({ seen: countOf(bytes), lostKernel: 0, lostRing: 0, shortened: 0 });
  expect(delivered).toBe(counts.seen);
  expect(server.stats.guests[0]?.network.packets).toBe(counts.seen);
  // Events wait a moment for the process that owns their flow.
  await expect.poll(() => network.length, { timeout: waitMs }).toBeGreaterThan(0);
});

test("a file many times as large as its ring loses nothing", async () => {
  const packets = Array.from({ length: 3000 }, (_, index) =>
    udp({ ...ends(9), sourcePort: 1000 + (index % 50) }, new Uint8Array(1000)),
  );
  const file = join(folder, "large.pcap");
  writeFileSync(file, pcap(packets));
  const { counts, delivered } = await replay(file);
  expect(counts).toMatchObject({ seen: 3000, kept: 3000, lostRing: 0 });
  expect(delivered).toBe(3000);
});

test("in real time the capture's own pace is kept", async () => {
  // Hand-made captures have a second between packets.
  const file = join(folder, "slow.pcap");
  writeFileSync(file, pcap([udp(ends(9), new Uint8Array(9)), udp(ends(9), new Uint8Array(9))]));
  const beganMs = performance.now();
  await replay(file, true);
  expect(performance.now() - beganMs).toBeGreaterThan(950);
});

test("a file that is not there is told at once", () => {
  const files = [{ interfaceName: "cap0", path: join(folder, "none.pcap") }];
  const open = (): Redirector =>
    openRedirector({
      ...{ regionPath: path, version: "test", log: () => {} },
      replay: { files, isRealTime: false },
    });
  expect(open).toThrow(/cannot read .*none\.pcap/);
});
