// SPDX-License-Identifier: Apache-2.0
// T7, T8 and P6: a hundred guests, each a process of its own that runs the portable core, against
// one real server in this process. Each guest tells at its end what it attempted and lost; the
// server's books must say the same.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import {
  buildSimulatedGuest,
  makeRegionFile,
  type RegionFile,
} from "../lib/hypervisor/hypervisor.ts";
import { createServer, type GuestStats, type Server } from "../lib/server/server.ts";
import { openIvshmemRegion, type Region } from "../lib/transport/transport.ts";
import { type BenchRow, rateRow, spreadOf } from "./row.ts";

const GUESTS = 100;
const REGION_BYTES = 4 << 20;
const DATA_RINGS = 1;
const READY_MS_MAX = 60_000;
// Longer than the server gives a driver that leaves.
const SETTLE_MS = 6000;
const SETTLE_MS_MAX = 60_000;
const NO_PEER = "none";

/** What one guest says of itself at its end. */
interface GuestTruth {
  readonly attempted: number;
  readonly written: number;
  readonly lostTotal: number;
}

interface BenchGuest {
  readonly name: string;
  readonly file: RegionFile;
  readonly region: Region;
}

interface RunningGuest {
  readonly child: ChildProcess;
  readonly truth: Promise<GuestTruth>;
}

/** One run over all guests. */
interface Load {
  readonly bytesPerMinute: number;
  readonly seconds: number;
}

interface Outcome {
  readonly cpuPercent: number;
  readonly ringMegabytesMax: number;
  readonly residentMegabytes: number;
  readonly internetSockets: number;
  readonly guests: ReadonlyArray<{ readonly truth: GuestTruth; readonly stats: GuestStats }>;
}

async function openGuests(): Promise<BenchGuest[]> {
  const guests: BenchGuest[] = [];
  for (let at = 0; at < GUESTS; at++) {
    const file = makeRegionFile(REGION_BYTES);
    const region = openIvshmemRegion({ path: file.path, bytes: file.bytes });
    guests.push({ name: `guest-${at}`, file, region });
  }
  return guests;
}

function startGuest(program: string, guest: BenchGuest, load: Load, seed: number): RunningGuest {
  const args = [
    ...["--region", guest.file.path, "--rate", String(load.bytesPerMinute)],
    ...["--duration", String(load.seconds), "--seed", String(seed), "--poll-ms", "10"],
  ];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
  });
  const truth = once(child, "close").then(([status]: unknown[]) => {
    if (status !== 0) throw new Error(`a guest ended with ${status}`);
    return JSON.parse(text.trim().split("\n").at(-1) ?? "") as GuestTruth;
  });
  return { child, truth };
}

async function until(what: string, isTrue: () => boolean, msMax: number): Promise<void> {
  const end = performance.now() + msMax;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`waited ${msMax} ms in vain for ${what}`);
    await setTimeout(20);
  }
}

const statesOf = (server: Server): string[] => server.stats.guests.map(({ guest }) => guest.state);

/** Waits until a server that is still reading what the gone guests left has come to its end. */
async function settle(server: Server): Promise<void> {
  const read = (): number =>
    server.stats.guests.reduce((sum, { loss }) => sum + loss.delivered + loss.named, 0);
  for (let before = -1; before !== read(); ) {
    before = read();
    await setTimeout(SETTLE_MS);
  }
}

/** Per cent of one core that this process takes while the guests are at work. */
async function cpuPercent(ms: number): Promise<number> {
  const before = process.cpuUsage();
  const begin = performance.now();
  await setTimeout(ms);
  const used = process.cpuUsage(before);
  return (100 * (used.user + used.system)) / 1000 / (performance.now() - begin);
}

/** Most bytes that lay in all rings together, looked at from a thread of its own. */
async function ringBytesMax(guests: readonly BenchGuest[], ms: number): Promise<number> {
  const workerData = { paths: guests.map(({ file }) => file.path), dataRings: DATA_RINGS, ms };
  const worker = new Worker(new URL("./ring-use-sampler.ts", import.meta.url), { workerData });
  const [most] = (await once(worker, "message")) as [number];
  return most;
}

