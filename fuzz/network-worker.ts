// SPDX-License-Identifier: Apache-2.0
// Worker thread of the network fuzzer: changes captures and analyses them, case after case, until
// its time is over. The case in hand stands in shared memory, so that its parent can name a hang.
import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import type { NetworkEvent } from "../lib/model/model.ts";
import { CaptureReader, NetworkAnalyzer } from "../lib/network/network.ts";
import { networkDigests } from "../lib/server/network-digests.ts";
import { Random } from "../test/sim/random.ts";
import { concat } from "../test/unit/network/concat.ts";
import { pcap } from "../test/unit/network/packets.ts";
import { type FuzzPacket, mutate } from "./network-mutator.ts";
import { handMade } from "./network-samples.ts";

/** A planted fault, which the fuzzer must find. */
export type Canary = "crash" | "hang" | "leak";

/** What the worker is started with. */
export interface FuzzOrder {
  readonly files: readonly string[];
  readonly seed: number;
  readonly seconds: number;
  readonly canary?: Canary;
  /** Number of the case in hand, 32 bits. */
  readonly progress: SharedArrayBuffer;
}

/** What a worker tells when it ends by itself. */
export interface FuzzReport {
  readonly cases: number;
  readonly packets: number;
  readonly events: Readonly<Record<string, number>>;
  readonly slow: readonly number[];
  readonly crashes: ReadonlyArray<{ readonly number: number; readonly stack: string }>;
  readonly capture: Uint8Array | undefined;
  readonly warmBytes: number;
  readonly endBytes: number;
}

const slowMs = 1000;
const crashesMax = 5;
const packetsOfCaptureMax = 48;
const captureBytesMax = 300_000;
const wholeFileBytesMax = 10_000;
const wholeFileEvery = 16;
const liveFlowsMax = 2048;
// The long-lived analyzer's flows must have come and gone before the memory is taken as normal.
const warmShare = 0.5;

const order = workerData as FuzzOrder;
const progress = new Int32Array(order.progress);
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const bases = [...handMade(), ...order.files.flatMap(readPackets)].filter((one) => one.length > 0);
const wholeFiles = order.files.map((path) => new Uint8Array(readFileSync(path))).filter(isSmall);
const payloads = bases.flatMap((packets) => packets.map((packet) => packet.bytes));
const events: Record<string, number> = {};
const leaked: unknown[] = [];
parentPort?.postMessage(run());

function run(): FuzzReport {
  const endMs = performance.now() + order.seconds * 1000;
  const warmMs = performance.now() + order.seconds * 1000 * warmShare;
  const live = analyzer();
  const crashes: Array<{ readonly number: number; readonly stack: string }> = [];
  const slow: number[] = [];
  let capture: Uint8Array | undefined;
  let packets = 0;
  let warmBytes = 0;
  let number = 0;
  for (; performance.now() < endMs && crashes.length < crashesMax; number += 1) {
    let made: FuzzPacket[] = [];
    Atomics.store(progress, 0, number);
    try {
      made = makeCase(number);
      packets += made.length;
      const tookMs = feed(number % 2 === 0 ? analyzer() : live, made, number);
      if (tookMs > slowMs && isSlowAgain(made, number)) slow.push(number);
    } catch (cause) {
      crashes.push({ number, stack: cause instanceof Error ? `${cause.stack}` : `${cause}` });
      capture = pcap(made.map((packet) => packet.bytes));
    }
    if (warmBytes === 0 && performance.now() > warmMs) warmBytes = heapBytes();
  }
  const endBytes = heapBytes();
  return { cases: number, packets, events, slow, crashes, capture, warmBytes, endBytes };
}

function heapBytes(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function makeCase(number: number): FuzzPacket[] {
  const random = new Random(order.seed * 0x9e3779b1 + number);
  if (number % wholeFileEvery === 0 && wholeFiles.length > 0) return damagedFile(random);
  const base = random.pick(bases);
  const start = random.below(base.length);
  const from = random.chance(0.7) ? 0 : start;
  return mutate(base.slice(from, from + 1 + random.below(packetsOfCaptureMax)), random, payloads);
}

/** Analyses the packets and returns how long it took. */
function feed(into: NetworkAnalyzer, packets: readonly FuzzPacket[], number: number): number {
  const startMs = performance.now();
  for (const [index, { linkType, bytes }] of packets.entries()) {
    into.packet(1_700_000_000_000 + number * 50 + index, linkType, bytes, 0, bytes.length);
  }
  if (number % 2 === 0) into.flush();
  return performance.now() - startMs;
}

// Other work on the machine slows a case down once, not three times.
function isSlowAgain(packets: readonly FuzzPacket[], number: number): boolean {
  for (let count = 0; count < 2; count += 1) {
    if (feed(analyzer(), packets, number) <= slowMs) return false;
  }
  return true;
}

function analyzer(): NetworkAnalyzer {
  return new NetworkAnalyzer({ digests: networkDigests, flowsMax: liveFlowsMax, onEvent: take });
}

function take(event: NetworkEvent): void {
  events[event.kind] = (events[event.kind] ?? 0) + 1;
  if (order.canary !== undefined) plant(order.canary, event);
}

// What no capture of the corpora holds as it is, but their changed ones do.
function plant(canary: Canary, event: NetworkEvent): void {
  if (event.kind !== "dns" || event.queryType < 0x4000) return;
  if (canary === "crash") throw new Error("planted");
  // Large, so that a busy machine finds it too; bounded, so that an idle one survives it.
  if (canary === "leak" && leaked.length < 128) leaked.push(new Uint8Array(1 << 22));
  while (canary === "hang");
}

function isSmall(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.length < wholeFileBytesMax;
}

/** What the reader finds in a capture file whose headers and blocks are damaged too. */
function damagedFile(random: Random): FuzzPacket[] {
  const copy = random.pick(wholeFiles).slice();
  for (let count = 1 + random.below(8); count > 0; count -= 1) {
    const at = random.below(random.chance(0.5) ? Math.min(200, copy.length) : copy.length);
    copy[at] = random.chance(0.5) ? (copy[at] as number) ^ (1 << random.below(8)) : random.word();
  }
  return packetsOf(copy);
}

function readPackets(path: string): FuzzPacket[][] {
  const bytes = new Uint8Array(readFileSync(path));
  return bytes.length > captureBytesMax ? [] : [packetsOf(bytes)];
}

function packetsOf(bytes: Uint8Array): FuzzPacket[] {
  const reader = new CaptureReader(bytes);
  const packets: FuzzPacket[] = [];
  while (reader.next() && packets.length < packetsOfCaptureMax) {
    const { linkType, start, end } = reader.packet;
    packets.push({ linkType, bytes: concat(bytes.subarray(start, end)) });
  }
  return packets;
}
