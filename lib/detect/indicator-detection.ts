// SPDX-License-Identifier: Apache-2.0
// The detection that an indicator makes, and the tags by which a policy selects it.
import type { Detection, EvidenceEvent, Indicator, IndicatorKind } from "../model/model.ts";

/** Tags of every detection that an indicator makes; the response policy selects by them. */
export function indicatorTags(kind: IndicatorKind): readonly string[] {
  return TAGS[kind];
}

const TAGS: Readonly<Record<IndicatorKind, readonly string[]>> = {
  sha256: ["indicator", "indicator.sha256"],
  path: ["indicator", "indicator.path"],
  name: ["indicator", "indicator.name"],
  "command-line": ["indicator", "indicator.command-line"],
  address: ["indicator", "indicator.network", "indicator.address"],
  domain: ["indicator", "indicator.network", "indicator.domain"],
  url: ["indicator", "indicator.network", "indicator.url"],
  ja3: ["indicator", "indicator.network", "indicator.ja3"],
  ja4: ["indicator", "indicator.network", "indicator.ja4"],
  certificate: ["indicator", "indicator.network", "indicator.certificate"],
};

/** The detection that an indicator makes of an event. */
export function indicatorDetection(
  indicator: Indicator,
  event: EvidenceEvent,
  field: string,
  value: string,
): Detection {
  const { id, title, severity, kind } = indicator;
  return { rule: id, title, severity, field, value, event, tags: TAGS[kind] };
}
