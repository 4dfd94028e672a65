// SPDX-License-Identifier: Apache-2.0
// T5: from a record that a real guest shows to the server's callback, and from a command to its
// answer, with doorbells and polled, in turns in one guest.
//
// Guest and server have clocks of their own. Before and after each series a few records are watched
// for: this process does nothing but read the ring's tail, and the least of (seen here - opened
// there) is how the clocks lie. What is reported is so much later than that a record's callback
// ran: about the time since the record could be seen.
import { setPriority } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildDriver, type Guest, obtainKernel } from "../lib/hypervisor/hypervisor.ts";
import type { IvshmemRegion } from "../lib/transport/transport.ts";
import { FRAME_BYTES, type PlacedRing, planRegion, RING_DATA } from "../lib/wire/wire.ts";
import {
  AskedGuest,
  GUEST_FILE,
  GUEST_NAME,
  ServedGuest,
  until,
} from "../test/guest/doorbell-side.ts";
import { assertGuestRun, runGuestCases } from "../test/guest/harness.ts";
import { HolderRig } from "../test/holder/programs.ts";
import { ROOT } from "./native.ts";
import { type BenchRow, costRow, type Spread, spreadOf } from "./row.ts";

const KERNEL = "6.1";
const REGION_BYTES = 16 << 20;
const ROUNDS = 5;
const EVENTS = 200;
const EVENT_PAUSE_US = 25_000;
const WATCHED = 40;
const WATCHED_PAUSE_US = 8000;
const QUIET_MS = 300;
const PINGS = 100;
const LIMIT_SECONDS = 900;
/** The machine may be shared: guest and server go first. */
const NICE = -15;
const NS_PER_MS = 1e6;
/** Published for polled ivshmem in a guest under KVM; it does not run here. */
const PUBLISHED_US = 199;

type Way = "doorbell" | "polled";

/** Microseconds, round by round. */
interface Series {
  readonly eventP50: number[];
  readonly eventP99: number[];
  readonly commandP50: number[];
  readonly commandP99: number[];
}

/** Where the guest's clock lies: what is to be added to its ms to have ours, at a time of ours. */
interface ClockPoint {
  readonly atMs: number;
  readonly addMs: number;
}

/** The data ring of a guest with one CPU, seen from outside. */
class WatchedRing {
  readonly #region: IvshmemRegion;
  readonly #ring: PlacedRing;
  readonly #word = new Uint8Array(8);
  readonly #view = new DataView(this.#word.buffer);

  constructor(region: IvshmemRegion) {
    const { rings } = planRegion({ regionBytes: REGION_BYTES, dataRings: 1 });
    const ring = rings.find(({ kind }) => kind === RING_DATA);
    if (ring === undefined) throw new Error("the region has no data ring");
    this.#region = region;
    this.#ring = ring;
  }

  get tail(): number {
    this.#region.copyOut(this.#ring.producerOffset, this.#word);
    return this.#view.getUint32(0, true);
  }

  /** Where the opens of the guest's file end between two positions. */
  opensBetween(from: number, to: number): number[] {
    const bytes = new Uint8Array(to - from);
    const at = from % 2 ** this.#ring.capacityLog2;
    this.#region.copyOut(this.#ring.ringOffset + at, bytes);
    const frames = Buffer.from(bytes.buffer);
    const ends: number[] = [];
    for (let start = 0; start < frames.length; ) {
      const end = start + FRAME_BYTES + ((frames.readUInt32LE(start) + 15) & ~15);
      if (frames.subarray(start, end).includes(GUEST_FILE)) ends.push(from + end);
      start = end;
    }
    return ends;
  }
}

/** Watches the data ring until the guest's opens have all been seen. */
async function watchClock(served: ServedGuest, asked: AskedGuest): Promise<ClockPoint> {
  const ring = new WatchedRing(served.region);
  const first = ring.tail;
  asked.beginStamped(WATCHED, WATCHED_PAUSE_US);
  const seen: Array<{ readonly tail: number; readonly ms: number }> = [];
  let last = first;
  for (let quietFrom = performance.now(); performance.now() - quietFrom < QUIET_MS; ) {
    const tail = ring.tail;
    if (tail === last) continue;
    last = tail;
    quietFrom = performance.now();
    seen.push({ tail, ms: quietFrom });
  }
  const ends = ring.opensBetween(first, last);
  const stamps = await asked.stamps();
  if (ends.length !== WATCHED || stamps.length !== WATCHED) {
    throw new Error(`${ends.length} records and ${stamps.length} stamps of ${WATCHED} opens`);
  }
  // This process may have slept over some, which then were seen late: the least is what counts.
  const adds = stamps.map((stamp, at) => {
    const shown = seen.find(({ tail }) => tail >= (ends[at] ?? 0));
    return (shown?.ms ?? Number.POSITIVE_INFINITY) - stamp / NS_PER_MS;
  });
  const addMs = Math.min(...adds);
  return { atMs: (stamps[WATCHED >> 1] ?? 0) / NS_PER_MS + addMs, addMs };
}

