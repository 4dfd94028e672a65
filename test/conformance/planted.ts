// SPDX-License-Identifier: Apache-2.0
// Implementations that are wrong on purpose, one bug each. canary.test.ts proves that the suite
// finds every one; no other test uses them.
import {
  CONSUMER_STAT,
  type RingConsumer,
  type RingPlacement,
  type RingProducer,
} from "../../lib/model/model.ts";
import { type DrainLimits, openMemoryRegion, type Region } from "../../lib/transport/transport.ts";
import { PLACEMENT, REGION_BYTES, readWord } from "../support/ring-writer.ts";

/** Bends one end of an honest ring. `region` is what lies below. */
interface Bend {
  consumer?(honest: RingConsumer, region: Region, limits: DrainLimits): RingConsumer;
  producer?(honest: RingProducer, region: Region): RingProducer;
}

/** A consumer that does what the honest one does, but for what `change` replaces. */
function bentConsumer(honest: RingConsumer, change: Partial<RingConsumer>): RingConsumer {
  return {
    batch: honest.batch,
    records: honest.records,
    stats: honest.stats,
    startSession: (...session) => honest.startSession(...session),
    drain: () => honest.drain(),
    evidence: () => honest.evidence(),
    close: () => honest.close(),
    ...change,
  };
}

function bentProducer(honest: RingProducer, change: Partial<RingProducer>): RingProducer {
  return {
    stats: honest.stats,
    startSession: (...session) => honest.startSession(...session),
    write: (...record) => honest.write(...record),
    publish: () => honest.publish(),
    close: () => honest.close(),
    ...change,
  };
}

function drainThen(honest: RingConsumer, after: (count: number) => number): RingConsumer {
  return bentConsumer(honest, { drain: () => after(honest.drain()) });
}

/** A fault that the implementation takes for an empty ring. */
const deafTo = (fault: number): Bend => ({
  consumer: (honest) => drainThen(honest, (result) => (result === -fault ? 0 : result)),
});

function forgetful(honest: RingConsumer): RingConsumer {
  let last: Parameters<RingConsumer["startSession"]> = [0, 0, 0n];
  return bentConsumer(honest, {
    startSession: (...session) => {
      last = session;
      honest.startSession(...session);
    },
    drain: () => {
      const result = honest.drain();
      if (result < 0) honest.startSession(...last);
      return result;
    },
  });
}

const bends: Readonly<Record<string, Bend>> = {
  "gives the batch away without copying": {
    consumer: (honest, region, { batchBytes }) => {
      const batch = new Uint8Array(batchBytes ?? 0x40000);
      return bentConsumer(honest, {
        // What a reader sees is what the region holds when it looks, not when it was drained.
        get batch(): Uint8Array {
          region.copyOut(PLACEMENT.ringOffset, batch.subarray(0, 16384));
          return batch;
        },
      });
    },
  },
  "never frees what it read": {
    consumer: (honest, region) =>
      drainThen(honest, (result) => {
        region.storeU64(PLACEMENT.consumerOffset, 0n);
        return result;
      }),
  },
  "stores the head of a fault too": {
    consumer: (honest, region) =>
      drainThen(honest, (result) => {
        const tail = readWord(region, PLACEMENT.producerOffset);
        if (result < 0) region.storeU64(PLACEMENT.consumerOffset, tail);
        else if (honest.evidence().length > 0) region.storeU64(PLACEMENT.consumerOffset, tail);
        return result;
      }),
  },
  "forgets a fault at once": { consumer: forgetful },
  "drops the last record of a full batch": {
    consumer: (honest) =>
      drainThen(honest, (result) => (result * 4 === honest.records.length ? result - 1 : result)),
  },
  "counts no loss": {
    consumer: (honest) =>
      drainThen(honest, (result) => {
        honest.stats[CONSUMER_STAT.missing] = 0n;
        return result;
      }),
  },
  "reports the padding as payload": {
    consumer: (honest) =>
      drainThen(honest, (count) => {
        for (let at = 1; at < count * 4; at += 4) {
          honest.records[at] = Math.ceil((honest.records[at] ?? 0) / 16) * 16;
        }
        return count;
      }),
  },
  "keeps no evidence": {
    consumer: (honest) => bentConsumer(honest, { evidence: () => new Uint8Array(0) }),
  },
  "ignores a head to resume at": {
    consumer: (honest) =>
      bentConsumer(honest, {
        startSession: (session, previous, features) =>
          honest.startSession(session, previous, features),
      }),
  },
  "knows no previous session": {
    consumer: (honest) =>
      bentConsumer(honest, {
        startSession: (session, _previous, features, head) =>
          honest.startSession(session, session, features, head),
      }),
  },
  "publishes each record": {
    producer: (honest) =>
      bentProducer(honest, {
        write: (...record) => {
          const result = honest.write(...record);
          honest.publish();
          return result;
        },
      }),
  },
  "trusts any head": {
    producer: (honest) =>
      bentProducer(honest, { write: (...record) => Math.max(0, honest.write(...record)) }),
  },
  "forgets the position of a new session": {
    producer: (honest, region) =>
      bentProducer(honest, {
        startSession: (...session) => {
          const tail = readWord(region, PLACEMENT.producerOffset);
          honest.startSession(...session);
          region.storeU64(PLACEMENT.producerOffset, tail);
        },
      }),
  },
};

// The suite must miss no fault code: an implementation deaf to one of them is a bug each.
const deaf = Array.from({ length: 12 }, (_, index): readonly [string, Bend] => [
  `is deaf to fault ${index + 1}`,
  deafTo(index + 1),
]);

/** Name and opener of every planted bug. */
export const planted: ReadonlyArray<readonly [bug: string, open: () => Region]> = [
  ...Object.entries(bends),
  ...deaf,
].map(([bug, bend]) => [bug, () => bentRegion(bend)] as const);

function bentRegion(bend: Bend): Region {
  const honest = openMemoryRegion(REGION_BYTES);
  return {
    bytes: honest.bytes,
    name: "planted",
    copyOut: (offset, target) => honest.copyOut(offset, target),
    copyIn: (offset, source) => honest.copyIn(offset, source),
    storeU64: (offset, value) => honest.storeU64(offset, value),
    zero: (offset, length) => honest.zero(offset, length),
    openConsumer: (placement: RingPlacement, recordBytesMax: number, limits: DrainLimits = {}) => {
      const consumer = honest.openConsumer(placement, recordBytesMax, limits);
      return bend.consumer?.(consumer, honest, limits) ?? consumer;
    },
    openProducer: (placement: RingPlacement, recordBytesMax: number) => {
      const producer = honest.openProducer(placement, recordBytesMax);
      return bend.producer?.(producer, honest) ?? producer;
    },
    close: () => honest.close(),
  };
}
