// SPDX-License-Identifier: Apache-2.0
// The server in a VM of its own beside the server on the hypervisor host: the same program, the
// same guest process, the same region. What is counted is what `serve --json` says of the guest.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DEMO, GUEST_LINES } from "../lib/cli/demo-guest.ts";
import { DEMO_INDICATORS, DEMO_PAYLOAD_SHA256 } from "../lib/cli/demo-indicators.ts";
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
import { ROOT } from "./native.ts";
import { type BenchRow, costRow, rateRow, type Spread, spreadOf } from "./row.ts";

const NAME = "bench";
const UUID = "6f1b0a52-1111-4222-8333-0000000000be";
const REGION_BYTES = 64 << 20;
/** So many that they fit the rings: none is lost while the server is the slower one. */
const EVENTS = 20_000;
const ROUNDS = 3;
const WAIT_MS_MAX = 120_000;

/** A server that serves one region, wherever it runs. */
interface Served {
  readonly lines: AsyncIterable<string>;
  close(): Promise<void>;
}

interface Figures {
  readonly drained: Spread;
  readonly answered: Spread;
}

async function onHypervisorHost(file: RegionFile, indicators: string): Promise<Served> {
  const words = ["--region", `${NAME}=${file.path}`, "--indicators", indicators, "--json"];
  const cli = join(ROOT, "dist/cli/cli.js");
  const child = spawn(process.execPath, [cli, "serve", ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const close = async (): Promise<void> => {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
  };
  return { lines: createInterface({ input: child.stdout }), close };
}

async function inServerVm(file: RegionFile, folder: string): Promise<Served> {
  const guest = await startGuest({
    kernel: await obtainKernel("6.1"),
    initramfs: await buildServerVmImage({ packageDirectory: ROOT, indicators: DEMO_INDICATORS }),
    console: join(folder, "console"),
    memoryMiB: 1024,
    arguments: serverVmArguments(),
    timeoutMs: 10 * 60_000,
  });
  const vm = new ServerVm(guest);
  await vm.ready();
  await vm.attach({ name: NAME, uuid: UUID, taps: [] }, file);
  return { lines: vm.lines, close: async () => void (await vm.stop()) };
}

/** Times of what a server says of its guest, by this process's clock. */
class Reader {
  readonly #waiting: Array<[test: (line: string) => boolean, done: (atMs: number) => void]> = [];

  constructor(served: Served) {
    void this.#read(served);
  }

  /** When the next line comes that holds all the words. */
  next(...words: readonly string[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const message = `no report of ${words.join(" ")} within ${WAIT_MS_MAX} ms`;
      const timer = setTimeout(() => reject(new Error(message)), WAIT_MS_MAX);
      const test = (line: string): boolean => words.every((word) => line.includes(word));
      this.#waiting.push([
        test,
        (atMs) => {
          clearTimeout(timer);
          resolve(atMs);
        },
      ]);
    });
  }

  async #read(served: Served): Promise<void> {
    for await (const line of served.lines) {
      const atMs = performance.now();
      const found = this.#waiting.filter(([test]) => test(line));
      for (const waiter of found) {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        waiter[1](atMs);
      }
    }
  }
}

function startProcess(program: string, file: RegionFile, words: readonly string[]): ChildProcess {
  const args = ["--region", file.path, "--cpus", "4", ...words];
  return spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
}

async function drainedPerSecond(reader: Reader, program: string, file: RegionFile) {
  const [monitored, left] = [reader.next('"monitored"'), reader.next('"state"', '"left"')];
  const child = startProcess(program, file, ["--events", String(EVENTS)]);
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
  });
  const closed = once(child, "close");
  const seconds = (-(await monitored) + (await left)) / 1000;
  await closed;
  // A canary of its own: what was lost was not drained.
  if (!/"lostTotal":\s*0\b/.test(text)) throw new Error(`records were lost: ${text.slice(0, 300)}`);
  return EVENTS / seconds;
}

/** From the word to begin until the server has told of its first finding. */
async function answerMs(reader: Reader, program: string, file: RegionFile): Promise<number> {
  const ready = reader.next('"set-rules"', '"done"');
  const [found, left] = [reader.next('"finding"'), reader.next('"state"', '"left"')];
  const child = startProcess(program, file, [
    ...["--rate", "2000000", "--scenario", "intrusion"],
    ...["--payload-sha256", DEMO_PAYLOAD_SHA256, "--payload-path", DEMO.payloadPath],
    ...["--secret-path", DEMO.secretPath, "--open-path", DEMO.openPath],
    ...["--miner-path", `/opt/demo/${DEMO.minerName}`, "--stage-url", DEMO.stageUrl],
  ]);
  child.stdout?.resume();
  const closed = once(child, "close");
  await ready;
  const beganMs = performance.now();
  child.stdin?.write(`${GUEST_LINES.begin}\n`);
  const milliseconds = (await found) - beganMs;
  child.stdin?.write(`${GUEST_LINES.unload}\n`);
  await left;
  await closed;
  return milliseconds;
}

async function figures(served: Served, program: string, file: RegionFile): Promise<Figures> {
  const reader = new Reader(served);
  const [rates, answers]: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      rates.push(await drainedPerSecond(reader, program, file));
      answers.push(await answerMs(reader, program, file));
    }
  } finally {
    await served.close();
  }
  return { drained: spreadOf(rates), answered: spreadOf(answers) };
}

/** Runs both ways, one after the other. */
export async function* serverVmBench(): AsyncIterable<BenchRow> {
  const folder = mkdtempSync(join(tmpdir(), "undercroft-bench-vm-"));
  const indicators = join(folder, "indicators");
  writeFileSync(indicators, DEMO_INDICATORS);
  const program = await buildSimulatedGuest();
  const files = [makeRegionFile(REGION_BYTES), makeRegionFile(REGION_BYTES)] as const;
  try {
    const host = await onHypervisorHost(files[0], indicators);
    const theirs = await figures(host, program, files[0]);
    const ours = await figures(await inServerVm(files[1], folder), program, files[1]);
    const peer = "host mode";
    const { drained, answered } = ours;
    yield rateRow("vm", "drained in a server VM", "records/s", drained, peer, theirs.drained);
    yield costRow("vm", "begin to finding, server VM", "ms", answered, peer, theirs.answered);
  } finally {
    for (const file of files) await file.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}
