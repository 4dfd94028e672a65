// SPDX-License-Identifier: Apache-2.0
// Conformance when the other side lies: every fault code of a drain and of a producer, each from
// a hand-made region, and the arguments that are refused before anything is touched.
import { expect } from "vitest";
import { type FaultName, faultName } from "../../lib/model/model.ts";
import type { Region } from "../../lib/transport/transport.ts";
import {
  CAPACITY,
  type Frame,
  PAD,
  PLACEMENT,
  PREVIOUS_SESSION,
  RECORD_BYTES_MAX,
  REGION_BYTES,
} from "../support/ring-writer.ts";
import { type ConformanceCase, Rig } from "./rig.ts";

const fault = (result: number): string => (result < 0 ? faultName(result) : `${result}`);
const code = (name: string): { code: string } => ({ code: `ERR_UC_${name}` });

const cap = BigInt(CAPACITY);
const tails: ReadonlyArray<readonly [what: string, tail: bigint, fault: FaultName]> = [
  ["a frame beyond the capacity", cap + 16n, "E_TAIL_RANGE"],
  ["beyond the capacity and unaligned", cap + 8n, "E_TAIL_RANGE"],
  ["a frame behind the head", 2n ** 64n - 16n, "E_TAIL_RANGE"],
  ["half the number space ahead", 2n ** 63n, "E_TAIL_RANGE"],
  ["all ones", 2n ** 64n - 1n, "E_TAIL_RANGE"],
  ["unaligned by one", 17n, "E_TAIL_ALIGN"],
  ["unaligned by eight", 24n, "E_TAIL_ALIGN"],
];

const none = new Uint8Array(0);
const frames: ReadonlyArray<readonly [what: string, frame: Frame, fault: FaultName]> = [
  ["of type zero", { type: 0 }, "E_TYPE_ZERO"],
  ["of type zero with everything else wrong", { type: 0, flags: 9, check: 1 }, "E_TYPE_ZERO"],
  ["a byte longer than the limit", { length: RECORD_BYTES_MAX + 1 }, "E_LEN_LIMIT"],
  ["of 4 GiB", { length: 0xffff_ffff, payload: none }, "E_LEN_LIMIT"],
  ["whose length wraps when aligned", { length: 0xffff_fff1, payload: none }, "E_LEN_LIMIT"],
  ["whose length is negative when signed", { length: 0x8000_0000, payload: none }, "E_LEN_LIMIT"],
  ["longer than what the tail says is there", { length: 64 }, "E_LEN_AVAIL"],
  ["longer by its padding alone", { length: 49 }, "E_LEN_AVAIL"],
  ["with an unknown flag", { flags: 2 }, "E_FLAGS"],
  ["with the highest flag", { flags: 0x8000 }, "E_FLAGS"],
  ["with a wrong check", { check: 1 }, "E_CHECK"],
  ["of the session before", { session: PREVIOUS_SESSION }, "E_SESSION"],
  ["of some other session", { session: 77 }, "E_CHECK"],
  ["with sequence zero", { sequence: 0 }, "E_SEQ"],
  ["half the sequence space ahead", { sequence: 0x8000_0000 }, "E_SEQ"],
  ["with all ones as its sequence", { sequence: 0xffff_ffff }, "E_SEQ"],
  ["a PAD in the middle", { type: PAD }, "E_PAD_PLACE"],
  ["a PAD of the whole ring", { type: PAD, length: CAPACITY - 16 }, "E_PAD_PLACE"],
];

const pads: ReadonlyArray<readonly [what: string, frame: Frame, tail: number, fault: FaultName]> = [
  ["with flags", { flags: 1 }, CAPACITY, "E_FLAGS"],
  ["with a sequence", { sequence: 3 }, CAPACITY, "E_SEQ"],
  ["with a wrong check", { check: 9 }, CAPACITY, "E_CHECK"],
  ["of the session before", { session: PREVIOUS_SESSION }, CAPACITY, "E_SESSION"],
  ["a frame short of the end", { length: 0 }, CAPACITY, "E_PAD_PLACE"],
  ["beyond the end", { length: 32 }, CAPACITY + 16, "E_PAD_PLACE"],
  ["beyond the tail", {}, CAPACITY - 16, "E_LEN_AVAIL"],
];

