// SPDX-License-Identifier: Apache-2.0
// Doorbells over real eventfds: rings arrive coalesced, storms are cut off, any thread's loop can
// watch, and a thread that ends while it watches takes nothing down.
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";
import { EventFd, IDLE_RINGS_MAX } from "../../lib/native/native.ts";

const nothing = () => {};

it("rings before and after listening arrive, coalesced", async () => {
  const bell = new EventFd();
  let rings = 0;
  let calls = 0;
  for (let i = 0; i < 5; i++) bell.ring();
  bell.listen({
    onRing(count) {
      rings += count;
      calls++;
      return true;
    },
    onStorm: nothing,
  });
  await sleep(20);
  expect([rings, calls]).toEqual([5, 1]);
  bell.ring();
  await sleep(20);
  expect([rings, calls]).toEqual([6, 2]);
  bell.close();
  expect(() => bell.ring()).toThrow(expect.objectContaining({ code: "ERR_UC_REGION_CLOSED" }));
  expect(() => bell.listen({ onRing: () => true, onStorm: nothing })).toThrow(/close/);
});

it("rings without work are cut off, rings with work are not", async () => {
  const bell = new EventFd();
  let storms = 0;
  let calls = 0;
  let hasWork = true;
  const listener = {
    onRing: () => {
      calls++;
      return hasWork;
    },
    onStorm: () => {
      storms++;
    },
  };
  bell.listen(listener);
  // Each turn of the loop sees one ring more: the storm of a guest that never stops.
  const storm = async (turns: number) => {
    for (let i = 0; i < turns; i++) {
      bell.ring();
      await sleep(0);
    }
  };
  await storm(3 * IDLE_RINGS_MAX);
  expect(storms).toBe(0);
  expect(calls).toBeGreaterThan(IDLE_RINGS_MAX);
  hasWork = false;
  calls = 0;
  await storm(3 * IDLE_RINGS_MAX);
  expect(storms).toBe(1);
  expect(calls).toBe(IDLE_RINGS_MAX);
  expect(bell.isListening).toBe(false);
  bell.listen(listener);
  await sleep(20);
  expect(calls).toBe(IDLE_RINGS_MAX + 1);
  bell.close();
});

it("unlisten stops at once, and listening again works at once", async () => {
  const bell = new EventFd();
  let calls = 0;
  const listener = { onRing: () => ++calls > 0, onStorm: nothing };
  bell.listen(listener);
  bell.ring();
  bell.unlisten();
  await sleep(20);
  expect(calls).toBe(0);
  bell.listen(listener);
  bell.listen(listener);
  await sleep(20);
  expect(calls).toBe(1);
  bell.close();
  bell.close();
});

it("a descriptor that cannot be watched is an error", () => {
  const bell = new EventFd(1_000_000);
  expect(() => bell.listen({ onRing: () => true, onStorm: nothing })).toThrow(
    expect.objectContaining({ code: "ERR_UC_REGION_OPEN" }),
  );
});

it.each(["process.exit()", "bell.unlisten()"])(
  "a Worker watches in its own loop and ends by %s",
  async (ending) => {
    const bell = new EventFd();
    const face = new URL("../../lib/native/native.ts", import.meta.url).href;
    const source = `
      import { EventFd } from ${JSON.stringify(face)};
      import { parentPort, workerData } from "node:worker_threads";
      const bell = new EventFd(workerData);
      bell.listen({ onRing(rings) {
        parentPort.postMessage(rings);
        ${ending};
        return true;
      }, onStorm() {} });
      parentPort.postMessage("listening");`;
    const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
    const worker = new Worker(url, { workerData: bell.fd });
    const messages: unknown[] = [];
    worker.on("message", (message) => {
      messages.push(message);
      if (message === "listening") bell.ring();
    });
    const exit = await new Promise((resolve, reject) => {
      worker.on("exit", resolve);
      worker.on("error", reject);
    });
    expect(exit).toBe(0);
    expect(messages).toEqual(["listening", 1]);
    bell.close();
  },
);

it("a Worker that is terminated while it watches leaves the others alone", async () => {
  const bell = new EventFd();
  const face = new URL("../../lib/native/native.ts", import.meta.url).href;
  const source = `
    import { EventFd } from ${JSON.stringify(face)};
    import { parentPort } from "node:worker_threads";
    const bells = Array.from({ length: 10 }, () => new EventFd());
    for (const bell of bells) bell.listen({ onRing: () => true, onStorm() {} });
    parentPort.postMessage("listening");`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(url);
    await new Promise((resolve) => worker.once("message", resolve));
    expect(await worker.terminate()).toBe(1);
  }
  let calls = 0;
  bell.listen({ onRing: () => ++calls > 0, onStorm: nothing });
  bell.ring();
  await sleep(20);
  expect(calls).toBe(1);
  bell.close();
});
