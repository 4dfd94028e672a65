// SPDX-License-Identifier: Apache-2.0
// A command has one id, one effect and one end, whatever the guest answers.
import { beforeEach, expect, test } from "vitest";
import { CommandChannel, GuestClock } from "../../../lib/channel/channel.ts";
import {
  type CommandOutcome,
  type CommandRecord,
  type GuestFault,
  RECORD_STRIDE,
  type RingConsumer,
} from "../../../lib/model/model.ts";
import { ManualClock } from "../../../lib/time/time.ts";
import { type MemoryRegion, openMemoryRegion } from "../../../lib/transport/transport.ts";
import {
  COMMAND_PING,
  COMMAND_RULES_BEGIN,
  COMMAND_RULES_COMMIT,
  decodeCommandPayload,
  planRegion,
  RESULT_DONE,
  RESULT_FAILED,
  RESULT_MALFORMED,
  type ReceivedCommand,
  recordBytesMax,
} from "../../../lib/wire/wire.ts";
import { exit } from "../events.ts";

const ORIGIN = { requestedBy: "test" };
const PING = { kind: "ping" } as const;
const KILL = { kind: "kill-process", pid: 500, processStartNs: 7n, execGeneration: 1 } as const;
const layout = planRegion({ regionBytes: 1 << 20, dataRings: 1, commandCapacityLog2: 12 });
const placed = layout.rings[0];
if (placed === undefined) throw new Error("no command ring");

let clock: ManualClock;
let region: MemoryRegion;
let guest: RingConsumer;
let channel: CommandChannel;
let nextId: bigint;
let changes: CommandRecord[];
let faults: GuestFault[];

beforeEach(() => {
  clock = new ManualClock();
  region = openMemoryRegion(1 << 20);
  guest = region.openConsumer(placed, 4096);
  changes = [];
  faults = [];
  nextId = 1000n;
  const guestClock = new GuestClock(clock);
  guestClock.start(5_000_000_000n);
  channel = new CommandChannel({
    guest: "g",
    producer: region.openProducer(placed, 4096),
    ring: 0,
    payloadBytesMax: recordBytesMax(placed.capacityLog2, 4096),
    takeIds: (count) => {
      const first = nextId;
      nextId += BigInt(count);
      return first;
    },
    clock,
    guestClock,
    hooks: {
      changed: (record) => changes.push(record),
      faulted: (fault) => faults.push(fault),
    },
  });
});

function begin(): void {
  channel.startSession(9, 0n);
  guest.startSession(9, 0, 0n);
}

function receive(): ReceivedCommand[] {
  const commands: ReceivedCommand[] = [];
  for (let count = guest.drain(); count > 0; count = guest.drain()) {
    for (let at = 0; at < count * RECORD_STRIDE; at += RECORD_STRIDE) {
      const [offset = 0, length = 0] = guest.records.subarray(at, at + 2);
      const command = decodeCommandPayload(guest.batch.slice(offset, offset + length));
      if (command !== undefined) commands.push(command);
    }
  }
  return commands;
}

function answer(commandId: bigint, commandKind: number, result: number = RESULT_DONE): void {
  const rest = { sequence: 1, detail: 0, value: 0 };
  channel.acknowledge({ kind: "command.result", commandId, commandKind, result, ...rest });
}

const outcomes = (id: bigint): CommandOutcome[] =>
  changes.flatMap((record) => (record.id === id ? [record.outcome] : []));

test("a command goes out with its id and a deadline in the guest's clock, and ends once", () => {
  begin();
  const { id } = channel.send(PING, { ...ORIGIN, deadlineMs: 3000 });
  channel.turn();
  const [command] = receive();
  expect(command).toMatchObject({ id, kind: COMMAND_PING, deadlineNs: 8_000_000_000n });
  answer(id, COMMAND_PING);
  answer(id, COMMAND_PING);
  expect(outcomes(id)).toEqual(["pending", "done"]);
  expect(channel.totals).toMatchObject({ sent: 1, strayAnswers: 1, outstanding: 0 });
});

test("answers of another kind, of unknown ids and before sending are strays", () => {
  begin();
  const { id } = channel.send(PING, ORIGIN);
  answer(id, COMMAND_PING);
  channel.turn();
  answer(id, COMMAND_RULES_BEGIN);
  answer(id + 1n, COMMAND_PING);
  expect(outcomes(id)).toEqual(["pending"]);
  expect(channel.totals.strayAnswers).toBe(3);
});

test("no answer by the deadline: expired, and a late one changes nothing", () => {
  begin();
  const { id } = channel.send(PING, { ...ORIGIN, deadlineMs: 1000 });
  channel.turn();
  clock.advance(2500);
  channel.turn();
  answer(id, COMMAND_PING);
  expect(outcomes(id)).toEqual(["pending", "expired"]);
});

test("an unanswered record is sent again with the same id and nothing else", () => {
  begin();
  const { id } = channel.send(PING, ORIGIN);
  channel.turn();
  clock.advance(2500);
  channel.turn();
  channel.turn();
  expect(receive().map((command) => command.id)).toEqual([id, id]);
  expect(channel.totals).toMatchObject({ sent: 1, resent: 1 });
});

