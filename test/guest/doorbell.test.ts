// SPDX-License-Identifier: Apache-2.0
// Doorbells between a real guest and a real server: counted, suppressed, lost; commands by
// interrupt; holder and server killed under the running guest.
import { closeSync, readSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  buildDriver,
  type Guest,
  kernelSeries,
  obtainKernel,
} from "../../lib/hypervisor/hypervisor.ts";
import { HolderRig, type LineProcess } from "../holder/programs.ts";
import { AskedGuest, GUEST_NAME, ServedGuest, stall, until } from "./doorbell-side.ts";
import { assertGuestRun, runGuestCases } from "./harness.ts";
import { startCli } from "./run-cli.ts";

const REGION_BYTES = 16 << 20;
const LIMIT_SECONDS = 240;
const PINGS = 20;
const here: string = import.meta.dirname;

let rig: HolderRig;
let manager: LineProcess;
let served: ServedGuest;

beforeEach(async () => {
  rig = new HolderRig();
  manager = await rig.startManaged();
  rig.holder.add(GUEST_NAME, REGION_BYTES);
  served = ServedGuest.attach(rig.holder);
});

afterEach(async () => {
  served.close();
  await rig.close();
});

/** Boots a guest of the holder's and plays the steps with it. */
async function runGuest(
  steps: (asked: AskedGuest) => Promise<void>,
  series: string = "6.1",
): Promise<void> {
  const kernel = await obtainKernel(series);
  const play = async (guest: Guest): Promise<void> => {
    const asked = new AskedGuest(guest, () => served.isMonitored());
    await asked.isReady();
    await steps(asked);
    asked.end();
  };
  const run = await runGuestCases({
    kernel: series,
    driver: await buildDriver(kernel),
    cases: [
      {
        name: "driver-doorbell",
        file: join(here, "cases/driver-doorbell.sh"),
        limitSeconds: LIMIT_SECONDS,
      },
    ],
    programs: [join(here, "programs/open-files.c")],
    files: [{ path: "/uc/driver-lib.sh", source: { file: join(here, "cases/driver-lib.sh") } }],
    region: {
      doorbell: rig.socketOf(GUEST_NAME),
      placement: series === "6.1" ? "high" : "low",
    },
    cpus: 2,
    timeoutMs: (LIMIT_SECONDS + 60) * 1000,
    during: play,
  });
  assertGuestRun(run);
  expect(served.faults).toEqual([]);
}

/** Replaces the server by one that finds what the last one left behind. */
async function serveAnew(next: () => ServedGuest): Promise<void> {
  served.close();
  served = next();
  await served.isMonitored();
}

test("rings are counted, suppressed while awake, and made up for when lost", async () => {
  await runGuest(async (asked) => {
    // One at a time, far enough apart for the server to sleep between them.
    await asked.open(20, 100_000);
    await until(() => served.opens === 20, "20 opens");
    expect(served.doorbell.rings).toBeGreaterThanOrEqual(10);
    await served.ping();
    // What the guest rang is what was heard: QEMU lost none.
    const { rings } = await asked.numbers();
    await until(() => served.doorbell.rings >= rings, "all rings");

    // While the server is awake, here because it cannot even run, a ring a place is all there is.
    const before = served.doorbell.rings;
    asked.begin(3000, 0);
    stall(3000);
    await asked.isReady();
    await until(() => served.opens === 3020, "3000 opens more");
    expect(served.doorbell.rings - before).toBeLessThan(100);

    await loseRings(asked, 5);
    expect(served.stats.loss).toMatchObject({ unaccounted: 0, mismatches: 0 });
    expect(served.doorbell).toMatchObject({ isListening: true, storms: 0 });
  });
});

