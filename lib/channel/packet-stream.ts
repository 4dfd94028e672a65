// SPDX-License-Identifier: Apache-2.0
// The packets of one redirector: drains its packet rings in turns and hands each packet on where
// it lies in the drained copy. TRUST: a packet belongs to the ring it came in, whatever it says.
import {
  CONSUMER_STAT,
  faultName,
  type GuestFault,
  RECORD_STRIDE,
  type RingConsumer,
} from "../model/model.ts";
import type { DrainLimits, Region } from "../transport/transport.ts";
import {
  emptyPacketRecord,
  type PacketRecord,
  PacketRecordReader,
  RECORD_LOST,
  type RegionLayout,
  RING_PACKET,
} from "../wire/wire.ts";
import type { StreamSession } from "./guest-stream.ts";

export interface PacketHooks {
  /** One packet of a lane: [start, end) of batch, valid during the call only. */
  packet(lane: number, record: PacketRecord, batch: Uint8Array): void;
  /** The redirector broke the rules; nothing more is read until the next session. */
  faulted(fault: GuestFault, evidence: Uint8Array): void;
}

export interface PacketStreamOptions {
  readonly region: Region;
  readonly layout: RegionLayout;
  readonly recordBytesMax: number;
  readonly limits: DrainLimits;
  readonly hooks: PacketHooks;
}

/** Counts of one packet ring since the server began. */
export interface LaneCounts {
  readonly delivered: number;
  readonly bytes: number;
  /** Records that were no packets. */
  readonly undecodable: number;
}

interface Lane {
  readonly ring: number;
  readonly lane: number;
  readonly consumer: RingConsumer;
  readonly reader: PacketRecordReader;
  delivered: number;
  undecodable: number;
  bytes: number;
}

/** Cost of a packet when turns are shared out, above its own length: it has to be analysed. */
const PACKET_COST_BYTES = 256;

/** Reads all packet rings of one region. */
export class PacketStream {
  readonly #options: PacketStreamOptions;
  readonly #lanes: readonly Lane[];
  readonly #record: PacketRecord = emptyPacketRecord();
  #active = false;

  constructor(options: PacketStreamOptions) {
    this.#options = options;
    const { region, layout, recordBytesMax, limits } = options;
    this.#lanes = layout.rings.flatMap((placement, ring) => {
      if (placement.kind !== RING_PACKET) return [];
      const consumer = region.openConsumer(placement, recordBytesMax, limits);
      const reader = new PacketRecordReader();
      const counts = { delivered: 0, undecodable: 0, bytes: 0 };
      return [{ ring, lane: placement.lane, consumer, reader, ...counts }];
    });
  }

  get laneCount(): number {
    return this.#lanes.length;
  }

  /** Counts of a lane; zeros for one that is not there. */
  counts(lane: number): LaneCounts {
    const { delivered = 0, undecodable = 0, bytes = 0 } = this.#lanes[lane] ?? {};
    return { delivered, undecodable, bytes };
  }

  startSession(session: StreamSession): void {
    const { sessionId, previousSessionId, features } = session;
    for (const { ring, consumer } of this.#lanes) {
      const head = session.heads[ring] ?? 0n;
      consumer.startSession(sessionId, previousSessionId, features, head);
    }
    this.#active = true;
  }

  endSession(): void {
    this.#active = false;
  }

  /** One drain of each ring. Returns what it cost, 0 when there was nothing to read. */
  turn(): number {
    let cost = 0;
    for (const lane of this.#lanes) {
      if (!this.#active) return cost;
      cost += this.#drain(lane);
    }
    return cost;
  }

  close(): void {
    this.#active = false;
    for (const { consumer } of this.#lanes) consumer.close();
  }

  #drain(lane: Lane): number {
    const { consumer, reader } = lane;
    const count = consumer.drain();
    if (count < 0) {
      this.#active = false;
      const fault = { fault: faultName(count), ring: lane.ring };
      this.#options.hooks.faulted(fault, consumer.evidence());
      return 0;
    }
    if (count === 0) return 0;
    reader.use(consumer.batch);
    const { records } = consumer;
    for (let index = 0; index < count * RECORD_STRIDE; index += RECORD_STRIDE) {
      const type = (records[index + 2] ?? 0) & 0xffff;
      // Losses are in the redirector's own counts, which name them a slot.
      if (type === RECORD_LOST) continue;
      if (reader.read(type, records[index] ?? 0, records[index + 1] ?? 0, this.#record)) {
        lane.delivered++;
        this.#options.hooks.packet(lane.lane, this.#record, consumer.batch);
      } else {
        lane.undecodable++;
      }
    }
    const bytes = Number(consumer.stats[CONSUMER_STAT.bytes] ?? 0n);
    const read = bytes - lane.bytes;
    lane.bytes = bytes;
    return read + count * PACKET_COST_BYTES;
  }
}
