// SPDX-License-Identifier: Apache-2.0
// The package's front door: what a product is built of. Each room is also importable alone, as
// `undercroft/wire` and so on; docs/library.md shows both.

export { type Detector, IndicatorMatch, parseIndicators } from "./detect/detect.ts";
export {
  ERROR_TABLE,
  type ErrorCode,
  isUndercroftError,
  UndercroftError,
} from "./errors/errors.ts";
export * from "./model/model.ts";
export { DEFAULT_POLICY, parsePolicy, type ResponsePolicy } from "./response/response.ts";
export {
  createServer,
  type FaultReport,
  type GuestAttachment,
  type GuestBatch,
  type GuestStats,
  type Listener,
  type ResponseRecord,
  type Server,
  type ServerEvents,
  type ServerOptions,
  type ServerStats,
} from "./server/server.ts";
export { type Clock, ManualClock, systemClock } from "./time/time.ts";
export {
  createRegionFile,
  describeRegion,
  type IvshmemRegion,
  type IvshmemSource,
  type MemoryRegion,
  openIvshmemRegion,
  openMemoryRegion,
  type Region,
  type RegionDescription,
  type RegionFileOptions,
} from "./transport/transport.ts";
export { printable } from "./wire/wire.ts";

/** The version of this package, equal to the one in package.json. */
export const version = "0.1.0";
