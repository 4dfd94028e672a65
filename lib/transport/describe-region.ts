// SPDX-License-Identifier: Apache-2.0
// A live region in readable form, for `undercroft region dump`. Reads copies only and writes
// nothing. TRUST: every value is a claim of the guest, server pages included; nothing here decides.
import { UndercroftError } from "../errors/errors.ts";
import { type FaultName, faultName, type Loss, RECORD_STRIDE } from "../model/model.ts";
import { BufferRingConsumer } from "../ring/ring.ts";
import {
  type DecodeContext,
  type Decoded,
  decodeCommandPayload,
  decodeHello,
  decodeSession,
  decodeStatus,
  decodeSuperblock,
  FRAME_TRUNCATED,
  type GuestStatus,
  HELLO_OFFSET,
  type Hello,
  PAGE_BYTES,
  type PlacedRing,
  RECORD_COMMAND,
  RECORD_LOST,
  type ReceivedCommand,
  RecordDecoder,
  RING_CONSUMER_LAYOUT,
  RING_PRODUCER_LAYOUT,
  SESSION_OFFSET,
  type Session,
  STATUS_OFFSET,
  SUPERBLOCK_OFFSET,
  type Superblock,
} from "../wire/wire.ts";
import type { Region } from "./region.ts";

/** Unread records shown of each ring. */
const RECORDS_SHOWN = 8;
const SPAN_BYTES = 0x40000;

const STATES = ["none", "offer", "ready", "quarantined", "quiesce", "closed"] as const;
const KINDS = ["unknown", "command", "priority", "data", "packet"] as const;

/** One record that waits in a ring. */
export interface RecordDescription {
  readonly type: number;
  /** Ring sequence; the event's own global sequence is in `content`. */
  readonly sequence: number;
  readonly bytes: number;
  readonly truncated: boolean;
  /** Absent for an unknown kind or a payload that contradicts itself. */
  readonly content?: Decoded | Loss | ReceivedCommand;
}

export interface RingDescription {
  readonly index: number;
  readonly kind: (typeof KINDS)[number];
  readonly lane: number;
  readonly capacityBytes: number;
  readonly head: bigint;
  readonly tail: bigint;
  /** Bytes between head and tail; may exceed the capacity when a side lies. */
  readonly usedBytes: bigint;
  readonly wakeAt: bigint;
  readonly attempted: bigint;
  readonly dropped: bigint;
  /** The oldest unread records. */
  readonly records: readonly RecordDescription[];
  /** Rule that a reader would find broken after those records. */
  readonly fault?: FaultName;
}

export interface RegionDescription {
  readonly name: string;
  readonly bytes: number;
  readonly superblock: Superblock;
  readonly hello: Hello;
  readonly session: Session;
  readonly sessionState: (typeof STATES)[number] | "unknown";
  readonly status: GuestStatus;
  readonly rings: readonly RingDescription[];
}

/**
 * Describes a region as it is now. Guest content never makes it fail, an unusable superblock does.
 * @throws {UndercroftError} ERR_UC_REGION_MAGIC, ERR_UC_REGION_VERSION, ERR_UC_REGION_CORRUPT,
 * ERR_UC_REGION_SIZE when the file was cut
 */
export function describeRegion(region: Region): RegionDescription {
  const superblock = decodeSuperblock(copyPage(region, SUPERBLOCK_OFFSET), region.bytes);
  const hello = decodeHello(copyPage(region, HELLO_OFFSET));
  const session = decodeSession(copyPage(region, SESSION_OFFSET));
  const status = decodeStatus(copyPage(region, STATUS_OFFSET));
  const context: DecodeContext = {
    guest: region.name,
    boot: hello.bootId,
    clockOffsetMs: Number(hello.clockRealtimeNs - hello.clockBoottimeNs) / 1e6,
  };
  return {
    name: region.name,
    bytes: region.bytes,
    superblock,
    hello,
    session,
    sessionState: STATES[session.state] ?? "unknown",
    status,
    rings: superblock.layout.rings.map((ring, index) =>
      describeRing(region, ring, index, { superblock, session, context }),
    ),
  };
}

