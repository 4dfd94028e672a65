// SPDX-License-Identifier: Apache-2.0
// What goes into a batch of columns comes out again, whole, whatever its kind.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { StoredEvent } from "../../lib/model/model.ts";
import { BatchBuilder, readBatch, rowsOf } from "../../lib/store/store.ts";
import { holds } from "../support/property.ts";
import { oneOfEach, storedEvent } from "../support/stored-events.ts";

function throughBatch(events: readonly StoredEvent[], builder = new BatchBuilder(0)) {
  for (const event of events) builder.add(event);
  return rowsOf(readBatch(builder.take()));
}

/** Kinds of one shape lie together in a batch; the order within a shape is kept. */
function isSame(before: readonly StoredEvent[], after: readonly StoredEvent[]): boolean {
  const rest = [...after];
  return before.every((event) => {
    const at = rest.findIndex((one) => isDeepStrictEqual({ ...one }, { ...event }));
    return at >= 0 && rest.splice(at, 1).length === 1;
  });
}

test("a batch gives back every event of every kind", () => {
  const events = fc.oneof(oneOfEach, fc.array(storedEvent, { maxLength: 20 }));
  const builder = new BatchBuilder(0);
  const property = fc.property(events, (made) => {
    const rows = throughBatch(made, builder);
    return (
      rows.length === made.length &&
      isSame(
        made,
        rows.map(({ event }) => event),
      )
    );
  });
  holds(property, 200);
});

test("canary: an event changed in one field is not the same", () => {
  const [event] = fc.sample(storedEvent, 1);
  if (event === undefined) throw new Error("no sample");
  expect(isSame([{ ...event, timeMs: 5.5 }], [{ ...event, timeMs: 5.25 }])).toBe(false);
});
