// SPDX-License-Identifier: Apache-2.0
// G1 and G2: what watching costs inside a real guest, in instructions, because QEMU's translator
// counts them exactly and times nothing: one nanosecond of guest time is one instruction. The
// rounds are in native/guest-cost.sh; this is the hypervisor host's side, with a real server.
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import {
  buildDriver,
  type Guest,
  makeRegionFile,
  obtainKernel,
  type RegionFile,
} from "../lib/hypervisor/hypervisor.ts";
import type { VerdictRule } from "../lib/model/model.ts";
import { createServer, type Server } from "../lib/server/server.ts";
import { openIvshmemRegion, type Region } from "../lib/transport/transport.ts";
import { assertGuestRun, runGuestCases } from "../test/guest/harness.ts";
import { compileProgram } from "../test/guest/programs.ts";
import { auditFiles } from "./audit-files.ts";
import { buildFreestanding, ROOT } from "./native.ts";
import { type BenchRow, costRow, type Spread, spreadOf } from "./row.ts";

const ROUNDS = 5;
const KERNEL = "6.1";
const NAME = "guest-cost";
const REGION_BYTES = 16 << 20;
const LIMIT_SECONDS = 1800;
// The translator counts each byte of a string instruction as one instruction, which no processor
// does: without these two the kernel clears and copies by eight bytes, and pages weigh less.
const APPEND = "clearcpuid=erms,fsrm";
const PEER = "auditd, same coverage, same guest";

type Kind = "bare" | "events" | "verdicts" | "auditd";

/** Instructions an operation, round by round. */
interface Costs {
  readonly fork: readonly number[];
  readonly open: readonly number[];
}

/** A table of the size that a server with a few dozen indicators pushes; nothing here matches. */
function rules(): VerdictRule[] {
  const texts = Array.from({ length: 8 }, (_, at) => `/opt/undercroft-bench/${at}/refused`);
  const hash = (at: number): string => at.toString(16).padStart(2, "0").repeat(32);
  const shapes = texts.flatMap((text, at): Omit<VerdictRule, "id">[] => [
    { operations: ["exec"], match: "sha256", pattern: hash(at), verdict: "deny" },
    { operations: ["exec"], match: "name", pattern: `refused-${at}`, verdict: "deny" },
    { operations: ["open", "exec"], match: "path", pattern: text, verdict: "deny" },
    { operations: ["open"], match: "path-suffix", pattern: `.refused${at}`, verdict: "deny" },
  ]);
  return shapes.map((shape, at) => ({ ...shape, id: at + 1 }));
}

/** The server beside the guest. */
class CostServer {
  readonly costs: Map<string, { fork: number[]; open: number[] }> = new Map();
  readonly #server: Server = createServer({ silenceMs: 600_000 });
  readonly #outcomes = new Map<bigint, string>();
  #state = "";
  #generation = 1000;

  constructor(region: Region) {
    this.#server.on("state", ({ to }) => {
      this.#state = to;
    });
    this.#server.on("command", ({ id, outcome }) => this.#outcomes.set(id, outcome));
    this.#server.attachGuest({ name: NAME, region, plan: { dataRings: 1 } });
    this.#server.start();
  }

  /** Events read and records lost without a name: the first must be many, the second none. */
  seen: { readonly events: number; readonly unaccounted: number } = { events: 0, unaccounted: 0 };

  async play(guest: Guest): Promise<void> {
    for await (const line of guest.controlLines) {
      const [word, ...rest] = line.split(" ");
      if (word === "told") this.#note(rest);
      else guest.sendLine(word === "rules" ? await this.#setRules() : await this.#monitored());
    }
  }

  close(): void {
    const [guest] = this.#server.stats.guests;
    if (guest !== undefined) {
      this.seen = { events: guest.events, unaccounted: guest.loss.unaccounted };
    }
    this.#server.close();
  }

  #note([, label = "", fork, open]: readonly string[]): void {
    const costs = this.costs.get(label) ?? { fork: [], open: [] };
    costs.fork.push(Number(fork));
    costs.open.push(Number(open));
    this.costs.set(label, costs);
  }

  async #monitored(): Promise<string> {
    while (this.#state !== "monitored") await setTimeout(5);
    return "yes";
  }

  async #setRules(): Promise<string> {
    this.#generation++;
    const command = { kind: "set-rules", generation: this.#generation, rules: rules() } as const;
    const { id } = this.#server.send(NAME, command, { requestedBy: "bench" });
    while (!this.#outcomes.has(id) || this.#outcomes.get(id) === "pending") await setTimeout(5);
    return this.#outcomes.get(id) === "confirmed" ? "done" : (this.#outcomes.get(id) ?? "");
  }
}

async function measure(file: RegionFile, region: Region): Promise<CostServer> {
  const watcher = new CostServer(region);
  try {
    const kernel = await obtainKernel(KERNEL);
    const program = await compileProgram(join(ROOT, "bench/native/guest-cost.c"));
    const script = join(ROOT, "bench/native/guest-cost.sh");
    const run = await runGuestCases({
      kernel: KERNEL,
      driver: await buildDriver(kernel),
      cases: [{ name: NAME, file: script, args: [String(ROUNDS)], limitSeconds: LIMIT_SECONDS }],
      files: [
        { path: "/bin/guest-cost", source: { file: program }, mode: 0o755 },
        {
          path: "/bin/nothing",
          source: { file: buildFreestanding("bench/native/nothing.c") },
          mode: 0o755,
        },
        ...(await auditFiles()),
      ],
      region: { path: file.path, bytes: file.bytes },
      cpus: 1,
      memoryMiB: 1024,
      icount: true,
      append: APPEND,
      timeoutMs: LIMIT_SECONDS * 1000,
      during: (guest) => watcher.play(guest),
    });
    assertGuestRun(run);
    return watcher;
  } finally {
    watcher.close();
  }
}

/** G1 and G2. */
export async function* guestCostBench(): AsyncGenerator<BenchRow> {
  const file = makeRegionFile(REGION_BYTES);
  const region = openIvshmemRegion({ path: file.path, bytes: file.bytes });
  try {
    const watcher = await measure(file, region);
    const { events, unaccounted } = watcher.seen;
    if (events === 0 || unaccounted > 0) {
      throw new Error(`the server read ${events} events, ${unaccounted} unaccounted`);
    }
    yield* rowsOf(watcher);
  } finally {
    region.close();
    await file.remove();
  }
}

function* rowsOf(watcher: CostServer): Generator<BenchRow> {
  const costs = (kind: Kind): Costs => watcher.costs.get(kind) ?? { fork: [], open: [] };
  const bare = { fork: median(costs("bare").fork), open: median(costs("bare").open) };
  const percent = (kind: Kind): Spread =>
    spreadOf(costs(kind).fork.map((cost) => (100 * (cost - bare.fork)) / bare.fork));
  const added = (kind: Kind): Spread => spreadOf(costs(kind).open.map((cost) => cost - bare.open));
  const pairs = [
    ["events", "file and process events on"],
    ["verdicts", "events and 32 verdict rules on"],
  ] as const;
  for (const [kind, text] of pairs) {
    const metric = `fork+exec+wait of ${Math.round(bare.fork)} instructions, ${text}`;
    yield costRow("G1", metric, "%", percent(kind), PEER, percent("auditd"));
  }
  for (const [kind, text] of pairs) {
    const metric = `open+close of ${Math.round(bare.open)} instructions, ${text}`;
    yield costRow("G2", metric, "instructions", added(kind), PEER, added("auditd"));
  }
}

function median(runs: readonly number[]): number {
  return spreadOf(runs).median;
}
