// SPDX-License-Identifier: Apache-2.0
// What the conformance suite runs against: every way to reach a region, each opened afresh for
// each case. A case gets a rig and throws when the implementation is wrong.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RingConsumer, RingProducer } from "../../lib/model/model.ts";
import {
  createRegionFile,
  type DrainLimits,
  openIvshmemRegion,
  openMemoryRegion,
  type Region,
} from "../../lib/transport/transport.ts";
import {
  PLACEMENT,
  PREVIOUS_SESSION,
  RECORD_BYTES_MAX,
  REGION_BYTES,
  RingWriter,
  SESSION,
} from "../support/ring-writer.ts";

export interface Implementation {
  readonly name: string;
  /** Opens a zeroed region; close() of the result removes what lies behind it. */
  open(): Opened;
}

export interface Opened {
  readonly region: Region;
  close(): void;
}

export const memory: Implementation = {
  name: "memory",
  open: () => {
    const region = openMemoryRegion(REGION_BYTES);
    return { region, close: () => region.close() };
  },
};

export const memfd: Implementation = {
  name: "native over a memfd",
  open: () => {
    const region = openIvshmemRegion({ memfd: "conformance", bytes: REGION_BYTES });
    return { region, close: () => region.close() };
  },
};

export const file: Implementation = {
  name: "native over a file",
  open: () => {
    const folder = mkdtempSync(join(tmpdir(), "undercroft-conformance-"));
    const path = join(folder, "region");
    createRegionFile(path, REGION_BYTES);
    const region = openIvshmemRegion({ path, bytes: REGION_BYTES });
    const close = (): void => {
      region.close();
      rmSync(folder, { recursive: true });
    };
    return { region, close };
  },
};

/** One ring under test, its two ends, and a writer of hand-made frames. */
export class Rig {
  readonly region: Region;
  readonly consumer: RingConsumer;
  readonly producer: RingProducer;
  readonly writer: RingWriter;
  readonly features: bigint;

  constructor(region: Region, features: bigint = 0n, limits: DrainLimits = {}) {
    this.region = region;
    this.features = features;
    this.consumer = region.openConsumer(PLACEMENT, RECORD_BYTES_MAX, limits);
    this.producer = region.openProducer(PLACEMENT, RECORD_BYTES_MAX);
    this.writer = new RingWriter(region, features);
  }

  /** Begins the session on the reading end, and on the writing end too when asked. */
  start(withProducer: boolean = false, head: bigint = 0n): this {
    this.consumer.startSession(SESSION, PREVIOUS_SESSION, this.features, head);
    if (withProducer) this.producer.startSession(SESSION, this.features);
    return this;
  }

  /** Drains once and lists what came: payload, type, flags and ring sequence of each record. */
  take(): TakenRecord[] | number {
    const count = this.consumer.drain();
    if (count <= 0) return count;
    return takenRecords(this.consumer, count);
  }

  /** Drains until empty or faulty; returns all records and the last result. */
  takeAll(): { readonly records: TakenRecord[]; readonly end: number } {
    const records: TakenRecord[] = [];
    for (;;) {
      const taken = this.take();
      if (typeof taken === "number") return { records, end: taken };
      records.push(...taken);
    }
  }
}

export interface TakenRecord {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** Copies the records of the last drain. */
export function takenRecords(consumer: RingConsumer, count: number): TakenRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const [offset = 0, length = 0, kind = 0, sequence = 0] = consumer.records.subarray(
      index * 4,
      index * 4 + 4,
    );
    const payload = consumer.batch.slice(offset, offset + length);
    return { type: kind & 0xffff, flags: kind >>> 16, sequence, payload };
  });
}

/** One rule of the contract. `run` throws when it does not hold. */
export interface ConformanceCase {
  readonly name: string;
  run(region: Region): void;
}
