// SPDX-License-Identifier: Apache-2.0
// A stream that sleeps: armed when it found nothing, awake when rung, looking once more before it
// sleeps; rings that are lost, and rings that bring nothing.
import { beforeEach, expect, test } from "vitest";
import { DataChannel } from "../../../lib/channel/channel.ts";
import type { DoorbellListener } from "../../../lib/native/native.ts";
import type { Doorbell } from "../../../lib/transport/transport.ts";
import { FEATURE_DOORBELL, RING_CONSUMER_LAYOUT } from "../../../lib/wire/wire.ts";
import { readWord } from "../../support/ring-writer.ts";
import { DATA0, DATA1, PRIORITY, SESSION, StreamRig } from "./rig.ts";

/** A doorbell in this process: rings reach the listener when the test says so. */
class FakeDoorbell implements Doorbell {
  listener: DoorbellListener | undefined;
  rungGuest = 0;

  listen(listener: DoorbellListener): void {
    this.listener = listener;
  }

  unlisten(): void {
    this.listener = undefined;
  }

  ring(): void {
    this.rungGuest++;
  }
}

let bell: FakeDoorbell;
let rig: StreamRig;
let channel: DataChannel;
let sequence: number;

beforeEach(() => {
  bell = new FakeDoorbell();
  rig = new StreamRig("g", 16, bell);
  channel = new DataChannel();
  channel.add(rig.stream);
  sequence = 0;
  rig.start({ features: FEATURE_DOORBELL });
});

const wakeAt = (ring: number): bigint =>
  readWord(rig.region, rig.placed(ring).consumerOffset + RING_CONSUMER_LAYOUT.wakeAt);
const tail = (ring: number): bigint => readWord(rig.region, rig.placed(ring).producerOffset);

/** Writes and publishes a record as the core does; true when the core would ring. */
function write(ring: number): boolean {
  const before = tail(ring);
  rig.write(ring, ++sequence);
  rig.show();
  const armed = wakeAt(ring);
  return before < armed && armed <= tail(ring);
}

test("it arms each ring one past its head, and the next record of any of them crosses", () => {
  expect(channel.round()).toBe(0);
  expect(rig.stream.isAsleep).toBe(true);
  expect([PRIORITY, DATA0, DATA1].map(wakeAt)).toEqual([1n, 1n, 1n]);
  expect(channel.isAsleep).toBe(true);
  expect(write(DATA1)).toBe(true);
  // Nobody looks before the ring.
  expect(channel.round(false)).toBe(0);
  expect(rig.items).toHaveLength(0);
  expect(bell.listener?.onRing(1)).toBe(true);
  expect([rig.stream.isAsleep, rig.awakened]).toEqual([false, 1]);
  expect(channel.round(false)).toBeGreaterThan(0);
  expect(rig.items).toHaveLength(1);
});

test("awake it is not rung: only the first record of a ring crosses", () => {
  channel.round();
  expect(write(DATA0)).toBe(true);
  for (let at = 0; at < 50; at++) expect(write(DATA0)).toBe(false);
  bell.listener?.onRing(1);
  channel.round(false);
  expect(rig.items).toHaveLength(51);
  expect(write(DATA0)).toBe(false);
  channel.round(false);
  channel.round(false);
  expect(rig.stream.isAsleep).toBe(true);
  expect(write(DATA0)).toBe(true);
});

test("what comes between the last turn and the arming is found before it sleeps", () => {
  const { storeU64 } = rig.region;
  let armed = 0;
  // The record is written after the positions are, and before the last look.
  rig.region.storeU64 = (offset, value) => {
    const isStored = storeU64.call(rig.region, offset, value);
    if (offset % 4096 === RING_CONSUMER_LAYOUT.wakeAt && ++armed === 3) {
      rig.write(DATA0, ++sequence);
      rig.show();
    }
    return isStored;
  };
  expect(channel.round()).toBeGreaterThan(0);
  expect(rig.items).toHaveLength(1);
  expect(rig.stream.isAsleep).toBe(false);
  expect(rig.stream.doorbell).toMatchObject({ missed: 0 });
});

