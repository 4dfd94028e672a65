// SPDX-License-Identifier: Apache-2.0
// The pages at a region's start: what a server or a simulated guest encodes comes back, and no
// bytes at all make a decoder throw anything but its own codes.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isUndercroftError } from "../../lib/errors/errors.ts";
import {
  CLASS_COUNT,
  crc32c,
  decodeHello,
  decodeSession,
  decodeStatus,
  decodeSuperblock,
  encodeHello,
  encodeSession,
  encodeSuperblock,
  helloProblem,
  LOSS_COUNT,
  PAGE_BYTES,
  planRegion,
  type RegionPlan,
  SUPERBLOCK_LAYOUT,
  type Superblock,
} from "../../lib/wire/wire.ts";
import { holds } from "../support/property.ts";

const u32 = fc.nat({ max: 0xffff_ffff });
const u64 = fc.bigInt(0n, 2n ** 64n - 1n);
const id = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((b) => Buffer.from(b).toString("hex"));
const shortText = fc.string({ maxLength: 30 }).filter((text) => !text.includes("\0"));

const plan: fc.Arbitrary<RegionPlan> = fc.record(
  {
    regionBytes: fc.integer({ min: 18, max: 31 }).map((log2) => 2 ** log2),
    dataRings: fc.integer({ min: 0, max: 65 }),
    commandCapacityLog2: fc.integer({ min: 10, max: 31 }),
    priorityCapacityLog2: fc.integer({ min: 10, max: 31 }),
    dataCapacityLog2: fc.integer({ min: 10, max: 31 }),
  },
  { requiredKeys: [] },
);

/** What a call returns, or its error code; anything else that is thrown is a failure. */
function outcome<T>(call: () => T): { readonly made?: T; readonly code?: string } {
  try {
    return { made: call() };
  } catch (error) {
    if (isUndercroftError(error)) return { code: error.code };
    throw error;
  }
}

describe("a planned region", () => {
  it("has its rings inside, apart, aligned, or is refused with a reason", () => {
    let planned = 0;
    const property = fc.property(plan, (wanted) => {
      const { made, code } = outcome(() => planRegion(wanted));
      if (made === undefined) {
        expect(["ERR_UC_LAYOUT", "ERR_UC_REGION_SIZE"]).toContain(code);
        return;
      }
      planned++;
      const spans = made.rings.flatMap((ring) => [
        [ring.producerOffset, PAGE_BYTES],
        [ring.consumerOffset, PAGE_BYTES],
        [ring.ringOffset, 2 ** ring.capacityLog2],
      ]);
      spans.sort(([a = 0], [b = 0]) => a - b);
      let end = 4 * PAGE_BYTES;
      for (const [offset = 0, bytes = 0] of spans) {
        expect(offset).toBeGreaterThanOrEqual(end);
        expect(offset % PAGE_BYTES).toBe(0);
        end = offset + bytes;
      }
      expect(end).toBeLessThanOrEqual(made.regionBytes);
    });
    holds(property, 2000);
    expect(planned).toBeGreaterThan(20);
  });
});

const superblock: fc.Arbitrary<Superblock> = fc.record({
  layout: fc.integer({ min: 1, max: 62 }).map((dataRings) => planRegion({ dataRings })),
  serverInstance: id,
  serverEpoch: u64,
  featuresOffered: u64,
  featuresRequired: u64,
  recordBytesMax: fc.integer({ min: 1, max: 65536 }),
});

const SUPERBLOCK_CODES = [
  "ERR_UC_REGION_MAGIC",
  "ERR_UC_REGION_VERSION",
  "ERR_UC_REGION_CORRUPT",
  "ERR_UC_REGION_SIZE",
];

