// SPDX-License-Identifier: Apache-2.0
// N5: from a capture to network events beside tshark and ndpiReader, one core, whole commands on
// the same file in turns. The capture is made of the corpora's, which lie outside the repository.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type MergedCapture, mergeCaptures } from "./network-capture.ts";
import { networkLiveBench } from "./network-live.ts";
import { type BenchRow, costRow, rateRow, type Spread, spreadOf } from "./row.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const CORPORA = resolve(ROOT, "../shared/corpora");
const FOLDERS = ["zeek-btest/traces", "arkime-pcap"].map((name) => join(CORPORA, name));
const CAPTURE_BYTES_MIN = 200e6;
const RUNS = 5;
const COMMAND_MS_MAX = 300_000;
const CLI = join(ROOT, "lib/cli/cli.ts");

interface Command {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
}

interface Usage {
  readonly seconds: number;
  readonly residentMegabytes: number;
}

// The last line that GNU time writes: seconds of processor and of clock, most resident memory.
const TIME_FORMAT = "%U %S %e %M";

/** One run of a whole command on one core. */
function run({ program, args }: Command): Usage {
  const timed = ["-c", "1", "/usr/bin/time", "-f", TIME_FORMAT, program, ...args];
  const { status, stderr, error } = spawnSync("taskset", timed, {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
    maxBuffer: 64 << 20,
    timeout: COMMAND_MS_MAX,
  });
  if (error !== undefined || status !== 0) {
    throw new Error(`${program} ended with ${status}: ${error?.message ?? stderr.slice(-500)}`);
  }
  const [user, system, , kilobytes] = (stderr.trim().split("\n").at(-1) ?? "")
    .split(" ")
    .map(Number);
  const seconds = (user ?? Number.NaN) + (system ?? Number.NaN);
  return { seconds, residentMegabytes: (kilobytes ?? Number.NaN) / 1024 };
}

function commands(path: string): readonly Command[] {
  const fields = ["frame.time_epoch", "ip.src", "ip.dst"].flatMap((field) => ["-e", field]);
  const node = process.execPath;
  return [
    { name: "undercroft", program: node, args: [CLI, "pcap", "--stats", path] },
    { name: "undercroft as JSON lines", program: node, args: [CLI, "pcap", "--json", path] },
    { name: "ndpiReader", program: "ndpiReader", args: ["-q", "-i", path] },
    { name: "tshark", program: "tshark", args: ["-r", path, "-T", "fields", ...fields] },
  ];
}

async function measure(capture: MergedCapture): Promise<ReadonlyMap<string, readonly Usage[]>> {
  const usages = new Map<string, Usage[]>();
  for (let round = 0; round < RUNS; round++) {
    for (const command of commands(capture.path)) {
      process.stderr.write(`round ${round + 1} of ${RUNS}: ${command.name}\n`);
      const known = usages.get(command.name) ?? [];
      known.push(run(command));
      usages.set(command.name, known);
    }
  }
  return usages;
}

/** N5 and what of N6 is speed. */
export async function* networkBench(): AsyncGenerator<BenchRow> {
  yield* networkLiveBench();
  yield* captureBench();
}

async function* captureBench(): AsyncGenerator<BenchRow> {
  const missing = FOLDERS.filter((folder) => !existsSync(folder));
  if (missing.length > 0) {
    process.stderr.write(`skipped: no captures in ${missing.join(", ")}\n`);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "undercroft-bench-"));
  try {
    const path = join(folder, "merged.pcap");
    const capture = await mergeCaptures(FOLDERS, path, CAPTURE_BYTES_MIN);
    const { files, packets, bytes } = capture;
    const about = `${files} captures, ${(bytes / 1e6).toFixed(0)} MB, ${packets} packets`;
    process.stderr.write(`${about}\n`);
    const usages = await measure(capture);
    const rate = (name: string, amount: number): Spread =>
      spreadOf((usages.get(name) ?? []).map(({ seconds }) => amount / seconds));
    const memory = (name: string): Spread =>
      spreadOf((usages.get(name) ?? []).map(({ residentMegabytes }) => residentMegabytes));
    for (const ours of ["undercroft", "undercroft as JSON lines"]) {
      for (const peer of ["ndpiReader", "tshark"]) {
        const metric = `${ours}: capture to events, ${about}`;
        yield rateRow("N5", metric, "MB/s", rate(ours, bytes / 1e6), peer, rate(peer, bytes / 1e6));
      }
    }
    const [ours, peer] = [rate("undercroft", packets), rate("ndpiReader", packets)];
    yield rateRow("N5", "analysis", "packets/s", ours, "ndpiReader", peer);
    const resident = [memory("undercroft"), memory("ndpiReader")] as const;
    yield costRow("N5", "most resident memory", "MB", resident[0], "ndpiReader", resident[1]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