/** Clocks drift apart evenly: between the two points lies a line. */
function hereMs(stampNs: number, before: ClockPoint, after: ClockPoint): number {
  const roughMs = stampNs / NS_PER_MS + before.addMs;
  const share = (roughMs - before.atMs) / (after.atMs - before.atMs);
  return stampNs / NS_PER_MS + before.addMs + share * (after.addMs - before.addMs);
}

async function eventDelaysUs(served: ServedGuest, asked: AskedGuest): Promise<number[]> {
  const before = await watchClock(served, asked);
  const calledMs: number[] = [];
  served.onOpen = () => calledMs.push(performance.now());
  asked.beginStamped(EVENTS, EVENT_PAUSE_US);
  const stamps = await asked.stamps();
  await until(() => calledMs.length >= EVENTS, `${EVENTS} events`);
  served.onOpen = () => {};
  const after = await watchClock(served, asked);
  return calledMs.map((ms, at) => 1000 * (ms - hereMs(stamps[at] ?? 0, before, after)));
}

async function commandDelaysUs(served: ServedGuest): Promise<number[]> {
  const delays: number[] = [];
  for (let at = 0; at < PINGS; at++) {
    await sleep(5 + Math.random() * 20);
    delays.push(1000 * (await served.pingMs()));
  }
  return delays;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN;
}

async function measure(served: ServedGuest, asked: AskedGuest, series: Series): Promise<void> {
  await served.isMonitored();
  // The rules and the first processes of a fresh session pass.
  await sleep(500);
  const events = await eventDelaysUs(served, asked);
  series.eventP50.push(quantile(events, 0.5));
  series.eventP99.push(quantile(events, 0.99));
  const commands = await commandDelaysUs(served);
  series.commandP50.push(quantile(commands, 0.5));
  series.commandP99.push(quantile(commands, 0.99));
}

async function runRounds(rig: HolderRig, all: Readonly<Record<Way, Series>>): Promise<void> {
  let served = ServedGuest.attach(rig.holder, 1);
  const play = async (guest: Guest): Promise<void> => {
    const asked = new AskedGuest(guest, () => served.isMonitored());
    await asked.isReady();
    for (let round = 0; round < ROUNDS; round++) {
      await measure(served, asked, all.doorbell);
      served.close();
      served = ServedGuest.attachPolled(rig.holder, 1);
      await measure(served, asked, all.polled);
      served.close();
      served = ServedGuest.attach(rig.holder, 1);
    }
    await served.isMonitored();
    asked.end();
  };
  try {
    const cases = join(ROOT, "test/guest/cases");
    const file = join(cases, "driver-doorbell.sh");
    const run = await runGuestCases({
      kernel: KERNEL,
      driver: await buildDriver(await obtainKernel(KERNEL)),
      cases: [{ name: "driver-doorbell", file, limitSeconds: LIMIT_SECONDS }],
      programs: [join(ROOT, "test/guest/programs/open-files.c")],
      files: [{ path: "/uc/driver-lib.sh", source: { file: join(cases, "driver-lib.sh") } }],
      region: { doorbell: rig.socketOf(GUEST_NAME) },
      cpus: 1,
      timeoutMs: LIMIT_SECONDS * 1000,
      during: play,
    });
    assertGuestRun(run);
  } finally {
    served.close();
  }
}

/** T5. */
export async function* doorbellBench(): AsyncGenerator<BenchRow> {
  const rig = new HolderRig();
  const series = (): Series => ({ eventP50: [], eventP99: [], commandP50: [], commandP99: [] });
  const all = { doorbell: series(), polled: series() };
  try {
    setPriority(NICE);
    await rig.start();
    rig.holder.add(GUEST_NAME, REGION_BYTES);
    await runRounds(rig, all);
  } finally {
    await rig.close();
  }
  const published: Spread = spreadOf([PUBLISHED_US]);
  const { doorbell, polled } = all;
  const row = (metric: string, ours: number[], peer: string, theirs: Spread): BenchRow =>
    costRow("T5", metric, "us", spreadOf(ours), peer, theirs);
  const publishedPeer = "published: polled ivshmem, under KVM";
  const polledPeer = "polled, same guest";
  yield row("event to callback, doorbell, p50", doorbell.eventP50, publishedPeer, published);
  yield row("event to callback, polled, p50", polled.eventP50, publishedPeer, published);
  for (const [name, key] of [
    ["event to callback, doorbell, p50", "eventP50"],
    ["event to callback, doorbell, p99", "eventP99"],
    ["command to its answer, doorbell, p50", "commandP50"],
    ["command to its answer, doorbell, p99", "commandP99"],
  ] as const) {
    yield row(name, doorbell[key], polledPeer, spreadOf(polled[key]));
  }
}
