// SPDX-License-Identifier: Apache-2.0
// The detection that an indicator makes, and the tags by which a policy selects it.
import type { Detection, EvidenceEvent, Indicator, IndicatorKind } from "../model/model.ts";

const NETWORK: ReadonlySet<IndicatorKind> = new Set([
  ...(["address", "domain", "url", "http-path", "user-agent", "port", "asn", "mac"] as const),
  ...(["ja3", "ja4", "hassh", "certificate", "certificate-sha1", "certificate-md5"] as const),
]);
const tags = new Map<IndicatorKind, readonly string[]>();

/** Tags of every detection that an indicator makes; the response policy selects by them. */
export function indicatorTags(kind: IndicatorKind): readonly string[] {
  const known = tags.get(kind);
  if (known !== undefined) return known;
  const network = NETWORK.has(kind) ? ["indicator.network"] : [];
  const made = ["indicator", ...network, `indicator.${kind}`];
  tags.set(kind, made);
  return made;
}

/** The detection that an indicator makes of an event. */
export function indicatorDetection(
  indicator: Indicator,
  event: EvidenceEvent,
  field: string,
  value: string,
): Detection {
  const { id, title, severity, kind } = indicator;
  return { rule: id, title, severity, field, value, event, tags: indicatorTags(kind) };
}
