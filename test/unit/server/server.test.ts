// SPDX-License-Identifier: Apache-2.0
// The whole server with simulated guests on a virtual clock: registration to acknowledged kill,
// refusals, hostile neighbours, restarts and leaving.
import { beforeEach, expect, test } from "vitest";
import { parseIndicators } from "../../../lib/detect/detect.ts";
import { isUndercroftError } from "../../../lib/errors/errors.ts";
import type { CommandRecord, Finding, GuestStateChange } from "../../../lib/model/model.ts";
import {
  createServer,
  type FaultReport,
  type GuestBatch,
  type GuestStats,
  type ResponseRecord,
  type Server,
  type ServerOptions,
} from "../../../lib/server/server.ts";
import { ManualClock } from "../../../lib/time/time.ts";
import {
  FIELD_PATH,
  fromHex,
  HASH_OK,
  OPERATION_OPEN,
  RECORD_PROCESS_HASH,
  RECORD_VERDICT,
  VERDICT_DENY,
} from "../../../lib/wire/wire.ts";
import { Random } from "../../sim/random.ts";
import { SimulatedGuest } from "../../sim/simulated-guest.ts";

const HASH = "5e".repeat(32);
const INDICATORS = parseIndicators(
  `sha256:${HASH} | Dropper | critical\ncmdline:--evil\npath:/etc/forbidden`,
  "test",
);
const PLAN = { dataRings: 2, dataCapacityLog2: 14 };

let clock: ManualClock;
let server: Server;
let guests: SimulatedGuest[];
let states: GuestStateChange[];
let findings: Map<string, Finding>;
let commands: Map<bigint, CommandRecord>;
let responses: ResponseRecord[];
let faults: FaultReport[];
let batches: GuestBatch[];

function makeGuest(index: number): SimulatedGuest {
  return new SimulatedGuest({
    name: `g${index}`,
    index,
    regionBytes: 1 << 20,
    random: new Random(index),
    forgetful: false,
  });
}

function makeServer(options: ServerOptions = {}): Server {
  const made = createServer({ clock, indicators: INDICATORS, ...options });
  made.on("state", (change) => states.push(change));
  made.on("finding", (finding) => findings.set(finding.id, finding));
  made.on("command", (record) => commands.set(record.id, record));
  made.on("response", (response) => responses.push(response));
  made.on("fault", (fault) => faults.push(fault));
  made.on("events", (batch) => batches.push(batch));
  for (const { name, region } of guests) made.attachGuest({ name, region, plan: PLAN });
  return made;
}

function pass(ms: number): void {
  for (let left = ms; left > 0; left -= 100) {
    clock.advance(100);
    for (const guest of guests) guest.step(clock.monotonicMs());
    for (let turns = 0; turns < 3; turns++) server.turn();
  }
}

function stats(name: string): GuestStats {
  const found = server.stats.guests.find(({ guest }) => guest.name === name);
  if (found === undefined) throw new Error(`no stats of ${name}`);
  return found;
}

const stateOf = (name: string): string => stats(name).guest.state;
const guest = (index: number): SimulatedGuest => guests[index] as SimulatedGuest;
const finding = (rule: string): Finding | undefined =>
  [...findings.values()].find((one) => one.rule === rule);
const eventsOf = (name: string): number =>
  batches
    .filter((batch) => batch.guest === name)
    .reduce((sum, { items }) => sum + items.filter(({ kind }) => kind !== "loss").length, 0);

beforeEach(() => {
  clock = new ManualClock();
  guests = [makeGuest(0), makeGuest(1)];
  [states, responses, faults, batches] = [[], [], [], []];
  findings = new Map();
  commands = new Map();
  server = makeServer();
  for (const one of guests) one.boot(0);
  pass(1000);
});

test("a guest is registered, gets its rules first and is then monitored", () => {
  const sent = [...commands.values()].filter((record) => record.guest === "g0");
  expect(sent.map(({ command, outcome }) => [command.kind, outcome])).toEqual([
    ["set-rules", "done"],
    ["start-monitoring", "done"],
  ]);
  expect(states.filter((change) => change.guest === "g0").map(({ to }) => to)).toEqual([
    "registered",
    "monitored",
  ]);
  expect(stats("g0").guest.id).toMatch(/^[0-9a-f]{32}$/);
  expect(stats("g0").guest.id).not.toBe(stats("g1").guest.id);
});

