// SPDX-License-Identifier: Apache-2.0
// The holder under a real QEMU, whose device the test drives through qtest: memory, doorbells out
// and interrupts in, QEMU's restart, the holder's own, and a QEMU that finds no holder.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EventFd, type HeldRegion, Mapping } from "../../lib/native/native.ts";
import { runCli } from "../guest/run-cli.ts";
import { HolderRig, until } from "../holder/programs.ts";
import { QtestGuest } from "../holder/qtest.ts";

const BYTES = 1 << 20;
const GUEST = 1;
const SERVER = 0;
const CLI_MS = 60_000;

let rig: HolderRig;
let guests: QtestGuest[];

beforeEach(() => {
  rig = new HolderRig();
  guests = [];
});

afterEach(async () => {
  for (const guest of guests) if (!guest.process.isEnded) await guest.stop();
  await rig.close();
});

async function startGuest(name: string): Promise<QtestGuest> {
  const qtest = join(rig.directory, `${name}-${guests.length}.qtest`);
  const guest = await QtestGuest.start(rig.socketOf(name), qtest);
  guests.push(guest);
  return guest;
}

/** The server's end of a guest. */
class Attached {
  readonly mapping: Mapping;
  readonly bells: readonly EventFd[];
  readonly heard: number[] = [];

  constructor(held: HeldRegion) {
    this.mapping = Mapping.openFd(held.region, held.bytes);
    this.bells = [...held.server, ...held.guest].map((fd) => new EventFd(fd));
    for (const [vector, bell] of this.bells.slice(0, 2).entries()) {
      bell.listen({
        onRing: (rings) => {
          for (let at = 0; at < rings; at++) this.heard.push(vector);
          return true;
        },
        onStorm: () => {},
      });
    }
  }

  ringGuest(vector: number): void {
    this.bells[2 + vector]?.ring();
  }

  byteAt(offset: number): number {
    const byte = new Uint8Array(1);
    this.mapping.copyOut(offset, byte);
    return byte[0] ?? 0;
  }

  close(): void {
    for (const bell of this.bells) bell.close();
    this.mapping.close();
  }
}

test("memory, doorbells and interrupts, as a guest's driver meets them", async () => {
  await rig.start();
  rig.holder.add("web1", BYTES);
  const guest = await startGuest("web1");
  const server = new Attached(rig.holder.attach("web1"));
  expect(await guest.position()).toBe(GUEST);
  expect(rig.holder.list()).toEqual([{ name: "web1", bytes: BYTES, pid: guest.process.pid }]);

  await guest.poke(70_000, 99);
  expect(server.byteAt(70_000)).toBe(99);
  server.mapping.copyIn(80_000, Uint8Array.of(88));
  expect(await guest.peek(80_000)).toBe(88);

  await guest.ring(SERVER, 0);
  await until(() => server.heard.length === 1, "a ring");
  await guest.ring(SERVER, 1);
  await guest.ring(SERVER, 1);
  await until(() => server.heard.length === 3, "two more rings");
  expect(server.heard).toEqual([0, 1, 1]);

  await guest.aimInterrupt(0, 0x1000, 0x1234);
  await guest.aimInterrupt(1, 0x2000, 0x5678);
  server.ringGuest(1);
  const stored = async (address: number, value: number): Promise<void> => {
    while ((await guest.load(address)) !== value) await new Promise((go) => setImmediate(go));
  };
  await stored(0x2000, 0x5678);
  expect(await guest.load(0x1000)).toBe(0);
  server.ringGuest(0);
  await stored(0x1000, 0x1234);

  // A ring to nobody, or to a vector that nobody has, does nothing.
  for (const [peer, vector] of [
    [2, 0],
    [0xffff, 0],
    [SERVER, 2],
  ] as const) {
    await guest.ring(peer, vector);
  }
  await guest.ring(SERVER, 0);
  await until(() => server.heard.length === 4, "the last ring");
  expect(server.heard.at(-1)).toBe(0);
  server.close();
});

test("QEMU killed and started again meets the same region, and the same eventfds", async () => {
  await rig.start();
  rig.holder.add("web1", BYTES);
  const server = new Attached(rig.holder.attach("web1"));
  for (let run = 0; run < 3; run++) {
    const guest = await startGuest("web1");
    if (run > 0) expect(await guest.peek(70_000)).toBe(run);
    await guest.poke(70_000, run + 1);
    await guest.ring(SERVER, 0);
    await until(() => server.heard.length === run + 1, "a ring");
    await guest.stop();
  }
  server.close();
  await until(() => rig.holder.list()[0]?.pid === undefined, "QEMU's end");
  rig.holder.remove("web1");
});

/** A QEMU that must not come up: its status and what it says. */
function failingStart(name: string): readonly [number | null, string] {
  const args = QtestGuest.arguments(rig.socketOf(name), join(rig.directory, "failing.qtest"));
  const result = spawnSync("qemu-system-x86_64", args, { encoding: "utf8", timeout: 20_000 });
  return [result.status, result.stderr];
}

test("a second QEMU for the same guest does not start", async () => {
  await rig.start();
  rig.holder.add("web1", BYTES);
  const guest = await startGuest("web1");
  expect(failingStart("web1")).toEqual([1, expect.stringContaining("ivshmem-doorbell")]);
  await guest.poke(1, 1);
});

test("the holder killed under it: doorbells go on, in the next one's name too", async () => {
  const manager = await rig.startManaged();
  rig.holder.add("web1", BYTES);
  const guest = await startGuest("web1");
  const before = new Attached(rig.holder.attach("web1"));
  await until(() => manager.lines.includes("kept peer.web1"), "the connection in the store");
  const [, pid] = manager.lines.findLast((line) => line.startsWith("started"))?.split(" ") ?? [];
  process.kill(Number(pid), "SIGKILL");
  await until(() => manager.lines.filter((line) => line === "ready").length === 2, "the next one");

  await guest.ring(SERVER, 0);
  await until(() => before.heard.length === 1, "a ring");
  before.close();
  const after = new Attached(rig.holder.attach("web1"));
  await guest.ring(SERVER, 0);
  await until(() => after.heard.length === 1, "a ring after the restart");
  await guest.aimInterrupt(1, 0x2000, 0x5678);
  after.ringGuest(1);
  while ((await guest.load(0x2000)) !== 0x5678) await new Promise((go) => setImmediate(go));
  await guest.poke(70_000, 5);
  expect(after.byteAt(70_000)).toBe(5);
  expect(rig.holder.list()[0]?.pid).toBe(guest.process.pid);
  after.close();
});

test("the program names a guest that is not kept, and a holder that is not there", async () => {
  await rig.start();
  const args = ["serve", "--doorbell", "web1", "--holder"];
  const unknown = await runCli([...args, rig.holder.path], CLI_MS);
  expect(unknown.status).toBe(1);
  expect(unknown.stderr).toContain("no guest web1 is kept here (ERR_UC_HOLDER)");
  const absent = await runCli([...args, join(rig.directory, "none")], CLI_MS);
  expect(absent.status).toBe(1);
  expect(absent.stderr).toMatch(/guest web1: the holder at .*none does not answer: ENOENT/);
});

test("without a holder that knows the guest, QEMU does not start and says so", async () => {
  await rig.start();
  expect(failingStart("web1")).toEqual([1, expect.stringContaining("web1.sock")]);
});
