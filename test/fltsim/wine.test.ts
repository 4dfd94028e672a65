// SPDX-License-Identifier: Apache-2.0
// What Wine can show: undercroft.sys itself loads, registers with a real server through a shared
// section, runs its thread and unloads; and the rings between a Windows program and a Linux server
// go through wrap, loss and restart. No callback of the kernel ever fires under Wine.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { buildDriver, buildLoader, buildWineSimulator, removeBuilt } from "./programs.ts";
import { until, WindowsGuest } from "./rig.ts";
import { prepareWine, WINE } from "./wine.ts";

let guest: WindowsGuest;

beforeAll(prepareWine);
afterEach(async () => {
  await guest.close();
});
afterAll(removeBuilt);

const windowsPath = (path: string): string => `Z:${path.replaceAll("/", "\\")}`;

test("the driver loads, serves a session and unloads", async () => {
  const driver = buildDriver(["-DUC_TEST_REGION=ON"]);
  guest = new WindowsGuest();
  const [command = "", ...args] = WINE;
  const child = spawn(command, [
    ...[...args, buildLoader(), windowsPath(driver), windowsPath(guest.regionPath)],
  ]);
  const said: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => said.push(line.trimEnd()));
  const closed = once(child, "close");
  await until("the start", () => said.length > 0);
  expect(said).toEqual(["started"]);
  await guest.monitored();
  const { driver: told } = guest.stats.guest;
  expect(told).toMatchObject({ os: "windows", version: "0.1.0", mapKind: "write-back" });
  expect(told?.osVersion).toMatch(/^Windows \d+\.\d+\.\d+$/);
  await guest.event("process.existing", ({ path }) => path.endsWith("services.exe"));
  child.stdin.write("stop\n");
  await until("the goodbye", () => guest.states.at(-1) === "left");
  expect(await closed).toEqual([0, null]);
  expect(said).toEqual(["started", "stopped"]);
  expect([...guest.findings.values()].map(({ rule }) => rule)).toContain("driver_unregistered");
  const { loss, faults } = guest.stats;
  expect({ ...loss, faults }).toMatchObject({ unaccounted: 0, mismatches: 0, faults: 0 });
});

test("rings wrap, overflow and start anew between a Windows program and this server", async () => {
  const ringBytes = 2 ** 20;
  guest = new WindowsGuest({}, ringBytes);
  guest.start(buildWineSimulator(), {}, WINE);
  await guest.boot();
  expect(await guest.do("fuzz", 7, 60_000, 2, 0)).toBe("ok");
  await until("the ring to be read", () => guest.stats.loss.named > 0);
  const before = guest.stats;
  expect(before.bytes).toBeGreaterThan(2 * ringBytes);
  expect(before.loss.byReason).toHaveProperty(["file.full"]);
  guest.restartServer();
  await guest.monitored();
  await guest.do("start", 1000, 4, "S-1-5-18", 0x4000, "\\Device\\HarddiskVolume3\\a.exe", "a");
  await guest.event("process.exec", ({ pid, path }) => pid === 1000 && path === "C:\\a.exe");
  const result = await guest.end();
  expect(result).toMatchObject({ violations: 0, status: 0 });
  expect(guest.stats.faults).toBe(0);
});