function frameCases(features: bigint): ConformanceCase[] {
  const check = features === 0n ? "session check" : "CRC-32C";
  return [
    ...frames.map(([what, frame, expected]) => ({
      name: `${expected}: a frame ${what} (${check})`,
      run: (region: Region) => {
        const rig = new Rig(region, features).start();
        rig.writer.put(frame);
        rig.writer.publish(64n);
        expect(fault(rig.takeAll().end)).toBe(expected);
        expect(rig.consumer.stats[0]).toBe(0n);
      },
    })),
    ...pads.map(([what, frame, tail, expected]) => ({
      name: `${expected}: a PAD ${what} (${check})`,
      run: (region: Region) => {
        const rig = new Rig(region, features).start();
        const last = rig.writer.fillTo(CAPACITY - 32);
        rig.writer.publish();
        expect(rig.takeAll().records.length).toBe(last);
        rig.writer.put({ type: PAD, length: 16, ...frame });
        rig.writer.publish(BigInt(tail));
        expect(fault(rig.takeAll().end)).toBe(expected);
      },
    })),
    {
      name: `E_CROSS_END: a record over the ring's end (${check})`,
      run: (region) => {
        const rig = new Rig(region, features).start();
        const last = rig.writer.fillTo(CAPACITY - 32);
        rig.writer.publish();
        rig.takeAll();
        rig.writer.put({ length: 64, sequence: last + 1 });
        rig.writer.publish();
        expect(fault(rig.takeAll().end)).toBe("E_CROSS_END");
      },
    },
    {
      name: `E_SEQ: a sequence twice, and one that goes back (${check})`,
      run: (region) => {
        for (const second of [5, 4, 1]) {
          const rig = new Rig(region, features).start();
          rig.writer.put({ sequence: 5 });
          rig.writer.put({ sequence: second });
          rig.writer.publish();
          const { records, end } = rig.takeAll();
          expect([records.length, fault(end)]).toEqual([1, "E_SEQ"]);
        }
      },
    },
  ];
}

const producerFaults: ReadonlyArray<readonly [what: string, head: bigint]> = [
  ["beyond what was published", 64n],
  ["behind where it was", 2n ** 64n - 16n],
  ["unaligned", 8n],
  ["half the number space ahead", 2n ** 63n],
];