interface Surroundings {
  readonly superblock: Superblock;
  readonly session: Session;
  readonly context: DecodeContext;
}

function describeRing(
  region: Region,
  ring: PlacedRing,
  index: number,
  around: Surroundings,
): RingDescription {
  const producer = new DataView(copyPage(region, ring.producerOffset).buffer);
  const consumer = new DataView(copyPage(region, ring.consumerOffset).buffer);
  const tail = producer.getBigUint64(RING_PRODUCER_LAYOUT.tail, true);
  const head = consumer.getBigUint64(RING_CONSUMER_LAYOUT.head, true);
  const isStarted = around.session.sessionId !== 0;
  return {
    index,
    kind: KINDS[ring.kind] ?? "unknown",
    lane: ring.lane,
    capacityBytes: 2 ** ring.capacityLog2,
    head,
    tail,
    usedBytes: BigInt.asUintN(64, tail - head),
    wakeAt: consumer.getBigUint64(RING_CONSUMER_LAYOUT.wakeAt, true),
    attempted: producer.getBigUint64(RING_PRODUCER_LAYOUT.attempted, true),
    dropped: producer.getBigUint64(RING_PRODUCER_LAYOUT.dropped, true),
    ...(isStarted ? unread(region, ring, index, around, head, tail) : { records: [] }),
  };
}

/** Reads a private copy of the unread span by the rules of a drain, so that both agree. */
function unread(
  region: Region,
  ring: PlacedRing,
  index: number,
  { superblock, session, context }: Surroundings,
  head: bigint,
  tail: bigint,
): Pick<RingDescription, "records" | "fault"> {
  const capacity = 2 ** ring.capacityLog2;
  const placement = {
    ...ring,
    ringOffset: 2 * PAGE_BYTES,
    producerOffset: 0,
    consumerOffset: 4096,
  };
  const copy = new ArrayBuffer(placement.ringOffset + capacity);
  const copySpan = (at: number): void => {
    const bytes = Math.min(SPAN_BYTES, capacity - at);
    copyInto(region, ring.ringOffset + at, new Uint8Array(copy, placement.ringOffset + at, bytes));
  };
  copySpan(Number(head % BigInt(capacity)));
  copySpan(0);
  new DataView(copy).setBigUint64(0, tail, true);
  const reader = new BufferRingConsumer(copy, placement, {
    recordBytesMax: Math.max(superblock.recordBytesMax, 1),
    recordsMax: RECORDS_SHOWN,
  });
  reader.startSession(session.sessionId, session.sessionId, session.features, head);
  const decoder = new RecordDecoder();
  decoder.use(reader.batch);
  const records: RecordDescription[] = [];
  const count = reader.drain();
  for (let at = 0; at < count * RECORD_STRIDE; at += RECORD_STRIDE) {
    const [offset = 0, length = 0, kind = 0, sequence = 0] = reader.records.subarray(at, at + 4);
    const type = kind & 0xffff;
    const flags = kind >>> 16;
    let content: RecordDescription["content"];
    if (type === RECORD_LOST) content = decoder.decodeLost(context, index, offset, length);
    else if (type !== RECORD_COMMAND)
      content = decoder.decode(context, type, flags, offset, length);
    else content = decodeCommandPayload(reader.batch.subarray(offset, offset + length));
    const truncated = (flags & FRAME_TRUNCATED) !== 0;
    const seen = { type, sequence, bytes: length, truncated };
    records.push(content === undefined ? seen : { ...seen, content });
  }
  const isDone = count >= 0 && count < RECORDS_SHOWN;
  const result = isDone ? reader.drain() : count;
  return result < 0 ? { records, fault: faultName(result) } : { records };
}

function copyPage(region: Region, offset: number): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  copyInto(region, offset, page);
  return page;
}

function copyInto(region: Region, offset: number, target: Uint8Array): void {
  if (region.copyOut(offset, target)) return;
  throw new UndercroftError(
    "ERR_UC_REGION_SIZE",
    `${region.name} was cut while it was read; its file must keep its size`,
  );
}
