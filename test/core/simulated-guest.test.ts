// SPDX-License-Identifier: Apache-2.0
// The simulated guest against the real server: what it gave out is what arrived, or is named as
// lost; it obeys, refuses and leaves as a driver does.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { parseIndicators } from "../../lib/detect/detect.ts";
import { makeRegionFile, type RegionFile } from "../../lib/hypervisor/hypervisor.ts";
import type { Finding, GuestEvent, Loss } from "../../lib/model/model.ts";
import { createServer, type Server, type ServerOptions } from "../../lib/server/server.ts";
import { type IvshmemRegion, openIvshmemRegion } from "../../lib/transport/transport.ts";
import { buildSimulatedGuest, removeBuilt, scratchFile } from "./programs.ts";

interface GuestResult {
  readonly attempted: number;
  readonly written: number;
  readonly lostTotal: number;
  readonly lost: Readonly<Record<string, number>>;
  readonly sessions: number;
  readonly serverFaults: number;
  readonly commandFault: number;
  readonly kills: number;
  readonly verdictsDenied: number;
}

/** A server with one guest, and everything that came out of it. */
class Stand {
  readonly server: Server;
  readonly region: IvshmemRegion;
  readonly file: RegionFile;
  readonly events: GuestEvent[] = [];
  readonly losses: Loss[] = [];
  readonly findings = new Map<string, Finding>();
  readonly states: string[] = [];
  child: ChildProcess | undefined;

  constructor(file: RegionFile, dataRings: number, options: ServerOptions) {
    this.file = file;
    this.region = openIvshmemRegion({ path: file.path, bytes: file.bytes });
    this.server = createServer(options);
    this.server.on("events", (batch) => {
      for (const item of batch.items) {
        if (item.kind === "loss") this.losses.push(item);
        else this.events.push(item);
      }
    });
    this.server.on("state", (change) => this.states.push(change.to));
    this.server.on("finding", (finding) => this.findings.set(finding.id, finding));
    this.server.attachGuest({ name: "simulated", region: this.region, plan: { dataRings } });
    this.server.start();
  }