export const faultCases: readonly ConformanceCase[] = [
  ...tails.map(([what, tail, expected]) => ({
    name: `${expected}: a tail ${what}`,
    run: (region: Region) => {
      const rig = new Rig(region).start();
      rig.writer.publish(tail);
      expect(fault(rig.takeAll().end)).toBe(expected);
    },
  })),
  {
    name: "E_TAIL_RANGE: a tail that moves back after progress",
    run: (region) => {
      const rig = new Rig(region).start();
      rig.writer.fillTo(4096);
      rig.writer.publish();
      rig.takeAll();
      rig.writer.publish(2048n);
      expect(fault(rig.takeAll().end)).toBe("E_TAIL_RANGE");
    },
  },
  ...frameCases(0n),
  ...frameCases(1n),
  {
    name: "E_CHECK: a payload that does not fit its CRC-32C",
    run: (region) => {
      const rig = new Rig(region, 1n).start();
      rig.writer.put({ payload: Uint8Array.of(1, 2, 3) });
      region.copyIn(PLACEMENT.ringOffset + 17, Uint8Array.of(7));
      rig.writer.publish();
      expect(fault(rig.takeAll().end)).toBe("E_CHECK");
    },
  },
  ...producerFaults.map(([what, head]) => ({
    name: `E_HEAD_RANGE: a head ${what}`,
    run: (region: Region) => {
      const rig = new Rig(region);
      rig.producer.startSession(1, 0n);
      expect(rig.producer.write(0x0f01, 0, new Uint8Array(16))).toBe(1);
      region.storeU64(PLACEMENT.consumerOffset, head);
      rig.producer.publish();
      expect(fault(rig.producer.write(0x0f01, 0, none))).toBe("E_HEAD_RANGE");
      region.storeU64(PLACEMENT.consumerOffset, 0n);
      expect(fault(rig.producer.write(0x0f01, 0, none))).toBe("E_HEAD_RANGE");
      rig.producer.startSession(2, 0n);
      expect(rig.producer.write(0x0f01, 0, none)).toBe(1);
    },
  })),
  {
    name: "E_HEAD_RANGE: a head that moves back after progress",
    run: (region) => {
      const rig = new Rig(region);
      rig.producer.startSession(1, 0n);
      rig.producer.write(0x0f01, 0, new Uint8Array(16));
      rig.producer.publish();
      region.storeU64(PLACEMENT.consumerOffset, 32n);
      rig.producer.publish();
      region.storeU64(PLACEMENT.consumerOffset, 16n);
      rig.producer.publish();
      expect(fault(rig.producer.write(0x0f01, 0, none))).toBe("E_HEAD_RANGE");
    },
  },
  {
    name: "E_HEAD_RANGE: a head behind the tail but beyond what was published",
    run: (region) => {
      const rig = new Rig(region);
      rig.producer.startSession(1, 0n);
      for (let at = 0; at < CAPACITY; at += 1024) {
        expect(rig.producer.write(0x0f01, 0, new Uint8Array(1008))).toBe(1);
      }
      region.storeU64(PLACEMENT.consumerOffset, 1024n);
      expect(fault(rig.producer.write(0x0f01, 0, none))).toBe("E_HEAD_RANGE");
    },
  },
  {
    name: "a producer never reads back its own words",
    run: (region) => {
      const rig = new Rig(region).start(true);
      rig.producer.write(0x0f01, 0, Uint8Array.of(1));
      rig.producer.publish();
      rig.takeAll();
      region.copyIn(PLACEMENT.producerOffset, new Uint8Array(4096).fill(0xee));
      region.copyIn(PLACEMENT.ringOffset, new Uint8Array(CAPACITY).fill(0xee));
      rig.producer.write(0x0f01, 0, Uint8Array.of(2));
      rig.producer.publish();
      expect(rig.takeAll().records.map((record) => record.payload[0])).toEqual([2]);
    },
  },
];

const bad = (change: object) => ({ ...PLACEMENT, ...change });

