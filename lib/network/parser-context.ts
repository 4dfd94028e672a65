// SPDX-License-Identifier: Apache-2.0
// What a protocol parser may do: tell events and anomalies of its flow, and take digests. The
// analyzer implements it for each flow; the digests come from outside, so this room stays pure.
import type { NetworkEvent, NetworkEventBase } from "../model/model.ts";
import type { MemoryLedger } from "./bytes.ts";

/** Digests and ciphers that the caller provides. */
export interface NetworkDigests {
  md5(bytes: Uint8Array): Uint8Array;
  sha1(bytes: Uint8Array): Uint8Array;
  sha256(bytes: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array;
  /** One block of AES-128, encrypted. */
  aes128Block(key: Uint8Array, block: Uint8Array): Uint8Array;
  /** Plain text, or undefined where the tag at the end of `sealed` does not fit. */
  aes128GcmOpen(
    key: Uint8Array,
    nonce: Uint8Array,
    header: Uint8Array,
    sealed: Uint8Array,
  ): Uint8Array | undefined;
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