describe("a superblock", () => {
  it("comes back as it was", () => {
    const property = fc.property(superblock, (given) => {
      expect(decodeSuperblock(encodeSuperblock(given), given.layout.regionBytes)).toEqual(given);
    });
    holds(property, 300);
  });

  it("of random bytes is refused with a code", () => {
    const bytes = fc.uint8Array({ minLength: PAGE_BYTES, maxLength: PAGE_BYTES });
    holds(
      fc.property(bytes, (page) => {
        expect(SUPERBLOCK_CODES).toContain(outcome(() => decodeSuperblock(page, 1 << 25)).code);
      }),
      200,
    );
  });

  it("changed in one byte is refused", () => {
    const property = fc.property(
      superblock,
      fc.nat(PAGE_BYTES - 1),
      fc.integer({ min: 1, max: 255 }),
      (given, at, change) => {
        const page = encodeSuperblock(given);
        page[at] = (page[at] ?? 0) ^ change;
        const { code } = outcome(() => decodeSuperblock(page, given.layout.regionBytes));
        expect(SUPERBLOCK_CODES).toContain(code);
      },
    );
    holds(property, 500);
  });

  it("changed and sealed again never throws anything else, nor places a ring outside", () => {
    const property = fc.property(
      superblock,
      fc.array(fc.tuple(fc.integer({ min: 12, max: 600 }), fc.nat(255)), { maxLength: 4 }),
      (given, changes) => {
        const page = encodeSuperblock(given);
        for (const [at, value] of changes) page[at] = value;
        const view = new DataView(page.buffer);
        view.setUint32(SUPERBLOCK_LAYOUT.headerCrc32c, 0, true);
        view.setUint32(SUPERBLOCK_LAYOUT.headerCrc32c, crc32c(page), true);
        const bytes = given.layout.regionBytes;
        const { made, code } = outcome(() => decodeSuperblock(page, bytes));
        if (made === undefined) expect(SUPERBLOCK_CODES).toContain(code);
        for (const ring of made?.layout.rings ?? []) {
          expect(ring.ringOffset + 2 ** ring.capacityLog2).toBeLessThanOrEqual(bytes);
          expect(ring.producerOffset + PAGE_BYTES).toBeLessThanOrEqual(bytes);
          expect(ring.consumerOffset + PAGE_BYTES).toBeLessThanOrEqual(bytes);
        }
      },
    );
    holds(property, 1000);
  });
});

const driver = fc.record({
  version: shortText,
  os: fc.constantFrom("linux", "windows", "simulated", "unknown"),
  osVersion: shortText,
  cpuCount: u32,
  mapKind: fc.constantFrom("unknown", "write-back", "write-combining", "uncached"),
  capabilities: u64,
  wireHash: u32,
});
const hello = fc.record({
  helloSeq: u64,
  protocol: u32,
  featuresAccepted: u64,
  bootId: id,
  attachNs: u64,
  serverEpoch: u64,
  clockBoottimeNs: u64,
  clockRealtimeNs: u64,
  sequence: u64,
  driver,
});
const session = fc.record({
  state: u32,
  sessionId: u32,
  helloSeq: u64,
  bootId: id,
  features: u64,
  guestId: id,
  serverEpoch: u64,
  heartbeat: u64,
  reason: u32,
  serverRealtimeNs: u64,
});

describe("the other pages", () => {
  it("of a hello and a session come back as they were", () => {
    holds(
      fc.property(hello, session, (given, answer) => {
        expect(decodeHello(encodeHello(given))).toEqual(given);
        expect(decodeSession(encodeSession(answer))).toEqual(answer);
      }),
      500,
    );
  });

  it("of any bytes are decoded without complaint, and judged without one", () => {
    const bytes = fc.uint8Array({ minLength: PAGE_BYTES, maxLength: PAGE_BYTES, size: "max" });
    holds(
      fc.property(bytes, superblock, (page, own) => {
        const claimed = decodeHello(page);
        expect(claimed.bootId).toMatch(/^[0-9a-f]{32}$/);
        expect(claimed.driver.version.length).toBeLessThanOrEqual(64);
        expect(claimed.driver.osVersion.length).toBeLessThanOrEqual(128);
        const problem = helloProblem(claimed, own);
        expect(problem === undefined || problem.length > 0).toBe(true);
        expect(decodeSession(page).guestId).toMatch(/^[0-9a-f]{32}$/);
        expect(decodeStatus(page).lost.length).toBe(CLASS_COUNT * LOSS_COUNT);
      }),
      300,
    );
  });

  it("of a hello are accepted only when they answer the offer", () => {
    const own: Superblock = {
      layout: planRegion(),
      serverInstance: "0".repeat(32),
      serverEpoch: 7n,
      featuresOffered: 3n,
      featuresRequired: 1n,
      recordBytesMax: 65536,
    };
    const good = {
      ...decodeHello(new Uint8Array(PAGE_BYTES)),
      protocol: 1,
      serverEpoch: 7n,
      featuresAccepted: 1n,
      bootId: "1".repeat(32),
    };
    expect(helloProblem(good, own)).toBeUndefined();
    expect(helloProblem({ ...good, serverEpoch: 6n }, own)).toMatch(/epoch/);
    expect(helloProblem({ ...good, protocol: 0 }, own)).toMatch(/protocol/);
    expect(helloProblem({ ...good, protocol: 2 }, own)).toMatch(/protocol/);
    expect(helloProblem({ ...good, featuresAccepted: 0n }, own)).toMatch(/required/);
    expect(helloProblem({ ...good, featuresAccepted: 5n }, own)).toMatch(/not offered/);
    expect(helloProblem({ ...good, bootId: "0".repeat(32) }, own)).toMatch(/boot id/);
  });
});
