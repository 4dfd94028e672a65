// SPDX-License-Identifier: Apache-2.0
// The description of a live region: true to what is there, and never thrown off by what a guest
// may write into it.
import { beforeEach, describe, expect, it } from "vitest";
import {
  describeRegion,
  type MemoryRegion,
  openMemoryRegion,
} from "../../../lib/transport/transport.ts";
import * as w from "../../../lib/wire/wire.ts";

const BYTES = 1 << 20;
const layout = w.planRegion({ regionBytes: BYTES, dataRings: 2 });
const [command, priority, data] = layout.rings;
if (command === undefined || priority === undefined || data === undefined) throw new Error("plan");

let region: MemoryRegion;
beforeEach(() => {
  region = openMemoryRegion(BYTES, "guest-a");
  region.copyIn(
    0,
    w.encodeSuperblock({
      layout,
      serverInstance: "12".repeat(16),
      serverEpoch: 5n,
      featuresOffered: 3n,
      featuresRequired: 0n,
      recordBytesMax: 8192,
    }),
  );
  const hello = w.decodeHello(new Uint8Array(w.PAGE_BYTES));
  region.copyIn(w.HELLO_OFFSET, w.encodeHello({ ...hello, bootId: "34".repeat(16) }));
});

function startSession(sessionId: number, features: bigint): void {
  const session = w.decodeSession(new Uint8Array(w.PAGE_BYTES));
  const state = w.SESSION_READY;
  const bytes = w.encodeSession({ ...session, state, sessionId, features });
  region.copyIn(w.SESSION_OFFSET, bytes);
}

describe("a region without a session", () => {
  it("shows its superblock and its rings, all empty", () => {
    const description = describeRegion(region);
    expect(description).toMatchObject({ name: "guest-a", bytes: BYTES, sessionState: "none" });
    expect(description.superblock.serverEpoch).toBe(5n);
    expect(description.hello.bootId).toBe("34".repeat(16));
    expect(description.rings.map((ring) => ring.kind)).toEqual([
      "command",
      "priority",
      "data",
      "data",
    ]);
    for (const ring of description.rings) {
      expect(ring).toMatchObject({ head: 0n, tail: 0n, usedBytes: 0n, records: [] });
    }
  });
});

