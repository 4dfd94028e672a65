// SPDX-License-Identifier: Apache-2.0
// Fifty loads and unloads under load on every kernel. The harness fails the run on any complaint
// in the kernel's log.
import { describe, test } from "vitest";
import { kernelSeries } from "../../lib/hypervisor/hypervisor.ts";
import { runDriver } from "./driver-run.ts";

describe.each(kernelSeries)("the driver on kernel %s", (series) => {
  test("survives fifty loads and unloads under load", async () => {
    await runDriver(series, { cpus: 1, cases: [["reload", "50"]], limitSeconds: 600 });
  });
});
