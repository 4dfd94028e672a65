// SPDX-License-Identifier: Apache-2.0
// Two real guests on taps of one bridge, watched by a redirector of its own process: every packet
// is seen or counted as lost, and rules hold from both sides, also while the redirector is dead.
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { networkProblem } from "../../lib/cli/demo-network.ts";
import {
  buildDriver,
  buildInitramfs,
  type Guest,
  makeRegionFile,
  networkModules,
  obtainKernel,
  type RegionFile,
  startGuest,
} from "../../lib/hypervisor/hypervisor.ts";
import { createServer, type InterfaceStats, type Server } from "../../lib/server/server.ts";
import { type IvshmemRegion, openIvshmemRegion } from "../../lib/transport/transport.ts";
import { compileProgram } from "../guest/programs.ts";
import { until } from "./redirector-bench.ts";

const CLI = fileURLToPath(new URL("../../lib/cli/cli.ts", import.meta.url));
const OUTSIDE = "10.98.0.1";
const ADDRESSES = ["10.98.0.11", "10.98.0.12"] as const;
const TAPS = ["tapg0", "tapg1"] as const;
const PORT = 9;
const WHO = { requestedBy: "test" };
/** Rings of 128 KiB, so that a server that stands still has to lose packets. */
const TAP_REGION_BYTES = 1 << 20;
const guestMsMax = 240_000;
const problem = networkProblem();
const namespace = `uc-two-${randomBytes(5).toString("hex")}`;

let server: Server;
let folder = "";
const files: RegionFile[] = [];
const regions: IvshmemRegion[] = [];
const guests: TestGuest[] = [];
let redirector: ChildProcess | undefined;

/** One guest that does what its control port says, and answers on its verdict port. */
class TestGuest {
  readonly #guest: Guest;
  readonly #lines: string[] = [];

  constructor(guest: Guest) {
    this.#guest = guest;
    void this.#read();
  }

