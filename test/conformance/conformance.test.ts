// SPDX-License-Identifier: Apache-2.0
// One contract, every implementation of a region and its rings.
import { describe, it } from "vitest";
import { argumentCases, faultCases } from "./fault-cases.ts";
import { file, memfd, memory } from "./rig.ts";
import { sessionCases } from "./session-cases.ts";
import { streamCases } from "./stream-cases.ts";

const cases = [...streamCases, ...sessionCases, ...faultCases, ...argumentCases];

describe.each([memory, memfd, file])("$name", ({ open }) => {
  it.each(cases)("$name", ({ run }) => {
    const opened = open();
    try {
      run(opened.region);
    } finally {
      opened.close();
    }
  });
});
