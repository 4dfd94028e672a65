// SPDX-License-Identifier: Apache-2.0
// QUIC packets with a long header (RFC 9000 section 17.2) and the frames inside an Initial packet.
// Called by the QUIC parser; every length is compared with the datagram before it is used.
import { u16, u32 } from "./bytes.ts";
import type { NetworkDigests } from "./parser-context.ts";
import { type InitialKeys, type QuicVersion, quicVersion } from "./quic-keys.ts";

/** A packet with a long header; [start, end) of its datagram. */
export interface LongPacket {
  readonly version: QuicVersion;
  readonly kind: "initial" | "retry" | "other";
  readonly start: number;
  readonly end: number;
  readonly destinationId: Uint8Array;
  readonly sourceId: Uint8Array;
  /** Where the protected packet number stands; only in Initial packets. */
  readonly numberAt: number;
}

/** Takes what CRYPTO frames carry. */
export type CryptoTaker = (offset: number, bytes: Uint8Array, start: number, end: number) => void;

const connectionIdBytesMax = 20;
const tagBytes = 16;
const framesMax = 256;

class Cursor {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.at = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.at;
  }

  /** A whole number as RFC 9000 section 16 writes it; -1 where it is cut or beyond 2^53. */
  varint(): number {
    if (this.left < 1) return -1;
    const first = this.#bytes[this.at] as number;
    const size = 1 << (first >> 6);
    if (this.left < size) return -1;
    let value = first & 63;
    for (let index = 1; index < size; index += 1) {
      value = value * 256 + (this.#bytes[this.at + index] as number);
    }
    this.at += size;
    return value <= Number.MAX_SAFE_INTEGER ? value : -1;
  }
}

/** Reads the header of the packet at `start`; undefined where none of a known version is there. */
export function readLongPacket(
  bytes: Uint8Array,
  start: number,
  end: number,
): LongPacket | undefined {
  const first = bytes[start] as number;
  if (end - start < 7 || (first & 0x80) === 0) return undefined;
  const version = quicVersion(u32(bytes, start + 1));
  if (version === undefined) return undefined;
  const destinationAt = start + 6;
  const sourceLengthAt = destinationAt + (bytes[start + 5] as number);
  if ((bytes[start + 5] as number) > connectionIdBytesMax || sourceLengthAt >= end) {
    return undefined;
  }
  const sourceBytes = bytes[sourceLengthAt] as number;
  const after = sourceLengthAt + 1 + sourceBytes;
  if (sourceBytes > connectionIdBytesMax || after > end) return undefined;
  const type = (first >> 4) & 3;
  const header = {
    version,
    start,
    destinationId: bytes.slice(destinationAt, sourceLengthAt),
    sourceId: bytes.slice(sourceLengthAt + 1, after),
  };
  if (type === version.retry) return { ...header, kind: "retry", end, numberAt: end };
  const cursor = new Cursor(bytes, after, end);
  const isInitial = type === version.initial;
  if (isInitial) {
    const tokenBytes = cursor.varint();
    if (tokenBytes < 0 || tokenBytes > cursor.left) return undefined;
    cursor.at += tokenBytes;
  }
  const length = cursor.varint();
  if (length < 4 + tagBytes || length > cursor.left) return undefined;
  const numberAt = cursor.at;
  return { ...header, kind: isInitial ? "initial" : "other", end: numberAt + length, numberAt };
}

/** Payload of an Initial packet, or undefined where the keys do not open it. */
export function openInitial(
  bytes: Uint8Array,
  packet: LongPacket,
  keys: InitialKeys,
  digests: NetworkDigests,
): Uint8Array | undefined {
  const { start, end, numberAt } = packet;
  const sample = bytes.subarray(numberAt + 4, numberAt + 20);
  if (sample.length < 16) return undefined;
  const mask = digests.aes128Block(keys.mask, sample);
  const first = (bytes[start] as number) ^ ((mask[0] as number) & 0x0f);
  const numberBytes = (first & 3) + 1;
  const header = bytes.slice(start, numberAt + numberBytes);
  header[0] = first;
  const nonce = keys.iv.slice();
  for (let index = 0; index < numberBytes; index += 1) {
    const plain = (header[numberAt - start + index] as number) ^ (mask[1 + index] as number);
    header[numberAt - start + index] = plain;
    const place = nonce.length - numberBytes + index;
    nonce[place] = (nonce[place] as number) ^ plain;
  }
  const sealed = bytes.subarray(numberAt + numberBytes, end);
  return digests.aes128GcmOpen(keys.key, nonce, header, sealed);
}

/** Hands on what CRYPTO frames carry; false where a frame is none that an Initial may hold. */
export function readFrames(payload: Uint8Array, take: CryptoTaker): boolean {
  const cursor = new Cursor(payload, 0, payload.length);
  for (let count = 0; count < framesMax && cursor.left > 0; ) {
    const type = payload[cursor.at] as number;
    cursor.at += 1;
    // Padding is a byte a frame, and there may be a thousand of it.
    if (type === 0) continue;
    count += 1;
    if (type === 1) continue;
    if (type === 2 || type === 3) {
      if (!skipAck(cursor, type === 3)) return false;
      continue;
    }
    // The connection is closed: nothing of interest follows.
    if (type === 0x1c) return true;
    if (type !== 6) return false;
    const offset = cursor.varint();
    const length = cursor.varint();
    if (offset < 0 || length < 0 || length > cursor.left) return false;
    take(offset, payload, cursor.at, cursor.at + length);
    cursor.at += length;
  }
  return true;
}

function skipAck(cursor: Cursor, hasEcn: boolean): boolean {
  cursor.varint();
  cursor.varint();
  const ranges = cursor.varint();
  if (ranges < 0 || ranges > cursor.left) return false;
  let isWhole = cursor.varint() >= 0;
  for (let index = 0; index < ranges * 2 + (hasEcn ? 3 : 0); index += 1) {
    isWhole = cursor.varint() >= 0 && isWhole;
  }
  return isWhole;
}

/** Whether a datagram begins with an Initial packet of a known version. */
export function looksLikeQuic(bytes: Uint8Array, start: number, end: number): boolean {
  // The fixed bit, and the room that a first datagram has to fill.
  if (end - start < 64 || ((bytes[start] as number) & 0xc0) !== 0xc0) return false;
  if (u16(bytes, start + 1) === 0 && u16(bytes, start + 3) === 0) return false;
  const packet = readLongPacket(bytes, start, end);
  return packet !== undefined && packet.kind === "initial";
}
