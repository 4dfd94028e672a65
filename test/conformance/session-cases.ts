// SPDX-License-Identifier: Apache-2.0
// Conformance over sessions and losses: new sessions, stale frames, resumed heads, gaps, LOST.
import { expect } from "vitest";
import { CONSUMER_STAT, faultName } from "../../lib/model/model.ts";
import {
  CAPACITY,
  LOST,
  lostPayload,
  PLACEMENT,
  PREVIOUS_SESSION,
  RingWriter,
  readWord,
  SESSION,
} from "../support/ring-writer.ts";
import { type ConformanceCase, Rig } from "./rig.ts";

const fault = (result: number): string => (result < 0 ? faultName(result) : `${result}`);

export const sessionCases: readonly ConformanceCase[] = [
  {
    name: "a new session starts at position and sequence zero",
    run: (region) => {
      const rig = new Rig(region).start(true);
      for (let count = 0; count < 5; count++) rig.producer.write(0x0101, 0, new Uint8Array(9));
      rig.producer.publish();
      rig.takeAll();
      rig.consumer.startSession(99, SESSION, 0n);
      rig.producer.startSession(99, 0n);
      expect(readWord(region, PLACEMENT.producerOffset)).toBe(0n);
      expect(readWord(region, PLACEMENT.consumerOffset)).toBe(0n);
      expect(rig.take()).toBe(0);
      rig.producer.write(0x0101, 0, new Uint8Array(1));
      rig.producer.publish();
      expect(rig.takeAll().records.map((record) => record.sequence)).toEqual([1]);
      // Totals go on, positions do not.
      expect(rig.consumer.stats[CONSUMER_STAT.delivered]).toBe(6n);
      expect(rig.consumer.stats[CONSUMER_STAT.head]).toBe(32n);
    },
  },
  {
    name: "frames of the session before are told apart from garbage",
    run: (region) => {
      const rig = new Rig(region).start();
      rig.writer.put({ session: PREVIOUS_SESSION });
      rig.writer.publish();
      expect(fault(rig.takeAll().end)).toBe("E_SESSION");
      rig.start();
      expect(fault(rig.takeAll().end)).toBe("E_SESSION");
      rig.consumer.startSession(SESSION, 4711, 0n);
      expect(fault(rig.takeAll().end)).toBe("E_CHECK");
    },
  },
  {
    name: "a fault is kept until a new session, and nothing is read meanwhile",
    run: (region) => {
      const rig = new Rig(region).start();
      rig.writer.put({ sequence: 1 });
      rig.writer.put({ type: 0, sequence: 2 });
      rig.writer.publish();
      const { records, end } = rig.takeAll();
      expect(records.length).toBe(1);
      expect(fault(end)).toBe("E_TYPE_ZERO");
      expect(readWord(region, PLACEMENT.consumerOffset)).toBe(16n);
      region.zero(PLACEMENT.producerOffset, 4096);
      for (let turn = 0; turn < 3; turn++) expect(fault(rig.consumer.drain())).toBe("E_TYPE_ZERO");
      expect(rig.consumer.stats[CONSUMER_STAT.faults]).toBe(1n);
      expect(rig.start().takeAll().end).toBe(0);
    },
  },
  {
    name: "the frame that broke a rule is kept as evidence, at most 256 bytes",
    run: (region) => {
      const rig = new Rig(region).start();
      expect(rig.consumer.evidence().length).toBe(0);
      rig.writer.put({ sequence: 1 });
      rig.writer.put({ type: 0, sequence: 2, payload: new Uint8Array(400).fill(0xaa) });
      rig.writer.publish();
      rig.takeAll();
      const evidence = rig.consumer.evidence();
      expect(evidence.length).toBe(256);
      expect([...evidence.subarray(0, 9)]).toEqual([0x90, 1, 0, 0, 0, 0, 0, 0, 2]);
      expect([...evidence.subarray(16)]).toEqual(new Array(240).fill(0xaa));
      expect(rig.start().consumer.evidence().length).toBe(0);
    },
  },
  {
    name: "a resumed head takes the first sequence as it comes",
    run: (region) => {
      const rig = new Rig(region);
      rig.writer.fillTo(4096, 100);
      rig.writer.publish();
      rig.start(false, 1024n);
      const { records, end } = rig.takeAll();
      expect(end).toBe(0);
      expect(records.map((record) => record.sequence)).toEqual([103, 104, 105, 106, 107, 108]);
      expect(rig.consumer.stats[CONSUMER_STAT.missing]).toBe(0n);
      expect(rig.consumer.stats[CONSUMER_STAT.lastSequence]).toBe(108n);
      rig.writer.put({ sequence: 111 });
      rig.writer.publish();
      rig.takeAll();
      expect(rig.consumer.stats[CONSUMER_STAT.missing]).toBe(2n);
    },
  },
  {
    name: "a session resumed at a PAD goes on behind it",
    run: (region) => {
      const rig = new Rig(region);
      rig.writer.at = BigInt(CAPACITY - 64);
      rig.writer.put({ type: 0xffff, length: 48 });
      rig.writer.put({ sequence: 77 });
      rig.writer.publish();
      rig.start(false, BigInt(CAPACITY - 64));
      expect(rig.takeAll().records.map((record) => record.sequence)).toEqual([77]);
      expect(rig.consumer.stats[CONSUMER_STAT.missing]).toBe(0n);
    },
  },
  {
    name: "a resumed head that no reader can have left is a fault",
    run: (region) => {
      const rig = new Rig(region).start(false, 24n);
      expect(fault(rig.consumer.drain())).toBe("E_HEAD_RANGE");
      rig.writer.publish(64n);
      rig.start(false, 128n);
      expect(fault(rig.consumer.drain())).toBe("E_TAIL_RANGE");
    },
  },
  {
    name: "positions run through 2^64",
    run: (region) => {
      const rig = new Rig(region);
      rig.writer.at = 2n ** 64n - 32n;
      rig.writer.put({ sequence: 5 });
      rig.writer.put({ sequence: 6 });
      rig.writer.put({ sequence: 7 });
      rig.writer.publish();
      rig.start(false, 2n ** 64n - 32n);
      const { records, end } = rig.takeAll();
      expect(end).toBe(0);
      expect(records.map((record) => record.sequence)).toEqual([5, 6, 7]);
      expect(readWord(region, PLACEMENT.consumerOffset)).toBe(16n);
    },
  },
  {
    name: "ring sequences run through 2^32",
    run: (region) => {
      const rig = new Rig(region);
      rig.writer.at = 16n;
      for (const sequence of [0xffff_fffe, 0xffff_ffff, 0, 2]) rig.writer.put({ sequence });
      rig.writer.publish();
      rig.start(false, 16n);
      expect(rig.takeAll()).toMatchObject({ end: 0, records: { length: 4 } });
      expect(rig.consumer.stats[CONSUMER_STAT.missing]).toBe(1n);
      expect(rig.consumer.stats[CONSUMER_STAT.lastSequence]).toBe(2n);
    },
  },
  {
    name: "a jump of the sequence is exactly what is missing, the first record's too",
    run: (region) => {
      const rig = new Rig(region).start();
      rig.writer.put({ sequence: 4 });
      rig.writer.put({ sequence: 5 });
      rig.writer.put({ sequence: 0x7fff_ffff });
      rig.writer.publish();
      expect(rig.takeAll().end).toBe(0);
      expect(rig.consumer.stats[CONSUMER_STAT.missing]).toBe(BigInt(3 + 0x7fff_ffff - 6));
    },
  },
  {
    name: "LOST frames are delivered and what they name is counted",
    run: (region) => {
      const rig = new Rig(region).start();
      rig.writer.put({ sequence: 4, type: LOST, payload: lostPayload(3n) });
      rig.writer.put({ sequence: 5, type: LOST, payload: new Uint8Array(31).fill(1) });
      rig.writer.publish();
      const { records } = rig.takeAll();
      expect(records.map((record) => record.type)).toEqual([LOST, LOST]);
      expect(rig.consumer.stats[CONSUMER_STAT.lostFrames]).toBe(2n);
      expect(rig.consumer.stats[CONSUMER_STAT.named]).toBe(3n);
      expect(rig.consumer.stats[CONSUMER_STAT.missing]).toBe(3n);
    },
  },
  {
    name: "no claim of a LOST frame wraps the count",
    run: (region) => {
      const rig = new Rig(region).start();
      for (let sequence = 1; sequence < 4; sequence++) {
        rig.writer.put({ sequence, type: LOST, payload: lostPayload(2n ** 63n + 5n) });
      }
      rig.writer.publish();
      rig.takeAll();
      expect(rig.consumer.stats[CONSUMER_STAT.named]).toBe(2n ** 64n - 1n);
    },
  },
  {
    name: "a record of a kind that nobody knows is handed out like any other",
    run: (region) => {
      const rig = new Rig(region).start();
      rig.writer.put({ sequence: 1, type: 0x7777, payload: Uint8Array.of(9) });
      rig.writer.publish();
      expect(rig.takeAll().records).toEqual([
        { type: 0x7777, flags: 0, sequence: 1, payload: Uint8Array.of(9) },
      ]);
    },
  },
  {
    name: "the CRC of a session changes with its features alone",
    run: (region) => {
      const rig = new Rig(region, 1n).start();
      const plain = new RingWriter(region, 0n);
      plain.put({ sequence: 1 });
      plain.publish();
      expect(fault(rig.takeAll().end)).toBe("E_CHECK");
      rig.consumer.startSession(SESSION, PREVIOUS_SESSION, 0n);
      expect(rig.takeAll().records.length).toBe(1);
    },
  },
];