test("a bad command line is found, killed, acknowledged and confirmed", () => {
  guest(0).exec(clock.monotonicMs(), "/tmp/x --evil");
  pass(500);
  const found = finding("cmdline:--evil");
  expect(found).toMatchObject({ guest: "g0", disposition: "killed", count: 1, severity: "high" });
  const [id] = found?.commands ?? [];
  expect(id).toBeDefined();
  expect(commands.get(id as bigint)).toMatchObject({
    guest: "g0",
    outcome: "confirmed",
    requestedBy: "policy:default",
    finding: found?.id,
    command: { kind: "kill-process", pid: found?.process.pid },
  });
  expect(responses).toMatchObject([{ action: "kill", finding: found?.id, commandId: id }]);
});

test("a bad digest names the program that ran", () => {
  const nowMs = clock.monotonicMs();
  guest(0).exec(nowMs, "/tmp/dropper");
  const body = { result: HASH_OK, sha256: fromHex(HASH), execSequence: 1 };
  guest(0).record(nowMs, RECORD_PROCESS_HASH, body, { [FIELD_PATH]: "/tmp/dropper" });
  pass(500);
  const found = finding(`sha256:${HASH}`);
  expect(found).toMatchObject({ severity: "critical", title: "Dropper", disposition: "killed" });
  expect(found?.evidence.map(({ kind }) => kind)).toEqual(["process.hash", "process.exec"]);
});

test("a refusal by the driver is a finding that says blocked, under the rule's indicator", () => {
  const [rule] = [...commands.values()].flatMap(({ command }) =>
    command.kind === "set-rules" ? command.rules : [],
  );
  expect(rule).toMatchObject({ pattern: "/etc/forbidden", operations: ["open", "exec"] });
  const body = { ruleId: rule?.id ?? 0, operation: OPERATION_OPEN, verdict: VERDICT_DENY };
  guest(0).record(clock.monotonicMs(), RECORD_VERDICT, body, { [FIELD_PATH]: "/etc/forbidden" });
  guest(0).record(clock.monotonicMs(), RECORD_VERDICT, { ...body, ruleId: 999 }, {});
  pass(500);
  expect(finding("path:/etc/forbidden")).toMatchObject({ disposition: "blocked", commands: [] });
  expect(finding("verdict:999")).toMatchObject({ disposition: "blocked", severity: "low" });
  expect(responses.map(({ action }) => action)).toEqual(["blocked", "blocked"]);
});

test("new indicators swap in for all guests at once", () => {
  server.useIndicators(parseIndicators("name:other\ncmdline:--new", "test"));
  pass(500);
  const tables = [...commands.values()].filter(({ command }) => command.kind === "set-rules");
  expect(tables.map(({ outcome }) => outcome)).toEqual(["done", "done", "done", "done"]);
  guest(1).exec(clock.monotonicMs(), "/x --evil");
  guest(1).exec(clock.monotonicMs(), "/x --new");
  pass(500);
  expect(finding("cmdline:--evil")).toBeUndefined();
  expect(finding("cmdline:--new")).toMatchObject({ guest: "g1", disposition: "killed" });
});

test("a hostile region is quarantined with evidence; its neighbour loses nothing", () => {
  guest(1).work(clock.monotonicMs(), 50);
  guest(0).attack();
  pass(500);
  expect(stateOf("g0")).toBe("quarantined");
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatchObject({ guest: "g0", fault: expect.stringMatching(/^E_/) });
  expect(finding("ring_corrupt")).toMatchObject({ guest: "g0", severity: "high" });
  expect(stateOf("g1")).toBe("monitored");
  expect(stats("g1").loss).toMatchObject({ named: 0, unaccounted: 0 });
  expect(eventsOf("g1")).toBe(guest(1).truth.publishedEvents);
  guest(0).boot(clock.monotonicMs());
  pass(3000);
  expect(stateOf("g0")).toBe("monitored");
});

test("a driver that is unloaded is acknowledged, read to its end and has left", () => {
  guest(0).work(clock.monotonicMs(), 20);
  guest(0).unload(clock.monotonicMs());
  pass(3000);
  expect(stateOf("g0")).toBe("left");
  expect(guest(0).state).toBe("gone");
  expect(finding("driver_unregistered")).toMatchObject({ guest: "g0", tags: ["sensor"] });
  expect(stats("g0").loss).toMatchObject({ pending: 0, unaccounted: 0, mismatches: 0 });
  expect(eventsOf("g0")).toBe(guest(0).truth.publishedEvents);
  pass(10_000);
  expect(stateOf("g0")).toBe("left");
  expect(finding("sensor_silent")).toBeUndefined();
});

