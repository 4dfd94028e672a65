// SPDX-License-Identifier: Apache-2.0
// The server in a VM of its own beside the server on the hypervisor host: the same program, the
// same guest process, a region of the same size. Records count once they are events.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseIndicators } from "../lib/detect/detect.ts";
import {
  buildServerVmImage,
  buildSimulatedGuest,
  makeRegionFile,
  obtainKernel,
  type RegionFile,
  ServerVm,
  serverVmArguments,
  startGuest,
} from "../lib/hypervisor/hypervisor.ts";
import { createServer } from "../lib/server/server.ts";
import { openIvshmemRegion } from "../lib/transport/transport.ts";
import { ROOT } from "./native.ts";
import { type BenchRow, costRow, rateRow, type Spread, spreadOf } from "./row.ts";

const NAME = "bench";
const UUID = "6f1b0a52-1111-4222-8333-0000000000be";
const REGION_BYTES = 64 << 20;
/** So many that they fit the rings: none is lost while the server is the slower one. */
const EVENTS = 100_000;
const ROUNDS = 3;
const WAIT_MS_MAX = 60_000;
const LOOK_EVERY_MS = 5;
const SETTLE_MS = 1500;
const DROPPED = "Dropped program";
/** What the guest's made-up intruder runs, opens and fetches. */
const BAD = {
  sha256: "5a".repeat(32),
  payload: "/tmp/payload",
  secret: "/etc/secret",
  miner: "/opt/bench-miner",
  url: "http://stage2.undercroft-bench.invalid/",
} as const;
const INDICATORS = `sha256:${BAD.sha256} | ${DROPPED} | critical
path:${BAD.secret} | Secret file | high
name:bench-miner | Coin miner | high
cmdline:${BAD.url} | Download | high
`;

/** A server that serves one region, wherever it runs. */
interface Served {
  /** Events of the guest that it has read and decoded. */
  events(): Promise<number>;
  /** Called with each finding's text. */
  onFinding: (text: string) => void;
  close(): Promise<void>;
}

interface Figures {
  readonly drained: Spread;
  readonly answered: Spread;
}

function withoutVm(file: RegionFile): Served {
  const server = createServer({ indicators: parseIndicators(INDICATORS, NAME) });
  const region = openIvshmemRegion({ path: file.path, bytes: file.bytes });
  const served: Served = {
    events: async () => server.stats.guests[0]?.events ?? 0,
    onFinding: () => {},
    close: async () => {
      server.close();
      region.close();
    },
  };
  server.on("finding", (finding) => served.onFinding(`${finding.title} ${finding.rule}`));
  server.attachGuest({ name: NAME, region });
  server.start();
  return served;
}

async function inServerVm(file: RegionFile, folder: string): Promise<Served> {
  const guest = await startGuest({
    kernel: await obtainKernel("6.1"),
    initramfs: await buildServerVmImage({ packageDirectory: ROOT, indicators: INDICATORS }),
    console: join(folder, "console"),
    memoryMiB: 1024,
    arguments: serverVmArguments(),
    timeoutMs: 10 * 60_000,
  });
  const vm = new ServerVm(guest);
  await vm.ready();
  await vm.attach({ name: NAME, uuid: UUID, taps: [] }, file);
  const served: Served = {
    events: async () => {
      const { guests } = (await vm.status()) as { guests: ReadonlyArray<{ events: number }> };
      return Number(guests[0]?.events ?? 0);
    },
    onFinding: () => {},
    close: async () => void (await vm.stop()),
  };
  void (async () => {
    for await (const line of vm.lines) {
      if (line.includes('"kind":"finding"')) served.onFinding(line);
    }
  })();
  return served;
}

function startProcess(program: string, file: RegionFile, words: readonly string[]): ChildProcess {
  const args = ["--region", file.path, "--cpus", "4", ...words];
  return spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
}

/** Events a second between the first and the last look at the count that saw it move. */
async function drainedPerSecond(served: Served, program: string, file: RegionFile) {
  const before = await served.events();
  const child = startProcess(program, file, ["--events", String(EVENTS)]);
  child.stdout?.resume();
  const closed = once(child, "close");
  let first: { readonly events: number; readonly atMs: number } | undefined;
  for (const endMs = performance.now() + WAIT_MS_MAX; ; ) {
    const events = (await served.events()) - before;
    const atMs = performance.now();
    if (events > 0) first ??= { events, atMs };
    if (first !== undefined && events >= EVENTS) {
      await closed;
      return ((events - first.events) * 1000) / (atMs - first.atMs);
    }
    if (atMs > endMs) throw new Error(`${events} of ${EVENTS} records were drained`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** From the word to begin until the finding on the dropped program is told. */
async function answerMs(served: Served, program: string, file: RegionFile): Promise<number> {
  const child = startProcess(program, file, [
    ...["--rate", "2000000", "--scenario", "intrusion"],
    ...["--payload-sha256", BAD.sha256, "--payload-path", BAD.payload],
    ...["--secret-path", BAD.secret, "--open-path", "/etc/open"],
    ...["--miner-path", BAD.miner, "--stage-url", BAD.url],
  ]);
  child.stdout?.resume();
  const closed = once(child, "close");
  await sleep(SETTLE_MS);
  const found = new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no finding was told")), WAIT_MS_MAX);
    served.onFinding = (text) => {
      if (!text.includes(DROPPED)) return;
      clearTimeout(timer);
      resolve(performance.now());
    };
  });
  const beganMs = performance.now();
  child.stdin?.write("begin\n");
  const milliseconds = (await found) - beganMs;
  child.stdin?.write("unload\n");
  await closed;
  await sleep(SETTLE_MS);
  return milliseconds;
}

async function figures(served: Served, program: string, file: RegionFile): Promise<Figures> {
  const [rates, answers]: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      rates.push(await drainedPerSecond(served, program, file));
      answers.push(await answerMs(served, program, file));
    }
  } finally {
    await served.close();
  }
  return { drained: spreadOf(rates), answered: spreadOf(answers) };
}

/** Runs both ways, one after the other. */
export async function* serverVmBench(): AsyncIterable<BenchRow> {
  const folder = mkdtempSync(join(tmpdir(), "undercroft-bench-vm-"));
  const program = await buildSimulatedGuest();
  const files = [makeRegionFile(REGION_BYTES), makeRegionFile(REGION_BYTES)] as const;
  try {
    const theirs = await figures(withoutVm(files[0]), program, files[0]);
    const ours = await figures(await inServerVm(files[1], folder), program, files[1]);
    const peer = "the server on the hypervisor host";
    const { drained, answered } = ours;
    yield rateRow("vm", "drained in a server VM", "records/s", drained, peer, theirs.drained);
    yield costRow("vm", "begin to finding, server VM", "ms", answered, peer, theirs.answered);
  } finally {
    for (const file of files) await file.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}
