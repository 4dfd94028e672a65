// SPDX-License-Identifier: Apache-2.0
// Records of several rings become one stream in order; a fault ends it without touching others.
import { expect, test } from "vitest";
import { DataChannel } from "../../../lib/channel/channel.ts";
import { encodeRecord, RECORD_UNREGISTER } from "../../../lib/wire/wire.ts";
import { DATA0, DATA1, PRIORITY, SESSION, StreamRig } from "./rig.ts";

const sequences = (rig: StreamRig): number[] =>
  rig.items.flatMap((item) => (item.kind === "loss" ? [] : [item.sequence]));

test("three rings are merged by the global sequence", () => {
  const rig = new StreamRig();
  rig.start();
  for (const [ring, sequence] of [
    [DATA0, 2],
    [DATA0, 3],
    [DATA1, 4],
    [PRIORITY, 1],
    [DATA0, 6],
    [PRIORITY, 5],
    [DATA1, 7],
  ] as const) {
    rig.write(ring, sequence);
  }
  rig.show();
  expect(rig.stream.turn()).toBeGreaterThan(0);
  expect(sequences(rig)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(rig.batches).toHaveLength(1);
  expect(rig.stream.turn()).toBe(0);
  expect(rig.stream.ledger.totals).toMatchObject({ delivered: 7, unaccounted: 0 });
});

test("an exec is delivered before what it did, however long the priority ring is", () => {
  const rig = new StreamRig();
  rig.start();
  // More execs than one drain takes, then one file event that the last of them caused.
  for (let sequence = 1; sequence <= 200; sequence++) rig.write(PRIORITY, sequence);
  rig.write(DATA0, 201);
  rig.show();
  while (rig.stream.turn() > 0);
  expect(sequences(rig)).toEqual(Array.from({ length: 201 }, (_, index) => index + 1));
});

test("a hole is told in its place with class and reason", () => {
  const rig = new StreamRig("g", 12);
  rig.start();
  let sequence = 0;
  while (rig.write(DATA0, ++sequence));
  const lostFirst = sequence;
  rig.write(DATA0, ++sequence);
  rig.show();
  rig.stream.turn();
  rig.write(DATA0, ++sequence);
  rig.show();
  while (rig.stream.turn() > 0);
  expect(rig.items.at(-2)).toMatchObject({
    kind: "loss",
    recordClass: "file",
    reason: "full",
    count: 2,
    firstSequence: lostFirst,
    lastSequence: lostFirst + 1,
    ring: DATA0,
  });
  expect(rig.items.at(-1)).toMatchObject({ kind: "file.open", sequence });
  expect(rig.stream.ledger.totals).toMatchObject({ named: 2, unaccounted: 0, mismatches: 0 });
});

test("unknown and broken records are counted and named, the rest goes on", () => {
  const rig = new StreamRig();
  rig.start();
  const ring = rig.ring(DATA0);
  ring.write(0x02ff, new Uint8Array(80), 1);
  ring.write(0x0202, new Uint8Array(8), 2);
  rig.write(DATA0, 3);
  rig.show();
  rig.stream.turn();
  expect(sequences(rig)).toEqual([3]);
  const named = rig.items.filter((item) => item.kind === "loss");
  expect(named.reduce((sum, { count }) => sum + count, 0)).toBe(2);
  expect(named.every(({ reason }) => reason === "undecodable")).toBe(true);
});

test("control records never become events", () => {
  const rig = new StreamRig();
  rig.start();
  const payload = encodeRecord(RECORD_UNREGISTER, { sequence: 1 }, { reason: 1 });
  rig.ring(PRIORITY).write(RECORD_UNREGISTER, payload, 1);
  rig.show();
  rig.stream.turn();
  expect(rig.controls).toEqual([{ kind: "unregister", sequence: 1, reason: 1 }]);
  expect(rig.batches).toEqual([]);
});

test("a fault is told once with its evidence; good records before it are delivered", () => {
  const rig = new StreamRig();
  rig.start();
  rig.write(DATA0, 1);
  rig.show();
  const ring = rig.ring(DATA0);
  const { tail } = ring;
  ring.scribble(new Uint8Array(512).fill(0xff));
  ring.forgeTail(tail + 512n);
  while (rig.stream.turn() > 0);
  expect(sequences(rig)).toEqual([1]);
  expect(rig.faults).toHaveLength(1);
  expect(rig.faults[0]?.fault).toEqual({ fault: "E_PAD_PLACE", ring: DATA0 });
  const evidence = rig.faults[0]?.evidence ?? new Uint8Array(0);
  expect(evidence).toHaveLength(256);
  expect(evidence.every((byte) => byte === 0xff)).toBe(true);
  rig.write(DATA1, 2);
  rig.show();
  expect(rig.stream.turn()).toBe(0);
  expect(rig.faults).toHaveLength(1);
  rig.stream.startSession({ ...SESSION, sessionId: 78, sameAttach: true, sequence: 2 }, 0);
  expect(rig.stream.ledger.totals.pending).toBe(1);
});

test("finishing a session reads everything that is left", () => {
  const rig = new StreamRig();
  rig.start();
  for (let sequence = 1; sequence <= 300; sequence++) rig.write(DATA0, sequence);
  rig.show();
  rig.stream.finishSession();
  expect(sequences(rig)).toHaveLength(300);
  rig.write(DATA0, 301);
  rig.show();
  expect(rig.stream.turn()).toBe(0);
});

test("a session is resumed from the heads that were left", () => {
  const rig = new StreamRig();
  rig.start();
  for (let sequence = 1; sequence <= 3; sequence++) rig.write(DATA0, sequence);
  rig.show();
  rig.stream.turn();
  const head = rig.ring(DATA0).tail;
  for (let sequence = 4; sequence <= 6; sequence++) rig.write(DATA0, sequence);
  rig.show();
  rig.stream.startSession({ ...SESSION, recovered: true, heads: [0n, 0n, head, 0n] }, 0);
  rig.stream.turn();
  expect(sequences(rig)).toEqual([1, 2, 3, 4, 5, 6]);
});

test("a guest that floods its rings does not keep a quiet one waiting", () => {
  const loud = new StreamRig("loud");
  const quiet = new StreamRig("quiet");
  const channel = new DataChannel();
  for (const rig of [loud, quiet]) {
    rig.start();
    channel.add(rig.stream);
  }
  let sequence = 0;
  const flood = (): void => {
    while (loud.write(DATA0, ++sequence, `/${"x".repeat(900)}`));
    loud.show();
  };
  flood();
  quiet.write(DATA0, 1);
  quiet.show();
  channel.round();
  expect(sequences(quiet)).toEqual([1]);
  for (let round = 0; round < 50; round++) {
    flood();
    channel.round();
  }
  quiet.write(DATA1, 2);
  quiet.show();
  channel.round();
  expect(sequences(quiet)).toEqual([1, 2]);
  channel.remove(loud.stream);
  const before = loud.items.length;
  channel.round();
  expect(loud.items).toHaveLength(before);
});
