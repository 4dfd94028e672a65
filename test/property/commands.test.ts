// SPDX-License-Identifier: Apache-2.0
// Commands to bytes: every rule of a table arrives once and in order, in records that fit, and
// what cannot be encoded is refused with its code.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GuestCommand, VerdictRule } from "../../lib/model/model.ts";
import {
  COMMAND_LAYOUT,
  COMMAND_NAMES,
  COMMAND_RULES_ADD,
  COMMAND_RULES_BEGIN,
  COMMAND_RULES_COMMIT,
  crc32c,
  decodeCommandPayload,
  decodeText,
  encodeCommand,
  encodeCommandPayload,
  encodeRule,
  fromHex,
  RULE_LAYOUT,
  toHex,
} from "../../lib/wire/wire.ts";
import { holds } from "../support/property.ts";
import { crc32cByBit } from "../support/ring-writer.ts";

const NOW_NS = 1_000_000_000n;

const pattern = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => toHex(bytes));
const common = {
  id: fc.maxSafeNat(),
  operations: fc.constantFrom(["open"], ["exec"], ["open", "exec"]) as fc.Arbitrary<
    Array<"open" | "exec">
  >,
  verdict: fc.constantFrom("allow" as const, "deny" as const),
};
const optional = { uid: fc.nat({ max: 0xffff_fffe }), expiresInMs: fc.nat(1_000_000) };
const options = fc.record(optional, { requiredKeys: [] });
const withMatch = (
  match: fc.Arbitrary<VerdictRule["match"]>,
  text: fc.Arbitrary<string>,
): fc.Arbitrary<VerdictRule> =>
  fc
    .tuple(fc.record({ ...common, match, pattern: text }), options)
    .map(([rule, more]) => ({ ...rule, ...more }));

const rule: fc.Arbitrary<VerdictRule> = fc.oneof(
  withMatch(fc.constantFrom("path", "path-prefix", "path-suffix"), pattern),
  withMatch(
    fc.constant("name"),
    pattern.filter((text) => !text.includes("/")),
  ),
  withMatch(fc.constant("sha256"), digest),
);

const MATCHES = ["", "path", "path-prefix", "path-suffix", "name", "sha256"];

/** Reads the rules of one ADD body, as a guest would. */
function readRules(body: Uint8Array): VerdictRule[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const rules: VerdictRule[] = [];
  for (let at = 0; at < body.length; ) {
    const bytes = view.getUint32(at + RULE_LAYOUT.patternBytes, true);
    const match = MATCHES[view.getUint32(at + RULE_LAYOUT.match, true)] as VerdictRule["match"];
    const start = at + RULE_LAYOUT.size;
    const operations = view.getUint32(at + RULE_LAYOUT.operations, true);
    const uid = view.getUint32(at + RULE_LAYOUT.uid, true);
    const expires = view.getBigUint64(at + RULE_LAYOUT.expiresNs, true);
    rules.push({
      id: Number(view.getBigUint64(at + RULE_LAYOUT.id, true)),
      operations: (["open", "exec"] as const).filter((_, bit) => operations & (1 << bit)),
      match,
      pattern: match === "sha256" ? toHex(body, start, bytes) : decodeText(body, start, bytes),
      verdict: view.getUint32(at + RULE_LAYOUT.verdict, true) === 2 ? "deny" : "allow",
      ...(uid === 0xffff_ffff ? {} : { uid }),
      ...(expires === 0n ? {} : { expiresInMs: Number(expires - NOW_NS) / 1e6 }),
    });
    at = start + ((bytes + 7) & ~7);
  }
  return rules;
}

