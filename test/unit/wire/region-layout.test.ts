// SPDX-License-Identifier: Apache-2.0
// What a region's plan is by default, and what is said of one that cannot be.
import { describe, expect, it } from "vitest";
import {
  planRegion,
  type RegionPlan,
  RING_COMMAND,
  RING_DATA,
  RING_PRIORITY,
  recordBytesMax,
} from "../../../lib/wire/wire.ts";

const MIB = 1 << 20;

describe("a plan", () => {
  it("is by default 32 MiB with four data rings of 4 MiB", () => {
    const { regionBytes, rings } = planRegion();
    expect(regionBytes).toBe(32 * MIB);
    expect(rings.map(({ kind, lane, capacityLog2 }) => [kind, lane, capacityLog2])).toEqual([
      [RING_COMMAND, 0, 16],
      [RING_PRIORITY, 0, 20],
      [RING_DATA, 0, 22],
      [RING_DATA, 1, 22],
      [RING_DATA, 2, 22],
      [RING_DATA, 3, 22],
    ]);
  });

  it("fits the smallest region with the most rings that it holds", () => {
    const { rings } = planRegion({ regionBytes: MIB, dataRings: 16 });
    expect(rings.length).toBe(18);
    expect(rings.at(-1)?.capacityLog2).toBeGreaterThanOrEqual(12);
  });

  it("takes the capacities that it is given", () => {
    const { rings } = planRegion({
      regionBytes: MIB,
      dataRings: 1,
      commandCapacityLog2: 12,
      priorityCapacityLog2: 13,
      dataCapacityLog2: 14,
    });
    expect(rings.map((ring) => ring.capacityLog2)).toEqual([12, 13, 14]);
  });

  const impossible: ReadonlyArray<readonly [RegionPlan, string, RegExp]> = [
    [{ regionBytes: MIB - 1 }, "ERR_UC_REGION_SIZE", /power of two from 1048576 to 1073741824/],
    [{ regionBytes: 3 * MIB }, "ERR_UC_REGION_SIZE", /3145728 bytes/],
    [{ regionBytes: MIB / 2 }, "ERR_UC_REGION_SIZE", /524288 bytes/],
    [{ regionBytes: 2048 * MIB }, "ERR_UC_REGION_SIZE", /2147483648 bytes/],
    [{ dataRings: 0 }, "ERR_UC_LAYOUT", /0 data rings asked for; a region holds 1 to 62/],
    [{ dataRings: 63 }, "ERR_UC_LAYOUT", /1 to 62/],
    [{ dataRings: 1.5 }, "ERR_UC_LAYOUT", /1.5 data rings/],
    [{ commandCapacityLog2: 11 }, "ERR_UC_LAYOUT", /2\^11 bytes is out of range/],
    [{ regionBytes: MIB, priorityCapacityLog2: 20 }, "ERR_UC_LAYOUT", /take fewer data rings/],
    [{ regionBytes: MIB, dataRings: 62, dataCapacityLog2: 13 }, "ERR_UC_LAYOUT", /do not fit/],
    [{ dataCapacityLog2: 23 }, "ERR_UC_LAYOUT", /do not fit 33554432 bytes/],
  ];
  it.each(impossible)("%o is refused", (plan, code, message) => {
    expect(() => planRegion(plan)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

describe("the largest record", () => {
  it("is an eighth of the ring or the limit, whichever is less", () => {
    expect(recordBytesMax(12, 65536)).toBe(512);
    expect(recordBytesMax(22, 65536)).toBe(65536);
  });
});
