// SPDX-License-Identifier: Apache-2.0
// M1, M2: a real manager in a process of its own with its link and API over TLS on loopback. Its
// servers are simulated in this process, which is also who calls the API: with two cores, one is
// the manager's. Ten thousand guests are there; ten thousand servers do not fit one machine.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Authority } from "../lib/link/link.ts";
import { ManagerState, Users } from "../lib/manager/manager.ts";
import type { ApiPage, ApiSearch, ApiServer } from "../lib/model/model.ts";
import { ApiCaller } from "./manager-api.ts";
import type { ManagerPlace, ManagerUse } from "./manager-child.ts";
import { type FleetSize, SimulatedFleet, settled } from "./manager-fleet.ts";
import { type BenchRow, costRow, rateRow, spreadOf } from "./row.ts";

const CHILD = fileURLToPath(new URL("./manager-child.ts", import.meta.url));
const RUNS = 5;
const FLEET: FleetSize = { servers: 20, guests: 500, rows: 0 };
const WIDE: FleetSize = { servers: 1000, guests: 10, rows: 20 };
/** Of a thousand. */
const DEAD = 50;
const FINDINGS = 10_000;
const CHANGES = 500;
const CHANGE_MS = 10;
const STATISTICS_MS = 10_000;
/** Of 20 servers with 500 guests: what a million guests send every ten seconds. */
const STATISTICS_M1_MS = 100;
const STATISTICS = 40;
const CALLS = 40;
const SEARCHES = 30;
const READS = {
  overview: "/overview",
  "guests, 100 of 10,000": "/guests?limit=100",
  "guests, 1,000 of 10,000": "/guests?limit=1000",
  "findings, 100 of 10,000": "/findings?limit=100",
  servers: "/servers",
} as const;

/** Yields the rows of the manager. */
export async function* managerBench(): AsyncGenerator<BenchRow> {
  const first = await Bed.open(FLEET);
  try {
    yield* fleetRows(first);
  } finally {
    first.close();
  }
  const wide = await Bed.open(WIDE);
  try {
    yield* searchRows(wide);
  } finally {
    wide.close();
  }
}

async function* fleetRows(bed: Bed): AsyncGenerator<BenchRow> {
  const { fleet, api } = bed;
  const about = `${FLEET.servers} simulated servers x ${FLEET.guests} guests`;
  const beganMs = performance.now();
  await fleet.connect(FLEET.servers, STATISTICS_MS);
  await settled(async () => (await api.call<ApiPage<unknown>>("GET", "/guests")).total === 10_000);
  const joined = performance.now() - beganMs;
  yield* delayRows("M1", `${about}: from the first connection to all guests listed`, [joined]);
  yield* delayRows("M1", `${about}: state change, report to update`, await changes(bed));
  await fleet.connect(FLEET.servers, STATISTICS_M1_MS);
  const busy = `${about}: state change under 100,000 guest statistics a second`;
  yield* delayRows("M1", busy, await changes(bed));
  const cost = spreadOf(await statistics(bed));
  const unit = "guests/CPU-s";
  yield rateRow("M1", `${about}: statistics taken in`, unit, cost, "none", undefined);
  await fleet.connect(FLEET.servers, STATISTICS_MS);
  const told = spreadOf(await findings(bed));
  yield rateRow("M1", `${about}: findings on disk`, "findings/s", told, "none", undefined);
  for (const [name, path] of Object.entries(READS)) {
    yield* delayRows("M3", `${name}; 10,000 guests and findings`, await reads(api, path));
  }
}

async function* searchRows(bed: Bed): AsyncGenerator<BenchRow> {
  const { fleet } = bed;
  const about = `search, ${WIDE.servers} simulated servers of ${WIDE.rows} rows`;
  await fleet.connect(WIDE.servers, STATISTICS_MS);
  yield* delayRows("M2", `${about}: all answer`, await searches(bed, SEARCHES));
  await fleet.connect(WIDE.servers - DEAD, STATISTICS_MS);
  yield* delayRows("M2", `${about}: ${DEAD} not connected`, await searches(bed, SEARCHES));
  fleet.answering = WIDE.servers - 2 * DEAD;
  const silent = `${about}: ${DEAD} not connected, ${DEAD} that never answer: rows of the others`;
  yield* delayRows("M2", silent, await searches(bed, 1));
}

/** Milliseconds from each report of a state to the update that shows it. */
async function changes({ fleet, api }: Bed): Promise<readonly number[]> {
  const sent = new Map<string, number>();
  const delays: number[] = [];
  await api.updates((update) => {
    if (update.kind !== "guest") return;
    const key = `${update.guest.id} ${update.guest.sinceMs}`;
    const sentMs = sent.get(key);
    if (sentMs !== undefined) delays.push(performance.now() - sentMs);
    sent.delete(key);
  });
  for (let turn = 0; turn < CHANGES; turn++) {
    const server = fleet.servers[turn % fleet.servers.length];
    const guest = server?.guests[turn % server.guests.length];
    if (server === undefined || guest === undefined) continue;
    const change = { guest: guest.name, reason: "no beat", timeMs: Date.now() };
    sent.set(`${guest.id} ${change.timeMs}`, performance.now());
    server.client?.report({
      ...{ kind: "guest-state", id: guest.id },
      change: { ...change, from: "monitored", to: "silent" },
    });
    await new Promise((resolve) => setTimeout(resolve, CHANGE_MS));
  }
  await settled(() => delays.length === CHANGES);
  return delays;
}

