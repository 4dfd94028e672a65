// SPDX-License-Identifier: Apache-2.0
// The network half of a server: a redirector's packets become events of their guest, are joined
// to the process that its sensor told, meet the indicators, and are answered at the tap.
import { rmSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseIndicators } from "../../../lib/detect/detect.ts";
import { isUndercroftError } from "../../../lib/errors/errors.ts";
import type {
  CommandRecord,
  Finding,
  GuestNetworkEvent,
  LinkReport,
  RedirectorCommand,
} from "../../../lib/model/model.ts";
import { Mapping, NativeRingProducer } from "../../../lib/native/native.ts";
import { RegionClient } from "../../../lib/redirector/region-client.ts";
import { actOnGuest } from "../../../lib/server/link/acts.ts";
import { GuestNames } from "../../../lib/server/link/guest-names.ts";
import { LinkReporter } from "../../../lib/server/link/reporter.ts";
import { createServer, type Server } from "../../../lib/server/server.ts";
import { ManualClock } from "../../../lib/time/time.ts";
import {
  createRegionFile,
  type IvshmemRegion,
  openIvshmemRegion,
} from "../../../lib/transport/transport.ts";
import {
  ACTION_BLOCK,
  ACTION_MIRROR,
  ADDRESS_IPV4,
  decodeRedirectorCommand,
  emptyPacketRecord,
  encodePacketRecord,
  FIELD_NAME,
  RECORD_BYTES_MAX,
  RECORD_DNS_QUERY,
  RECORD_PACKET,
  RECORD_REDIRECT_STATUS,
  RECORD_SOCKET_CONNECT,
  RESULT_DONE,
  RING_PACKET,
} from "../../../lib/wire/wire.ts";
import { Random } from "../../sim/random.ts";
import { SimulatedGuest } from "../../sim/simulated-guest.ts";
import { ascii, ends, hex, tcp, udp } from "../network/packets.ts";

const REGION_BYTES = 8 << 20;
const RAW_LINK = 101;
const TAP = "tapg0";
const INDICATORS = parseIndicators("domain:bad.example", "test");
const SYN = 2;
const SYN_ACK = 0x12;
const ACK = 0x10;

/** A redirector that obeys and has its packets from the test. */
class Redirector {
  readonly received: RedirectorCommand[] = [];
  readonly #mapping: Mapping;
  readonly #client: RegionClient;
  #rings: NativeRingProducer[] = [];

  constructor(path: string) {
    this.#mapping = Mapping.openFile(path, { bytes: REGION_BYTES });
    this.#client = new RegionClient({
      ...{ mapping: this.#mapping, bootId: "ab".repeat(16), version: "1", osVersion: "test" },
      ...{ cpuCount: 1, capabilities: ACTION_MIRROR | ACTION_BLOCK, log: () => {} },
      hooks: {
        placed: ({ layout }) => {
          const rings = layout.rings.filter(({ kind }) => kind === RING_PACKET);
          this.#rings = rings.map(
            (ring) =>
              new NativeRingProducer(this.#mapping, ring, { recordBytesMax: RECORD_BYTES_MAX }),
          );
        },
        started: ({ sessionId, features }) => {
          for (const ring of this.#rings) ring.startSession(sessionId, features);
        },
        ended: () => {},
        execute: ({ kind, body }) => {
          const command = decodeRedirectorCommand(kind, body, 0n);
          if (command !== undefined) this.received.push(command);
          return { result: RESULT_DONE };
        },
      },
    });
  }

  turn(): void {
    this.#client.turn();
  }

  /** A packet of a lane; the slot it claims may be a lie. */
  send(lane: number, fromGuest: boolean, timeMs: number, packet: Uint8Array, slot = 12345): void {
    const fields = { ...emptyPacketRecord(), slot, fromGuest, linkType: RAW_LINK };
    const realtimeNs = BigInt(Math.round(timeMs * 1000)) * 1000n;
    const record = { ...fields, originalBytes: packet.length };
    const ring = this.#rings[lane];
    if (ring === undefined) throw new Error(`no packet ring ${lane}`);
    ring.write(RECORD_PACKET, 0, encodePacketRecord(record, realtimeNs, packet));
    ring.publish();
  }

  status(body: Readonly<Record<string, number>>): void {
    this.#client.send(RECORD_REDIRECT_STATUS, body);
  }

