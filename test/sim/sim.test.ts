// SPDX-License-Identifier: Apache-2.0
// The simulator in small: no oracle complains, the same seed is the same run, and each planted bug
// is found. `npm run sim` runs it long.
import { expect, test } from "vitest";
import { World } from "./world.ts";

const SMALL = { guests: 6, hours: 2 };

test.each([1, 2, 3])("seed %i: every record and command is accounted for", (seed) => {
  const result = new World({ seed, ...SMALL }).run();
  expect(result.problems).toEqual([]);
  const { conservation, commands, faults } = result;
  expect(conservation.delivered).toBeGreaterThan(1000);
  expect(conservation.named).toBeGreaterThan(0);
  expect(commands.executed).toBeGreaterThan(50);
  expect(Object.keys(faults).length).toBeGreaterThan(8);
});

test("the same seed makes the same run, another seed another", () => {
  const options = { seed: 9, guests: 3, hours: 1 };
  const first = new World(options).run();
  expect(new World(options).run()).toEqual(first);
  expect(new World({ ...options, seed: 10 }).run()).not.toEqual(first);
});

test("canary: a record that vanishes unnamed is found", () => {
  const result = new World({ seed: 1, ...SMALL, canary: "dropped-record" }).run();
  expect(result.problems.some((problem) => /events published, \d+ delivered/.test(problem))).toBe(
    true,
  );
});

test("canary: a command that runs twice is found", () => {
  const result = new World({ seed: 1, ...SMALL, canary: "command-run-twice" }).run();
  expect(result.problems.some((problem) => / ran command \d+ 2 times/.test(problem))).toBe(true);
});
