// SPDX-License-Identifier: Apache-2.0
// Registration over a region in memory: what the guest may claim, in which order the server acts,
// and when a guest is silent, quarantined or gone.
import { beforeEach, expect, test } from "vitest";
import type { GuestStateChange } from "../../../lib/model/model.ts";
import {
  type EarlierAttach,
  type GuestSession,
  Registration,
} from "../../../lib/registry/registry.ts";
import { ManualClock } from "../../../lib/time/time.ts";
import { type MemoryRegion, openMemoryRegion } from "../../../lib/transport/transport.ts";
import {
  decodeSession,
  decodeSuperblock,
  encodeHello,
  HELLO_OFFSET,
  type Hello,
  PAGE_BYTES,
  planRegion,
  SESSION_CLOSED,
  SESSION_OFFER,
  SESSION_OFFSET,
  SESSION_QUARANTINED,
  SESSION_READY,
  type Session,
  STATUS_OFFSET,
  type Superblock,
  WIRE_HASH,
} from "../../../lib/wire/wire.ts";

const layout = planRegion({ regionBytes: 1 << 20, dataRings: 1 });
const ID = "11".repeat(16);
const superblock: Superblock = {
  layout,
  serverInstance: "22".repeat(16),
  serverEpoch: 500n,
  featuresOffered: 0n,
  featuresRequired: 0n,
  recordBytesMax: 4096,
};
const HELLO: Hello = {
  helloSeq: 1n,
  protocol: 1,
  featuresAccepted: 0n,
  bootId: "aa".repeat(16),
  attachNs: 1000n,
  serverEpoch: 500n,
  clockBoottimeNs: 2000n,
  clockRealtimeNs: 0n,
  sequence: 0n,
  driver: {
    version: "1.0",
    os: "linux",
    osVersion: "6.1",
    cpuCount: 2,
    mapKind: "write-back",
    capabilities: 0n,
    wireHash: WIRE_HASH,
  },
};

let clock: ManualClock;
let region: MemoryRegion;
let registration: Registration;
let steps: string[];
let changes: GuestStateChange[];
let sessions: GuestSession[];
let faults: string[];
let rollbacks: string[];
let highest: number;
let seed: number;

function page(offset: number): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES);
  region.copyOut(offset, bytes);
  return bytes;
}

const answer = (): Session => decodeSession(page(SESSION_OFFSET));

function say(fields: Partial<Hello> = {}): void {
  const bytes = encodeHello({ ...HELLO, ...fields });
  region.copyIn(HELLO_OFFSET + 8, bytes.subarray(8));
  region.copyIn(HELLO_OFFSET, bytes.subarray(0, 8));
  registration.poll(clock.monotonicMs());
}

function pass(ms: number): void {
  for (let left = ms; left > 0; left -= 100) {
    clock.advance(100);
    registration.poll(clock.monotonicMs());
  }
}

const beat = (value: bigint): void => void region.storeU64(STATUS_OFFSET, value);

function make(block = superblock, earlier?: EarlierAttach): Registration {
  return new Registration({
    guest: "g",
    guestId: ID,
    region,
    superblock: block,
    clock,
    randomBytes: (count) => new Uint8Array(count).fill(++seed),
    silenceMs: 2500,
    ...(earlier === undefined ? {} : { earlier }),
    hooks: {
      sessionEnding: (end) => steps.push(`ending ${end}, page ${answer().state}`),
      sessionStarting: (session) => {
        sessions.push(session);
        steps.push(`starting, page ${answer().state}`);
      },
      sessionReady: () => steps.push(`ready, page ${answer().state}`),
      stateChanged: (change) => changes.push(change),
      faulted: (fault, reason) => faults.push(`${fault}: ${reason}`),
      rolledBack: (reason) => rollbacks.push(reason),
      statusRead: () => steps.push("status"),
      highestSequence: () => highest,
    },
  });
}

beforeEach(() => {
  clock = new ManualClock();
  region = openMemoryRegion(1 << 20);
  [steps, changes, sessions, faults, rollbacks] = [[], [], [], [], []];
  highest = 0;
  seed = 0;
  registration = make();
  registration.open();
});

test("a fresh region is complete and offers", () => {
  expect(decodeSuperblock(page(0), region.bytes)).toEqual(superblock);
  expect(answer().state).toBe(SESSION_OFFER);
  expect(registration.record).toMatchObject({ state: "offline", id: ID, sessions: 0 });
});

test("a hello is answered in order: channels start before the guest may see READY", () => {
  say();
  expect(steps).toEqual([`starting, page ${SESSION_OFFER}`, `ready, page ${SESSION_READY}`]);
  expect(answer()).toMatchObject({
    state: SESSION_READY,
    helloSeq: 1n,
    bootId: HELLO.bootId,
    guestId: ID,
    serverEpoch: 500n,
    sessionId: 0x01010101,
  });
  expect(registration.record).toMatchObject({ state: "registered", boot: HELLO.bootId });
  expect(registration.record.driver).toEqual(HELLO.driver);
});

