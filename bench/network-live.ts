// SPDX-License-Identifier: Apache-2.0
// The packet thread beside dumpcap: frames of a flood between two ends of a veth pair, in a network
// namespace that this makes for itself by starting its own file again in it.
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Mapping, NativeRingConsumer, PacketEngine } from "../lib/native/native.ts";
import { planRegion, RECORD_BYTES_MAX, RING_PACKET } from "../lib/wire/wire.ts";
import { buildProgram } from "./native.ts";
import { type BenchRow, costRow, rateRow, type Spread, spreadOf } from "./row.ts";

const RUNS = 5;
const FRAMES = 400_000;
const SIZES = [64, 1500];
const REGION_BYTES = 64 << 20;
const SLOT = 1;
const SETTLE_MS = 300;
const PEER_START_MS = 1500;
const NO_PEER = "none";

interface Flood {
  readonly sent: number;
  readonly seconds: number;
}

/** One flood as a reader saw it. */
interface Run {
  readonly sent: number;
  readonly kept: number;
  /** Sent, but neither kept nor counted as lost. */
  readonly unexplained: number;
  readonly sentPerSecond: number;
  readonly cpuNsAFrame: number;
}

type Runs = Readonly<Record<string, readonly Run[]>>;

function ip(...args: string[]): void {
  execFileSync("ip", args);
}

async function flood(program: string, bytes: number): Promise<Flood> {
  const child = spawn(program, ["near", String(FRAMES), String(bytes)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
  });
  const [status] = (await once(child, "close")) as [number | null];
  if (status !== 0) throw new Error(`flood ended with ${status}`);
  return JSON.parse(text) as Flood;
}

/** The packet thread, with the reader that a server has. */
async function runOurs(program: string, bytes: number): Promise<Run> {
  const layout = planRegion({ regionBytes: REGION_BYTES, packetRings: 1 });
  const rings = layout.rings.filter(({ kind }) => kind === RING_PACKET);
  const ring = rings[0];
  if (ring === undefined) throw new Error("the plan has no packet ring");
  const mapping = Mapping.createMemfd("bench", REGION_BYTES);
  const consumer = new NativeRingConsumer(mapping, ring, { recordBytesMax: RECORD_BYTES_MAX });
  const engine = new PacketEngine(mapping, rings, RECORD_BYTES_MAX);
  try {
    consumer.startSession(1, 0, 0n);
    engine.startSession(1, 0n);
    engine.addMirror({ slot: SLOT, lane: 0, interfaceName: "far", snapBytes: 65_000 });
    let isOver = false;
    const reading = (async () => {
      for (;;) {
        const count = consumer.drain();
        if (count < 0) throw new Error(`the packet ring broke rule ${-count}`);
        if (count > 0) continue;
        if (isOver) return;
        await setTimeout(1);
      }
    })();
    const before = process.cpuUsage();
    const { sent, seconds } = await flood(program, bytes);
    await setTimeout(SETTLE_MS);
    const used = process.cpuUsage(before);
    isOver = true;
    await reading;
    const status = engine.remove(SLOT);
    if (status === undefined) throw new Error("the slot is not known any more");
    return {
      sent,
      kept: status.kept,
      unexplained: Math.abs(sent - status.kept - status.lostKernel - status.lostRing),
      sentPerSecond: sent / seconds,
      cpuNsAFrame: ((used.user + used.system) * 1000) / sent,
    };
  } finally {
    engine.close();
    consumer.close();
    mapping.close();
  }
}

/** dumpcap tells at its end how many packets it received and how many it dropped. */
async function runDumpcap(program: string, bytes: number): Promise<Run> {
  const timed = ["-f", "%U %S", "dumpcap", "-q", "-i", "far", "-w", "/dev/null"];
  const child = spawn("/usr/bin/time", timed, { stdio: ["ignore", "ignore", "pipe"] });
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
  });
  await setTimeout(PEER_START_MS);
  const { sent, seconds } = await flood(program, bytes);
  await setTimeout(SETTLE_MS);
  await interrupt(child);
  const [, received, dropped] =
    /received\/dropped on interface '\S+': (\d+)\/(\d+)/.exec(text) ?? [];
  const [, user, system] = /^([\d.]+) ([\d.]+)$/m.exec(text) ?? [];
  const kept = Number(received);
  return {
    sent,
    kept,
    unexplained: Math.abs(sent - kept - Number(dropped)),
    sentPerSecond: sent / seconds,
    cpuNsAFrame: ((Number(user) + Number(system)) * 1e9) / sent,
  };
}

/** Ends the program that `time` runs; `time` itself then ends and tells. */
async function interrupt(timer: ChildProcess): Promise<void> {
  const closed = once(timer, "close");
  const { stdout } = spawnSync("ps", ["-o", "pid=", "--ppid", String(timer.pid)], {
    encoding: "utf8",
  });
  process.kill(Number(stdout.trim()), "SIGINT");
  await closed;
}

async function measure(): Promise<Runs> {
  const program = buildProgram("flood", ["bench/native/flood.c"]);
  ip("link", "add", "near", "type", "veth", "peer", "name", "far");
  for (const name of ["near", "far"]) {
    ip("link", "set", name, "addrgenmode", "none");
    ip("link", "set", name, "up");
  }
  const runs: Record<string, Run[]> = {};
  const keep = (name: string, run: Run): void => {
    const known = runs[name] ?? [];
    known.push(run);
    runs[name] = known;
  };
  for (let round = 0; round < RUNS; round++) {
    for (const bytes of SIZES) {
      keep(`ours ${bytes}`, await runOurs(program, bytes));
      keep(`dumpcap ${bytes}`, await runDumpcap(program, bytes));
    }
  }
  return runs;
}

/** Redirector rows; the redirector's thread needs root and a namespace. */
export async function* networkLiveBench(): AsyncGenerator<BenchRow> {
  if (process.geteuid?.() !== 0) {
    process.stderr.write("skipped: live packets need root\n");
    return;
  }
  const self = fileURLToPath(import.meta.url);
  const child = spawnSync("unshare", ["--net", process.execPath, self, "in-namespace"], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
    timeout: 300_000,
  });
  if (child.status !== 0) throw new Error(`the live run ended with ${child.status}`);
  const runs = JSON.parse(child.stdout) as Runs;
  const spread = (name: string, pick: (run: Run) => number): Spread =>
    spreadOf((runs[name] ?? []).map(pick));
  for (const bytes of SIZES) {
    const [ours, peer] = [`ours ${bytes}`, `dumpcap ${bytes}`] as const;
    const kept = (run: Run): number => (run.sentPerSecond * run.kept) / run.sent;
    yield rateRow(
      ...(["N6", `mirror, ${bytes} B: kept`, "packets/s", spread(ours, kept)] as const),
      "dumpcap",
      spread(peer, kept),
    );
    const cost = (run: Run): number => run.cpuNsAFrame;
    yield costRow(
      ...(["N6", `mirror, ${bytes} B: processor`, "ns a packet", spread(ours, cost)] as const),
      "dumpcap",
      spread(peer, cost),
    );
    const odd = spread(ours, (run) => run.unexplained);
    yield rateRow("N6", `mirror, ${bytes} B: unexplained`, "packets", odd, NO_PEER, undefined);
  }
}

if (process.argv[2] === "in-namespace") process.stdout.write(JSON.stringify(await measure()));
