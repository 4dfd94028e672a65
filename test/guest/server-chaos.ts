// SPDX-License-Identifier: Apache-2.0
// A server gone mad, for the driver's cases: writes noise over everything in a region that a
// server may write. The driver must take it for what it is and the guest must not notice.
import { randomBytes, randomInt } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { Region } from "../../lib/transport/transport.ts";
import {
  PAGE_BYTES,
  planRegion,
  type RegionPlan,
  RING_COMMAND,
  SESSION_OFFSET,
  SUPERBLOCK_OFFSET,
} from "../../lib/wire/wire.ts";

interface Span {
  readonly offset: number;
  readonly length: number;
}

/** What is hit, and how much of it at a time. */
interface Attack {
  readonly spans: readonly Span[];
  readonly bytesMax: number;
}

const hitsPerTurn = 20;

/** Runs every attack for so long, the ones that leave the session standing first. */
export async function playServerChaos(
  region: Region,
  plan: Omit<RegionPlan, "regionBytes">,
  msEach: number,
): Promise<void> {
  for (const attack of attacks(region, plan)) {
    const end = performance.now() + msEach;
    while (performance.now() < end) {
      for (let hit = 0; hit < hitsPerTurn; hit++) strike(region, attack);
      await setTimeout(1);
    }
  }
}

function attacks(region: Region, plan: Omit<RegionPlan, "regionBytes">): Attack[] {
  const { rings } = planRegion({ ...plan, regionBytes: region.bytes });
  const command = rings.filter(({ kind }) => kind === RING_COMMAND);
  const toGuest = command.map(({ ringOffset, capacityLog2 }) => ({
    offset: ringOffset,
    length: 2 ** capacityLog2,
  }));
  const tails = command.map(({ producerOffset }) => ({ offset: producerOffset, length: 8 }));
  const heads = rings
    .filter(({ kind }) => kind !== RING_COMMAND)
    .map(({ consumerOffset }) => ({ offset: consumerOffset, length: 8 }));
  return [
    { spans: heads, bytesMax: 8 },
    { spans: [...toGuest, ...tails], bytesMax: 64 },
    { spans: [{ offset: SESSION_OFFSET, length: 96 }], bytesMax: 8 },
    { spans: [{ offset: SUPERBLOCK_OFFSET, length: PAGE_BYTES }], bytesMax: 64 },
  ];
}

function strike(region: Region, { spans, bytesMax }: Attack): void {
  const span = spans[randomInt(spans.length)];
  if (span === undefined) return;
  const bytes = Math.min(1 + randomInt(bytesMax), span.length);
  region.copyIn(span.offset + randomInt(span.length - bytes + 1), randomBytes(bytes));
}
