// SPDX-License-Identifier: Apache-2.0
// Face of the transport room: one interface over every way to reach a region.
export {
  describeRegion,
  type RecordDescription,
  type RegionDescription,
  type RingDescription,
} from "./describe-region.ts";
export type { Doorbell } from "./doorbell.ts";
export {
  type IvshmemRegion,
  type IvshmemSource,
  openIvshmemRegion,
  type RegionFileSource,
} from "./ivshmem-region.ts";
export { type MemoryRegion, openMemoryRegion } from "./memory-region.ts";
export { recordRegion } from "./recorder.ts";
export type * from "./region.ts";
export { createRegionFile, type RegionFileOptions } from "./region-file.ts";
export { openReplayRegion } from "./replay-region.ts";
