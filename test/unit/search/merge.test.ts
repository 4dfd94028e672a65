// SPDX-License-Identifier: Apache-2.0
// One search over several stores: what each gives, and what is made of it.
import { expect, test } from "vitest";
import { eventSchema, mergeRows, parseSearch, searchShare } from "../../../lib/search/search.ts";

const share = (text: string) => searchShare(parseSearch(text, eventSchema), { shown: 3 });
const merge = (text: string, ...shares: Array<Array<Record<string, unknown>>>) =>
  mergeRows(parseSearch(text, eventSchema), shares, eventSchema, {
    ...{ nowMs: 0, shown: 3, rowsMax: 10 },
  });
const rows = (guest: string, ...times: number[]) => times.map((time) => ({ time, guest }));

test("the newest rows are enough, unless a stage makes others of them", () => {
  expect(share("kind:*")).toEqual({ limit: 4, isNewest: true });
  expect(share("kind:* | limit 7 | fields pid")).toEqual({ limit: 8, isNewest: true });
  expect(share("kind:* | sort pid | limit 7")).toEqual({ limit: 1_000_000, isNewest: false });
  expect(share("kind:* | stats count(), dc(image) by guest")).toEqual({
    ...{ limit: 1_000_000, isNewest: false },
    fields: new Set(["guest", "image"]),
  });
});

test("rows of all stores are put in one order and cut to what is shown", () => {
  const times = merge("kind:*", rows("a", 9, 7, 5), rows("b", 8, 6)).rows.map(({ time }) => time);
  expect(times).toEqual([9, 8, 7]);
  expect(merge("kind:*", rows("a", 9, 7), rows("b", 8)).isCut).toBe(false);
  expect(merge("kind:*", rows("a", 9, 7), rows("b", 8, 6)).isCut).toBe(true);
  expect(merge("* | limit 4", rows("a", 9, 7), rows("b", 8, 6, 5))).toMatchObject({
    ...{ isCut: false, rows: [{ time: 9 }, { time: 8 }, { time: 7 }, { time: 6 }] },
  });
  expect(merge("* | stats count() by guest", rows("a", 1), rows("b", 2, 3)).rows).toEqual([
    { guest: "a", "count()": 1 },
    { guest: "b", "count()": 2 },
  ]);
});

test("stages are not run over a part of the rows", () => {
  const many = rows("a", ...Array.from({ length: 10 }, (_, at) => at));
  expect(() => merge("* | sort time", many)).toThrow(/more than 10 events/);
  expect(() => merge("*", many)).not.toThrow();
});