  /** Sends datagrams; how many the guest's kernel took. */
  async send(address: string, count: number, bytes: number, gapUs: number): Promise<number> {
    return Number(await this.#ask(`send ${address} ${PORT} ${count} ${bytes} ${gapUs}`));
  }

  /** Whether an address answers: a refusal is an answer. */
  async reaches(address: string): Promise<boolean> {
    return (await this.#ask(`reach ${address}`)) === "yes";
  }

  stop(): Promise<unknown> {
    return this.#guest.stop();
  }

  async #ask(line: string): Promise<string> {
    this.#lines.length = 0;
    this.#guest.sendLine(line);
    await until(`an answer to "${line}"`, () => this.#lines.length > 0);
    return this.#lines[0] ?? "";
  }

  async #read(): Promise<void> {
    for await (const line of this.#guest.tapLines) this.#lines.push(line);
  }
}

function ip(...words: string[]): void {
  execFileSync("ip", ["-n", namespace, ...words]);
}

function mainScript(loadNetwork: string, address: string): string {
  return `${loadNetwork}ip link set lo up
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip address add ${address}/24 dev eth0
ip link set eth0 up
echo up >&9
while read -r word a b c d e <&8; do
  case $word in
    send) udp-send "$a" "$b" "$c" "$d" "$e" >&9 ;;
    reach) nc -w 2 "$a" 1 </dev/null >/tmp/said 2>&1
      if grep -q refused /tmp/said; then echo yes >&9; else echo no >&9; fi ;;
  esac
done
`;
}

async function bootGuest(at: number): Promise<void> {
  const kernel = await obtainKernel("6.1");
  const { files: modules, loadScript } = await networkModules(kernel);
  const program = await compileProgram(join(import.meta.dirname, "../guest/programs/udp-send.c"));
  const send = { path: `/bin/${basename(program)}`, source: { file: program }, mode: 0o755 };
  const address = ADDRESSES[at] ?? "";
  const initramfs = await buildInitramfs({
    main: mainScript(loadScript, address),
    driver: await buildDriver(kernel),
    loadDriver: true,
    files: [...modules, send],
  });
  const file = files[at];
  if (file === undefined) throw new Error("no region");
  const guest = await startGuest({
    ...{ kernel, initramfs, console: join(folder, `console-${at}`), memoryMiB: 256 },
    region: { path: file.path, bytes: file.bytes },
    network: {
      enter: ["ip", "netns", "exec", namespace],
      tap: TAPS[at] ?? "",
      mac: `52:54:00:98:00:1${at + 1}`,
    },
    timeoutMs: guestMsMax,
  });
  guests[at] = new TestGuest(guest);
}

async function startRedirector(): Promise<void> {
  const path = files[2]?.path ?? "";
  const words = ["netns", "exec", namespace, process.execPath, CLI, "redirector"];
  redirector = spawn("ip", [...words, "--region", path], { stdio: "ignore" });
  const areRunning = (): boolean =>
    [0, 1].every((at) => statsOf(at)?.state === "running") &&
    server.stats.redirector?.state === "registered";
  await until("both interfaces watched", areRunning);
}

async function killRedirector(): Promise<void> {
  redirector?.kill("SIGKILL");
  if (redirector?.exitCode === null) await once(redirector, "exit");
}

function statsOf(at: number): InterfaceStats | undefined {
  return server.stats.guests[at]?.interfaces[0];
}

/** Packets that the kernel counted on a tap, both ways, the refused ones too. */
function tapPackets(at: number): number {
  const words = ["-n", namespace, "-s", "-j", "link", "show", TAPS[at] ?? ""];
  const [link] = JSON.parse(execFileSync("ip", words, { encoding: "utf8" })) as [
    { stats64: { rx: { packets: number }; tx: { packets: number; dropped: number } } },
  ];
  const { rx, tx } = link.stats64;
  return rx.packets + tx.packets + tx.dropped;
}

/** Waits until the redirector has told of everything that passed. */
async function settledCounts(at: number): Promise<InterfaceStats["counts"]> {
  for (let before = -1; ; ) {
    const counts = statsOf(at)?.counts;
    if (counts === undefined) throw new Error("the interface is not known");
    if (counts.seen === before) return counts;
    before = counts.seen;
    await sleep(2500);
  }
}

/** What the kernel and the redirector counted, at a moment when nothing was on its way. */
async function sample(at: number): Promise<{ tap: number; counts: InterfaceStats["counts"] }> {
  for (;;) {
    const tap = tapPackets(at);
    const counts = await settledCounts(at);
    if (tapPackets(at) === tap) return { tap, counts };
  }
}

describe.skipIf(problem !== undefined)(`two guests on taps${problem ? `: ${problem}` : ""}`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "undercroft-two-"));
    execFileSync("ip", ["netns", "add", namespace]);
    ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
    ip("link", "set", "br0", "addrgenmode", "none", "up");
    ip("address", "add", `${OUTSIDE}/24`, "dev", "br0");
    for (const tap of TAPS) {
      ip("tuntap", "add", "dev", tap, "mode", "tap");
      ip("link", "set", tap, "addrgenmode", "none", "master", "br0", "up");
    }
    for (const bytes of [16 << 20, 16 << 20, TAP_REGION_BYTES]) {
      const file = makeRegionFile(bytes);
      files.push(file);
      regions.push(openIvshmemRegion({ path: file.path, bytes: file.bytes }));
    }
    server = createServer({ silenceMs: 20_000 });
    const [first, second, taps] = regions;
    if (first === undefined || second === undefined || taps === undefined) throw new Error("none");
    server.attachRedirector({ name: "taps", region: taps, packetRings: 4 });
    for (const [at, region] of [first, second].entries()) {
      const interfaces = [{ name: TAPS[at] ?? "" }];
      server.attachGuest({ name: `g${at}`, region, plan: { dataRings: 1 }, interfaces });
    }
    server.start();
    await Promise.all([bootGuest(0), bootGuest(1)]);
    const areMonitored = (): boolean =>
      server.stats.guests.every(({ guest }) => guest.state === "monitored");
    for (let tries = 0; tries < 6 && !areMonitored(); tries++) {
      await until("both guests monitored", areMonitored).catch(() => {});
    }
    expect(areMonitored()).toBe(true);
    await startRedirector();
  }, guestMsMax);

  afterAll(async () => {
    await Promise.all(guests.map((guest) => guest.stop()));
    await killRedirector();
    server?.close();
    for (const region of regions) region.close();
    for (const file of files) await file.remove();
    spawnSync("ip", ["netns", "delete", namespace]);
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  test("every packet is seen, at a load that fits", async () => {
    const before = [await sample(0), await sample(1)];
    expect(await guests[0]?.send(ADDRESSES[1], 1000, 200, 300)).toBe(1000);
    expect(await guests[0]?.send(OUTSIDE, 1000, 200, 300)).toBe(1000);
    expect(await guests[1]?.send(ADDRESSES[0], 500, 200, 300)).toBe(500);
    for (const [at, earlier] of before.entries()) {
      const { tap, counts } = await sample(at);
      expect(tap - earlier.tap).toBeGreaterThanOrEqual(1500);
      expect(counts.lostKernel + counts.lostRing).toBe(0);
      expect(counts.seen - earlier.counts.seen).toBe(tap - earlier.tap);
      expect(statsOf(at)?.delivered).toBe(counts.kept);
    }
  });

  test("what a reader that stands still cannot take is counted to the packet", async () => {
    const { tap: tapBefore, counts: before } = await sample(0);
    const sending = guests[0]?.send(OUTSIDE, 6000, 1300, 0);
    // The server's own thread stands still: nobody reads the ring of 128 KiB.
    await sleep(200);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000);
    expect(await sending).toBe(6000);
    const { tap, counts } = await sample(0);
    const lost = counts.lostRing + counts.lostKernel - before.lostRing - before.lostKernel;
    expect(lost).toBeGreaterThan(0);
    expect(counts.seen - before.seen).toBe(tap - tapBefore);
    expect(counts.seen).toBe(counts.kept + counts.lostKernel + counts.lostRing);
    expect(statsOf(0)?.delivered).toBe(counts.kept);
    // The other guest lost nothing by it.
    const { counts: other } = await sample(1);
    expect(other.lostRing + other.lostKernel).toBe(0);
  });

  test("a drop holds from both sides, also without the redirector, until its end", async () => {
    expect(await guests[0]?.reaches(ADDRESSES[1])).toBe(true);
    server.block("g0", { remote: ADDRESSES[1], expiresInMs: 30_000 }, WHO);
    await until("the drop", () => server.tapRules.some(({ state }) => state === "in-force"));
    const blockedMs = performance.now();
    expect(await guests[0]?.reaches(ADDRESSES[1])).toBe(false);
    expect(await guests[1]?.reaches(ADDRESSES[0])).toBe(false);
    expect(await guests[0]?.reaches(OUTSIDE)).toBe(true);
    await killRedirector();
    expect(await guests[0]?.reaches(ADDRESSES[1])).toBe(false);
    await startRedirector();
    expect(await guests[1]?.reaches(ADDRESSES[0])).toBe(false);
    await sleep(Math.max(0, 31_000 - (performance.now() - blockedMs)));
    expect(await guests[0]?.reaches(ADDRESSES[1])).toBe(true);
    expect(server.tapRules).toEqual([]);
  });

  test("an isolated guest reaches what is allowed, and is released", async () => {
    server.isolate("g1", { allow: [OUTSIDE] }, WHO);
    const areInForce = (): boolean =>
      server.tapRules.length === 2 && server.tapRules.every(({ state }) => state === "in-force");
    await until("isolation", areInForce);
    expect(await guests[1]?.reaches(OUTSIDE)).toBe(true);
    expect(await guests[1]?.reaches(ADDRESSES[0])).toBe(false);
    expect(await guests[0]?.reaches(ADDRESSES[1])).toBe(false);
    server.release("g1", WHO);
    await until("release", () => server.tapRules.length === 0);
    expect(await guests[0]?.reaches(ADDRESSES[1])).toBe(true);
  });
});
