// SPDX-License-Identifier: Apache-2.0
// Random records of every kind for property tests, with the event that each must decode to.
import fc from "fast-check";
import * as w from "../../lib/wire/wire.ts";

export interface RecordPlan {
  readonly type: number;
  readonly header: Readonly<Record<string, number | bigint>>;
  readonly body: Readonly<Record<string, number | bigint | Uint8Array>>;
  readonly fields: Readonly<Record<number, string | Uint8Array>>;
  readonly truncated: readonly number[];
}

const u32: fc.Arbitrary<number> = fc.nat({ max: 0xffff_ffff });
const u53: fc.Arbitrary<number> = fc.maxSafeNat();
const u64: fc.Arbitrary<bigint> = fc.bigInt(0n, 2n ** 64n - 1n);

/** Text that a guest could send and that survives UTF-8: prototype keys and controls included. */
export const guestText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.constantFrom("__proto__", "constructor", "\u001b[2J", "/tmp/\u202etxt.exe", "\ufeffbom", ""),
);

/** Every kind of record that has an event header. */
export const RECORD_KINDS: readonly number[] = [
  ...[1, 2, 3, 4, 5, 6, 7].map((low) => 0x0100 + low),
  ...[1, 2, 3, 4, 5, 6, 7].map((low) => 0x0200 + low),
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((low) => 0x0300 + low),
  w.RECORD_VERDICT,
  w.RECORD_COMMAND_RESULT,
  w.RECORD_UNREGISTER,
  w.RECORD_CLOCK,
  w.RECORD_VOLUME,
  w.RECORD_MODULE_LOAD,
  w.RECORD_MODULE_UNLOAD,
];

const header = fc.record({
  sequence: u53,
  boottimeNs: u53,
  processStartNs: u64,
  cgroupId: u53,
  pid: u32,
  tid: u32,
  parentPid: u32,
  uid: u32,
  gid: u32,
  execGeneration: u32,
  mountNamespace: u32,
  cpu: u32,
});

/** Values for the named fields of a body: exact as numbers unless the event keeps a bigint. */
function bodyOf(type: number): fc.Arbitrary<RecordPlan["body"]> {
  const layout = w.bodyLayoutOf(type) ?? { size: 0 };
  const names = Object.keys(layout).filter((name) => name !== "size" && name !== "reserved");
  const offsets = Object.values(layout);
  const values = names.map((name) => {
    const at = layout[name] ?? 0;
    const next = Math.min(layout.size, ...offsets.filter((offset) => offset > at));
    if (name === "sha256") return fc.uint8Array({ minLength: 32, maxLength: 32 });
    return next - at === 8 ? u53 : u32;
  });
  return fc
    .tuple(...values)
    .map((made) => Object.fromEntries(names.map((n, i) => [n, made[i] ?? 0])));
}

const fieldValues = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 12 }), guestText), {
    selector: ([type]) => type,
    maxLength: 5,
  })
  .map((pairs) => Object.fromEntries(pairs) as Record<number, string>);

/** A record that a right guest could send. */
export const recordPlan: fc.Arbitrary<RecordPlan> = fc.constantFrom(...RECORD_KINDS).chain((type) =>
  fc.record({
    type: fc.constant(type),
    header,
    body: bodyOf(type),
    fields: fieldValues,
    truncated: fc.subarray([1, 4, 9]),
  }),
);

/** The bytes of a plan. */
export function encodePlan(plan: RecordPlan): Uint8Array {
  return w.encodeRecord(plan.type, plan.header, plan.body, plan.fields, plan.truncated);
}