test("a guest that runs without its sensor is a finding within seconds", () => {
  server.setLiveness("g0", "running");
  guest(0).crash();
  pass(3000);
  expect(stateOf("g0")).toBe("silent");
  expect(finding("sensor_silent")).toMatchObject({ guest: "g0", severity: "high" });
  server.setLiveness("g0", "off");
  expect(stateOf("g0")).toBe("offline");
});

test("monitoring is stopped and started by command", () => {
  server.send("g0", { kind: "stop-monitoring" }, { requestedBy: "analyst" });
  pass(300);
  expect(stateOf("g0")).toBe("paused");
  server.send("g0", { kind: "start-monitoring", sensors: 1n }, { requestedBy: "analyst" });
  pass(300);
  expect(stateOf("g0")).toBe("monitored");
});

test("a killed server's successor delivers what lay in the rings, once", () => {
  guest(0).work(clock.monotonicMs(), 30);
  pass(200);
  const before = eventsOf("g0");
  guest(0).work(clock.monotonicMs(), 40);
  guest(0).step(clock.monotonicMs());
  clock.advance(5);
  server = makeServer();
  pass(3000);
  expect(stateOf("g0")).toBe("monitored");
  expect(eventsOf("g0")).toBe(guest(0).truth.publishedEvents);
  expect(eventsOf("g0")).toBeGreaterThan(before);
  expect(stats("g0").loss).toMatchObject({ unaccounted: 0, mismatches: 0 });
});

test("two servers killed in a row lose nothing either", () => {
  guest(0).work(clock.monotonicMs(), 40);
  guest(0).step(clock.monotonicMs());
  for (let kill = 0; kill < 2; kill++) {
    clock.advance(5);
    // The guest has no time to look at the first successor's epoch.
    server = makeServer();
  }
  pass(3000);
  expect(eventsOf("g0")).toBe(guest(0).truth.publishedEvents);
  expect(stats("g0").loss).toMatchObject({ unaccounted: 0, mismatches: 0 });
});

test("a guest that died while no server ran is read to its end", () => {
  guest(0).work(clock.monotonicMs(), 40);
  guest(0).step(clock.monotonicMs());
  guest(0).crash();
  clock.advance(5);
  server = makeServer();
  server.setLiveness("g0", "off");
  expect(eventsOf("g0")).toBe(guest(0).truth.publishedEvents);
  expect(stateOf("g0")).toBe("offline");
  guest(0).boot(clock.monotonicMs());
  pass(1000);
  expect(stateOf("g0")).toBe("monitored");
});

test("a closed server leaves the session for the next one", () => {
  server.close();
  guest(0).work(clock.monotonicMs(), 10);
  guest(0).step(clock.monotonicMs());
  clock.advance(5);
  server = makeServer();
  pass(3000);
  expect(stateOf("g0")).toBe("monitored");
  expect(eventsOf("g0")).toBe(guest(0).truth.publishedEvents);
});

test("guests are known by name; mistakes are told with a code", () => {
  const code = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      return isUndercroftError(error) ? error.code : String(error);
    }
    return "none";
  };
  const { region } = guest(0);
  expect(code(() => server.attachGuest({ name: "g0", region }))).toBe("ERR_UC_GUEST_EXISTS");
  expect(code(() => server.send("x", { kind: "ping" }, { requestedBy: "t" }))).toBe(
    "ERR_UC_GUEST_UNKNOWN",
  );
  expect(code(() => server.setLiveness("x", "off"))).toBe("ERR_UC_GUEST_UNKNOWN");
  expect(code(() => server.attachGuest({ name: "n", region, id: "xyz" }))).toBe("ERR_UC_ARGUMENT");
  const plan = { dataRings: 60, dataCapacityLog2: 20 };
  expect(code(() => server.attachGuest({ name: "n", region, plan }))).toBe("ERR_UC_LAYOUT");
  server.detachGuest("g1");
  expect(code(() => server.detachGuest("g1"))).toBe("ERR_UC_GUEST_UNKNOWN");
  const id = "01234567-89AB-cdef-0123-456789abcdef";
  expect(server.attachGuest({ name: "g1", region: guest(1).region, id, plan: PLAN }).id).toBe(
    "0123456789abcdef0123456789abcdef",
  );
});

test("a listener can be taken off again", () => {
  let heard = 0;
  const off = server.on("events", () => heard++);
  guest(0).work(clock.monotonicMs(), 1);
  pass(200);
  expect(heard).toBe(1);
  off();
  guest(0).work(clock.monotonicMs(), 1);
  pass(200);
  expect(heard).toBe(1);
});