test("the end of a session loses what is open; without one nothing is sent", () => {
  begin();
  const { id } = channel.send(PING, ORIGIN);
  channel.turn();
  channel.endSession();
  answer(id, COMMAND_PING);
  expect(outcomes(id)).toEqual(["pending", "lost"]);
  const second = channel.send(PING, ORIGIN);
  expect(second.outcome).toBe("lost");
  channel.turn();
  expect(receive()).toHaveLength(1);
});

test("a rule table is many records and one outcome", () => {
  begin();
  const rules = Array.from({ length: 40 }, (_, index) => ({
    ...{ id: index + 1, operations: ["open"], match: "path", verdict: "deny" },
    pattern: `/very/long/path/number/${index}`,
  })) as never;
  const { id } = channel.send({ kind: "set-rules", generation: 3, rules }, ORIGIN);
  channel.turn();
  const parts = receive();
  expect(parts.length).toBeGreaterThan(3);
  expect(parts[0]?.kind).toBe(COMMAND_RULES_BEGIN);
  expect(parts.at(-1)?.kind).toBe(COMMAND_RULES_COMMIT);
  for (const part of parts.slice(0, -1)) answer(part.id, part.kind);
  expect(outcomes(id)).toEqual(["pending"]);
  const last = parts.at(-1);
  if (last) answer(last.id, last.kind);
  expect(outcomes(id)).toEqual(["pending", "done"]);
});

test("a part that fails ends the whole table and holds back the rest", () => {
  begin();
  const rules = Array.from({ length: 400 }, (_, index) => ({
    ...{ id: index + 1, operations: ["open"], match: "path", verdict: "deny" },
    pattern: `/very/long/path/number/${index}`,
  })) as never;
  const { id } = channel.send({ kind: "set-rules", generation: 3, rules }, ORIGIN);
  channel.turn();
  const parts = receive();
  expect(parts.some(({ kind }) => kind === COMMAND_RULES_COMMIT)).toBe(false);
  const [first] = parts;
  if (first) answer(first.id, first.kind, RESULT_MALFORMED);
  channel.turn();
  expect(receive()).toEqual([]);
  expect(outcomes(id)).toEqual(["pending", "malformed"]);
  expect(channel.totals.outstanding).toBe(0);
});

test("no more than the window is out, and a full ring only waits", () => {
  begin();
  const ids = Array.from({ length: 100 }, () => channel.send(PING, ORIGIN).id);
  channel.turn();
  const first = receive();
  expect(first).toHaveLength(32);
  for (const { id, kind } of first) answer(id, kind);
  channel.turn();
  for (const { id, kind } of receive()) answer(id, kind);
  channel.turn();
  for (const { id, kind } of receive()) answer(id, kind);
  channel.turn();
  for (const { id, kind } of receive()) answer(id, kind);
  expect(ids.every((id) => outcomes(id).at(-1) === "done")).toBe(true);
});

test("a kill is confirmed by the exit of exactly that process, before or after the answer", () => {
  begin();
  const before = channel.send(KILL, ORIGIN).id;
  const after = channel.send({ ...KILL, pid: 600 }, ORIGIN).id;
  channel.turn();
  channel.observeExit(exit({ pid: 500, processStartNs: 8n }));
  channel.observeExit(exit({ pid: 500, execGeneration: 2 }));
  for (const { id, kind } of receive()) {
    if (id === before) {
      expect(outcomes(id)).toEqual(["pending"]);
      channel.observeExit(exit());
    }
    answer(id, kind);
  }
  expect(outcomes(before)).toEqual(["pending", "done", "confirmed"]);
  expect(outcomes(after)).toEqual(["pending", "done"]);
  channel.observeExit(exit({ pid: 600 }));
  channel.observeExit(exit({ pid: 600 }));
  expect(outcomes(after)).toEqual(["pending", "done", "confirmed"]);
  expect(channel.records.map(({ outcome }) => outcome)).toEqual(["confirmed", "confirmed"]);
});

test("an exit without an answer proves nothing about the command", () => {
  begin();
  const { id } = channel.send(KILL, { ...ORIGIN, deadlineMs: 1000 });
  channel.turn();
  channel.observeExit(exit());
  const [command] = receive();
  if (command) answer(id, command.kind, RESULT_FAILED);
  expect(outcomes(id)).toEqual(["pending", "failed"]);
});

test("a head that cannot be is a fault of the guest", () => {
  begin();
  channel.send(PING, ORIGIN);
  region.storeU64(placed.consumerOffset, 1n << 40n);
  channel.turn();
  channel.send(PING, ORIGIN);
  channel.turn();
  expect(faults[0]).toEqual({ fault: "E_HEAD_RANGE", ring: 0 });
});

test("who asked and why stays with the command", () => {
  begin();
  const record = channel.send(PING, { requestedBy: "policy:p", finding: "f1" });
  expect(record).toMatchObject({ guest: "g", requestedBy: "policy:p", finding: "f1", detail: 0 });
  expect(record.deadlineMs - record.createdMs).toBe(10_000);
});
