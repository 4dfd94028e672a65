// SPDX-License-Identifier: Apache-2.0
// The whole contract as one list, for conformance.test.ts, replay.test.ts and canary.test.ts.
import { argumentCases, faultCases } from "./fault-cases.ts";
import type { ConformanceCase } from "./rig.ts";
import { sessionCases } from "./session-cases.ts";
import { streamCases } from "./stream-cases.ts";

/** What every ring and region must do. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...streamCases,
  ...sessionCases,
  ...faultCases,
  ...argumentCases,
];