test("positions of an old session are zeroed only after it was read to its end", () => {
  say();
  const ring = layout.rings[1];
  if (ring === undefined) throw new Error("no ring");
  region.storeU64(ring.producerOffset, 640n);
  let seen = 0;
  steps.push = (step: string): number => {
    if (step.startsWith("ending")) seen = page(ring.producerOffset)[0] ?? 0;
    return 0;
  };
  say({ helloSeq: 2n });
  expect(seen).toBe(640 & 0xff);
  expect(page(ring.producerOffset).every((byte) => byte === 0)).toBe(true);
});

test("the same hello is answered once, a changed one again with a new session", () => {
  say();
  pass(500);
  expect(sessions).toHaveLength(1);
  say({ helloSeq: 2n, sequence: 7n });
  expect(sessions).toHaveLength(2);
  expect(sessions[1]).toMatchObject({ sameAttach: true, sequence: 7 });
  expect(sessions[1]?.previousSessionId).toBe(sessions[0]?.sessionId);
  expect(sessions[1]?.sessionId).not.toBe(sessions[0]?.sessionId);
});

test("a hello for an earlier server is passed over in silence", () => {
  say({ serverEpoch: 499n });
  expect(answer().state).toBe(SESSION_OFFER);
  expect(faults).toEqual([]);
  say({ helloSeq: 2n });
  expect(registration.state).toBe("registered");
});

test.each([
  ["no boot id", { bootId: "00".repeat(16) }],
  ["an unspoken protocol", { protocol: 99 }],
  ["features that were not offered", { featuresAccepted: 1n << 40n }],
])("a hello with %s quarantines the region until a good one comes", (_what, fields) => {
  say(fields);
  expect(registration.state).toBe("quarantined");
  expect(faults[0]).toMatch(/^E_HELLO: the hello /);
  expect(answer()).toMatchObject({ state: SESSION_QUARANTINED, reason: 13, helloSeq: 1n });
  clock.advance(2000);
  say({ helloSeq: 2n });
  expect(registration.state).toBe("registered");
});

test("a storm of hellos quarantines; the last of them is heard when the limit allows", () => {
  for (let seq = 1n; seq <= 6n; seq++) say({ helloSeq: seq });
  expect(sessions).toHaveLength(3);
  expect(registration.state).toBe("quarantined");
  expect(faults).toEqual(["E_HELLO: the guest registers too often"]);
  pass(1500);
  expect(registration.state).toBe("registered");
  expect(answer().helloSeq).toBe(6n);
});

test("a reboot and a reload are new attaches, not rollbacks", () => {
  say({ sequence: 0n });
  highest = 50;
  clock.advance(2000);
  say({ helloSeq: 2n, attachNs: 2000n });
  clock.advance(2000);
  say({ helloSeq: 3n, bootId: "bb".repeat(16), attachNs: 10n });
  expect(sessions.map(({ sameAttach }) => sameAttach)).toEqual([false, false, false]);
  expect(rollbacks).toEqual([]);
});

test("an attach time or a sequence that goes back is a rollback", () => {
  say({ attachNs: 1000n });
  clock.advance(2000);
  say({ helloSeq: 2n, attachNs: 900n });
  expect(rollbacks).toEqual(["the driver's attach time went back by 100 ns"]);
  highest = 50;
  clock.advance(2000);
  say({ helloSeq: 3n, attachNs: 900n, sequence: 49n });
  expect(rollbacks[1]).toBe("the record sequence went back from 50 to 49");
  expect(sessions[2]?.sameAttach).toBe(false);
});

test("a machine set back into a region made anew: its old hello is told, the next answered", () => {
  const earlier = { bootId: HELLO.bootId, attachNs: 1000n, sequence: 300 };
  const begin = (fields: Partial<Hello>): void => {
    region = openMemoryRegion(1 << 20);
    [sessions, rollbacks] = [[], []];
    registration = make(superblock, earlier);
    registration.open();
    say(fields);
  };
  begin({ helloSeq: 4n, sequence: 120n });
  expect(rollbacks).toEqual(["the record sequence went back from 300 to 120"]);
  expect(sessions).toEqual([]);
  expect(answer().state).toBe(SESSION_OFFER);
  say({ helloSeq: 5n, sequence: 180n });
  expect(sessions[0]).toMatchObject({ sequence: 180, sameAttach: false });
  expect(rollbacks).toHaveLength(1);

  begin({ helloSeq: 4n, attachNs: 900n });
  expect(rollbacks).toEqual(["the driver's attach time went back by 100 ns"]);
  begin({ helloSeq: 4n, sequence: 300n });
  expect([rollbacks, sessions.length]).toEqual([[], 1]);
  begin({ helloSeq: 1n, bootId: "bb".repeat(16) });
  expect([rollbacks, sessions.length]).toEqual([[], 1]);
});

