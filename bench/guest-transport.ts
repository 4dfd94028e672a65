// SPDX-License-Identifier: Apache-2.0
// T6: the same records out of one real guest to the hypervisor host, through our ring, through
// virtio-serial and through TCP over a tap. The ways take turns, round by round, in one boot, and
// every receiver verifies every record; native/guest-send.c and guest-receive.c do the work.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  type Guest,
  makeRegionFile,
  networkModules,
  obtainKernel,
  type RegionFile,
} from "../lib/hypervisor/hypervisor.ts";
import { assertGuestRun, runGuestCases } from "../test/guest/harness.ts";
import { buildGuestProgram, buildProgram, ROOT } from "./native.ts";
import { type BenchRow, costRow, rateRow, type Spread, spreadOf } from "./row.ts";
import { TapNamespace } from "./tap-namespace.ts";

const KERNEL = "6.1";
const NAME = "guest-transport";
const SIZES = [64, 256, 1024, 4096] as const;
const ROUNDS = 7;
const RUN_MS = 700;
const CANARY_MS = 50;
/** The case in the guest; all runs together take two or three minutes. */
const LIMIT_SECONDS = 300;
const REGION_BYTES = 32 << 20;
const TICKS_A_SECOND = 100;
// The translator runs a string instruction byte by byte, which no processor does: without these two
// the kernel copies by eight bytes. Else virtio-serial and TCP, which copy in the kernel, look bad.
const APPEND = "clearcpuid=erms,fsrm";
const TAP = "tapbench";
const GUEST_ADDRESS = "10.98.0.2";
const PEER_ADDRESS = "10.98.0.1";
const TCP_PORT = "9099";

/** How a record leaves the guest; gather: bytes that its sender gathers for one write. */
const WAYS = [
  { kind: "ring", gather: 0, words: "our ring" },
  { kind: "serial", gather: 0, words: "virtio-serial, one write a record" },
  { kind: "serial", gather: 16_384, words: "virtio-serial, writes of 16 KiB" },
  { kind: "serial", gather: 65_536, words: "virtio-serial, writes of 64 KiB" },
  { kind: "tcp", gather: 0, words: "TCP over a tap, one write a record" },
  { kind: "tcp", gather: 16_384, words: "TCP over a tap, writes of 16 KiB" },
  { kind: "tcp", gather: 65_536, words: "TCP over a tap, writes of 64 KiB" },
] as const;
type Way = (typeof WAYS)[number];
const [RING, ...PEERS] = WAYS;

type Fault = "none" | "corrupt" | "skip";

/** What guest-receive prints. */
interface Received {
  readonly records: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly broken: number;
  readonly firstBroken: string;
}

/** One run as both sides saw it. CPU seconds are those of a million records. */
interface Run {
  readonly recordsPerSecond: number;
  readonly guestCpu: number;
  readonly qemuCpu: number;
  readonly readerCpu: number;
}

/** The hypervisor host's side of the guest. */
class Measurement {
  readonly runs = new Map<string, Run[]>();
  readonly #folder: string;
  readonly #program: string;
  readonly #region: RegionFile;
  readonly #network: TapNamespace;
  #session = 0;

  constructor(folder: string, program: string, region: RegionFile, network: TapNamespace) {
    this.#folder = folder;
    this.#program = program;
    this.#region = region;
    this.#network = network;
  }

  get socket(): string {
    return join(this.#folder, "serial");
  }

  async play(guest: Guest): Promise<void> {
    const lines = guest.controlLines[Symbol.asyncIterator]();
    const say = async (line: string): Promise<string> => {
      guest.sendLine(line);
      return (await lines.next()).value ?? "";
    };
    if ((await lines.next()).value !== "ready") throw new Error("the guest is not ready");
    await this.#canaries(guest, say);
    for (let round = 0; round < ROUNDS; round++) {
      for (const size of SIZES) {
        for (const way of WAYS) await this.#measure(guest, say, way, size);
      }
    }
    guest.sendLine("end");
  }

  /** Each receiver must notice a changed bit and a missing record, or its figures mean nothing. */
  async #canaries(guest: Guest, say: (line: string) => Promise<string>): Promise<void> {
    for (const way of WAYS) {
      for (const [fault, noticed] of [
        ["corrupt", "record 50: wrong check word, it says 50"],
        ["skip", "record 50: wrong number, it says 51"],
      ] as const) {
        const { received } = await this.#run(guest, say, way, 256, CANARY_MS, fault);
        if (received.broken === 1 && received.firstBroken === noticed) continue;
        const told = JSON.stringify(received);
        throw new Error(`canary: ${way.words} did not notice "${fault}": ${told}`);
      }
    }
  }

