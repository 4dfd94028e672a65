// SPDX-License-Identifier: Apache-2.0
// Captures in place of interfaces: each packet of a file goes into a packet ring as if it had
// passed a tap. Nothing is lost: a full ring is waited for. Used by redirector.ts in place of
// slots.ts, so that everything behind a packet ring can be tried without a network.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { UndercroftError } from "../errors/errors.ts";
import type { RedirectorCommand, RingProducer } from "../model/model.ts";
import { CaptureReader } from "../network/network.ts";
import {
  emptyPacketRecord,
  encodePacketRecord,
  PACKET_LAYOUT,
  RECORD_BYTES_MAX,
  RECORD_PACKET,
  REDIRECT_REPLAY,
  REDIRECT_RUNNING,
  REDIRECT_STOPPED,
  RESULT_DONE,
  RESULT_NOT_FOUND,
} from "../wire/wire.ts";
import type { CommandAnswer } from "./region-client.ts";

/** A capture under the name of an interface. */
export interface ReplayFile {
  readonly interfaceName: string;
  readonly path: string;
}

export interface ReplayOptions {
  readonly files: readonly ReplayFile[];
  /** Keep the capture's own pace; else as fast as the server reads. */
  readonly isRealTime: boolean;
  readonly log: (line: string) => void;
  /** Tells the server how a slot stands: fields of `struct uc_redirect_status`. */
  readonly tell: (status: Record<string, number>) => void;
}

interface Replay {
  readonly slot: number;
  readonly lane: number;
  readonly snapBytes: number;
  readonly reader: CaptureReader;
  /** Hardware address of the guest: whoever sent the first packet. */
  readonly guestAddress: string;
  readonly beganMs: number;
  readonly firstMs: number;
  /** Encoded, but the ring was full. */
  pending: Uint8Array | undefined;
  hasPacket: boolean;
  isOver: boolean;
  told: number;
  counts: { seen: number; kept: number; shortened: number; seenBytes: number; keptBytes: number };
}

const ethernet = 1;
const turnMsMax = 10;
const unpackedBytesMax = 2 ** 31 - 1;

/** Replays captures for the slots that the server starts. */
export class Replays {
  readonly #options: ReplayOptions;
  readonly #captures: ReadonlyMap<string, Uint8Array>;
  readonly #running = new Map<number, Replay>();
  #rings: readonly RingProducer[] = [];

  /** @throws {UndercroftError} ERR_UC_CONFIG where a file cannot be read. */
  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#captures = new Map(
      options.files.map(({ interfaceName, path }) => [interfaceName, readCaptureFile(path)]),
    );
  }

  /** The packet rings by lane, while a session lasts; none ends all replays. */
  setRings(rings: readonly RingProducer[]): void {
    this.#rings = rings;
    this.#running.clear();
  }

  /** Begins a file. */
  start(start: Extract<RedirectorCommand, { kind: "redirect-start" }>): CommandAnswer {
    const capture = this.#captures.get(start.interfaceName);
    if (capture === undefined || this.#rings[start.lane] === undefined) {
      return { result: RESULT_NOT_FOUND };
    }
    const reader = new CaptureReader(capture);
    const hasPacket = reader.next();
    const { packet, bytes } = reader;
    this.#running.set(start.slot, {
      ...{ slot: start.slot, lane: start.lane, snapBytes: start.snapBytes, reader, hasPacket },
      guestAddress: senderOf(packet.linkType, bytes, packet.start),
      ...{ beganMs: performance.now(), firstMs: packet.timeMs, pending: undefined },
      ...{ isOver: false, told: -1 },
      counts: { seen: 0, kept: 0, shortened: 0, seenBytes: 0, keptBytes: 0 },
    });
    this.#options.log(`replay of ${start.interfaceName} as slot ${start.slot}`);
    return { result: RESULT_DONE };
  }

  stop(slot: number): CommandAnswer {
    return { result: this.#running.delete(slot) ? RESULT_DONE : RESULT_NOT_FOUND };
  }

  /** Writes what there is time and space for. */
  turn(): void {
    const endMs = performance.now() + turnMsMax;
    for (const replay of this.#running.values()) {
      const ring = this.#rings[replay.lane];
      while (ring !== undefined && performance.now() < endMs && this.#step(replay, ring)) {}
      ring?.publish();
    }
  }

  /** Tells the server of all slots of which something changed. */
  tell(): void {
    for (const replay of this.#running.values()) {
      const isNew = replay.told !== replay.counts.seen || replay.isOver;
      if (!isNew || replay.told === Number.POSITIVE_INFINITY) continue;
      replay.told = replay.isOver ? Number.POSITIVE_INFINITY : replay.counts.seen;
      this.#options.tell({
        slot: replay.slot,
        state: replay.isOver ? REDIRECT_STOPPED : REDIRECT_RUNNING,
        mode: REDIRECT_REPLAY,
        ...replay.counts,
      });
    }
  }

  /** One packet; false where there is none now, or no space for it. */
  #step(replay: Replay, ring: RingProducer): boolean {
    const { reader, counts } = replay;
    if (replay.isOver) return false;
    if (!replay.hasPacket) {
      replay.isOver = true;
      const { fault } = reader;
      const end = fault === undefined ? "its end" : `${fault.fault} at byte ${fault.offset}`;
      this.#options.log(`replay of slot ${replay.slot}: ${end} after ${counts.seen} packets`);
      return false;
    }
    const { packet } = reader;
    if (this.#options.isRealTime) {
      const dueMs = replay.beganMs + packet.timeMs - replay.firstMs;
      if (performance.now() < dueMs) return false;
    }
    replay.pending ??= encode(replay);
    if (ring.write(RECORD_PACKET, 0, replay.pending) <= 0) return false;
    const kept = replay.pending.length - PACKET_LAYOUT.size;
    counts.seen += 1;
    counts.kept += 1;
    counts.seenBytes += packet.originalBytes;
    counts.keptBytes += kept;
    if (kept < packet.originalBytes) counts.shortened += 1;
    replay.pending = undefined;
    replay.hasPacket = reader.next();
    return true;
  }
}

function encode({ reader, slot, snapBytes, guestAddress }: Replay): Uint8Array {
  const { packet, bytes } = reader;
  const bytesMax = Math.min(snapBytes, RECORD_BYTES_MAX - PACKET_LAYOUT.size);
  const part = bytes.subarray(packet.start, Math.min(packet.end, packet.start + bytesMax));
  const fields = {
    ...emptyPacketRecord(),
    ...{ slot, originalBytes: packet.originalBytes, linkType: packet.linkType },
    fromGuest: senderOf(packet.linkType, bytes, packet.start) === guestAddress,
  };
  return encodePacketRecord(fields, BigInt(Math.round(packet.timeMs * 1000)) * 1000n, part);
}

function senderOf(linkType: number, bytes: Uint8Array, start: number): string {
  if (linkType !== ethernet) return "";
  return Buffer.from(bytes.subarray(start + 6, start + 12)).toString("hex");
}

/**
 * Bytes of a capture, unpacked where it is gzip.
 * @throws {UndercroftError} ERR_UC_CONFIG
 */
export function readCaptureFile(path: string): Uint8Array {
  try {
    const bytes = readFileSync(path);
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return isPacked ? gunzipSync(bytes, { maxOutputLength: unpackedBytesMax }) : bytes;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot read ${path}: ${reason}`;
    throw new UndercroftError("ERR_UC_CONFIG", message, { path }, { cause });
  }
}
