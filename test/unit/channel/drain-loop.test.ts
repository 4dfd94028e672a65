// SPDX-License-Identifier: Apache-2.0
// The loop comes back at once while there is data, rests when there is none, and stops when told.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { DrainLoop } from "../../../lib/channel/channel.ts";
import { systemClock } from "../../../lib/time/time.ts";

test("many rounds while busy, few while idle, none after stop", async () => {
  let busy = 500;
  let rounds = 0;
  const round = (): number => {
    rounds++;
    return busy-- > 0 ? 1 : 0;
  };
  const loop = new DrainLoop(systemClock(), round, 20);
  loop.start();
  loop.start();
  while (busy > 0) await sleep(1);
  await sleep(60);
  const idleFrom = rounds;
  await sleep(200);
  const idle = rounds - idleFrom;
  expect(idle).toBeGreaterThanOrEqual(2);
  expect(idle).toBeLessThan(60);
  loop.stop();
  const stopped = rounds;
  await sleep(50);
  expect(rounds).toBe(stopped);
});

test("wake ends a long pause", async () => {
  let rounds = 0;
  const loop = new DrainLoop(
    systemClock(),
    () => {
      rounds++;
      return 0;
    },
    60_000,
  );
  loop.start();
  // Long enough for the pause to have grown beyond what the test waits for.
  await sleep(600);
  const before = rounds;
  loop.wake();
  await sleep(20);
  expect(rounds).toBeGreaterThan(before);
  loop.stop();
});
