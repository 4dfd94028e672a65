// SPDX-License-Identifier: Apache-2.0
// A guest registers again once a second at most, and twenty times an hour.
import { expect, test } from "vitest";
import { HELLO_BURST, HELLOS_PER_HOUR, HelloLimit } from "../../../lib/registry/registry.ts";

test("a burst is let through, then one a second", () => {
  const limit = new HelloLimit();
  for (let count = 0; count < HELLO_BURST; count++) expect(limit.admit(0)).toBe(true);
  expect(limit.admit(0)).toBe(false);
  expect(limit.admit(999)).toBe(false);
  expect(limit.admit(1000)).toBe(true);
  expect(limit.admit(1001)).toBe(false);
});

test("twenty an hour, whatever their pace", () => {
  const limit = new HelloLimit();
  let nowMs = 0;
  for (let count = 0; count < HELLOS_PER_HOUR; count++) {
    expect(limit.admit(nowMs)).toBe(true);
    nowMs += 60_000;
  }
  expect(limit.admit(nowMs)).toBe(false);
  expect(limit.admit(3_599_999)).toBe(false);
  expect(limit.admit(3_600_000)).toBe(true);
});