test("a record whose ring was lost is found by the next look, and counted", () => {
  channel.round();
  expect(write(DATA0)).toBe(true);
  expect(channel.round(false)).toBe(0);
  expect(channel.round(true)).toBeGreaterThan(0);
  expect(rig.items).toHaveLength(1);
  expect(rig.stream.doorbell).toEqual({ isListening: true, rings: 0, missed: 1, storms: 0 });
  channel.round();
  expect(rig.stream.isAsleep).toBe(true);
});

test("a look that finds nothing leaves it asleep and writes nothing", () => {
  channel.round();
  rig.region.zero(rig.placed(DATA0).consumerOffset + RING_CONSUMER_LAYOUT.wakeAt, 8);
  expect(channel.round(true)).toBe(0);
  expect(rig.stream.isAsleep).toBe(true);
  expect(wakeAt(DATA0)).toBe(0n);
});

test("who rings more often than it was asked to is not heard any more", () => {
  const ring = (rings: number): boolean | undefined => bell.listener?.onRing(rings);
  // What a session before left behind is not held against this one.
  ring(1000);
  let rungs = 0;
  for (let sleeps = 0; sleeps < 20; sleeps++) {
    channel.round(false);
    expect(rig.stream.isAsleep).toBe(true);
    for (const place of [DATA0, DATA1, PRIORITY]) {
      expect(write(place)).toBe(true);
      rungs++;
      ring(1);
    }
    channel.round(false);
    channel.round(false);
  }
  expect(rig.stream.doorbell).toMatchObject({ rings: 1000 + rungs, storms: 0, isListening: true });
  // Four armings' worth of late rings are believed.
  ring(4 * 3);
  expect(rig.stream.doorbell).toMatchObject({ storms: 0 });
  ring(1);
  expect(rig.stream.doorbell).toMatchObject({ storms: 1, isListening: false });
  expect(bell.listener).toBeUndefined();
});

test("after a storm it is polled until the next session", () => {
  channel.round();
  expect(rig.stream.isAsleep).toBe(true);
  bell.listener?.onStorm();
  expect([rig.stream.isAsleep, bell.listener, rig.awakened]).toEqual([false, undefined, 1]);
  channel.round();
  expect(rig.stream.isAsleep).toBe(false);
  expect(rig.stream.doorbell).toMatchObject({ isListening: false, storms: 1 });
  rig.write(DATA0, ++sequence);
  rig.show();
  expect(channel.round(false)).toBeGreaterThan(0);
  rig.stream.startSession({ ...SESSION, sessionId: 78, features: FEATURE_DOORBELL }, 0);
  channel.round();
  expect(rig.stream.isAsleep).toBe(true);
});

test("without a session there is nothing to be awake for; a new one begins awake", () => {
  rig.stream.finishSession();
  expect([rig.stream.isAsleep, bell.listener]).toEqual([true, undefined]);
  rig.stream.startSession({ ...SESSION, sessionId: 78, features: FEATURE_DOORBELL }, 0);
  expect(rig.stream.isAsleep).toBe(false);
  rig.stream.abandonSession();
  expect([rig.stream.isAsleep, bell.listener]).toEqual([true, undefined]);
});

test("a driver that did not take the feature is polled", () => {
  rig.stream.startSession({ ...SESSION, sessionId: 78, features: 0n }, 0);
  channel.round();
  expect([rig.stream.isAsleep, bell.listener]).toEqual([false, undefined]);
});

test("asleep beside guests that are polled, it costs no turn", () => {
  let turns = 0;
  const counting = {
    turn: (): number => {
      turns++;
      return 0;
    },
  };
  channel.add(counting);
  channel.round();
  expect([rig.stream.isAsleep, channel.isAsleep]).toEqual([true, false]);
  rig.write(DATA0, ++sequence);
  rig.show();
  for (let at = 0; at < 5; at++) channel.round(false);
  expect([turns, rig.items.length]).toEqual([6, 0]);
});
