// SPDX-License-Identifier: Apache-2.0
// The packet engine as the redirector uses it, in a network namespace that packet-engine.test.ts
// made for this process: a guest behind a bridge, with a namespace of its own for its stack.
// Prints what happened as JSON.
import { type ChildProcess, execSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { CONSUMER_STAT } from "../../lib/model/model.ts";
import {
  boottimeNs,
  Mapping,
  NativeRingConsumer,
  PACKET_MARK,
  PacketEngine,
  type PacketStatus,
} from "../../lib/native/native.ts";
import { encodeBlockRule } from "../../lib/wire/wire.ts";

const SESSION = 41;
const SLOT = 7;
const RECORD_BYTES_MAX = 65_536;
const TCP_BYTES = 64_000_000;
const RINGS = [0, 1].map((lane) => ({
  ringOffset: 0x100_0000 * (lane + 1),
  producerOffset: 0x4000 + lane * 0x2000,
  consumerOffset: 0x5000 + lane * 0x2000,
  capacityLog2: 24,
}));

const facts: Record<string, unknown> = {};
const mapping = Mapping.createMemfd("packet-engine", 0x400_0000);
const engine = new PacketEngine(mapping, RINGS, RECORD_BYTES_MAX);
const consumers = RINGS.map((ring) => {
  const consumer = new NativeRingConsumer(mapping, ring, { recordBytesMax: RECORD_BYTES_MAX });
  consumer.startSession(SESSION, SESSION - 1, 0n);
  return consumer;
});
engine.startSession(SESSION, 0n);

const run = (command: string): string =>
  execSync(command, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

const errorOf = (action: () => void): string => {
  try {
    action();
  } catch (error) {
    return String(error).replace("UndercroftError: ", "");
  }
  return "no error";
};

/** Packets of a lane, and frames that the ring says are missing. */
function drain(lane: number): [number, number] {
  const consumer = consumers[lane];
  if (consumer === undefined) return [0, 0];
  let packets = 0;
  for (let count = consumer.drain(); count !== 0; count = consumer.drain()) {
    if (count < 0) throw new Error(`fault ${count}`);
    packets += count;
  }
  const lostFrames = Number(consumer.stats[CONSUMER_STAT.lostFrames]);
  return [packets - lostFrames, Number(consumer.stats[CONSUMER_STAT.missing])];
}

function refusals(): void {
  const whole = { slot: SLOT, lane: 0, interfaceName: "tapg", snapBytes: 65_536 };
  facts.refused = [
    errorOf(() => engine.addMirror({ ...whole, interfaceName: "nowhere" })),
    errorOf(() => engine.addMirror({ ...whole, interfaceName: "../etc" })),
    errorOf(() => engine.addMirror({ ...whole, lane: 2 })),
    errorOf(() => engine.addMirror({ ...whole, snapBytes: 10 })),
    errorOf(() => engine.addInline({ ...whole, uplinkName: "br0" })),
    errorOf(() => engine.setRules(SLOT, new Uint8Array(64))),
  ];
  facts.unknown = [engine.status(SLOT), engine.remove(SLOT)];
}

/** Closes the kernel's own path for as long as the program lives. */
async function closeKernelPath(): Promise<ChildProcess> {
  const nft = spawn("nft", ["-i"], { stdio: ["pipe", "inherit", "inherit"] });
  const chain = (name: string, hook: string): string =>
    `add chain netdev uc ${name} { type filter hook ${hook} device "tapg" priority 0; }\n`;
  nft.stdin?.write("add table netdev uc { flags owner; }\n");
  nft.stdin?.write(chain("in", "ingress") + chain("out", "egress"));
  nft.stdin?.write("add rule netdev uc in drop\n");
  nft.stdin?.write(`add rule netdev uc out meta mark != ${PACKET_MARK} drop\n`);
  for (let tries = 0; tries < 100; tries++) {
    if (run("nft list ruleset").includes("mark != ")) return nft;
    await sleep(20);
  }
  throw new Error("the table did not come");
}

const SENDER = `const { connect } = require("node:net");
const socket = connect(5001, "10.9.0.1", () => socket.end(Buffer.alloc(${TCP_BYTES}, 7)));
socket.on("error", () => {});`;

/** Bytes of one TCP stream from the guest that arrived outside. */
async function transfer(guestPid: number): Promise<number> {
  let bytes = 0;
  const server = createServer((socket) => socket.on("data", (data) => (bytes += data.length)));
  server.listen(5001, "10.9.0.1");
  await once(server, "listening");
  const inGuest = ["-t", String(guestPid), "-n", process.execPath, "-e", SENDER];
  const sender = spawn("nsenter", inGuest, { stdio: "inherit" });
  await once(sender, "exit");
  for (let before = -1; before !== bytes; await sleep(50)) before = bytes;
  server.close();
  return bytes;
}

/** True when a connection from outside into the guest gets an answer, if only a refusal. */
async function answers(): Promise<boolean> {
  const socket = connect(1, "10.9.0.2");
  const answer = once(socket, "error").then(([error]) => error.code === "ECONNREFUSED");
  const result = await Promise.race([answer, sleep(400, false)]);
  socket.on("error", () => {});
  socket.destroy();
  return result;
}

/** A neighbour that did not answer just now is asked again only after a second. */
async function answersSoon(): Promise<boolean> {
  for (let tries = 0; tries < 10; tries++) if (await answers()) return true;
  return false;
}

/** Holds for the next second by the clock that the packet thread reads, too. */
function isolate(): Uint8Array {
  const rule = { id: 1n, slot: SLOT, action: "isolate", expiresInMs: 1000 } as const;
  return encodeBlockRule(rule, boottimeNs());
}

async function inline(guestPid: number): Promise<void> {
  const options = { slot: SLOT, lane: 0, interfaceName: "tapg", snapBytes: 128 };
  engine.addInline({ ...options, uplinkName: "ucup0" });
  const nft = await closeKernelPath();
  facts.closed = await answers();
  run("ip link set ucup0 addrgenmode none && ip link set ucup0 master br0 up");
  facts.open = await answersSoon();
  facts.tcpBytes = await transfer(guestPid);
  facts.tcp = engine.status(SLOT);
  engine.setRules(SLOT, isolate());
  facts.isolated = await answers();
  facts.afterIsolation = engine.status(SLOT);
  await sleep(1000);
  facts.expired = await answersSoon();
  engine.setRules(SLOT, isolate());
  engine.setRules(SLOT, new Uint8Array(0));
  facts.released = await answersSoon();
  await sleep(50);
  facts.last = engine.remove(SLOT);
  facts.drained = drain(0);
  nft.stdin?.end();
  await once(nft, "exit");
  facts.failedOpen = await answersSoon();
}

async function mirrorUntilGone(): Promise<void> {
  const gone: [number, PacketStatus][] = [];
  const told = new Promise<void>((resolve) => {
    engine.onGone((slot, status) => {
      gone.push([slot, status]);
      resolve();
    });
  });
  engine.addMirror({ slot: SLOT, lane: 1, interfaceName: "tapg", snapBytes: 65_536 });
  facts.mirrored = await answersSoon();
  run("ip link del tapg");
  await told;
  facts.gone = gone.map(([slot, { state, errno }]) => [slot, state, errno]);
  facts.mirror = engine.status(SLOT);
  facts.mirrorDrained = drain(1);
}

/** Somebody cuts the region file under the packet thread while packets come. */
async function cutRegion(): Promise<void> {
  const folder = mkdtempSync(`${tmpdir()}/packet-engine-`);
  const path = `${folder}/region`;
  const cut = Mapping.openFile(path, { bytes: mapping.bytes, create: true });
  const other = new PacketEngine(cut, RINGS, RECORD_BYTES_MAX);
  other.startSession(SESSION, 0n);
  other.addMirror({ slot: SLOT, lane: 0, interfaceName: "tapg", snapBytes: 65_536 });
  truncateSync(path, 0);
  await answers();
  await sleep(50);
  const seen = other.status(SLOT)?.seen ?? 0;
  facts.cut = [cut.isFailed, seen > 0];
  other.close();
  cut.close();
  rmSync(folder, { recursive: true });
}

const guest = spawn("unshare", ["-n", "sleep", "60"], { stdio: "inherit" });
await sleep(300);
const guestPid = guest.pid ?? 0;
run(`ip link set lo up && ip link add br0 type bridge && ip link set br0 up
  ip addr add 10.9.0.1/24 dev br0
  ip link add tapg type veth peer name g0 && ip link set g0 netns ${guestPid}
  ip link set tapg master br0 up
  nsenter -t ${guestPid} -n ip addr add 10.9.0.2/24 dev g0
  nsenter -t ${guestPid} -n ip link set g0 up`);
refusals();
await inline(guestPid);
await cutRegion();
await mirrorUntilGone();
guest.kill();
engine.close();
facts.afterClose = errorOf(() => engine.status(SLOT));
for (const consumer of consumers) consumer.close();
mapping.close();
console.log(JSON.stringify(facts));
