// SPDX-License-Identifier: Apache-2.0
// The demo's indicator list must fit what the demo's intruder really drops.
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { DEMO_INDICATORS, DEMO_PAYLOAD_SHA256 } from "../../../lib/cli/demo-indicators.ts";
import { demoPayload } from "../../../lib/cli/demo-payload.ts";
import { indicatorSummary } from "../../../lib/cli/indicators.ts";
import { parseIndicators } from "../../../lib/detect/detect.ts";

test("the demo's list names the payload's own hash and one indicator of each kind", () => {
  expect(createHash("sha256").update(demoPayload()).digest("hex")).toBe(DEMO_PAYLOAD_SHA256);
  const indicators = parseIndicators(DEMO_INDICATORS, "demo");
  expect(indicatorSummary(indicators)).toBe(
    "5 indicators: 1 sha256, 1 path, 1 name, 1 command-line, 1 domain",
  );
});
