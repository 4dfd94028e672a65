// SPDX-License-Identifier: Apache-2.0
// Random events of every kind that the store keeps, made of the model's own table of fields.
import fc from "fast-check";
import {
  type FieldType,
  fieldType,
  KIND_SHAPES,
  SHAPE_FIELDS,
  STORED_KINDS,
  type StoredEvent,
  type StoredKind,
} from "../../lib/model/model.ts";
import { guestText } from "./records.ts";

const text = fc.oneof(guestText, fc.constantFrom("a\0b", "\ue000", "\ue0010", "%_\\'\""));

const VALUES: Readonly<Record<FieldType, fc.Arbitrary<unknown>>> = {
  text,
  address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant("")),
  number: fc.oneof(fc.maxSafeNat(), fc.integer({ min: -1, max: 100 })),
  bigint: fc.bigInt(0n, 2n ** 64n - 1n),
  real: fc.double({ min: 0, max: 1e9, noNaN: true, noDefaultInfinity: true }),
  time: fc.double({ min: 1, max: 4e12, noNaN: true, noDefaultInfinity: true }),
  flag: fc.boolean(),
  list: fc.array(fc.oneof(text, fc.nat(), fc.bigInt(0n, 2n ** 64n - 1n)), { maxLength: 3 }),
};

function eventOf(kind: StoredKind): fc.Arbitrary<StoredEvent> {
  const fields = Object.entries(SHAPE_FIELDS[KIND_SHAPES[kind]]);
  const values = fields.map(([property, field]): [string, fc.Arbitrary<unknown>] => {
    if (property === "arguments") return [property, fc.array(text, { maxLength: 4 })];
    return [property, VALUES[fieldType(field)]];
  });
  const made = fc.record({ kind: fc.constant(kind), ...Object.fromEntries(values) });
  return made as unknown as fc.Arbitrary<StoredEvent>;
}

/** An event of any kind. */
export const storedEvent: fc.Arbitrary<StoredEvent> = fc
  .constantFrom(...STORED_KINDS)
  .chain(eventOf);

/** One event of each kind. */
export const oneOfEach: fc.Arbitrary<StoredEvent[]> = fc.tuple(...STORED_KINDS.map(eventOf));