describe("a region in use", () => {
  it("shows the unread records of every kind", () => {
    startSession(77, 1n);
    const write = (ring: w.PlacedRing, type: number, payload: Uint8Array): void => {
      const producer = region.openProducer(ring, 8192);
      producer.startSession(77, 1n);
      producer.write(type, 0, payload);
      producer.publish();
    };
    const part = { kind: w.COMMAND_PING, body: new Uint8Array(0) };
    write(command, w.RECORD_COMMAND, w.encodeCommandPayload(9n, 0n, part));
    write(priority, w.RECORD_LOST, w.encodeLost(w.LOSS_FULL, w.CLASS_FILE, 3, 4, 6));
    const opened = w.encodeRecord(w.RECORD_FILE_OPEN, { sequence: 8, pid: 2 }, {}, { 1: "/a" });
    write(data, w.RECORD_FILE_OPEN, opened);
    const { rings, sessionState } = describeRegion(region);
    expect(sessionState).toBe("ready");
    expect(rings[0]?.records).toMatchObject([{ sequence: 1, content: { id: 9n, kind: 1 } }]);
    expect(rings[1]?.records).toMatchObject([{ content: { kind: "loss", count: 3, ring: 1 } }]);
    expect(rings[2]?.records).toMatchObject([
      { type: w.RECORD_FILE_OPEN, content: { kind: "file.open", path: "/a", pid: 2 } },
    ]);
    expect(rings[2]?.usedBytes).toBe(BigInt(16 + Math.ceil(opened.length / 16) * 16));
    expect(rings.every((ring) => ring.fault === undefined)).toBe(true);
  });

  it("shows at most eight records, the oldest, and none that was read", () => {
    startSession(77, 0n);
    const producer = region.openProducer(data, 8192);
    const consumer = region.openConsumer(data, 8192, { recordsMax: 2 });
    producer.startSession(77, 0n);
    consumer.startSession(77, 0, 0n);
    for (let count = 0; count < 20; count++) producer.write(0x7777, 1, new Uint8Array(count));
    producer.publish();
    consumer.drain();
    const ring = describeRegion(region).rings[2];
    expect(ring?.records.map((record) => record.sequence)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
    expect(ring?.records[0]).toEqual({ type: 0x7777, sequence: 3, bytes: 2, truncated: true });
  });

  it("names the rule that a reader would find broken", () => {
    startSession(77, 0n);
    const producer = region.openProducer(data, 8192);
    producer.startSession(78, 0n);
    producer.write(0x0101, 0, new Uint8Array(8));
    producer.publish();
    expect(describeRegion(region).rings[2]).toMatchObject({ fault: "E_CHECK", records: [] });
    region.storeU64(data.producerOffset, 2n ** 63n);
    expect(describeRegion(region).rings[2]).toMatchObject({ fault: "E_TAIL_RANGE" });
    region.storeU64(data.consumerOffset, 8n);
    expect(describeRegion(region).rings[2]).toMatchObject({ fault: "E_HEAD_RANGE", head: 8n });
  });

  it("changes nothing", () => {
    startSession(77, 0n);
    const producer = region.openProducer(data, 8192);
    producer.startSession(77, 0n);
    producer.write(0x0101, 0, new Uint8Array(8));
    producer.publish();
    const before = new Uint8Array(BYTES);
    region.copyOut(0, before);
    describeRegion(region);
    const after = new Uint8Array(BYTES);
    region.copyOut(0, after);
    expect(Buffer.compare(before, after)).toBe(0);
  });

  it("is described whatever the guest wrote beside the superblock", () => {
    let state = 99;
    for (let round = 0; round < 40; round++) {
      const noise = Uint8Array.from({ length: 65536 }, () => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return round % 4 === 0 ? 0xff : state >>> 24;
      });
      region.copyIn(w.PAGE_BYTES, noise);
      const { rings, hello } = describeRegion(region);
      expect(rings.length).toBe(4);
      expect(hello.bootId).toMatch(/^[0-9a-f]{32}$/);
    }
  });
});

describe("what is no region", () => {
  it.each([
    ["REGION_MAGIC", (page: DataView) => page.setUint8(0, 0)],
    ["REGION_VERSION", (page: DataView) => page.setUint8(8, 9)],
    ["REGION_CORRUPT", (page: DataView) => page.setUint8(300, 9)],
  ])("is refused with %s", (code, damage) => {
    const page = new Uint8Array(w.PAGE_BYTES);
    region.copyOut(0, page);
    damage(new DataView(page.buffer));
    region.copyIn(0, page);
    expect(() => describeRegion(region)).toThrow(
      expect.objectContaining({ code: `ERR_UC_${code}` }),
    );
  });

  it("is refused when it was cut while it was read", () => {
    const cut = { ...bound(region), copyOut: (): boolean => false };
    expect(() => describeRegion(cut)).toThrow(
      expect.objectContaining({ code: "ERR_UC_REGION_SIZE" }),
    );
  });
});

/** The region with its methods as own properties, so that one can be replaced. */
function bound(whole: MemoryRegion): MemoryRegion {
  return {
    memory: whole.memory,
    bytes: whole.bytes,
    name: whole.name,
    copyOut: (offset, target) => whole.copyOut(offset, target),
    copyIn: (offset, source) => whole.copyIn(offset, source),
    storeU64: (offset, value) => whole.storeU64(offset, value),
    zero: (offset, length) => whole.zero(offset, length),
    openConsumer: (placement, bytes, limits) => whole.openConsumer(placement, bytes, limits),
    openProducer: (placement, bytes) => whole.openProducer(placement, bytes),
    close: () => whole.close(),
  };
}
