// SPDX-License-Identifier: Apache-2.0
// T1 to T4: our ring between two processes and into TypeScript, each beside its peers. The kinds
// take turns, round by round, so that drift of the machine hits all of them alike.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { RingBuffer } from "ringbuf.js";
import { RECORD_STRIDE } from "../lib/model/model.ts";
import { Mapping, NativeRingConsumer } from "../lib/native/native.ts";
import { encodeRecord, FIELD_PATH, RECORD_FILE_OPEN, RecordDecoder } from "../lib/wire/wire.ts";
import { buildProgram, output } from "./native.ts";
import { type BenchRow, rateRow, type Spread, spreadOf } from "./row.ts";

const SIZES = [64, 256, 1024] as const;
const ROUNDS = 7;

// Records a run, a tenth of a second or so of each kind; multiples of the peers' burst of 32.
const COUNTS: Readonly<Record<string, number>> = {
  ours: 2_000_000,
  boost: 640_000,
  "boost-burst": 1_280_000,
  rte: 640_000,
  "rte-burst": 1_280_000,
  memcpy: 4_000_000,
  unix: 64_000,
  pipe: 128_000,
  tcp: 16_000,
};
const KINDS = Object.keys(COUNTS);

function buildTransport(): string {
  const dpdk = output("pkg-config", ["--cflags", "libdpdk"]).trim().split(/\s+/);
  return buildProgram(
    "transport",
    [
      "bench/native/transport.cc",
      "addon/drain.c",
      "addon/crc32c.c",
      "addon/sigbus-guard.c",
      "guest-drivers/core/uc_ring.c",
      "guest-drivers/core/uc_crc32c.c",
    ],
    dpdk.filter((flag) => !flag.startsWith("-march")),
    ["-lrte_ring", "-lrte_eal"],
  );
}

