// SPDX-License-Identifier: Apache-2.0
// Proves that the conformance suite can fail: each planted bug must break at least one case.
import { describe, expect, it } from "vitest";
import type { Region } from "../../lib/transport/transport.ts";
import { conformanceCases } from "./cases.ts";
import { planted } from "./planted.ts";
import { memory } from "./rig.ts";

/** The first case that a region fails, if one does. */
function firstFailing(open: () => Region): string | undefined {
  return conformanceCases.find(({ run }) => {
    try {
      run(open());
      return false;
    } catch {
      return true;
    }
  })?.name;
}

describe("the suite", () => {
  it("passes an honest implementation", () => {
    expect(firstFailing(() => memory.open().region)).toBeUndefined();
  });

  it.each(planted)("catches one that %s", (_bug, open) => {
    expect(firstFailing(open)).toBeDefined();
  });
});