  /** Starts the guest and waits for its end; onLine hears what it says meanwhile. */
  async run(
    args: readonly string[],
    onLine: (line: string, child: ChildProcess) => void = () => {},
  ): Promise<GuestResult> {
    const child = spawn(program, ["--region", this.file.path, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.child = child;
    if (child.stdout === null) throw new Error("no standard output");
    let last = "";
    createInterface({ input: child.stdout }).on("line", (line) => {
      last = line;
      onLine(line, child);
    });
    const [status] = (await once(child, "close")) as [number | null];
    expect(status).toBe(0);
    return JSON.parse(last) as GuestResult;
  }

  async close(): Promise<void> {
    if (this.child?.exitCode === null) this.child.kill("SIGKILL");
    this.server.detachGuest("simulated");
    this.server.close();
    this.region.close();
    await this.file.remove();
  }
}

let program = "";
let stand: Stand | undefined;

beforeAll(() => {
  program = buildSimulatedGuest();
});
afterEach(async () => {
  await stand?.close();
  stand = undefined;
});
afterAll(removeBuilt);

async function makeStand(
  regionBytes: number,
  dataRings: number,
  options: ServerOptions = {},
): Promise<Stand> {
  stand = new Stand(makeRegionFile(regionBytes), dataRings, options);
  return stand;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Sequences of the truth file by their fate. */
function readTruth(path: string): { written: Set<number>; lost: Set<number>; lines: number } {
  const written = new Set<number>();
  const lost = new Set<number>();
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  for (const line of lines) {
    const [sequence, , fate] = line.split(" ");
    (fate === "written" ? written : lost).add(Number(sequence));
  }
  return { written, lost, lines: lines.length };
}

/** Compares the guest's own count with the truth file and with what came out of the server. */
async function expectAccounted(result: GuestResult, truthPath: string): Promise<void> {
  const { server, events } = stand as Stand;
  const loss = () => server.stats.guests[0]?.loss;
  await until("the books to close", () => {
    const books = loss();
    return books !== undefined && books.delivered + books.named >= result.attempted;
  });
  const truth = readTruth(truthPath);
  expect(truth.lines).toBe(result.attempted);
  expect(truth.written.size).toBe(result.written);
  expect(truth.lost.size).toBe(result.lostTotal);
  expect(result.written + result.lostTotal).toBe(result.attempted);
  expect(Math.max(...truth.written)).toBeLessThanOrEqual(result.attempted);
  const seen = new Set(events.map((event) => event.sequence));
  expect(seen.size).toBe(events.length);
  expect([...seen].filter((sequence) => !truth.written.has(sequence))).toEqual([]);
  expect(loss()).toMatchObject({ delivered: result.written, named: result.lostTotal });
  expect(loss()).toMatchObject({ unaccounted: 0, mismatches: 0 });
  expect(result).toMatchObject({ serverFaults: 0, commandFault: 0, sessions: 1 });
}

test.each([false, true])("all that it gives out arrives, checksums %s", async (checksums) => {
  const { states } = await makeStand(8 * 2 ** 20, 2, { checksums });
  const truth = scratchFile("truth");
  const args = ["--cpus", "2", "--events", "4000", "--rate", "120000000", "--truth", truth];
  const result = await (stand as Stand).run(args);
  expect(result.attempted).toBeGreaterThan(4000);
  await expectAccounted(result, truth);
  expect(states).toContain("monitored");
  expect(states.at(-1)).toBe("left");
});

test("what a flooded ring drops is named, each record of it", async () => {
  await makeStand(2 ** 20, 2);
  const truth = scratchFile("truth");
  const args = ["--cpus", "2", "--events", "60000", "--size", "1500", "--truth", truth];
  const result = await (stand as Stand).run(args);
  expect(result.lostTotal).toBeGreaterThan(100);
  await expectAccounted(result, truth);
});

const payloadSha256 = "ab".repeat(32);
const indicators = parseIndicators(
  `sha256:${payloadSha256} | dropped program | high
path:/etc/secret | secret | high
name:miner | miner | high
cmdline:http://stage2.invalid/ | download | high
`,
  "test",
);

const intrusion = [
  ...["--scenario", "intrusion", "--cpus", "2", "--rate", "600000"],
  ...["--payload-sha256", payloadSha256, "--payload-path", "/tmp/updater"],
  ...["--secret-path", "/etc/secret", "--open-path", "/etc/welcome"],
  ...["--miner-path", "/opt/demo/miner", "--stage-url", "http://stage2.invalid/"],
];

test("it plays the intrusion, is killed and refused, and goes on working", async () => {
  const { server, findings, events } = await makeStand(8 * 2 ** 20, 2, { indicators });
  const points = new Map<string, string>();
  const commandsDone = (): boolean => server.stats.guests[0]?.commands.outstanding === 0;
  const result = await (stand as Stand).run(intrusion, (line, child) => {
    const [word, name = "", fate = ""] = line.split(" ");
    if (word !== "point") return;
    points.set(name, fate);
    if (name === "driver") {
      const ready = async (): Promise<void> => {
        await until("monitoring", () => stand?.states.includes("monitored") === true);
        await until("the rules", () => server.stats.verdictRules > 0 && commandsDone());
        child.stdin?.write("begin\n");
      };
      void ready();
    }
    if (name === "undisturbed") child.stdin?.write("unload\n");
  });
  expect(Object.fromEntries(points)).toEqual({
    driver: "ok",
    killedByHash: "ok",
    openRefused: "ok",
    execRefused: "ok",
    killedByCommandLine: "ok",
    undisturbed: "ok",
    unloaded: "ok",
  });
  expect(result).toMatchObject({ kills: 2, verdictsDenied: 2, lostTotal: 0 });
  await until("findings", () => findings.size >= 4);
  const dispositions = [...findings.values()].map((finding) => finding.disposition).sort();
  expect(dispositions.filter((one) => one === "killed").length).toBe(2);
  expect(dispositions.filter((one) => one === "blocked").length).toBe(2);
  const signals = events.flatMap((event) =>
    event.kind === "process.exit" && event.signal === 9 ? [event.pid] : [],
  );
  expect(new Set(signals).size).toBe(2);
});

test("it uses the network as it is told, one process a step", async () => {
  const { events } = await makeStand(8 * 2 ** 20, 1);
  const points: string[] = [];
  const steps = [
    "dns www.example.com 28 4660 192.0.2.10 40000 192.0.2.53",
    "connect 6 192.0.2.10 40001 198.51.100.7 443 0",
    "accept 6 2001:db8::10 22 2001:db8::99 51515 0",
    "connect 6 192.0.2.10 40002 2001:db8::1 443 0",
    "send 17 192.0.2.10",
  ];
  await (stand as Stand).run(["--scenario", "steps"], (line, child) => {
    if (!line.startsWith("point")) return;
    points.push(line);
    if (line === "point driver ok") {
      void until("monitoring", () => stand?.states.includes("monitored") === true).then(() => {
        child.stdin?.write(`${steps.join("\n")}\n`);
      });
    }
    if (points.length === 1 + steps.length) child.stdin?.write("unload\n");
  });
  const fates = ["driver ok", "dns ok", "connect ok", "accept ok", "connect failed", "send failed"];
  expect(points).toEqual([...fates, "unloaded ok"].map((fate) => `point ${fate}`));
  const network = events.filter((event) => "socketCookie" in event);
  expect(network).toMatchObject([
    {
      ...{ kind: "dns.query", query: "www.example.com", queryType: 28, transactionId: 4660 },
      ...{ family: 4, protocol: 17, localAddress: "192.0.2.10", localPort: 40000 },
      ...{ remoteAddress: "192.0.2.53", remotePort: 53 },
    },
    {
      ...{ kind: "socket.connect", family: 4, protocol: 6, result: 0 },
      ...{ localAddress: "192.0.2.10", localPort: 40001 },
      ...{ remoteAddress: "198.51.100.7", remotePort: 443 },
    },
    { kind: "socket.accept", family: 6, localAddress: "2001:db8::10", localPort: 22 },
  ]);
  expect(new Set(network.map(({ pid }) => pid)).size).toBe(3);
});

test("it ends when told to, also where no server ever was", async () => {
  const file = makeRegionFile(2 ** 20);
  try {
    const child = spawn(program, ["--region", file.path, "--rate", "1000000"]);
    setTimeout(() => child.kill("SIGTERM"), 300);
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [status] = (await once(child, "close")) as [number | null];
    expect(status).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ attempted: 0, sessions: 0 });
  } finally {
    await file.remove();
  }
});

test("nonsense on its command line is refused in words", async () => {
  const child = spawn(program, ["--region", "/nonexistent", "--cpus", "0"]);
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [status] = (await once(child, "close")) as [number | null];
  expect(status).toBe(2);
  expect(errors).toContain("--cpus: not a number in range");
});
