// SPDX-License-Identifier: Apache-2.0
// The redirector as a process in a network of its own, with real packets: what it mirrors, what
// its rules hold back, what outlives it, and inline mode when it dies.
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { BlockRule, RedirectorCommand } from "../../lib/model/model.ts";
import { RedirectorBench, until } from "./redirector-bench.ts";

const GUEST = "10.9.0.2";
const GUEST_V6 = "fd00:9::2";
const SLOT = 7;
const MIRROR: RedirectorCommand = {
  kind: "redirect-start",
  slot: SLOT,
  lane: 1,
  mode: "mirror",
  snapBytes: 65_535,
  failOpen: false,
  guestId: "cd".repeat(16),
  interfaceName: "tapg",
  uplinkName: "",
};

let bench: RedirectorBench;

beforeEach(async (context) => {
  if (process.getuid?.() !== 0) context.skip("needs root: it makes network namespaces");
  for (const tool of ["ip", "nft"]) {
    if (spawnSync(tool, ["-V"]).error !== undefined) context.skip(`needs the program ${tool}`);
  }
  bench = new RedirectorBench();
  await bench.start();
});

afterEach(async () => {
  await bench?.close();
});

const add = (...rules: Array<Omit<BlockRule, "slot">>): Promise<string> =>
  bench.send({ kind: "block-add", rules: rules.map((rule) => ({ ...rule, slot: SLOT })) });

it("mirrors each packet once, and says so", async () => {
  expect(await bench.send(MIRROR)).toBe("done");
  const count = 200;
  const one = `printf 'uc-packet-%04d' $i > /dev/udp/${GUEST}/9`;
  const loop = `for i in $(seq ${count}); do ${one}; done`;
  bench.run(bench.outside, "bash", "-c", loop);
  const seen = (): string[] =>
    bench.packets.flatMap((packet) => {
      // The guest's own complaints quote what they complain about, behind an ICMP header.
      const isUdp = packet.readUInt16BE(12) === 0x0800 && packet[23] === 17;
      return isUdp ? [packet.subarray(42).toString("latin1")] : [];
    });
  await until("the packets", () => seen().length >= count);
  await sleep(1500);
  const sent = Array.from(
    { length: count },
    (_, at) => `uc-packet-${`${at + 1}`.padStart(4, "0")}`,
  );
  expect(seen()).toEqual(sent);
  const last = bench.statuses.at(-1);
  expect(last).toMatchObject({ slot: SLOT, state: "running", lostKernel: 0, lostRing: 0 });
  expect(last?.seen).toBe(last?.kept);
  expect(await bench.send({ ...MIRROR, slot: 8, lane: 0, interfaceName: "nowhere" })).toBe(
    "failed",
  );
  bench.run(bench.outside, "ip", "link", "del", "tapg");
  await until("the end of the slot", () => bench.statuses.at(-1)?.state === "gone");
  expect(await add({ id: 1n, action: "drop" })).toBe("failed");
  expect(await bench.end("SIGTERM")).toBe(0);
  expect(bench.faults).toEqual([]);
});

it("holds rules of both families, lists them, and keeps them when it is killed", async () => {
  expect(await add({ id: 1n, action: "drop" })).toBe("not-found");
  expect(await bench.send(MIRROR)).toBe("done");
  expect([bench.reaches(GUEST), bench.reaches(GUEST_V6)]).toEqual([true, true]);
  const rules: Array<Omit<BlockRule, "slot">> = [
    { id: 1n, action: "drop", remote: "10.9.0.0/30" },
    { id: 2n, action: "drop", remote: "fd00:9::/64", protocol: 6, localPort: 7 },
    { id: 3n, action: "drop", protocol: 6, localPort: 8, expiresInMs: 3000 },
  ];
  expect(await add(...rules)).toBe("done");
  const checks = (): boolean[] => [
    bench.reaches(GUEST),
    bench.reaches(GUEST_V6),
    bench.reaches(GUEST_V6, 7),
  ];
  expect(checks()).toEqual([false, true, false]);
  expect(bench.reaches(GUEST_V6, 8)).toBe(false);
  await bench.end("SIGKILL");
  expect(checks()).toEqual([false, true, false]);
  await sleep(2500);
  // Nobody but the kernel was there to end it.
  expect(bench.reaches(GUEST_V6, 8)).toBe(true);
  await bench.start();
  const listed = await bench.list();
  const { slot } = MIRROR;
  expect(listed).toEqual(rules.slice(0, 2).map((rule) => ({ ...rule, slot })));
  expect(await bench.send({ kind: "block-remove", ids: [1n, 2n, 3n] })).toBe("done");
  expect(checks()).toEqual([true, true, true]);
  expect(await bench.list()).toEqual([]);
});

it("isolates a guest from all but what it is allowed", async () => {
  expect(await bench.send(MIRROR)).toBe("done");
  expect(await add({ id: 1n, action: "isolate" })).toBe("done");
  expect([bench.reaches(GUEST), bench.reaches(GUEST_V6)]).toEqual([false, false]);
  const peer = { id: 2n, action: "allow", remote: "10.9.0.1", expiresInMs: 4000 } as const;
  expect(await add(peer, { id: 3n, action: "drop", remote: "10.9.0.1" })).toBe("done");
  // Resolution too, from nothing.
  bench.run(bench.outside, "ip", "neigh", "flush", "dev", "br0");
  expect([bench.reaches(GUEST), bench.reaches(GUEST_V6)]).toEqual([true, false]);
  await sleep(4000);
  expect(bench.reaches(GUEST)).toBe(false);
  expect(await bench.send({ kind: "block-remove", ids: [1n, 3n] })).toBe("done");
  expect([bench.reaches(GUEST), bench.reaches(GUEST_V6)]).toEqual([true, true]);
});

it.each([true, false])("inline: passes, drops, and when killed, open: %s", async (failOpen) => {
  const inline = { ...MIRROR, mode: "inline", failOpen, uplinkName: "ucup0" } as const;
  expect(await bench.send(inline)).toBe("done");
  expect([bench.reaches(GUEST), bench.reaches(GUEST_V6)]).toEqual([true, true]);
  expect(await add({ id: 1n, action: "drop", remote: "10.9.0.1" })).toBe("done");
  expect([bench.reaches(GUEST), bench.reaches(GUEST_V6)]).toEqual([false, true]);
  await until("a count of dropped ones", () => (bench.statuses.at(-1)?.dropped ?? 0) > 0);
  expect(await bench.send({ kind: "block-remove", ids: [1n] })).toBe("done");
  expect(bench.reaches(GUEST)).toBe(true);
  await bench.end("SIGKILL");
  await sleep(500);
  expect(bench.reaches(GUEST)).toBe(failOpen);
  await bench.start();
  expect(await bench.send(inline)).toBe("done");
  // Who was out of reach for a while is asked for again once a second only.
  await until("the way to the guest", () => bench.reaches(GUEST));
  expect(await bench.send({ kind: "redirect-stop", slot: SLOT })).toBe("done");
  await until("the way past us", () => bench.reaches(GUEST));
});
