// SPDX-License-Identifier: Apache-2.0
// What a server and a redirector exchange: addresses, rules, commands and packets survive their
// bytes, and nonsense is refused.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BlockRule, RedirectorCommand } from "../../../lib/model/model.ts";
import {
  addressRangeText,
  decodeBlockRule,
  decodeRedirectorCommand,
  emptyPacketRecord,
  encodeBlockRule,
  encodePacketRecord,
  encodeRedirectorCommand,
  PacketRecordReader,
  parseAddressRange,
  RECORD_PACKET,
} from "../../../lib/wire/wire.ts";

const address = fc.oneof(fc.ipV4(), fc.ipV6());

describe("addresses", () => {
  test.each([
    ["10.1.2.3", "10.1.2.3"],
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:db8:0:0:1::/64", "2001:db8::/64"],
    ["::1", "::1"],
    ["2001:db8:ffff::/33", "2001:db8:8000::/33"],
  ])("%s is %s", (text, canonical) => {
    const range = parseAddressRange(text);
    expect(range && addressRangeText(range)).toBe(canonical);
  });

  test.each([
    "",
    "10.1",
    "010.1.2.3",
    "10.1.2.3/33",
    "10.1.2.3/",
    "10.1.2.3/-1",
    "::1/129",
    "host",
  ])("%s is none", (text) => {
    expect(parseAddressRange(text)).toBeUndefined();
  });

  test("any address survives its text", () => {
    fc.assert(
      fc.property(address, (text) => {
        const range = parseAddressRange(text);
        if (range === undefined) throw new Error(`${text} was refused`);
        const again = parseAddressRange(addressRangeText(range));
        expect(again?.bytes).toEqual(range.bytes);
      }),
    );
  });
});

const rule: fc.Arbitrary<BlockRule> = fc
  .record({
    id: fc.bigInt({ min: 1n, max: 2n ** 63n }),
    slot: fc.nat(2 ** 31),
    action: fc.constantFrom("drop" as const, "allow" as const, "isolate" as const),
    remote: fc.ipV4(),
    protocol: fc.constantFrom(6, 17),
    remotePort: fc.integer({ min: 1, max: 65_535 }),
    expiresInMs: fc.integer({ min: 1, max: 10 ** 9 }),
  })
  .map((made) => made);

describe("rules at the tap", () => {
  test("come back as they were", () => {
    fc.assert(
      fc.property(rule, (made) => {
        const nowNs = 5_000_000_000n;
        const back = decodeBlockRule(encodeBlockRule(made, nowNs), 0, nowNs);
        expect({ ...back, expiresInMs: Math.round(back?.expiresInMs ?? 0) }).toEqual(made);
      }),
    );
  });

  test.each<[string, Partial<BlockRule>]>([
    ["an address that is none", { remote: "evil.example" }],
    ["two families", { remote: "10.0.0.1", local: "::1" }],
    ["ports without a protocol", { remotePort: 80 }],
    ["no id", { id: 0n }],
    ["a port too high", { protocol: 6, remotePort: 65_536 }],
  ])("refuse %s", (_, broken) => {
    const whole: BlockRule = { id: 1n, slot: 0, action: "drop", ...broken };
    expect(() => encodeBlockRule(whole, 0n)).toThrow(/rule \d+ at the tap/);
  });

  test("reading never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 80 }), (bytes) => {
        decodeBlockRule(bytes, 0, 0n);
      }),
    );
  });
});

describe("commands to a redirector", () => {
  const start: RedirectorCommand = {
    kind: "redirect-start",
    slot: 7,
    lane: 2,
    mode: "inline",
    snapBytes: 65_000,
    failOpen: true,
    guestId: "00112233445566778899aabbccddeeff",
    interfaceName: "tapg3",
    uplinkName: "ucup3",
  };
  const commands: readonly RedirectorCommand[] = [
    start,
    { kind: "redirect-stop", slot: 9 },
    { kind: "block-add", rules: [{ id: 3n, slot: 7, action: "drop", remote: "10.0.0.0/8" }] },
    { kind: "block-remove", ids: [3n, 2n ** 64n - 1n] },
    { kind: "block-list" },
  ];
  test.each(commands)("$kind comes back as it was", (command) => {
    const { kind, body } = encodeRedirectorCommand(command, 0n, 4000);
    expect(decodeRedirectorCommand(kind, body, 0n)).toEqual(command);
  });

  test("an interface name that the kernel would refuse is refused", () => {
    for (const interfaceName of ["sixteen-letters-", "a b", "a/b"]) {
      expect(() => encodeRedirectorCommand({ ...start, interfaceName }, 0n, 4000)).toThrow(
        /no interface name/,
      );
    }
  });

  test("more rules than a record holds are refused as a whole", () => {
    const rules = Array.from({ length: 3 }, (_, at): BlockRule => {
      return { id: BigInt(at + 1), slot: 0, action: "drop" };
    });
    expect(() => encodeRedirectorCommand({ kind: "block-add", rules }, 0n, 128)).toThrow(/1 to 2/);
  });

  test("reading never throws", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 25 }),
        fc.uint8Array({ maxLength: 200 }),
        (kind, body) => {
          decodeRedirectorCommand(kind, body, 0n);
        },
      ),
    );
  });
});

test("a packet record keeps its microseconds and its bytes", () => {
  const packet = Uint8Array.from([1, 2, 3, 4, 5]);
  const fields = {
    ...emptyPacketRecord(),
    slot: 4,
    originalBytes: 99,
    linkType: 1,
    fromGuest: true,
  };
  const payload = encodePacketRecord(fields, 1_800_000_000_123_456_789n, packet);
  const reader = new PacketRecordReader();
  reader.use(payload);
  const record = emptyPacketRecord();
  expect(reader.read(RECORD_PACKET, 0, payload.length, record)).toBe(true);
  expect(record).toMatchObject({ slot: 4, originalBytes: 99, fromGuest: true, dropped: false });
  expect(Math.abs(record.timeMs - 1_800_000_000_123.4568)).toBeLessThan(0.001);
  expect(payload.subarray(record.start, record.end)).toEqual(packet);
  expect(reader.read(RECORD_PACKET, 0, payload.length - 1, record)).toBe(false);
});
