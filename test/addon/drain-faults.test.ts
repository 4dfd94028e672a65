// SPDX-License-Identifier: Apache-2.0
// Every fault that a drain can return, each from a region made by hand, and what must hold around
// a fault: good records first, then the fault, and nothing read until a new session.
import { afterEach, describe, expect, it } from "vitest";
import { CONSUMER_STAT, faultName } from "../../lib/model/model.ts";
import {
  CAPACITY,
  CRC,
  HandMadeRing,
  PLACEMENT,
  PREVIOUS_SESSION,
  RECORD_BYTES_MAX,
  SESSION,
} from "./hand-made-ring.ts";

let ring: HandMadeRing;
afterEach(() => ring.close());

const outcome = (): string => {
  const result = ring.consumer.drain();
  return result < 0 ? faultName(result) : `${result} records`;
};

describe("tail", () => {
  const cap = BigInt(CAPACITY);
  it.each([
    ["one frame beyond the capacity", cap + 16n, "E_TAIL_RANGE"],
    ["just beyond the capacity, unaligned", cap + 8n, "E_TAIL_RANGE"],
    ["backwards by a frame", 2n ** 64n - 16n, "E_TAIL_RANGE"],
    ["half the number space ahead", 2n ** 63n, "E_TAIL_RANGE"],
    ["all ones", 2n ** 64n - 1n, "E_TAIL_RANGE"],
    ["unaligned by one", 17n, "E_TAIL_ALIGN"],
    ["unaligned by eight", 24n, "E_TAIL_ALIGN"],
  ])("%s", (_, tail, fault) => {
    ring = new HandMadeRing();
    ring.publish(tail);
    expect(outcome()).toBe(fault);
  });

  it("at exactly the capacity is a full ring", () => {
    ring = new HandMadeRing();
    for (let i = 1; i <= CAPACITY / 512; i++) ring.put({ length: 496, sequence: i });
    expect(ring.at).toBe(CAPACITY);
    ring.publish();
    expect(outcome()).toBe(`${CAPACITY / 512} records`);
    expect(outcome()).toBe("0 records");
  });

  it("moving backwards after progress", () => {
    ring = new HandMadeRing();
    ring.advanceTo(4096);
    ring.publish(2048n);
    expect(outcome()).toBe("E_TAIL_RANGE");
  });
});

describe.each([
  ["session check", 0n],
  ["CRC-32C", CRC],
])("a frame under %s", (_, features) => {
  it.each([
    ["of type zero", { type: 0 }, "E_TYPE_ZERO"],
    ["one byte too long", { length: RECORD_BYTES_MAX + 1 }, "E_LEN_LIMIT"],
    ["of 4 GiB", { length: 0xffff_ffff, payload: new Uint8Array(0) }, "E_LEN_LIMIT"],
    [
      "whose length wraps when aligned",
      { length: 0xffff_fff1, payload: new Uint8Array(0) },
      "E_LEN_LIMIT",
    ],
    ["with an unknown flag", { flags: 0x8000 }, "E_FLAGS"],
    ["with a wrong check", { check: 1 }, "E_CHECK"],
    ["of the session before", { session: PREVIOUS_SESSION }, "E_SESSION"],
    ["of some other session", { session: 77 }, "E_CHECK"],
    ["with sequence zero", { sequence: 0 }, "E_SEQ"],
    ["half the sequence space ahead", { sequence: 0x8000_0000 }, "E_SEQ"],
    ["a PAD in the middle", { type: 0xffff, sequence: 0 }, "E_PAD_PLACE"],
    [
      "a PAD of the whole ring",
      { type: 0xffff, sequence: 0, length: CAPACITY - 16 },
      "E_PAD_PLACE",
    ],
  ])("%s", (_name, frame, fault) => {
    ring = new HandMadeRing(features);
    ring.put(frame);
    ring.publish(64n);
    expect(outcome()).toBe(fault);
  });

  it("repeating a sequence", () => {
    ring = new HandMadeRing(features);
    ring.put({ sequence: 5 });
    ring.put({ sequence: 5 });
    ring.publish();
    expect(outcome()).toBe("1 records");
    expect(outcome()).toBe("E_SEQ");
  });

  it("longer than what the tail says is there", () => {
    ring = new HandMadeRing(features);
    ring.put({ length: 64 });
    ring.publish(64n);
    expect(outcome()).toBe("E_LEN_AVAIL");
  });

  it("crossing the end of the ring", () => {
    ring = new HandMadeRing(features);
    const last = ring.advanceTo(CAPACITY - 32);
    ring.put({ length: 64, sequence: last + 1 });
    ring.publish();
    expect(outcome()).toBe("E_CROSS_END");
  });

  it.each([
    ["with flags", { flags: 1 }, "E_FLAGS"],
    ["with a sequence", { sequence: 3 }, "E_SEQ"],
    ["with a wrong check", { check: 9 }, "E_CHECK"],
    ["of the session before", { session: PREVIOUS_SESSION }, "E_SESSION"],
    ["one frame short of the end", { length: 0 }, "E_PAD_PLACE"],
    ["beyond the end", { length: 32 }, "E_PAD_PLACE"],
    ["beyond the tail", {}, "E_LEN_AVAIL"],
  ])("a PAD %s", (_name, frame, fault) => {
    ring = new HandMadeRing(features);
    ring.advanceTo(CAPACITY - 32);
    ring.put({ type: 0xffff, sequence: 0, length: 16, ...frame });
    ring.publish(BigInt(fault === "E_LEN_AVAIL" ? CAPACITY - 16 : CAPACITY));
    expect(outcome()).toBe(fault);
  });

  it("a PAD to the end, then a record at the start, in one call", () => {
    ring = new HandMadeRing(features);
    const last = ring.advanceTo(CAPACITY - 48);
    ring.put({ type: 0xffff, sequence: 0, length: 32 });
    ring.put({ length: 100, sequence: last + 1 });
    ring.publish();
    expect(outcome()).toBe("1 records");
    expect(ring.consumer.stats[CONSUMER_STAT.pads]).toBe(1n);
    expect(outcome()).toBe("0 records");
  });
});

