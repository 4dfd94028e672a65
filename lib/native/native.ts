// SPDX-License-Identifier: Apache-2.0
// Face of the native room: regions, native rings, doorbells, the holder, packets. The addon's only
// loader.
import { addon } from "./addon.ts";

export { type Addon, loadAddon } from "./addon.ts";
export {
  BATCH_BYTES_DEFAULT,
  type ConsumerOptions,
  NativeRingConsumer,
  RECORDS_MAX_DEFAULT,
} from "./consumer.ts";
export { type DoorbellListener, EventFd, IDLE_RINGS_MAX } from "./event-fd.ts";
export { type HeldGuest, type HeldRegion, HOLDER_CONTROL, Holder } from "./holder.ts";
export { type FileOptions, Mapping } from "./mapping.ts";
export {
  boottimeNs,
  type GoneListener,
  type InlineOptions,
  type MirrorOptions,
  PACKET_MARK,
  PacketEngine,
  type PacketStatus,
} from "./packet-engine.ts";
export { NativeRingProducer, type ProducerOptions } from "./producer.ts";

/** What this platform's addon and Node.js can do together. */
export interface Capabilities {
  /** Mappings can be had as a SharedArrayBuffer; without it, copyOut still works. */
  readonly externalSharedArrayBuffer: boolean;
}

/** @throws {UndercroftError} ERR_UC_NATIVE_MISSING */
export function capabilities(): Capabilities {
  return { externalSharedArrayBuffer: addon().externalSharedArrayBuffer };
}
