// SPDX-License-Identifier: Apache-2.0
// Exact repeats become one row that knows how often and until when; nothing else ever does.
import { expect, test } from "vitest";
import type { StoredEvent } from "../../../lib/model/model.ts";
import { BatchBuilder, readBatch, rowsOf } from "../../../lib/store/store.ts";
import { exec, file } from "../events.ts";

function rows(events: readonly StoredEvent[], repeatMs = 1000) {
  const builder = new BatchBuilder(repeatMs);
  for (const event of events) builder.add(event);
  return rowsOf(readBatch(builder.take()));
}

test("a file opened again and again is one row with count and last time", () => {
  const events = Array.from({ length: 600 }, (_, at) => file({ sequence: at, timeMs: at * 10 }));
  expect(rows(events)).toEqual([{ event: events[0], count: 600, lastMs: 5990 }]);
});

test("one that comes later than the window, or differs, is a row of its own", () => {
  const far = [file({ timeMs: 0 }), file({ timeMs: 1001 }), file({ timeMs: 1500 })];
  expect(rows(far).map(({ count }) => count)).toEqual([1, 2]);
  const other = [file({}), file({ path: "/etc/other" }), file({ kind: "file.close" })];
  expect(rows(other)).toHaveLength(3);
  expect(rows([file({}), file({})], 0)).toHaveLength(2);
});

test("execs are never folded", () => {
  expect(rows([exec(), exec(), exec()])).toHaveLength(3);
});
