// SPDX-License-Identifier: Apache-2.0
// `npm run fuzz -- network [--seconds N] [--seed N] [--json]`: changed captures through every
// parser of the network room. Called by fuzz.ts. Planted faults come first: one that throws, one
// that never ends and one that leaks must be found, or nothing that follows means anything.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Canary, FuzzOrder, FuzzReport } from "./network-worker.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const foundFolder = join(root, "build/fuzz/found");
const corpora = ["zeek-btest", "suricata-verify", "tcpdump-tests", "arkime-pcap", "ja4"];
const canarySeconds = 15;
const hangMs = 5000;
const bytesMax = 256 * 2 ** 20;
// What a garbage collector leaves behind differs from time to time.
const growthFactorMax = 1.25;
const growthBytesMax = 16 * 2 ** 20;

type Outcome = Readonly<
  { kind: "hang"; number: number } | { kind: "died"; message: string } | Ended
>;
type Ended = { readonly kind: "ended"; readonly report: FuzzReport };

/** Runs the network fuzzer and returns the exit status. */
export async function fuzzNetwork(seconds: number, seed: number, isJson: boolean): Promise<number> {
  const files = captureFiles();
  const say = (line: string): void => {
    if (!isJson) console.log(line);
  };
  say(`network: seed ${seed}, ${files.length} captures and hand-made ones`);
  for (const canary of ["crash", "hang", "leak"] as const) {
    const order = { files: [], seed, seconds: canarySeconds, canary };
    const outcome = await work(order);
    if (!isFound(canary, outcome)) {
      console.error(`fuzz: the planted ${canary} was not found, so this run proves nothing`);
      return 1;
    }
    say(`canary: planted ${canary} found`);
  }
  const outcome = await work({ files, seed, seconds });
  const faults = faultsOf(outcome, seed);
  for (const fault of faults) console.error(fault);
  const report = outcome.kind === "ended" ? outcome.report : undefined;
  const megabytes = (bytes = 0): number => Math.round(bytes / 2 ** 20);
  const totals = {
    seed,
    executions: report?.cases ?? 0,
    packets: report?.packets ?? 0,
    events: report?.events ?? {},
    faults: faults.length,
    warmMegabytes: megabytes(report?.warmBytes),
    endMegabytes: megabytes(report?.endBytes),
  };
  if (isJson) console.log(JSON.stringify({ canary: "found", ...totals }));
  else {
    const kinds = Object.entries(totals.events).map(([kind, count]) => `${kind} ${count}`);
    say(`network: ${totals.executions} cases, ${totals.packets} packets; ${kinds.join(", ")}`);
    say(`memory ${totals.warmMegabytes} MB at half time, ${totals.endMegabytes} MB at the end`);
    say(`${faults.length} faults`);
  }
  return faults.length === 0 && totals.executions > 0 ? 0 : 1;
}

function captureFiles(): string[] {
  const files: string[] = [];
  for (const corpus of corpora) {
    const folder = join(root, "../shared/corpora", corpus);
    try {
      for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
        if (/\.pcap(ng)?$/.test(name)) files.push(join(folder, name));
      }
    } catch {
      console.error(`skipped: no corpus ${corpus}`);
    }
  }
  return files.sort();
}

function work(order: Omit<FuzzOrder, "progress">): Promise<Outcome> {
  const progress = new SharedArrayBuffer(4);
  const state = new Int32Array(progress);
  const url = new URL("network-worker.ts", import.meta.url);
  const worker = new Worker(url, { workerData: { ...order, progress } });
  return new Promise((resolve) => {
    let last = -1;
    let lastMs = performance.now();
    const timer = setInterval(() => {
      const number = Atomics.load(state, 0);
      if (number !== last) lastMs = performance.now();
      last = number;
      // A worker that still reads its captures is at case 0.
      if (performance.now() - lastMs > hangMs + (number === 0 ? 60_000 : 0)) {
        settle({ kind: "hang", number });
      }
    }, 200);
    const settle = (outcome: Outcome): void => {
      clearInterval(timer);
      void worker.terminate();
      resolve(outcome);
    };
    worker.once("message", (report: FuzzReport) => settle({ kind: "ended", report }));
    worker.once("error", (error: Error) => settle({ kind: "died", message: `${error.stack}` }));
    worker.once("exit", () => settle({ kind: "died", message: "the worker ended" }));
  });
}

function isFound(canary: Canary, outcome: Outcome): boolean {
  if (canary === "hang") return outcome.kind === "hang";
  if (outcome.kind !== "ended") return false;
  return canary === "crash" ? outcome.report.crashes.length > 0 : hasGrown(outcome.report);
}

function hasGrown({ warmBytes, endBytes }: FuzzReport): boolean {
  return endBytes > bytesMax || endBytes > warmBytes * growthFactorMax + growthBytesMax;
}

function faultsOf(outcome: Outcome, seed: number): string[] {
  if (outcome.kind === "hang") return [`network: seed ${seed} case ${outcome.number} hangs`];
  if (outcome.kind === "died") return [`network: ${outcome.message}`];
  const { crashes, slow, capture } = outcome.report;
  const faults = crashes.map(({ number, stack }) => `seed ${seed} case ${number}: ${stack}`);
  for (const number of slow) faults.push(`seed ${seed} case ${number}: slower than a second`);
  if (hasGrown(outcome.report)) faults.push("memory grows");
  if (capture !== undefined) {
    mkdirSync(foundFolder, { recursive: true });
    const path = join(foundFolder, `network-${seed}.pcap`);
    writeFileSync(path, capture);
    console.error(`network: the last case that threw is in ${path}, as raw IP packets`);
  }
  return faults;
}