  async #measure(
    guest: Guest,
    say: (line: string) => Promise<string>,
    way: Way,
    size: number,
  ): Promise<void> {
    const result = await this.#run(guest, say, way, size, RUN_MS, "none");
    const { received, sent, guestCpu, qemuCpu } = result;
    if (received.broken > 0 || received.records !== sent) {
      const told = JSON.stringify(received);
      throw new Error(`${way.words}, ${size} B: ${sent} sent, but received ${told}`);
    }
    const perMillion = 1e6 / sent;
    const key = `${way.words} ${size}`;
    const runs = this.runs.get(key) ?? [];
    runs.push({
      recordsPerSecond: received.records / received.seconds,
      guestCpu: guestCpu * perMillion,
      qemuCpu: qemuCpu * perMillion,
      readerCpu: received.cpuSeconds * perMillion,
    });
    this.runs.set(key, runs);
  }

  async #run(
    guest: Guest,
    say: (line: string) => Promise<string>,
    way: Way,
    size: number,
    milliseconds: number,
    fault: Fault,
  ): Promise<{ received: Received; sent: number; guestCpu: number; qemuCpu: number }> {
    const session = ++this.#session;
    const reader = this.#receive(way, size, session);
    const output = createInterface({ input: reader.stdout ?? process.stdin });
    const told = output[Symbol.asyncIterator]();
    if ((await told.next()).value !== "ready") throw new Error(`no reader for ${way.words}`);
    const before = cpuSeconds(guest.pid);
    const answer = await say(
      `${way.kind} ${size} ${way.gather} ${milliseconds} ${session} ${fault}`,
    );
    const last: string | undefined = (await told.next()).value;
    const qemuCpu = cpuSeconds(guest.pid) - before;
    if (reader.exitCode === null) await once(reader, "close");
    const [, sent, , busy] = /^sent (\d+) ([\d.]+) (-?[\d.]+)$/.exec(answer) ?? [];
    if (last === undefined || sent === undefined) {
      throw new Error(`${way.words}, ${size} B: guest "${answer}", reader "${last}"`);
    }
    const received = JSON.parse(last) as Received;
    return { received, sent: Number(sent), guestCpu: Number(busy), qemuCpu };
  }

  #receive(way: Way, size: number, session: number): ChildProcess {
    const words = {
      ring: ["ring", this.#region.path, `${size}`, `${session}`],
      serial: ["serial", this.socket, `${size}`],
      tcp: ["tcp", TCP_PORT, `${size}`],
    }[way.kind];
    const enter = way.kind === "tcp" ? this.#network.enter : [];
    const [program = "", ...args] = [...enter, this.#program, ...words];
    return spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  }
}

/** User and system time of a process, its ended threads included, from proc(5). */
function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may hold anything; utime and stime are fields 14 and 15.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

async function measure(folder: string, region: RegionFile): Promise<Measurement> {
  const program = buildProgram(
    "guest-receive",
    [
      "bench/native/guest-receive.c",
      ...["addon/drain.c", "addon/crc32c.c", "addon/sigbus-guard.c"],
    ],
    ["-D_GNU_SOURCE"],
  );
  const core = ["guest-drivers/core/uc_ring.c", "guest-drivers/core/uc_crc32c.c"];
  const sender = buildGuestProgram("guest-send", ["bench/native/guest-send.c", ...core]);
  const modules = await networkModules(await obtainKernel(KERNEL), ["virtio_console"]);
  const network = await TapNamespace.open(TAP, `${PEER_ADDRESS}/24`);
  try {
    const measurement = new Measurement(folder, program, region, network);
    const script = join(ROOT, "bench/native/guest-transport.sh");
    const args = [GUEST_ADDRESS, PEER_ADDRESS, TCP_PORT];
    const run = await runGuestCases({
      kernel: KERNEL,
      cases: [{ name: NAME, file: script, args, limitSeconds: LIMIT_SECONDS }],
      files: [
        { path: "/bin/guest-send", source: { file: sender }, mode: 0o755 },
        { path: "/uc/load-virtio", source: Buffer.from(modules.loadScript) },
        ...modules.files,
      ],
      region: { path: region.path, bytes: region.bytes },
      network: { enter: network.enter, tap: TAP, mac: "52:54:00:98:00:02" },
      arguments: [
        ...["-device", "virtio-serial-pci"],
        ...["-chardev", `socket,id=records,path=${measurement.socket},server=on,wait=off`],
        ...["-device", "virtserialport,chardev=records,name=records"],
      ],
      cpus: 1,
      append: APPEND,
      timeoutMs: (LIMIT_SECONDS + 30) * 1000,
      during: (guest) => measurement.play(guest),
    });
    assertGuestRun(run);
    return measurement;
  } finally {
    network.close();
  }
}

/** T6. */
export async function* guestTransportBench(): AsyncGenerator<BenchRow> {
  const region = makeRegionFile(REGION_BYTES);
  const folder = mkdtempSync(join(tmpdir(), "undercroft-bench-"));
  try {
    const { runs } = await measure(folder, region);
    for (const size of SIZES) {
      const spread = (way: Way, pick: (run: Run) => number): Spread =>
        spreadOf((runs.get(`${way.words} ${size}`) ?? []).map(pick));
      for (const peer of PEERS) yield* rowsBeside(peer, size, spread);
    }
  } finally {
    await region.remove();
    rmSync(folder, { recursive: true });
  }
}

function* rowsBeside(
  peer: Way,
  size: number,
  spread: (way: Way, pick: (run: Run) => number) => Spread,
): Generator<BenchRow> {
  const rate = (run: Run): number => run.recordsPerSecond;
  const of = `${size} B out of a guest`;
  yield rateRow("T6", of, "records/s", spread(RING, rate), peer.words, spread(peer, rate));
  const costs: ReadonlyArray<readonly [string, (run: Run) => number]> = [
    ["CPU of the guest", (run) => run.guestCpu],
    ["CPU of QEMU, which runs the guest", (run) => run.qemuCpu],
    ["CPU of the reader", (run) => run.readerCpu],
  ];
  for (const [about, pick] of costs) {
    const unit = "s a million records";
    yield costRow(
      "T6",
      `${of}, ${about}`,
      unit,
      spread(RING, pick),
      peer.words,
      spread(peer, pick),
    );
  }
}
