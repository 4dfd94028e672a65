// SPDX-License-Identifier: Apache-2.0
// Decoding of records: right ones come back as they were, wrong ones never throw, and nothing
// outside a record's own bytes has any influence on what it decodes to.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bodyLayoutOf,
  type DecodeContext,
  type Decoded,
  decodeCommandPayload,
  EVENT_HEADER_LAYOUT,
  encodeLost,
  printable,
  RecordDecoder,
  recordClass,
} from "../../lib/wire/wire.ts";
import { holds } from "../support/property.ts";
import {
  encodePlan,
  guestText,
  RECORD_KINDS,
  type RecordPlan,
  recordPlan,
} from "../support/records.ts";

const context: DecodeContext = { guest: "g1", boot: "b".repeat(32), clockOffsetMs: 1000 };

/** Decodes a record that lies between bytes of that value. */
function decodeAmong(poison: number, type: number, flags: number, record: Uint8Array): unknown {
  const batch = new Uint8Array(64 + record.length + 256).fill(poison);
  batch.set(record, 64);
  const decoder = new RecordDecoder();
  decoder.use(batch);
  return [
    decoder.decode(context, type, flags, 64, record.length),
    decoder.decodeLost(context, 3, 64, record.length),
  ];
}

function decodeOne(type: number, record: Uint8Array): Decoded | undefined {
  const decoder = new RecordDecoder();
  decoder.use(record);
  return decoder.decode(context, type, 0, 0, record.length);
}

/** What the event must hold of the plan, by the names that both share. */
function expectFits(plan: RecordPlan, event: Decoded): void {
  const { boottimeNs, ...header } = plan.header;
  if (!("pid" in event)) {
    expect(event.sequence).toBe(header.sequence);
    return;
  }
  expect(event).toMatchObject(header);
  expect(event.guest).toBe("g1");
  expect(event.timeMs).toBe(1000 + Number(boottimeNs) / 1e6);
  const text = (type: number): string => String(plan.fields[type] ?? "");
  const has = event as unknown as Readonly<Record<string, unknown>>;
  if ("path" in event) expect(event.path).toBe(text(1));
  if ("oldPath" in event) expect(event.oldPath).toBe(text(2));
  if ("key" in event) expect(event.key).toBe(text(9));
  if ("name" in event) expect(event.name).toBe(text(8));
  if ("workingDirectory" in event) {
    expect(event.workingDirectory).toBe(text(5));
    expect(event.requestedPath).toBe(text(3));
    expect(event.cgroup).toBe(text(6));
    expect(event.commandName).toBe(text(7));
  }
  for (const [name, value] of Object.entries(plan.body)) {
    const seen = has[name];
    if (typeof seen === "number") expect(seen).toBe(Number(value));
    if (typeof seen === "bigint") expect(seen).toBe(BigInt(value as number));
  }
  const cut = plan.truncated.some((type) => type in plan.fields);
  expect(event.truncated).toBe(cut);
}

describe("a right record", () => {
  it("decodes to what was encoded", () => {
    const property = fc.property(recordPlan, (plan) => {
      const event = decodeOne(plan.type, encodePlan(plan));
      if (event === undefined) throw new Error(`kind ${plan.type} did not decode`);
      expectFits(plan, event);
    });
    holds(property, 2000);
  });

  it.each(RECORD_KINDS)("of kind %i has a body, a class and an event name", (type) => {
    const plan = { type, header: { sequence: 1 }, body: {}, fields: {}, truncated: [] };
    const record = encodePlan(plan);
    expect(record.length).toBe(EVENT_HEADER_LAYOUT.size + (bodyLayoutOf(type)?.size ?? 0));
    expect(decodeOne(type, record)?.kind).toMatch(/^[a-z]+(\.[a-z]+)?$/);
    expect(recordClass(type)).not.toBe("unknown");
  });

  it("keeps arguments apart", () => {
    const words = fc.array(
      guestText.map((text) => text.replaceAll("\0", "")),
      { maxLength: 6 },
    );
    const property = fc.property(words, (args) => {
      const joined = args.map((arg) => `${arg}\0`).join("");
      const record = encodePlan({
        type: 0x0102,
        header: {},
        body: {},
        fields: { 4: joined },
        truncated: [],
      });
      expect(decodeOne(0x0102, record)).toMatchObject({ arguments: args });
    });
    holds(property, 300);
  });

  it("keeps what its LOST frame says", () => {
    const decoder = new RecordDecoder();
    const bytes = encodeLost(2, 1, 7, 10, 20);
    decoder.use(bytes);
    expect(decoder.decodeLost(context, 5, 0, bytes.length)).toEqual({
      kind: "loss",
      guest: "g1",
      boot: context.boot,
      ring: 5,
      recordClass: "process",
      reason: "rate-limited",
      count: 7,
      firstSequence: 10,
      lastSequence: 20,
    });
    expect(decoder.decodeLost(context, 5, 0, bytes.length - 1)).toBeUndefined();
  });
});