/** Takes rings away before the server's event loop can hear them. */
async function loseRings(asked: AskedGuest, count: number): Promise<void> {
  const held = rig.holder.attach(GUEST_NAME);
  const word = new Uint8Array(8);
  for (let at = 0; at < count; at++) {
    const opens = served.opens;
    const { missed } = served.doorbell;
    // The pause lets the guest's own work before it pass and the server fall asleep.
    asked.begin(1, 300_000);
    await until(() => served.stats.events > 0, "anything");
    await new Promise((resolve) => setTimeout(resolve, 150));
    for (let tries = 0; tries < 200; tries++) {
      stall(10);
      try {
        readSync(held.server[0], word);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      }
    }
    await until(() => served.opens === opens + 1, "the open whose ring was lost");
    await asked.isReady();
    expect(served.doorbell.missed).toBeGreaterThan(missed);
  }
  for (const fd of [held.region, ...held.server, ...held.guest]) closeSync(fd);
}

test.each(kernelSeries)(
  "on kernel %s the server's ring interrupts the guest and brings it commands",
  async (series) => {
    await runGuest(async (asked) => {
      const before = await asked.numbers();
      for (let at = 0; at < PINGS; at++) await served.ping();
      const after = await asked.numbers();
      // The poll that stays as a net may be there first; then two rings can be one interrupt.
      const interrupts = after.interrupts - before.interrupts;
      expect(interrupts).toBeGreaterThanOrEqual(PINGS / 2);
      expect(interrupts).toBeLessThanOrEqual(PINGS);
      expect(after.commands - before.commands).toBeGreaterThanOrEqual(PINGS / 4);

      // Canary: with a server that does not ring, the same pings are answered by polling alone.
      await serveAnew(() => ServedGuest.attachPolled(rig.holder));
      const polled = await asked.numbers();
      for (let at = 0; at < PINGS; at++) await served.ping();
      await asked.open(5, 20_000);
      await until(() => served.opens === 5, "5 opens");
      expect(await asked.numbers()).toEqual(polled);

      await serveAnew(() => ServedGuest.attach(rig.holder));
      for (let at = 0; at < PINGS; at++) await served.ping();
      expect((await asked.numbers()).commands - polled.commands).toBeGreaterThanOrEqual(PINGS / 4);
    }, series);
  },
);

test("holder and server killed under the guest, and the driver loaded again", async () => {
  await runGuest(async (asked) => {
    let opens = 0;
    const works = async (): Promise<void> => {
      const rings = served.doorbell.rings;
      await asked.open(5, 100_000);
      opens += 5;
      await until(() => served.opens === opens, `${opens} opens`);
      await served.ping();
      expect(served.doorbell.rings).toBeGreaterThan(rings);
      const { rings: rung } = await asked.numbers();
      expect(rung).toBeGreaterThan(0);
    };
    await works();
    for (let round = 0; round < 2; round++) {
      const ready = manager.lines.filter((line) => line === "ready").length;
      const [, pid] =
        manager.lines.findLast((line) => line.startsWith("started"))?.split(" ") ?? [];
      process.kill(Number(pid), "SIGKILL");
      await works();
      await until(
        () => manager.lines.filter((line) => line === "ready").length > ready,
        "the next holder",
      );
      await works();
      opens = 0;
      await serveAnew(() => ServedGuest.attach(rig.holder));
      await works();
      await asked.reload();
      await works();
    }
    expect(served.stats.loss).toMatchObject({ unaccounted: 0 });
  });
});

test("the program serves it, and takes over from one that was killed", async () => {
  const args = ["serve", "--json", "--doorbell", GUEST_NAME, "--holder", rig.holder.path];
  const monitored = /"kind":"state","guest":"web1",[^\n]*"to":"monitored"/;
  await runGuest(async (asked) => {
    const before = (await asked.numbers()).rings;
    served.close();
    for (let round = 0; round < 2; round++) {
      const program = startCli(args, LIMIT_SECONDS * 1000);
      await program.said(monitored);
      await asked.open(5, 100_000);
      program.child.kill("SIGKILL");
      await program.ended;
    }
    expect((await asked.numbers()).rings - before).toBeGreaterThan(5);
    served = ServedGuest.attach(rig.holder);
    await served.isMonitored();
    expect(served.stats.loss).toMatchObject({ unaccounted: 0 });
  });
});
