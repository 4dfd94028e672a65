// SPDX-License-Identifier: Apache-2.0
// The loop comes back at once while there is data, rests when there is none, sleeps while
// doorbells will tell, and stops when told.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { DrainLoop, type Rounds } from "../../../lib/channel/channel.ts";
import { systemClock } from "../../../lib/time/time.ts";

const polled = (round: () => number): Rounds => ({ round, isAsleep: false });

test("many rounds while busy, few while idle, none after stop", async () => {
  let busy = 500;
  let rounds = 0;
  const round = (): number => {
    rounds++;
    return busy-- > 0 ? 1 : 0;
  };
  const loop = new DrainLoop(systemClock(), polled(round), 20);
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
  const round = (): number => {
    rounds++;
    return 0;
  };
  const loop = new DrainLoop(systemClock(), polled(round), 60_000);
  loop.start();
  // Long enough for the pause to have grown beyond what the test waits for.
  await sleep(600);
  const before = rounds;
  loop.wake();
  await sleep(20);
  expect(rounds).toBeGreaterThan(before);
  loop.stop();
});

test("asleep it only looks, some dozen times a second, and a wake is a round at once", async () => {
  const looks: boolean[] = [];
  const round = (isLook: boolean): number => {
    looks.push(isLook);
    return 0;
  };
  const loop = new DrainLoop(systemClock(), { round, isAsleep: true }, 1);
  const beganMs = performance.now();
  loop.start();
  await sleep(500);
  expect(looks.length).toBeGreaterThanOrEqual(2);
  expect(looks.length).toBeLessThan((performance.now() - beganMs) / 20);
  expect(looks.every(Boolean)).toBe(true);
  // Right after a look, so that the round that a wake brings is none.
  const seen = looks.length;
  while (looks.length === seen) await sleep(0);
  loop.wake();
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(looks.slice(seen)).toEqual([true, false]);
  loop.stop();
});

test("awake it looks now and then among its rounds", async () => {
  const looks: boolean[] = [];
  const round = (isLook: boolean): number => {
    looks.push(isLook);
    return 0;
  };
  const loop = new DrainLoop(systemClock(), { round, isAsleep: false }, 1);
  loop.start();
  await sleep(300);
  loop.stop();
  const among = looks.filter(Boolean).length;
  expect(among).toBeGreaterThanOrEqual(2);
  expect(among).toBeLessThan(looks.length / 2);
});

test("a wake from inside a round brings another round", async () => {
  let rounds = 0;
  const round = (): number => {
    rounds++;
    if (rounds < 5) loop.wake();
    return 0;
  };
  const loop = new DrainLoop(systemClock(), { round, isAsleep: true }, 1);
  loop.start();
  while (rounds < 1) await sleep(0);
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(rounds).toBe(5);
  loop.stop();
});