test("a standing heartbeat makes a guest silent, a moving one brings it back", () => {
  say();
  registration.monitoringStarted();
  beat(1n);
  pass(2000);
  expect(registration.state).toBe("monitored");
  pass(1500);
  expect(registration.state).toBe("silent");
  beat(2n);
  pass(100);
  expect(registration.state).toBe("monitored");
  expect(changes.map(({ to }) => to)).toEqual(["registered", "monitored", "silent", "monitored"]);
  expect(changes.every(({ reason }) => reason !== "")).toBe(true);
});

test("what is acknowledged while silent counts when the guest is heard again", () => {
  say();
  pass(3000);
  expect(registration.state).toBe("silent");
  registration.monitoringStopped();
  beat(5n);
  pass(100);
  expect(registration.state).toBe("paused");
});

test("neither a paused guest nor a stalled server makes silence", () => {
  say();
  registration.setLiveness("paused");
  pass(5000);
  expect(registration.state).toBe("registered");
  registration.setLiveness("running");
  pass(1000);
  clock.advance(60_000);
  registration.poll(clock.monotonicMs());
  expect(registration.state).toBe("registered");
  pass(3000);
  expect(registration.state).toBe("silent");
});

test("power off ends the session in order", () => {
  say();
  registration.setLiveness("off");
  expect(registration.state).toBe("offline");
  expect(steps.at(-1)).toBe(`ending powered-off, page ${SESSION_READY}`);
  expect(answer()).toMatchObject({ state: SESSION_CLOSED, sessionId: 0 });
  expect(registration.session).toBeUndefined();
});

test("a driver that left is neither silent nor counted as registered", () => {
  say();
  registration.unregistered("unloaded");
  pass(10_000);
  expect(registration.state).toBe("left");
  registration.close();
  expect(answer().state).toBe(SESSION_CLOSED);
  say({ helloSeq: 2n });
  expect(registration.state).toBe("registered");
});

test("the server's heartbeat moves and its pages are written from private state", () => {
  say();
  const first = answer().heartbeat;
  region.zero(SESSION_OFFSET, PAGE_BYTES);
  pass(200);
  expect(answer().heartbeat).toBeGreaterThan(first);
  say({ helloSeq: 2n });
  expect(answer()).toMatchObject({ state: SESSION_READY, guestId: ID, helloSeq: 2n });
});

test("a restarted server resumes where the old one stopped, then wants a new hello", () => {
  say({ sequence: 0n });
  const ring = layout.rings[2];
  if (ring === undefined) throw new Error("no ring");
  region.storeU64(ring.consumerOffset, 4096n);
  [steps, sessions] = [[], []];
  registration = make({ ...superblock, serverEpoch: 501n });
  registration.open();
  expect(sessions[0]).toMatchObject({ recovered: true, sessionId: 0x01010101 });
  expect(sessions[0]?.heads[2]).toBe(4096n);
  expect(decodeSuperblock(page(0), region.bytes).serverEpoch).toBe(501n);
  expect(answer().state).toBe(SESSION_OFFER);
  expect(registration.state).toBe("offline");
  pass(300);
  expect(sessions).toHaveLength(1);
  say({ helloSeq: 2n, serverEpoch: 501n, sequence: 90n });
  expect(steps).toContain(`ending hello, page ${SESSION_OFFER}`);
  expect(sessions[1]).toMatchObject({ recovered: false, sameAttach: true, sequence: 90 });
});

test.each([
  ["another layout", () => region.zero(0, PAGE_BYTES)],
  ["no session", () => region.zero(SESSION_OFFSET, PAGE_BYTES)],
  ["a damaged superblock", () => region.copyIn(100, Uint8Array.of(1, 2, 3))],
])("a region with %s is made anew", (_what, damage) => {
  say();
  damage();
  sessions = [];
  registration = make({ ...superblock, serverEpoch: 501n });
  registration.open();
  expect(sessions).toEqual([]);
  expect(decodeSuperblock(page(0), region.bytes).serverEpoch).toBe(501n);
  expect(page(HELLO_OFFSET).every((byte) => byte === 0)).toBe(true);
});

test("a mapping that fails under the server quarantines, once", () => {
  say();
  region.copyOut = () => false;
  pass(500);
  expect(faults).toEqual(["E_MAPPING: the region's mapping failed"]);
  expect(registration.state).toBe("quarantined");
});
