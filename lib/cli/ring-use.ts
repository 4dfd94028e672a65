// SPDX-License-Identifier: Apache-2.0
// How full each ring of a region is, for the live view. Reads the two positions of each ring and
// nothing else. TRUST: both are claims and only shown, so they are clamped, not judged.
import type { Region } from "../transport/transport.ts";
import {
  type RegionLayout,
  RING_COMMAND,
  RING_CONSUMER_LAYOUT,
  RING_PRIORITY,
  RING_PRODUCER_LAYOUT,
} from "../wire/wire.ts";
import type { RingUse } from "./view.ts";

/** Use of each ring, in the order of the directory. */
export function ringUse(region: Region, layout: RegionLayout): RingUse[] {
  return layout.rings.map((ring) => {
    const tail = word(region, ring.producerOffset + RING_PRODUCER_LAYOUT.tail);
    const head = word(region, ring.consumerOffset + RING_CONSUMER_LAYOUT.head);
    const used = Number(BigInt.asUintN(64, tail - head)) / 2 ** ring.capacityLog2;
    return { name: ringName(ring.kind, ring.lane), used: Math.min(used, 1) };
  });
}

function ringName(kind: number, lane: number): string {
  if (kind === RING_COMMAND) return "command";
  return kind === RING_PRIORITY ? "priority" : `data${lane}`;
}

function word(region: Region, offset: number): bigint {
  const bytes = new Uint8Array(8);
  region.copyOut(offset, bytes);
  return new DataView(bytes.buffer).getBigUint64(0, true);
}
