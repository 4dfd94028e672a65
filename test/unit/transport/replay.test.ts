// SPDX-License-Identifier: Apache-2.0
// Recordings as files: what a cut, damaged or foreign one does, and what several rings in one
// recording mean. That a replay gives what was drained is shown in test/conformance.
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  openMemoryRegion,
  openReplayRegion,
  recordRegion,
} from "../../../lib/transport/transport.ts";
import * as w from "../../../lib/wire/wire.ts";

const BYTES = 1 << 20;
const layout = w.planRegion({ regionBytes: BYTES, dataRings: 2 });
const [command, priority, data] = layout.rings as [w.PlacedRing, w.PlacedRing, w.PlacedRing];

const refused = expect.objectContaining({ code: "ERR_UC_RECORDING" });

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "undercroft-recording-"));
  path = join(folder, "recording");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Records two sessions of two rings, whose drains take turns. */
function makeRecording(): void {
  const memory = openMemoryRegion(BYTES);
  memory.copyIn(
    0,
    w.encodeSuperblock({
      layout,
      serverInstance: "ab".repeat(16),
      serverEpoch: 1n,
      featuresOffered: 0n,
      featuresRequired: 0n,
      recordBytesMax: 4096,
    }),
  );
  const region = recordRegion(memory, path);
  const rings = [priority, data].map((placement) => ({
    consumer: region.openConsumer(placement, 4096, { recordsMax: 8 }),
    producer: memory.openProducer(placement, 4096),
  }));
  for (const session of [1, 2]) {
    for (const { consumer, producer } of rings) {
      producer.startSession(session, 0n);
      consumer.startSession(session, 0, 0n);
    }
    for (let round = 0; round < 3; round++) {
      for (const [index, { consumer, producer }] of rings.entries()) {
        producer.write(0x0101, 0, Uint8Array.of(session, index, round));
        producer.publish();
        expect(consumer.drain()).toBe(1);
      }
    }
  }
  region.close();
}

/** Payloads of one ring's drains until it is empty. */
function drained(consumer: { drain(): number; batch: Uint8Array }): number[][] {
  const out: number[][] = [];
  while (consumer.drain() > 0) out.push([...consumer.batch.subarray(16, 19)]);
  return out;
}

describe("a recording", () => {
  it("gives each ring its own records, session by session", () => {
    makeRecording();
    const region = openReplayRegion(path);
    expect([region.name, region.bytes]).toEqual([path, BYTES]);
    const [first, second] = [priority, data].map((ring) => region.openConsumer(ring, 4096));
    if (first === undefined || second === undefined) throw new Error("no consumers");
    expect(first.drain()).toBe(0);
    first.startSession(9, 8, 0n);
    expect(drained(first)).toEqual([
      [1, 0, 0],
      [1, 0, 1],
      [1, 0, 2],
    ]);
    expect(first.drain()).toBe(0);
    first.startSession(9, 8, 0n);
    expect(drained(first)[0]).toEqual([2, 0, 0]);
    first.startSession(9, 8, 0n);
    expect(first.drain()).toBe(0);
    second.startSession(9, 8, 0n);
    expect(drained(second)[2]).toEqual([1, 1, 2]);
    const page = new Uint8Array(w.PAGE_BYTES);
    region.copyOut(0, page);
    expect(page.subarray(32, 48)).toEqual(new Uint8Array(16).fill(0xab));
    region.close();
  });

  it("is written for its owner alone, and never over another", () => {
    makeRecording();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(() => recordRegion(openMemoryRegion(BYTES), path)).toThrow(refused);
    expect(() => recordRegion(openMemoryRegion(BYTES), join(folder, "no", "r"))).toThrow(refused);
  });

  it("cut anywhere plays what is whole", () => {
    makeRecording();
    const whole = readFileSync(path);
    const counts = new Set<number>();
    for (let bytes = whole.length; bytes > 24 + 4 * w.PAGE_BYTES + 24; bytes -= 37) {
      writeFileSync(path, whole);
      truncateSync(path, bytes);
      const region = openReplayRegion(path);
      const consumer = region.openConsumer(priority, 4096);
      consumer.startSession(1, 0, 0n);
      const records = drained(consumer);
      consumer.startSession(2, 0, 0n);
      counts.add(records.length + drained(consumer).length);
      region.close();
    }
    expect([...counts].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it("of something else is refused", () => {
    expect(() => openReplayRegion(path)).toThrow(refused);
    writeFileSync(path, "");
    expect(() => openReplayRegion(path)).toThrow(refused);
    writeFileSync(path, Buffer.alloc(20_000));
    expect(() => openReplayRegion(path)).toThrow(refused);
    makeRecordingOver();
    const bytes = readFileSync(path);
    bytes[8] = 9;
    writeFileSync(path, bytes);
    expect(() => openReplayRegion(path)).toThrow(/version 9/);
  });

  const makeRecordingOver = (): void => {
    rmSync(path);
    makeRecording();
  };

  it("without the ring asked for says so", () => {
    makeRecording();
    const region = openReplayRegion(path);
    expect(() => region.openConsumer(command, 4096)).toThrow(refused);
    region.close();
    expect(() => region.openConsumer(priority, 4096)).toThrow(
      expect.objectContaining({ code: "ERR_UC_REGION_CLOSED" }),
    );
  });

  it("damaged anywhere is refused, or hands out nothing outside the batch", () => {
    makeRecording();
    const whole = readFileSync(path);
    const start = 24 + 4 * w.PAGE_BYTES;
    let refusals = 0;
    for (let at = start; at < whole.length; at += 3) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      writeFileSync(path, bytes);
      const region = openReplayRegion(path);
      try {
        const consumer = region.openConsumer(priority, 4096);
        consumer.startSession(1, 0, 0n);
        for (let count = consumer.drain(); count > 0; count = consumer.drain()) {
          for (let place = 0; place < count * 4; place += 4) {
            const [offset = 0, length = 0] = consumer.records.subarray(place, place + 2);
            expect(offset + length).toBeLessThanOrEqual(consumer.batch.length);
          }
        }
      } catch (error) {
        expect(error).toEqual(refused);
        refusals++;
      }
      region.close();
    }
    expect(refusals).toBeGreaterThan(15);
  });
});
