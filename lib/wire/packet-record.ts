// SPDX-License-Identifier: Apache-2.0
// Records of packet rings: one packet each. Reading leaves the packet where the drain put it;
// writing is for replay sources and tests, live packets are written by the addon.
import * as w from "./layout.gen.ts";

const LAYOUT = w.PACKET_LAYOUT;

/** Where a packet lies in a batch, and what is known of it. Filled again and again. */
export interface PacketRecord {
  timeMs: number;
  slot: number;
  interfaceIndex: number;
  originalBytes: number;
  /** LINKTYPE_ value as in capture files. */
  linkType: number;
  fromGuest: boolean;
  checksumPartial: boolean;
  /** Inline mode: a rule dropped it. */
  dropped: boolean;
  /** The packet is [start, end) of the batch. */
  start: number;
  end: number;
}

/** A record to be filled by {@link PacketRecordReader.read}. */
export function emptyPacketRecord(): PacketRecord {
  return {
    timeMs: 0,
    slot: 0,
    interfaceIndex: 0,
    originalBytes: 0,
    linkType: 0,
    fromGuest: false,
    checksumPartial: false,
    dropped: false,
    start: 0,
    end: 0,
  };
}

/** Reads packet records out of one drained batch after the other. */
export class PacketRecordReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);

  /** Points the reader at a batch. */
  use(batch: Uint8Array): void {
    if (batch === this.#bytes) return;
    this.#bytes = batch;
    this.#view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  }

  /** Fills `record`; false when the record contradicts itself. */
  read(type: number, offset: number, length: number, record: PacketRecord): boolean {
    if (type !== w.RECORD_PACKET || length < LAYOUT.size) return false;
    const view = this.#view;
    const captured = view.getUint32(offset + LAYOUT.capturedBytes, true);
    const direction = view.getUint16(offset + LAYOUT.direction, true);
    if (captured !== length - LAYOUT.size) return false;
    if (direction !== w.PACKET_FROM_GUEST && direction !== w.PACKET_TO_GUEST) return false;
    const low = view.getUint32(offset + LAYOUT.realtimeNs, true);
    const high = view.getUint32(offset + LAYOUT.realtimeNs + 4, true);
    const flags = view.getUint32(offset + LAYOUT.flags, true);
    // Milliseconds with their fraction, split so that a microsecond survives the double.
    record.timeMs = (high * 2 ** 32) / 1e6 + low / 1e6;
    record.slot = view.getUint32(offset + LAYOUT.slot, true);
    record.interfaceIndex = view.getUint32(offset + LAYOUT.interfaceIndex, true);
    record.originalBytes = view.getUint32(offset + LAYOUT.originalBytes, true);
    record.linkType = view.getUint16(offset + LAYOUT.linkType, true);
    record.fromGuest = direction === w.PACKET_FROM_GUEST;
    record.checksumPartial = (flags & w.PACKET_CHECKSUM_PARTIAL) !== 0;
    record.dropped = (flags & w.PACKET_DROPPED) !== 0;
    record.start = offset + LAYOUT.size;
    record.end = offset + length;
    return true;
  }
}

/** Payload of a packet record; `packet` is the part that is kept. */
export function encodePacketRecord(
  record: Omit<PacketRecord, "start" | "end" | "timeMs">,
  realtimeNs: bigint,
  packet: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(LAYOUT.size + packet.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(LAYOUT.realtimeNs, realtimeNs, true);
  view.setUint32(LAYOUT.slot, record.slot, true);
  view.setUint32(LAYOUT.interfaceIndex, record.interfaceIndex, true);
  view.setUint32(LAYOUT.originalBytes, record.originalBytes, true);
  view.setUint32(LAYOUT.capturedBytes, packet.length, true);
  view.setUint16(LAYOUT.linkType, record.linkType, true);
  const direction = record.fromGuest ? w.PACKET_FROM_GUEST : w.PACKET_TO_GUEST;
  view.setUint16(LAYOUT.direction, direction, true);
  const partial = record.checksumPartial ? w.PACKET_CHECKSUM_PARTIAL : 0;
  view.setUint32(LAYOUT.flags, partial | (record.dropped ? w.PACKET_DROPPED : 0), true);
  bytes.set(packet, LAYOUT.size);
  return bytes;
}
