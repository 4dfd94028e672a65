// SPDX-License-Identifier: Apache-2.0
// One contract, every implementation of a region and its rings.
import { describe, it } from "vitest";
import { conformanceCases } from "./cases.ts";
import { file, memfd, memory } from "./rig.ts";

describe.each([memory, memfd, file])("$name", ({ open }) => {
  it.each(conformanceCases)("$name", ({ run }) => {
    const opened = open();
    try {
      run(opened.region);
    } finally {
      opened.close();
    }
  });
});