/** Internet sockets that these processes hold: without one, no byte can go over a network. */
function internetSockets(pids: readonly number[]): number {
  const tables = ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"].map((name) =>
    readFileSync(`/proc/self/net/${name}`, "utf8"),
  );
  const inodes = new Set(tables.flatMap((text) => text.split("\n").map((row) => inodeOf(row))));
  let count = 0;
  for (const pid of pids) {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`)) ?? [];
      if (inode !== undefined && inodes.has(inode)) count++;
    }
  }
  return count;
}

const inodeOf = (row: string): string => row.trim().split(/\s+/)[9] ?? "";

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

async function runLoad(guests: readonly BenchGuest[], load: Load): Promise<Outcome> {
  const program = await buildSimulatedGuest();
  const server = createServer({ silenceMs: 60_000 });
  const running: RunningGuest[] = [];
  try {
    for (const { name, region } of guests) {
      server.attachGuest({ name, region, plan: { dataRings: DATA_RINGS } });
    }
    server.start();
    for (const [at, guest] of guests.entries()) {
      running.push(startGuest(program, guest, load, at + 1));
    }
    const truths = Promise.all(running.map(({ truth }) => truth));
    truths.catch(() => {});
    const allMonitored = (): boolean => statesOf(server).every((state) => state === "monitored");
    await until("all guests to be monitored", allMonitored, READY_MS_MAX);
    const halfMs = (load.seconds * 1000 - 2000) / 2;
    const cpu = await cpuPercent(halfMs);
    const ringBytes = await ringBytesMax(guests, halfMs);
    const pids = [process.pid, ...running.map(({ child }) => child.pid ?? 0)].filter(isAlive);
    const sockets = internetSockets(pids);
    const resident = process.memoryUsage().rss;
    const told = await truths;
    const allGone = (): boolean => statesOf(server).every((state) => state === "left");
    await until("all guests to be gone", allGone, SETTLE_MS_MAX);
    await settle(server);
    const stats = server.stats.guests;
    return {
      cpuPercent: cpu,
      ringMegabytesMax: ringBytes / 1e6,
      residentMegabytes: resident / 1e6,
      internetSockets: sockets,
      guests: stats.flatMap((stat, at) => {
        const truth = told[at];
        return truth === undefined ? [] : [{ truth, stats: stat }];
      }),
    };
  } finally {
    for (const { child } of running) child.kill("SIGKILL");
    server.close();
  }
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Records that neither arrived nor were named, by the guests' own truth or by the server's. */
function unaccounted({ guests }: Outcome): number {
  return guests.reduce((sum, { truth, stats }) => {
    const { delivered, named, mismatches, unaccounted: missing } = stats.loss;
    return sum + Math.abs(truth.attempted - delivered - named) + missing + mismatches;
  }, 0);
}

const sumOf = (outcome: Outcome, pick: (one: Outcome["guests"][number]) => number): number =>
  outcome.guests.reduce((sum, one) => sum + pick(one), 0);

function row(goal: string, metric: string, value: number, unit: string): BenchRow {
  return rateRow(goal, metric, unit, spreadOf([value]), NO_PEER, undefined);
}

function* foundingRows(outcome: Outcome): Generator<BenchRow> {
  const load = `${GUESTS} guests x 1 MB/min`;
  const records = sumOf(outcome, ({ stats }) => stats.loss.delivered);
  yield row("T7", `${load}: most ring memory in use`, outcome.ringMegabytesMax, "MB");
  yield row("T7", `${load}: internet sockets, all processes`, outcome.internetSockets, "sockets");
  yield row("T7", `${load}: server, ${records} records`, outcome.cpuPercent, "% of one core");
  yield row("T7", `${load}: unaccounted records`, unaccounted(outcome), "records");
  yield row("P6", `${load}: resident server`, outcome.residentMegabytes, "MB");
}

function* heavyRows(outcome: Outcome, load: Load): Generator<BenchRow> {
  const text = `${GUESTS} guests x 100 MB/min`;
  const shares = outcome.guests.map(({ truth, stats }) => stats.loss.delivered / truth.attempted);
  const counts = outcome.guests.map(({ stats }) => stats.loss.delivered);
  const attempted = sumOf(outcome, ({ truth }) => truth.attempted);
  const delivered = sumOf(outcome, ({ stats }) => stats.loss.delivered);
  const bytes = sumOf(outcome, ({ stats }) => stats.bytes);
  const fairness = (values: readonly number[]): number => Math.min(...values) / Math.max(...values);
  yield row("T8", `${text}: unaccounted records of ${attempted}`, unaccounted(outcome), "records");
  yield row("T8", `${text}: delivered of attempted`, (100 * delivered) / attempted, "%");
  yield row("T8", `${text}: delivered`, delivered / load.seconds, "records/s");
  yield row("T8", `${text}: delivered`, bytes / 1e6 / load.seconds, "MB/s");
  yield row("T8", `${text}: least guest's delivered share of the most`, fairness(shares), "");
  yield row("T8", `${text}: least guest's records of the most`, fairness(counts), "");
  yield row("T8", `${text}: server`, outcome.cpuPercent, "% of one core");
}

/** T7, T8 and P6. */
export async function* foundingLoadBench(): AsyncGenerator<BenchRow> {
  const guests = await openGuests();
  try {
    yield* foundingRows(await runLoad(guests, { bytesPerMinute: 1_000_000, seconds: 20 }));
    const heavy = { bytesPerMinute: 100_000_000, seconds: 20 };
    yield* heavyRows(await runLoad(guests, heavy), heavy);
  } finally {
    for (const { region, file } of guests) {
      region.close();
      await file.remove();
    }
  }
}
