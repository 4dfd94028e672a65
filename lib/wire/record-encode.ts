// SPDX-License-Identifier: Apache-2.0
// Records as a guest writes them, built from plain values. For simulated guests, golden vectors
// and tests; the product's guests encode in C (guest-drivers/core).
import * as w from "./layout.gen.ts";
import { type BodyLayout, bodyLayoutOf } from "./record-body.ts";
import { encodeText } from "./text.ts";

export type FixedValues = Readonly<Record<string, number | bigint | Uint8Array>>;
/** Variable fields by type, in the order of their types; or as pairs, in the order given. */
export type FieldValues =
  | Readonly<Record<number, string | Uint8Array>>
  | ReadonlyArray<readonly [type: number, value: string | Uint8Array]>;

/** Writes named values into a structure; the width follows from the next field's offset. */
export function writeStruct(
  bytes: Uint8Array,
  at: number,
  layout: BodyLayout,
  values: FixedValues,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offsets = Object.entries(layout).filter(([name]) => name !== "size");
  for (const [name, value] of Object.entries(values)) {
    const place = offsets.findIndex(([known]) => known === name);
    const offset = offsets[place]?.[1];
    if (offset === undefined) throw new RangeError(`no field ${name}`);
    const width = (offsets[place + 1]?.[1] ?? layout.size) - offset;
    if (value instanceof Uint8Array) bytes.set(value.subarray(0, width), at + offset);
    else if (width === 8) view.setBigUint64(at + offset, BigInt(value), true);
    else if (width === 4) view.setUint32(at + offset, Number(value), true);
    else if (width === 2) view.setUint16(at + offset, Number(value), true);
    else view.setUint8(at + offset, Number(value));
  }
}

/** Payload of an event record: header, fixed body, variable fields. */
export function encodeRecord(
  type: number,
  header: FixedValues,
  body: FixedValues = {},
  fields: FieldValues = {},
  truncated: readonly number[] = [],
): Uint8Array {
  const layout = bodyLayoutOf(type);
  if (layout === undefined) throw new RangeError(`record kind ${type} has no body`);
  const pairs: ReadonlyArray<readonly [type: number | string, value: string | Uint8Array]> =
    Array.isArray(fields) ? fields : Object.entries(fields);
  const coded = pairs.map(
    ([kind, value]) =>
      [Number(kind), typeof value === "string" ? encodeText(value) : value] as const,
  );
  const fixed = w.EVENT_HEADER_LAYOUT.size + layout.size;
  const total = coded.reduce(
    (sum, [, value]) => sum + w.FIELD_LAYOUT.size + ((value.length + 7) & ~7),
    fixed,
  );
  const bytes = new Uint8Array(total);
  writeStruct(bytes, 0, w.EVENT_HEADER_LAYOUT, header);
  writeStruct(bytes, w.EVENT_HEADER_LAYOUT.size, layout, body);
  let at = fixed;
  for (const [kind, value] of coded) {
    const flags = truncated.includes(kind) ? w.FIELD_FLAG_TRUNCATED : 0;
    writeStruct(bytes, at, w.FIELD_LAYOUT, { type: kind, flags, length: value.length });
    bytes.set(value, at + w.FIELD_LAYOUT.size);
    at += w.FIELD_LAYOUT.size + ((value.length + 7) & ~7);
  }
  return bytes;
}

/** Payload of a LOST frame. */
export function encodeLost(
  reason: number,
  recordClass: number,
  count: number,
  firstSequence: number,
  lastSequence: number,
): Uint8Array {
  const bytes = new Uint8Array(w.LOST_LAYOUT.size);
  const values = { reason, recordClass, count, firstSequence, lastSequence };
  writeStruct(bytes, 0, w.LOST_LAYOUT, values);
  return bytes;
}
