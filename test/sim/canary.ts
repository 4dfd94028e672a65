// SPDX-License-Identifier: Apache-2.0
// A bug planted under the server: now and then a ring's last record vanishes unnamed. It proves
// that the conservation oracle can fail. Used by world.ts for the canary only.
import type { RingConsumer } from "../../lib/model/model.ts";
import type { Region } from "../../lib/transport/transport.ts";
import type { Random } from "./random.ts";

/** The same region, whose consumers lose a record in about one of fifty drains. */
export function brokenRegion(region: Region, random: Random): Region {
  return {
    bytes: region.bytes,
    name: region.name,
    copyOut: (offset, target) => region.copyOut(offset, target),
    copyIn: (offset, source) => region.copyIn(offset, source),
    storeU64: (offset, value) => region.storeU64(offset, value),
    zero: (offset, length) => region.zero(offset, length),
    openConsumer: (placement, recordBytesMax, limits) =>
      brokenConsumer(region.openConsumer(placement, recordBytesMax, limits), random),
    openProducer: (placement, recordBytesMax) => region.openProducer(placement, recordBytesMax),
    close: () => region.close(),
  };
}

function brokenConsumer(consumer: RingConsumer, random: Random): RingConsumer {
  return {
    batch: consumer.batch,
    records: consumer.records,
    stats: consumer.stats,
    startSession: (session, previous, features, head) =>
      consumer.startSession(session, previous, features, head),
    drain: () => {
      const count = consumer.drain();
      return count > 0 && random.chance(0.02) ? count - 1 : count;
    },
    evidence: () => consumer.evidence(),
    close: () => consumer.close(),
  };
}