describe("a rule table", () => {
  it("arrives whole, in order, in records that fit", () => {
    const property = fc.property(
      fc.array(rule, { maxLength: 20 }),
      fc.integer({ min: 512, max: 2000 }),
      fc.maxSafeNat(),
      (rules, payloadBytesMax, generation) => {
        const command: GuestCommand = { kind: "set-rules", generation, rules };
        const parts = encodeCommand(command, NOW_NS, payloadBytesMax);
        const payloads = parts.map((part, index) => encodeCommandPayload(BigInt(index), 5n, part));
        for (const bytes of payloads) expect(bytes.length).toBeLessThanOrEqual(payloadBytesMax);
        const received = payloads.map((bytes) => decodeCommandPayload(bytes));
        expect(received[0]).toMatchObject({ kind: COMMAND_RULES_BEGIN, id: 0n, deadlineNs: 5n });
        expect(received.at(-1)).toMatchObject({ kind: COMMAND_RULES_COMMIT });
        const adds = received.slice(1, -1);
        for (const add of adds) expect(add?.kind).toBe(COMMAND_RULES_ADD);
        expect(adds.flatMap((add) => readRules(add?.body ?? new Uint8Array(0)))).toEqual(rules);
        for (const add of received) expect(COMMAND_NAMES[add?.kind ?? 0]).toBe("set-rules");
      },
    );
    holds(property, 400);
  });

  const right: VerdictRule = {
    id: 1,
    operations: ["open"],
    match: "path",
    pattern: "/etc/shadow",
    verdict: "deny",
  };
  const wrongRules: ReadonlyArray<readonly [what: string, change: Partial<VerdictRule>]> = [
    ["an empty pattern", { pattern: "" }],
    ["no operation", { operations: [] }],
    ["a slash in a name", { match: "name", pattern: "a/b" }],
    ["a digest that is none", { match: "sha256", pattern: "0".repeat(63) }],
    ["a digest in capitals", { match: "sha256", pattern: "A".repeat(64) }],
    ["a pattern of 4097 bytes", { pattern: "a".repeat(4097) }],
    ["a fractional id", { id: 1.5 }],
    ["a negative id", { id: -1 }],
    ["an id beyond what is exact", { id: 2 ** 53 }],
    ["a user id that is none", { uid: -1 }],
    ["the user id that stands for all", { uid: 0xffff_ffff }],
    ["an endless expiry", { expiresInMs: Number.POSITIVE_INFINITY }],
    ["an expiry in the past", { expiresInMs: -1 }],
  ];
  it.each(wrongRules)("refuses %s", (_what, change) => {
    expect(() => encodeRule({ ...right, ...change }, NOW_NS)).toThrow(
      expect.objectContaining({ code: "ERR_UC_COMMAND_INVALID" }),
    );
  });

  it("refuses more rules than a guest takes, a pattern beyond a record, a wrong generation", () => {
    const refused = expect.objectContaining({ code: "ERR_UC_COMMAND_INVALID" });
    const table = (rules: readonly VerdictRule[], generation = 1): GuestCommand => ({
      kind: "set-rules",
      generation,
      rules,
    });
    const many = Array.from({ length: 4097 }, () => right);
    expect(() => encodeCommand(table(many), NOW_NS, 8192)).toThrow(refused);
    const long = { ...right, pattern: "a".repeat(1000) };
    expect(() => encodeCommand(table([long]), NOW_NS, 512)).toThrow(refused);
    expect(() => encodeCommand(table([right], -1), NOW_NS, 512)).toThrow(refused);
    expect(() => encodeCommand(table([right], 0.5), NOW_NS, 512)).toThrow(refused);
  });
});

describe("the other commands", () => {
  it("keep their values", () => {
    const kill: GuestCommand = {
      kind: "kill-process",
      pid: 4711,
      processStartNs: 2n ** 63n + 1n,
      execGeneration: 3,
    };
    const [part] = encodeCommand(kill, 0n, 512);
    const view = new DataView((part?.body ?? new Uint8Array(16)).slice().buffer);
    expect([view.getBigUint64(0, true), view.getUint32(8, true), view.getUint32(12, true)]).toEqual(
      [2n ** 63n + 1n, 4711, 3],
    );
    const [start] = encodeCommand({ kind: "start-monitoring", sensors: 0x7fn }, 0n, 512);
    expect(start?.body[0]).toBe(0x7f);
    for (const kind of ["ping", "stop-monitoring", "unregister-ack", "quiesce"] as const) {
      const [bare] = encodeCommand({ kind }, 0n, 512);
      expect(bare?.body.length).toBe(0);
      expect(COMMAND_NAMES[bare?.kind ?? 0]).toBe(kind);
      if (bare !== undefined) {
        expect(encodeCommandPayload(1n, 0n, bare).length).toBe(COMMAND_LAYOUT.size);
      }
    }
  });
});

describe("bytes", () => {
  it("become hex and come back", () => {
    holds(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes);
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString("hex"));
      }),
      300,
    );
    for (const wrong of ["a", "0g", " 00", "0x"]) expect(() => fromHex(wrong)).toThrow(RangeError);
  });

  it("have the CRC-32C of the definition, in one piece or two", () => {
    expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe306_9283);
    holds(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(80), (bytes, cut) => {
        const sum = crc32cByBit(bytes);
        expect(crc32c(bytes)).toBe(sum);
        const first = Math.min(cut, bytes.length);
        const seed = crc32c(bytes, 0, first);
        expect(crc32c(bytes, first, bytes.length - first, seed)).toBe(sum);
      }),
      300,
    );
  });
});