describe("rings of one value", () => {
  it.each([
    ["zeros", 0x00, "E_TYPE_ZERO"],
    ["ones", 0xff, "E_PAD_PLACE"],
  ])("all %s", (_, value, fault) => {
    ring = new HandMadeRing();
    ring.mapping.copyIn(PLACEMENT.ringOffset, new Uint8Array(CAPACITY).fill(value));
    ring.publish(BigInt(CAPACITY));
    expect(outcome()).toBe(fault);
  });
});

describe("around a fault", () => {
  it("good records come first, then the fault, latched, and the region is left alone", () => {
    ring = new HandMadeRing();
    ring.put({ length: 10, sequence: 1 });
    ring.put({ length: 20, sequence: 2 });
    ring.put({ type: 0, sequence: 3 });
    ring.publish();
    expect(outcome()).toBe("2 records");
    expect(ring.consumer.stats[CONSUMER_STAT.faults]).toBe(1n);
    expect(outcome()).toBe("E_TYPE_ZERO");
    // Repaired by the guest: the fault stands.
    ring.at = 32 + 48;
    ring.put({ length: 20, sequence: 3 });
    expect(outcome()).toBe("E_TYPE_ZERO");
    expect(ring.consumer.stats[CONSUMER_STAT.faults]).toBe(1n);
    expect(ring.mapping.loadU64(PLACEMENT.consumerOffset)).toBe(80n);
  });

  it("keeps the first bytes of the broken frame", () => {
    ring = new HandMadeRing();
    ring.put({ type: 0, payload: new TextEncoder().encode("evidence") });
    ring.publish();
    expect(ring.consumer.evidence().length).toBe(0);
    expect(outcome()).toBe("E_TYPE_ZERO");
    const evidence = ring.consumer.evidence();
    expect(evidence.length).toBe(32);
    expect(new TextDecoder().decode(evidence.subarray(16, 24))).toBe("evidence");
  });

  it("a new session clears it", () => {
    ring = new HandMadeRing();
    ring.publish(8n);
    expect(outcome()).toBe("E_TAIL_ALIGN");
    ring.consumer.startSession(SESSION + 1, SESSION, 0n);
    ring.at = 0;
    ring.put({ session: SESSION + 1 });
    ring.publish();
    expect(outcome()).toBe("1 records");
    ring.put({ session: SESSION, sequence: 2 });
    ring.publish();
    expect(outcome()).toBe("E_SESSION");
  });

  it("an unaligned head to resume at is E_HEAD_RANGE", () => {
    ring = new HandMadeRing();
    ring.consumer.startSession(SESSION, PREVIOUS_SESSION, 0n, 24n);
    expect(outcome()).toBe("E_HEAD_RANGE");
  });

  it("a head to resume at beyond the tail is E_TAIL_RANGE", () => {
    ring = new HandMadeRing();
    ring.put({ length: 100 });
    ring.publish();
    ring.consumer.startSession(SESSION, PREVIOUS_SESSION, 0n, 4096n);
    expect(outcome()).toBe("E_TAIL_RANGE");
  });
});