async function* twoProcesses(): AsyncGenerator<BenchRow> {
  const program = buildTransport();
  for (const size of SIZES) {
    const runs = new Map<string, number[]>(KINDS.map((kind) => [kind, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const kind of KINDS) {
        const count = COUNTS[kind] ?? 0;
        const text = output("timeout", ["120", program, kind, `${size}`, `${count}`]);
        const { seconds } = JSON.parse(text) as { seconds: number };
        runs.get(kind)?.push(count / seconds);
      }
    }
    const of = (kind: string): Spread => spreadOf(runs.get(kind) ?? []);
    const ours = of("ours");
    const row = (goal: string, kind: string, peer: string): BenchRow =>
      rateRow(goal, `${size} B two processes`, "records/s", ours, peer, of(kind));
    yield row("T1", "boost", "Boost.Lockfree spsc_queue, one record a push");
    yield row("T1", "boost-burst", "Boost.Lockfree spsc_queue, bursts of 32");
    yield row("T1", "rte", "DPDK rte_ring, one record an enqueue");
    yield row("T1", "rte-burst", "DPDK rte_ring, bursts of 32");
    yield row("T1", "memcpy", "memcpy, one process");
    yield row("T2", "unix", "UNIX stream, one write a record");
    yield row("T2", "pipe", "pipe, one write a record");
    yield row("T2", "tcp", "TCP loopback, one write a record");
  }
}

const REGION_BYTES = 8 << 20;
const PLACEMENT = {
  ringOffset: 65536,
  producerOffset: 16384,
  consumerOffset: 20480,
  capacityLog2: 22,
};
const SESSION = 0x5eed5eed;

// As the two-process programs do: without it the scheduler's choices under other load would be
// measured. Where it is not permitted the run goes on without.
function setRealTime(on: boolean): void {
  const policy = on ? ["-f", "-p", "1"] : ["-o", "-p", "0"];
  spawnSync("chrt", ["-a", ...policy, String(process.pid)]);
}

/** Records a second from a producer process into this one, each record's first word summed. */
async function intoTypeScript(program: string, size: number, count: number): Promise<number> {
  const folder = mkdtempSync("/dev/shm/undercroft-bench-");
  const path = join(folder, "region");
  const mapping = Mapping.openFile(path, { bytes: REGION_BYTES, create: true });
  const consumer = new NativeRingConsumer(mapping, PLACEMENT, { recordBytesMax: 65536 });
  consumer.startSession(SESSION, 0, 0n);
  const producer = spawn("timeout", ["60", program, "produce", path, `${size}`, `${count}`], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const words = new Uint32Array(consumer.batch.buffer, consumer.batch.byteOffset);
  const ended = once(producer, "exit");
  await setTimeout(300);
  mapping.storeU64(0, 1n);
  setRealTime(true);
  const begin = performance.now();
  let sum = 0;
  let seen = 0;
  while (seen < count) {
    const got = consumer.drain();
    if (got < 0) throw new Error(`fault ${got}`);
    for (let at = 0; at < got; at++) {
      sum += words[(consumer.records[at * RECORD_STRIDE] ?? 0) >> 2] ?? 0;
    }
    seen += got;
  }
  const seconds = (performance.now() - begin) / 1000;
  setRealTime(false);
  await ended;
  consumer.close();
  mapping.close();
  rmSync(folder, { recursive: true });
  if (sum !== (count * (count - 1)) / 2) throw new Error(`wrong sum ${sum}`);
  return count / seconds;
}

/** The same through ringbuf.js between two threads, one record a push. */
async function ringbuf(size: number, count: number): Promise<number> {
  const memory = RingBuffer.getStorageForCapacity(1 << 20, Uint8Array);
  const ring = new RingBuffer(memory, Uint8Array);
  setRealTime(true);
  const worker = new Worker(new URL("./ringbuf-producer.ts", import.meta.url), {
    workerData: { memory, size, count },
  });
  await once(worker, "online");
  const record = new Uint8Array(size);
  const begin = performance.now();
  for (let seen = 0; seen < count; ) {
    if (ring.available_read() < size) continue;
    ring.pop(record);
    seen++;
  }
  const rate = count / ((performance.now() - begin) / 1000);
  setRealTime(false);
  await worker.terminate();
  return rate;
}

/** Typed events a second out of private memory, a thousand distinct paths in turn. */
function decodeRate(): number {
  const records = Array.from({ length: 1000 }, (_, at) =>
    encodeRecord(
      RECORD_FILE_OPEN,
      { sequence: at, boottimeNs: 1n << 40n, processStartNs: 1n << 39n, pid: at },
      { inode: at, device: 5, sizeBytes: 4096, mode: 0o100644 },
      { [FIELD_PATH]: `/usr/share/undercroft/records/file-${at}.txt` },
    ),
  );
  const offsets: number[] = [];
  let bytes = 0;
  for (const record of records) {
    offsets.push(bytes);
    bytes += record.length;
  }
  const batch = new Uint8Array(bytes);
  for (const [at, record] of records.entries()) batch.set(record, offsets[at]);
  const decoder = new RecordDecoder();
  const context = { guest: "bench", boot: "0", clockOffsetMs: 0 };
  const laps = 300;
  let events = 0;
  setRealTime(true);
  const begin = performance.now();
  for (let lap = 0; lap < laps; lap++) {
    decoder.use(batch);
    for (let at = 0; at < records.length; at++) {
      const length = records[at]?.length ?? 0;
      if (decoder.decode(context, RECORD_FILE_OPEN, 0, offsets[at] ?? 0, length)) events++;
    }
  }
  const seconds = (performance.now() - begin) / 1000;
  setRealTime(false);
  if (events !== laps * records.length) throw new Error("records did not decode");
  return events / seconds;
}

/** T1 to T4. */
export async function* ringBench(): AsyncGenerator<BenchRow> {
  yield* twoProcesses();
  const program = buildTransport();
  for (const size of SIZES) {
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(await intoTypeScript(program, size, 3_000_000));
      theirs.push(await ringbuf(size, 100_000));
    }
    yield rateRow(
      "T3",
      `${size} B to TypeScript`,
      "records/s",
      spreadOf(ours),
      "ringbuf.js, two threads, one record a push",
      spreadOf(theirs),
    );
  }
  decodeRate();
  const decoded = Array.from({ length: ROUNDS }, decodeRate);
  yield rateRow(
    "T4",
    "typed file events decoded",
    "events/s",
    spreadOf(decoded),
    "none",
    undefined,
  );
}
