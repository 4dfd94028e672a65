// SPDX-License-Identifier: Apache-2.0
// What a protocol parser may do: tell events and anomalies of its flow, and take digests. The
// analyzer implements it for each flow; the digests come from outside, so this room stays pure.
import type { NetworkEvent, NetworkEventBase } from "../model/model.ts";
import type { MemoryLedger } from "./bytes.ts";

/** Digests that the caller provides. */
export interface NetworkDigests {
  md5(bytes: Uint8Array): Uint8Array;
  sha1(bytes: Uint8Array): Uint8Array;
  sha256(bytes: Uint8Array): Uint8Array;
}

/** A parser's way out. */
export interface ParserContext extends MemoryLedger {
  readonly digests: NetworkDigests;
  /** Fields that every event of the flow carries, at the time of the packet in hand. */
  base(): NetworkEventBase;
  emit(event: NetworkEvent): void;
  anomaly(name: string): void;
  /** The flow was opened by the other side: source and destination change places. */
  turn(): void;
}
