// SPDX-License-Identifier: Apache-2.0
// The event index under every interleaving: nobody sleeps while a record waits, and doorbells are
// rung no more often than needed. Each missing fence and wrong comparison must be found.
import { describe, expect, it } from "vitest";
import { explore } from "./explore.ts";
import { type WakeModelOptions, type WakeMutation, wakeModel } from "./wake-model.ts";

const settings: readonly WakeModelOptions[] = [
  { tails: [1], watermark: 1 },
  { tails: [1, 2, 3, 4], watermark: 1 },
  { tails: [2, 3, 7], watermark: 1 },
  { tails: [1, 2, 3, 4, 5], watermark: 2 },
  { tails: [3, 4, 9, 10], watermark: 4 },
];

describe("no wake-up is lost", () => {
  it.each(settings)("%o", (options) => {
    const result = explore(wakeModel(options));
    expect(result.trace).toBeUndefined();
    expect(result.problem).toBeUndefined();
    expect(result.ends).toBeGreaterThan(0);
  });
});

describe("a planted bug is found", () => {
  const mutations: readonly WakeMutation[] = [
    "no fence in the producer",
    "no fence in the consumer",
    "no last look",
    "rings at the position only",
    "rings beyond the position only",
    "arms one too far",
  ];
  it.each(mutations)("%s", (mutation) => {
    const found = settings.map((options) => explore(wakeModel({ ...options, mutation })).problem);
    expect(found.some((problem) => problem?.startsWith("asleep while"))).toBe(true);
  });
});