/** Guest statistics of a second of the manager's processor, a run each. */
async function statistics(bed: Bed): Promise<readonly number[]> {
  const { fleet, api } = bed;
  const rates: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const wanted = new Map(fleet.servers.map((one) => [one.identity.id, one.told + STATISTICS]));
    const before = await bed.use();
    const toldBefore = fleet.servers.reduce((sum, { told }) => sum + told, 0);
    await settled(() =>
      fleet.servers.every(({ identity, told }) => told >= (wanted.get(identity.id) ?? 0)),
    );
    const told = fleet.servers.reduce((sum, one) => sum + one.told, 0) - toldBefore;
    const after = await bed.use();
    rates.push((told * FLEET.guests) / (after.cpuSeconds - before.cpuSeconds));
    const servers = await api.call<readonly ApiServer[]>("GET", "/servers");
    const isBehind = servers.some(({ id, storeEvents }) => storeEvents < (wanted.get(id) ?? 0) / 2);
    if (isBehind) throw new Error("the manager does not keep up with the statistics");
  }
  return rates;
}

async function findings({ fleet }: Bed): Promise<readonly number[]> {
  const rates: number[] = [];
  const each = FINDINGS / RUNS;
  for (let run = 0; run < RUNS; run++) {
    const beganMs = performance.now();
    await fleet.tellFindings(run * each, each);
    rates.push((each * 1000) / (performance.now() - beganMs));
  }
  return rates;
}

async function reads(api: ApiCaller, path: string): Promise<readonly number[]> {
  const delays: number[] = [];
  for (let at = 0; at < CALLS; at++) {
    const beganMs = performance.now();
    await api.call("GET", path);
    delays.push(performance.now() - beganMs);
  }
  return delays;
}

/** Milliseconds from the start of each search until its rows are read. */
async function searches({ api }: Bed, count: number): Promise<readonly number[]> {
  const delays: number[] = [];
  for (let at = 0; at < count; at++) {
    const beganMs = performance.now();
    const body = { query: "kind:process.exec" };
    const { id } = await api.call<ApiSearch>("POST", "/searches", body);
    await settled(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const { rows, state } = await api.call<ApiSearch>("GET", `/searches/${id}`);
      return rows.length > 0 || state !== "running";
    });
    delays.push(performance.now() - beganMs);
    await api.call("DELETE", `/searches/${id}`);
  }
  return delays;
}

/** A row of the median and one of the 99th percentile. */
function* delayRows(goal: string, metric: string, delays: readonly number[]): Generator<BenchRow> {
  const sorted = [...delays].sort((a, b) => a - b);
  const half = spreadOf(sorted);
  if (sorted.length === 1) yield costRow(goal, metric, "ms", half, "none", undefined);
  else {
    const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
    yield costRow(goal, `${metric}, p50`, "ms", half, "none", undefined);
    const last = { ...half, median: p99 };
    yield costRow(goal, `${metric}, p99`, "ms", last, "none", undefined);
  }
}

/** A manager, its simulated servers, and who calls its API. */
class Bed {
  readonly fleet: SimulatedFleet;
  readonly api: ApiCaller;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(fleet: SimulatedFleet, api: ApiCaller, child: ChildProcess, folder: string) {
    this.fleet = fleet;
    this.api = api;
    this.#child = child;
    this.#folder = folder;
  }

  static async open(size: FleetSize): Promise<Bed> {
    const folder = mkdtempSync(join(tmpdir(), "undercroft-bench-"));
    const state = new ManagerState(folder);
    const { secret } = new Users(state, Date.now).addToken("bench", "admin", [], 1);
    state.close();
    const authority = await Authority.open(join(folder, "authority"));
    const child = fork(CHILD, [folder], { stdio: "inherit" });
    const [{ url, linkUrl }] = (await once(child, "message")) as [ManagerPlace];
    const fleet = await SimulatedFleet.join(authority, size, linkUrl);
    const api = new ApiCaller(url, authority.certificate, secret);
    authority.close();
    return new Bed(fleet, api, child, folder);
  }

  async use(): Promise<ManagerUse> {
    this.#child.send("use");
    const [use] = (await once(this.#child, "message")) as [ManagerUse];
    return use;
  }

  close(): void {
    this.fleet.close();
    this.api.close();
    this.#child.kill();
    rmSync(this.#folder, { recursive: true });
  }
}