/** Changes some bytes, cuts the end, or repeats a part. */
const mutated = fc
  .tuple(
    recordPlan,
    fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 }),
    fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(200)),
    fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(64)),
  )
  .map(([plan, changes, cut, extra]) => {
    const whole = encodePlan(plan);
    const record = new Uint8Array(Math.max(0, whole.length - cut) + extra);
    record.set(whole.subarray(0, record.length));
    for (const [at, value] of changes) if (at < record.length) record[at] = value;
    return { type: plan.type, record };
  });

describe("a wrong record", () => {
  it("never throws and is blind to the bytes around it, when mutated", () => {
    let decoded = 0;
    const property = fc.property(mutated, fc.nat(0xffff), ({ type, record }, flags) => {
      const among = decodeAmong(0, type, flags, record);
      expect(decodeAmong(0xff, type, flags, record)).toEqual(among);
      if (Array.isArray(among) && among[0] !== undefined) decoded++;
    });
    holds(property, 3000);
    expect(decoded).toBeGreaterThan(300);
  });

  it("never throws and is blind to the bytes around it, when random", () => {
    const bytes = fc.uint8Array({ maxLength: 400 });
    const type = fc.oneof(fc.constantFrom(...RECORD_KINDS), fc.nat(0xffff));
    const property = fc.property(bytes, type, fc.nat(0xffff), (record, kind, flags) => {
      expect(decodeAmong(0xff, kind, flags, record)).toEqual(decodeAmong(0, kind, flags, record));
    });
    holds(property, 3000);
  });

  it("costs no more text than it has bytes", () => {
    const property = fc.property(mutated, ({ type, record }) => {
      const event = decodeOne(type, record);
      if (event === undefined) return;
      for (const value of Object.values(event)) {
        if (typeof value !== "string") continue;
        expect(value.length).toBeLessThanOrEqual(Math.max(64, record.length * 2));
      }
    });
    holds(property, 1000);
  });

  it("with a field twice, or one longer than the record, is undecodable", () => {
    const plan = { type: 0x0202, header: {}, body: {}, truncated: [] };
    const one = encodePlan({ ...plan, fields: { 1: "/etc/shadow" } });
    const field = one.subarray(one.length - 24);
    const twice = new Uint8Array(one.length + 24);
    twice.set(one);
    twice.set(field, one.length);
    expect(decodeOne(0x0202, one)).toMatchObject({ path: "/etc/shadow" });
    expect(decodeOne(0x0202, twice)).toBeUndefined();
    for (const length of [17, 0x7fff_ffff, 0x8000_0000, 0xffff_fff9, 0xffff_ffff]) {
      const lying = one.slice();
      new DataView(lying.buffer).setUint32(one.length - 20, length, true);
      expect(decodeOne(0x0202, lying)).toBeUndefined();
    }
  });

  it("of names that objects treat specially changes no object", () => {
    const before = Object.getOwnPropertyNames(Object.prototype);
    for (const name of ["__proto__", "constructor", "toString"]) {
      const fields = { 1: name, 2: name };
      const record = encodePlan({ type: 0x0206, header: {}, body: {}, fields, truncated: [] });
      const event = decodeOne(0x0206, record);
      expect(event).toMatchObject({ path: name, oldPath: name });
      expect(Object.getPrototypeOf(event)).toBe(Object.prototype);
    }
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
  });
});

describe("a command payload", () => {
  it("never throws, and is absent when it is too short", () => {
    const property = fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const command = decodeCommandPayload(bytes);
      expect(command === undefined).toBe(bytes.length < 24);
      if (command !== undefined) expect(command.body).toEqual(bytes.slice(24));
    });
    holds(property, 500);
  });
});

describe("printable text", () => {
  // Each script and each direction mark is a class of its own; test against the definition.
  const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

  it("has no control, direction or line mark, and keeps the rest", () => {
    const text = fc.oneof(guestText, fc.string({ unit: "binary", maxLength: 60 }));
    const property = fc.property(text, (given) => {
      const shown = printable(given);
      expect(unsafe.test(shown)).toBe(false);
      if (!unsafe.test(given)) expect(shown).toBe(given);
    });
    holds(property, 2000);
    expect(printable("\u001b[31m\u202ea\nb")).toBe("\\x1b[31m\\u{202e}a\\x0ab");
  });
});