export const argumentCases: readonly ConformanceCase[] = [
  {
    name: "a ring outside its region, unaligned or of an odd size is refused",
    run: (region) => {
      for (const placement of [
        bad({ capacityLog2: 11 }),
        bad({ capacityLog2: 31 }),
        bad({ capacityLog2: 20 }),
        bad({ ringOffset: 65536 + 16 }),
        bad({ ringOffset: REGION_BYTES }),
        bad({ producerOffset: REGION_BYTES }),
        bad({ consumerOffset: 8 }),
      ]) {
        expect(() => region.openConsumer(placement, 1024)).toThrow(
          expect.objectContaining(code("LAYOUT")),
        );
        expect(() => region.openProducer(placement, 1024)).toThrow(
          expect.objectContaining(code("LAYOUT")),
        );
      }
    },
  },
  {
    name: "a batch that cannot hold the largest record, or is no power of two, is refused",
    run: (region) => {
      for (const limits of [{ batchBytes: 1024 }, { batchBytes: 3000 }, { batchBytes: 0 }]) {
        expect(() => region.openConsumer(PLACEMENT, 1024, limits)).toThrow(
          expect.objectContaining(code("LAYOUT")),
        );
      }
      expect(() => region.openConsumer(PLACEMENT, 0)).toThrow(
        expect.objectContaining(code("LAYOUT")),
      );
      expect(() => region.openConsumer(PLACEMENT, 64, { recordsMax: 0 })).toThrow(
        expect.objectContaining(code("LAYOUT")),
      );
    },
  },
  {
    name: "a record that no frame can carry is refused as a bug of the caller",
    run: (region) => {
      const rig = new Rig(region).start(true);
      const bytes = new Uint8Array(RECORD_BYTES_MAX + 1);
      const refused = expect.objectContaining(code("ARGUMENT"));
      expect(() => rig.producer.write(0, 0, none)).toThrow(refused);
      expect(() => rig.producer.write(PAD, 0, none)).toThrow(refused);
      expect(() => rig.producer.write(0x1_0001, 0, none)).toThrow(refused);
      expect(() => rig.producer.write(1, 0x1_0000, none)).toThrow(refused);
      expect(() => rig.producer.write(1, 0, bytes)).toThrow(refused);
      expect(() => rig.consumer.startSession(-1, 0, 0n)).toThrow(refused);
      expect(() => rig.consumer.startSession(1, 2 ** 32, 0n)).toThrow(refused);
      expect(() => rig.producer.startSession(1.5, 0n)).toThrow(refused);
    },
  },
  {
    name: "the limit is an eighth of the ring when that is less",
    run: (region) => {
      const producer = region.openProducer(PLACEMENT, 65536);
      producer.startSession(1, 0n);
      expect(producer.write(1, 0, new Uint8Array(CAPACITY / 8))).toBe(1);
      expect(() => producer.write(1, 0, new Uint8Array(CAPACITY / 8 + 1))).toThrow(
        expect.objectContaining(code("ARGUMENT")),
      );
    },
  },
  {
    name: "copies, clears and stores stay inside the region",
    run: (region) => {
      const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
      expect(region.bytes).toBe(REGION_BYTES);
      expect(region.copyIn(REGION_BYTES - 8, bytes)).toBe(true);
      const copy = new Uint8Array(8);
      expect(region.copyOut(REGION_BYTES - 8, copy)).toBe(true);
      expect(copy).toEqual(bytes);
      expect(region.storeU64(REGION_BYTES - 8, 0x0102n)).toBe(true);
      region.copyOut(REGION_BYTES - 8, copy);
      expect([...copy]).toEqual([2, 1, 0, 0, 0, 0, 0, 0]);
      expect(region.zero(REGION_BYTES - 8, 1)).toBe(true);
      region.copyOut(REGION_BYTES - 8, copy);
      expect([...copy]).toEqual([0, 1, 0, 0, 0, 0, 0, 0]);
      const refused = expect.objectContaining(code("ARGUMENT"));
      expect(() => region.copyOut(REGION_BYTES - 7, copy)).toThrow(refused);
      expect(() => region.copyIn(-1, copy)).toThrow(refused);
      expect(() => region.copyIn(0.5, copy)).toThrow(refused);
      expect(() => region.zero(0, REGION_BYTES + 1)).toThrow(refused);
      expect(() => region.storeU64(12, 0n)).toThrow(refused);
      expect(() => region.storeU64(8, 2n ** 64n)).toThrow(refused);
      expect(() => region.storeU64(8, -1n)).toThrow(refused);
    },
  },
  {
    name: "nothing can be used after close, and closing twice is harmless",
    run: (region) => {
      const rig = new Rig(region).start(true);
      rig.consumer.close();
      rig.consumer.close();
      rig.producer.close();
      const refused = expect.objectContaining(code("REGION_CLOSED"));
      expect(() => rig.consumer.drain()).toThrow(refused);
      expect(() => rig.producer.write(1, 0, none)).toThrow(refused);
      expect(() => rig.producer.publish()).toThrow(refused);
      region.close();
      expect(() => region.copyOut(0, new Uint8Array(8))).toThrow(refused);
      expect(() => region.copyIn(0, none)).toThrow(refused);
      expect(() => region.zero(0, 8)).toThrow(refused);
      expect(() => region.storeU64(0, 0n)).toThrow(refused);
      expect(() => region.openConsumer(PLACEMENT, 64)).toThrow(refused);
      expect(() => region.openProducer(PLACEMENT, 64)).toThrow(refused);
    },
  },
];
