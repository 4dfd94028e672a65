// SPDX-License-Identifier: Apache-2.0
// Where the rings of a region lie. The server plans it once and keeps its private copy; the
// directory in shared memory is for the guest to read.
import { UndercroftError } from "../errors/errors.ts";
import type { RingPlacement } from "../model/model.ts";
import {
  DIRECTORY_MAX,
  PAGE_BYTES,
  REGION_BYTES_DEFAULT,
  REGION_BYTES_MAX,
  REGION_BYTES_MIN,
  RING_CAPACITY_LOG2_MAX,
  RING_CAPACITY_LOG2_MIN,
  RING_COMMAND,
  RING_DATA,
  RING_PACKET,
  RING_PAGES_OFFSET,
  RING_PRIORITY,
} from "./layout.gen.ts";

export interface PlacedRing extends RingPlacement {
  readonly kind: number;
  /** Guest CPU for a data ring, a number from 0 for a packet ring, else 0. */
  readonly lane: number;
}

export interface RegionLayout {
  readonly regionBytes: number;
  /** In the order of the directory: command, priority, then data or packet lanes. */
  readonly rings: readonly PlacedRing[];
}

export interface RegionPlan {
  readonly regionBytes?: number;
  /** Data rings, best one a guest CPU. */
  readonly dataRings?: number;
  /** Makes it a redirector's region: so many packet rings, and no data rings. */
  readonly packetRings?: number;
  readonly commandCapacityLog2?: number;
  readonly priorityCapacityLog2?: number;
  /** Of each data or packet ring. Default: the largest that fits. */
  readonly dataCapacityLog2?: number;
}

export const isPowerOfTwo = (value: number): boolean =>
  Number.isSafeInteger(value) && value > 0 && (BigInt(value) & BigInt(value - 1)) === 0n;

/**
 * Plans a region: pages first, then rings, each a power of two and page-aligned.
 * @throws {UndercroftError} ERR_UC_REGION_SIZE, ERR_UC_LAYOUT
 */
export function planRegion(plan: RegionPlan = {}): RegionLayout {
  const regionBytes = plan.regionBytes ?? REGION_BYTES_DEFAULT;
  checkRegionBytes(regionBytes);
  const laneKind = plan.packetRings === undefined ? RING_DATA : RING_PACKET;
  const laneName = laneKind === RING_DATA ? "data" : "packet";
  const lanes = plan.packetRings ?? plan.dataRings ?? 4;
  if (!Number.isInteger(lanes) || lanes < 1 || lanes > DIRECTORY_MAX - 2) {
    throw new UndercroftError(
      "ERR_UC_LAYOUT",
      `${lanes} ${laneName} rings asked for; a region holds 1 to ${DIRECTORY_MAX - 2}`,
    );
  }
  const small = regionBytes < 8 * 1024 * 1024;
  const commandLog2 = plan.commandCapacityLog2 ?? 16;
  const priorityLog2 = plan.priorityCapacityLog2 ?? (small ? 17 : 20);
  const pages = RING_PAGES_OFFSET + (lanes + 2) * 2 * PAGE_BYTES;
  const rest = regionBytes - pages - 2 ** commandLog2 - 2 ** priorityLog2;
  const fitting = rest > 0 ? Math.floor(Math.log2(rest / lanes)) : 0;
  const dataLog2 = plan.dataCapacityLog2 ?? Math.min(fitting, RING_CAPACITY_LOG2_MAX);
  for (const log2 of [commandLog2, priorityLog2, dataLog2]) {
    if (log2 < RING_CAPACITY_LOG2_MIN || log2 > RING_CAPACITY_LOG2_MAX) {
      throw new UndercroftError(
        "ERR_UC_LAYOUT",
        `a ring of 2^${log2} bytes is out of range in a region of ${regionBytes} bytes ` +
          `with ${lanes} ${laneName} rings; take fewer ${laneName} rings or a larger region`,
      );
    }
  }
  if (dataLog2 > fitting) {
    throw new UndercroftError(
      "ERR_UC_LAYOUT",
      `${lanes} ${laneName} rings of 2^${dataLog2} bytes do not fit ${regionBytes} bytes`,
    );
  }
  const kinds: Array<readonly [kind: number, lane: number, log2: number]> = [
    [RING_COMMAND, 0, commandLog2],
    [RING_PRIORITY, 0, priorityLog2],
  ];
  for (let lane = 0; lane < lanes; lane++) kinds.push([laneKind, lane, dataLog2]);
  let ringOffset = pages;
  const rings = kinds.map(([kind, lane, capacityLog2], index): PlacedRing => {
    const producerOffset = RING_PAGES_OFFSET + index * 2 * PAGE_BYTES;
    const placed = {
      kind,
      lane,
      capacityLog2,
      producerOffset,
      consumerOffset: producerOffset + PAGE_BYTES,
      ringOffset,
    };
    ringOffset += 2 ** capacityLog2;
    return placed;
  });
  return { regionBytes, rings };
}

/**
 * Checks a region size by itself.
 * @throws {UndercroftError} ERR_UC_REGION_SIZE
 */
export function checkRegionBytes(regionBytes: number): void {
  if (
    !isPowerOfTwo(regionBytes) ||
    regionBytes < REGION_BYTES_MIN ||
    regionBytes > REGION_BYTES_MAX
  ) {
    throw new UndercroftError(
      "ERR_UC_REGION_SIZE",
      `a region of ${regionBytes} bytes is not possible: take a power of two from ` +
        `${REGION_BYTES_MIN} to ${REGION_BYTES_MAX}`,
      { regionBytes },
    );
  }
}

/** Largest payload of one record in a ring of that capacity. */
export function recordBytesMax(capacityLog2: number, limit: number): number {
  return Math.min(2 ** capacityLog2 / 8, limit);
}
