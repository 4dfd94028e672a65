// SPDX-License-Identifier: Apache-2.0
// The holder killed and started again by a service manager that keeps its descriptors: the region,
// the doorbells and QEMU's connection are the same ones afterwards.
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EventFd, type HeldRegion, Mapping } from "../../lib/native/native.ts";
import { HolderRig, type LineProcess, sanitizedHolder, until } from "./programs.ts";

const PROGRAM = sanitizedHolder();
const BYTES = 1 << 20;
const KINDS = ["region", "server0", "server1", "guest0", "guest1", "listener", "peer"];

let rig: HolderRig;

beforeEach(() => {
  rig = new HolderRig(PROGRAM);
});

afterEach(() => rig.close());

const startsOf = (manager: LineProcess): string[] =>
  manager.lines.filter((line) => line.startsWith("started"));
const pidOf = (manager: LineProcess): number => Number(startsOf(manager).at(-1)?.split(" ")[1]);
const readyCount = (manager: LineProcess): number =>
  manager.lines.filter((line) => line === "ready").length;

/** Kills the holder as the kernel would, and waits for the next one. What that was handed. */
async function crash(manager: LineProcess): Promise<number> {
  const before = readyCount(manager);
  process.kill(pidOf(manager), "SIGKILL");
  await until(() => readyCount(manager) > before, "the next holder");
  expect(manager.lines.findLast((line) => line.startsWith("ended"))).toBe("ended -9");
  return Number(startsOf(manager).at(-1)?.split(" ")[2]);
}

function closeAll({ region, server, guest }: HeldRegion): void {
  for (const fd of [region, ...server, ...guest]) closeSync(fd);
}

test("nothing of a running guest is lost", async () => {
  const manager = await rig.startManaged();
  rig.holder.add("web1", BYTES);
  const peer = rig.connect("web1");
  await peer.line("set up");
  await peer.ask("poke 9000 42");
  const before = rig.holder.attach("web1");
  await until(() => manager.lines.includes("kept peer.web1"), "the connection in the store");
  await crash(manager);

  expect(rig.holder.list()).toEqual([{ name: "web1", bytes: BYTES, pid: peer.pid }]);
  const after = rig.holder.attach("web1");
  const mapping = Mapping.openFd(after.region, after.bytes);
  const byte = new Uint8Array(1);
  mapping.copyOut(9000, byte);
  expect([byte[0], mapping.isSealed]).toEqual([42, true]);
  // Rung through what was handed out before, and after: the same eventfd.
  const old = new EventFd(before.guest[1]);
  const young = new EventFd(after.guest[1]);
  old.ring();
  young.ring();
  expect(await peer.ask("wait 3")).toEqual(["rings 2"]);
  expect(() => rig.holder.remove("web1")).toThrow(/runs, in process/);

  // Still watched: a byte ends it, and then the store has nothing of it any more.
  peer.say("say");
  await peer.line("disconnected");
  const next = rig.connect("web1");
  await next.line("set up");
  await next.end();
  await until(() => rig.holder.list()[0]?.pid === undefined, "the end of QEMU");
  rig.holder.remove("web1");
  for (const kind of KINDS) {
    await until(() => manager.lines.includes(`forgot ${kind}.web1`), `${kind} to be forgotten`);
  }
  mapping.close();
  for (const fd of [before.region, before.server[0], before.server[1], before.guest[0]]) {
    closeSync(fd);
  }
  for (const fd of [...after.server, after.guest[0]]) closeSync(fd);
  old.close();
  young.close();
});

test("again and again, with guests that come, go and stay", async () => {
  const manager = await rig.startManaged();
  rig.holder.add("stays", BYTES);
  const peer = rig.connect("stays");
  await peer.line("set up");
  for (let round = 0; round < 5; round++) {
    rig.holder.add(`passing${round}`, BYTES);
    await crash(manager);
    rig.holder.remove(`passing${round}`);
    expect(rig.holder.list()).toEqual([{ name: "stays", bytes: BYTES, pid: peer.pid }]);
  }
  await until(() => manager.lines.includes("forgot guest1.passing4"), "the last one's end");
  expect(await crash(manager)).toBe(7);
  await rig.connect("stays").line("turned away");
});

test("a QEMU that ended meanwhile is not waited for", async () => {
  const manager = await rig.startManaged();
  rig.holder.add("web1", BYTES);
  const peer = rig.connect("web1");
  await peer.line("set up");
  await until(() => manager.lines.includes("kept peer.web1"), "the connection in the store");
  process.kill(pidOf(manager), "SIGSTOP");
  await peer.kill();
  expect(await crash(manager)).toBe(6);
  await rig.connect("web1").line("set up");
});

test("a QEMU that comes while no holder runs waits for the next one", async () => {
  const manager = await rig.startManaged();
  rig.holder.add("web1", BYTES);
  await until(() => manager.lines.includes("kept guest1.web1"), "the guest in the store");
  process.kill(pidOf(manager), "SIGSTOP");
  const peer = rig.connect("web1");
  await peer.line("connected");
  await crash(manager);
  await peer.line("set up");
  expect(rig.holder.list()[0]?.pid).toBe(peer.pid);
});

test("canary: without a store a crash does lose everything", async () => {
  const holder = await rig.start();
  rig.holder.add("web1", BYTES);
  const peer = rig.connect("web1");
  await peer.line("set up");
  await holder.kill();
  await peer.line("disconnected");
  await rig.start();
  expect(rig.holder.list()).toEqual([]);
});

test("what is handed back and makes no guest is told and dropped", async () => {
  // A region that is not sealed, half a guest, and something of nobody's.
  const names = "region.web1:server0.web2:nonsense:region.web1:region.../x";
  const file = openSync(`${rig.directory}/file`, "w+");
  const script = `LISTEN_PID=$$ LISTEN_FDS=5 LISTEN_FDNAMES=${names} exec "$0" --directory "$1"`;
  const child = spawn("sh", ["-c", script, PROGRAM, `${rig.directory}/run`], {
    stdio: ["ignore", "ignore", "pipe", file, file, file, file, file],
  });
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  await rig.answers();
  expect(rig.holder.list()).toEqual([]);
  for (const text of [
    'handed over "nonsense"',
    'handed over "region.../x"',
    'handed over "region.web1"',
    "guest web1 comes back without a sealed region",
    "guest web2 comes back without its region",
  ]) {
    await until(() => said.includes(text), `"${text}" in ${said}`);
  }
  rig.holder.add("web1", BYTES);
  closeAll(rig.holder.attach("web1"));
  child.kill("SIGTERM");
  closeSync(file);
});
