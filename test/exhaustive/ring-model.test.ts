// SPDX-License-Identifier: Apache-2.0
// The ring's algorithm under every interleaving: no record is lost, torn, doubled or reordered,
// and neither side gets stuck. Each planted bug must be found, or the model proves nothing.
import { describe, expect, it } from "vitest";
import { explore } from "./explore.ts";
import { type RingModelOptions, type RingMutation, ringModel } from "./ring-model.ts";

const base: RingModelOptions = {
  slots: 2,
  records: 5,
  inOrder: true,
  publishEach: 1,
  drainMax: 9,
};

const dimensions: ReadonlyArray<Partial<RingModelOptions>> = [
  { slots: 1, records: 3 },
  { slots: 2, records: 5 },
  { slots: 2, records: 5, drainMax: 1 },
  { slots: 2, records: 5, publishEach: 2 },
  { slots: 3, records: 5, publishEach: 2 },
  { slots: 3, records: 7, publishEach: 1, drainMax: 2 },
  { slots: 4, records: 5, publishEach: 2, drainMax: 3 },
];

describe.each([
  ["in order, as in cached memory", true],
  ["in any order between fences, as in write-combined memory", false],
])("stores become visible %s", (_, inOrder) => {
  it.each(dimensions)("%o: what goes in comes out", (options) => {
    const result = explore(ringModel({ ...base, ...options, inOrder }));
    expect(result.trace).toBeUndefined();
    expect(result.problem).toBeUndefined();
    expect(result.ends).toBeGreaterThan(0);
    expect(result.states).toBeGreaterThan(40);
  });
});

describe("a planted bug is found", () => {
  const mutations: ReadonlyArray<readonly [RingMutation, Partial<RingModelOptions>]> = [
    ["tail before payload", {}],
    ["no fence before tail", { inOrder: false }],
    ["head before copy", {}],
    ["one slot too many", {}],
    ["head of the sampled tail", { drainMax: 1 }],
  ];
  it.each(mutations)("%s", (mutation, options) => {
    const result = explore(ringModel({ ...base, ...options, mutation }));
    expect(result.problem).toMatch(/came out as|stuck|more records/);
    expect(result.trace?.length).toBeGreaterThan(3);
  });

  it("but a missing fence harms nothing where stores stay in order", () => {
    const result = explore(ringModel({ ...base, mutation: "no fence before tail" }));
    expect(result.problem).toBeUndefined();
  });
});