  kinds(): string[] {
    return this.received.map(({ kind }) => kind);
  }

  close(): void {
    for (const ring of this.#rings) ring.close();
    this.#client.close();
    this.#mapping.close();
  }
}

let path = "";
let clock: ManualClock;
let server: Server;
let guest: SimulatedGuest;
let region: IvshmemRegion;
let redirector: Redirector;
let network: GuestNetworkEvent[];
let findings: Map<string, Finding>;
let commands: Map<bigint, CommandRecord>;

function pass(ms: number): void {
  for (let left = ms; left > 0; left -= 50) {
    clock.advance(50);
    guest.step(clock.monotonicMs());
    redirector.turn();
    for (let turns = 0; turns < 3; turns++) server.turn();
  }
}

const wallMs = (): number => Number(clock.realtimeNs() / 1_000_000n);

beforeEach(() => {
  path = `/dev/shm/undercroft-test-network-${process.pid}`;
  rmSync(path, { force: true });
  createRegionFile(path, REGION_BYTES);
  region = openIvshmemRegion(path);
  clock = new ManualClock();
  guest = new SimulatedGuest({
    ...{ name: "g0", index: 0, regionBytes: 1 << 20, random: new Random(1), forgetful: false },
  });
  [network, findings, commands] = [[], new Map(), new Map()];
  // The redirector's heartbeat goes by the real clock.
  server = createServer({ clock, indicators: INDICATORS, silenceMs: 1e9 });
  server.on("network", ({ events }) => network.push(...events));
  server.on("finding", (finding) => findings.set(finding.id, finding));
  server.on("command", (record) => commands.set(record.id, record));
  server.attachRedirector({ name: "taps", region, packetRings: 2 });
  const plan = { dataRings: 2, dataCapacityLog2: 14 };
  server.attachGuest({ name: "g0", region: guest.region, plan, interfaces: [{ name: TAP }] });
  redirector = new Redirector(path);
});

afterEach(() => {
  server.close();
  redirector.close();
  region.close();
  rmSync(path, { force: true });
});

function start(): void {
  guest.boot(0);
  pass(1500);
}

const query = hex("1234 0100 0001 0000 0000 0000 03626164 07 6578616d706c65 00 0001 0001");
const answer = hex(
  "1234 8180 0001 0001 0000 0000 03626164 07 6578616d706c65 00 0001 0001" +
    "c00c 0001 0001 0000003c 0004 c0000207",
);

/** The guest's sensor tells of a socket from port 40000 to 10.0.0.2. */
function tellSocket(type: number, remotePort: number, protocol: number, name = ""): void {
  const remoteAddress = Uint8Array.from([10, 0, 0, 2, ...new Uint8Array(12)]);
  const localAddress = Uint8Array.from([10, 0, 0, 1, ...new Uint8Array(12)]);
  const body = { localAddress, remoteAddress, localPort: 40_000, remotePort, protocol };
  const fields = name === "" ? {} : { [FIELD_NAME]: name };
  const values = { ...body, family: ADDRESS_IPV4, transactionId: 0x1234, queryType: 1 };
  guest.record(clock.monotonicMs(), type, values, fields);
}

function ask(): void {
  redirector.send(0, true, wallMs(), udp(ends(53), query));
  redirector.send(0, false, wallMs() + 1, udp(ends(53, true), answer));
}

test("a registered guest's interface is watched, with a packet ring of its own", () => {
  pass(500);
  expect(redirector.received).toEqual([{ kind: "block-list" }]);
  start();
  const started = redirector.received.find(({ kind }) => kind === "redirect-start");
  expect(started).toMatchObject({ lane: 0, mode: "mirror", interfaceName: TAP, snapBytes: 65_000 });
  expect(server.stats.guests[0]?.interfaces).toMatchObject([{ name: TAP, state: "running" }]);
  server.detachGuest("g0");
  pass(200);
  expect(redirector.kinds()).toContain("redirect-stop");
});

test("packets become events of the guest whose ring they came in, whatever they claim", () => {
  start();
  redirector.send(0, true, wallMs(), udp(ends(53), query), 999);
  // No interface was given this ring.
  redirector.send(1, true, wallMs(), udp(ends(53), query), 999);
  pass(1000);
  expect(network.map(({ kind }) => kind)).toEqual(["flow.open"]);
  expect(network[0]).toMatchObject({ guest: "g0", interfaceName: TAP, outbound: true, pid: 0 });
  expect(server.stats.guests[0]?.network).toMatchObject({ packets: 1, joined: 0 });
});

test.each([true, false])("a flow is its process's, socket told first: %s", (isSocketFirst) => {
  start();
  guest.exec(clock.monotonicMs(), "/usr/bin/resolver --fast");
  pass(200);
  const tell = (): void => tellSocket(RECORD_DNS_QUERY, 53, 17, "bad.example");
  if (isSocketFirst) {
    tell();
    pass(100);
  }
  ask();
  pass(100);
  if (!isSocketFirst) tell();
  pass(100);
  const dns = network.find(({ kind }) => kind === "dns");
  expect(dns?.pid).toBeGreaterThan(0);
  expect(dns).toMatchObject({ guest: "g0", outbound: true, query: "bad.example" });
});

test("a listed domain is found, and its addresses are dropped and acknowledged", () => {
  start();
  tellSocket(RECORD_DNS_QUERY, 53, 17, "bad.example");
  ask();
  pass(1000);
  const added = redirector.received.find(({ kind }) => kind === "block-add");
  expect(added).toMatchObject({ rules: [{ action: "drop", remote: "192.0.2.7" }] });
  const found = [...findings.values()].find(({ rule }) => rule === "domain:bad.example");
  expect(found).toMatchObject({ guest: "g0", disposition: "blocked", field: "query" });
  expect(found?.process.pid).toBeGreaterThan(0);
  const [id] = found?.commands ?? [];
  expect(commands.get(id as bigint)).toMatchObject({ outcome: "done", finding: found?.id });
  expect(server.tapRules).toMatchObject([{ guest: "g0", state: "in-force" }]);
  // The same answer again asks for nothing new.
  const before = redirector.received.length;
  ask();
  pass(1000);
  expect(redirector.received.length).toBe(before);
});

test("a listed address is dropped though the guest's driver says nothing", () => {
  start();
  server.useIndicators(parseIndicators("ip:10.0.0.2/32 | Listed | high", "test"));
  guest.crash();
  redirector.send(0, true, wallMs(), tcp(ends(80), SYN, 1, 0));
  pass(1000);
  const found = [...findings.values()].find(({ rule }) => rule === "ip:10.0.0.2");
  expect(found).toMatchObject({ disposition: "blocked", process: { pid: 0 } });
});

test("a redirector that comes back is asked for everything again", () => {
  start();
  ask();
  pass(1000);
  redirector.close();
  redirector = new Redirector(path);
  pass(3000);
  expect(redirector.kinds().sort()).toEqual(["block-add", "block-list", "redirect-start"]);
  ask();
  pass(1000);
  expect(network.filter(({ kind }) => kind === "dns").length).toBeGreaterThanOrEqual(2);
});

test("isolation leaves what is allowed, and is taken back", () => {
  start();
  server.isolate("g0", { allow: ["10.0.0.9"] }, { requestedBy: "tester" });
  pass(300);
  const added = redirector.received.find(({ kind }) => kind === "block-add");
  expect(added).toMatchObject({
    rules: [{ action: "isolate" }, { action: "allow", remote: "10.0.0.9" }],
  });
  expect(server.tapRules.map(({ state }) => state)).toEqual(["in-force", "in-force"]);
  server.release("g0", { requestedBy: "tester" });
  pass(300);
  expect(redirector.kinds()).toContain("block-remove");
  expect(server.tapRules).toEqual([]);
});

test("a guest without a watched tap cannot be cut off, and that is said", () => {
  start();
  server.setInterfaces("g0", []);
  const by = { requestedBy: "tester" };
  expect(() => server.isolate("g0", {}, by)).toThrow(/no tap of guest "g0" is watched/);
  expect(() => server.block("g0", { remote: "10.0.0.2" }, by)).toThrow(/no tap/);
});

test("the manager is told who is cut off, also when the rules end by themselves", async () => {
  start();
  const told: LinkReport[] = [];
  const names = new GuestNames(":memory:");
  const reporter = new LinkReporter(server, names, (report) => told.push(report));
  const isolated = (): boolean[] =>
    told.flatMap((report) => (report.kind === "guest" ? [report.guest.isIsolated] : []));
  const action = { kind: "isolate", allow: ["10.0.0.9"], expiresInMs: 5000 } as const;
  const act = { guest: "g0", action, requestedBy: "ann", reason: "test" };
  const { signal } = new AbortController();
  const done = actOnGuest(server, act, signal);
  pass(300);
  expect(await done).toBe("done, as the driver says");
  expect([isolated(), reporter.guests[0]?.isIsolated]).toEqual([[true], true]);
  pass(6000);
  reporter.refresh();
  expect(isolated()).toEqual([true, false]);
  const nothing = actOnGuest(server, { ...act, action: { kind: "release" } }, signal);
  expect(await nothing).toBe("no rule was at the guest's taps");
  const { command, requestedBy } =
    told.flatMap((report) => (report.kind === "command" ? [report.command] : [])).at(-1) ?? {};
  expect([command?.kind, requestedBy]).toEqual(["block-add", "ann"]);
  reporter.close();
  names.close();
});

test("without a redirector the finding says that nothing could be done", () => {
  start();
  server.detachRedirector();
  let code = "";
  try {
    server.block("g0", { remote: "10.0.0.2" }, { requestedBy: "tester" });
  } catch (error) {
    if (isUndercroftError(error)) code = error.code;
  }
  expect(code).toBe("ERR_UC_REDIRECTOR_MISSING");
});

test("answered traffic without a process is told, once the sensor has settled", () => {
  start();
  pass(5000);
  redirector.send(0, true, wallMs(), tcp(ends(4444), SYN, 1, 0));
  redirector.send(0, false, wallMs() + 1, tcp(ends(4444, true), SYN_ACK, 9, 2));
  redirector.send(
    0,
    true,
    wallMs() + 2,
    tcp(ends(4444), ACK, 2, 10, ascii("GET / HTTP/1.0\r\n\r\n")),
  );
  redirector.send(
    0,
    false,
    wallMs() + 3,
    tcp(ends(4444, true), ACK, 10, 20, ascii("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")),
  );
  pass(8000);
  const hidden = [...findings.values()].filter(({ rule }) => rule === "hidden_traffic");
  expect(hidden).toMatchObject([{ guest: "g0", severity: "high" }]);
});

test("the same traffic with a process is not", () => {
  start();
  pass(5000);
  redirector.send(0, true, wallMs(), tcp(ends(4444), SYN, 1, 0));
  redirector.send(0, false, wallMs() + 1, tcp(ends(4444, true), SYN_ACK, 9, 2));
  pass(500);
  // A connect is told when it has succeeded, after its packets.
  tellSocket(RECORD_SOCKET_CONNECT, 4444, 6);
  redirector.send(
    0,
    true,
    wallMs() + 2,
    tcp(ends(4444), ACK, 2, 10, ascii("GET / HTTP/1.0\r\n\r\n")),
  );
  pass(8000);
  expect([...findings.values()].filter(({ rule }) => rule === "hidden_traffic")).toEqual([]);
});

test("a connection that never passed the tap is told, one that did is not", () => {
  start();
  pass(5000);
  // A first flow shows which namespace of the guest uses the tap.
  redirector.send(0, true, wallMs(), tcp(ends(4444), SYN, 1, 0));
  redirector.send(0, false, wallMs() + 1, tcp(ends(4444, true), SYN_ACK, 9, 2));
  tellSocket(RECORD_SOCKET_CONNECT, 4444, 6);
  pass(1000);
  tellSocket(RECORD_SOCKET_CONNECT, 5555, 6);
  pass(8000);
  const missing = [...findings.values()].filter(({ rule }) => rule === "missing_traffic");
  expect(missing).toHaveLength(1);
  expect(missing[0]?.value).toContain("10.0.0.2:5555");
});

test("counts of an interface are the redirector's own", () => {
  start();
  const slot = server.stats.guests[0]?.interfaces[0]?.slot ?? 0;
  redirector.status({ slot, state: 1, mode: 1, seen: 10, kept: 7, lostKernel: 2, lostRing: 1 });
  pass(300);
  expect(server.stats.guests[0]?.interfaces[0]?.counts).toMatchObject({ seen: 10, lostKernel: 2 });
});
