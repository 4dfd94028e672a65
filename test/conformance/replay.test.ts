// SPDX-License-Identifier: Apache-2.0
// A recording of every conformance case, played back, gives what was drained when it was made:
// records, bytes, counters, faults and evidence, session by session.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import type { RingConsumer } from "../../lib/model/model.ts";
import { openReplayRegion, type Region, recordRegion } from "../../lib/transport/transport.ts";
import { PLACEMENT, RECORD_BYTES_MAX } from "../support/ring-writer.ts";
import { conformanceCases } from "./cases.ts";
import { memfd, memory, takenRecords } from "./rig.ts";

const folder = mkdtempSync(join(tmpdir(), "undercroft-replay-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What one drain gave, or that a session began. */
type Heard = "session" | { readonly result: number; readonly content: unknown };

/** Everything of a drain that a reader can see. */
function hear(consumer: RingConsumer, result: number): Heard {
  const records = result > 0 ? takenRecords(consumer, result) : [];
  const places = consumer.records.slice(0, Math.max(result, 0) * 4);
  const stats = consumer.stats.slice();
  // Evidence belongs to a fault: a replay has it from there on, a live ring a call earlier.
  const evidence = result < 0 ? [...consumer.evidence()] : [];
  return { result, content: { records, places, stats, evidence } };
}

/** Lets a region's consumers be heard while a case runs against it. */
function listen(region: Region, heard: Heard[]): Region {
  return {
    bytes: region.bytes,
    name: region.name,
    copyOut: (offset, target) => region.copyOut(offset, target),
    copyIn: (offset, source) => region.copyIn(offset, source),
    storeU64: (offset, value) => region.storeU64(offset, value),
    zero: (offset, length) => region.zero(offset, length),
    openProducer: (placement, bytes) => region.openProducer(placement, bytes),
    close: () => region.close(),
    openConsumer: (placement, bytes, limits) => {
      const consumer = region.openConsumer(placement, bytes, limits);
      return {
        batch: consumer.batch,
        records: consumer.records,
        stats: consumer.stats,
        evidence: () => consumer.evidence(),
        close: () => consumer.close(),
        startSession: (...session) => {
          consumer.startSession(...session);
          heard.push("session");
        },
        drain: () => {
          const result = consumer.drain();
          if (result !== 0) heard.push(hear(consumer, result));
          return result;
        },
      };
    },
  };
}

/** Plays a recording with the same calls, and says what it gave. */
function playBack(path: string, heard: readonly Heard[]): Heard[] {
  const region = openReplayRegion(path);
  const consumer = region.openConsumer(PLACEMENT, RECORD_BYTES_MAX);
  const played = heard.map((one): Heard => {
    if (one !== "session") return hear(consumer, consumer.drain());
    consumer.startSession(1, 2, 0n);
    return "session";
  });
  region.close();
  return played;
}

// Counters belong to a consumer; a case that opens several is one stream in its recording.
const severalConsumers = /sequence twice/;

describe.each([memory, memfd])("a recording of $name", ({ name, open }) => {
  const cases = conformanceCases.filter((one) => !severalConsumers.test(one.name));
  it.each(cases)("replays: $name", (conformance) => {
    const path = join(folder, `${name}-${readdirSync(folder).length}`);
    const heard: Heard[] = [];
    const opened = open();
    conformance.run(listen(recordRegion(opened.region, path), heard));
    opened.close();
    if (heard.length === 0) return;
    const played = playBack(path, heard);
    if (!isDeepStrictEqual(played, heard)) expect(played).toEqual(heard);
  });
});
