// SPDX-License-Identifier: Apache-2.0
// The detection that an indicator makes, and the tags by which a policy selects it.
import type { Detection, EvidenceEvent, Indicator, IndicatorKind } from "../model/model.ts";

const NETWORK: ReadonlySet<IndicatorKind> = new Set([
  ...(["address", "domain", "url", "http-path", "user-agent", "port", "asn", "mac"] as const),
  ...(["ja3", "ja4", "hassh", "certificate", "certificate-sha1", "certificate-md5"] as const),
]);
const kindTags = new Map<IndicatorKind, readonly string[]>();

/**
 * Tags of every detection that an indicator makes; the response policy selects by them. Beside the
 * kind: `source:NAME`, and where its source says them `confidence:0-100` and `tlp:MARKING`.
 */
export function indicatorTags(
  indicator: Pick<Indicator, "confidence" | "kind" | "source" | "tlp">,
): readonly string[] {
  const { confidence, kind, source, tlp } = indicator;
  const tags = [...tagsOfKind(kind), `source:${source}`];
  if (confidence !== undefined) tags.push(`confidence:${confidence}`);
  if (tlp !== undefined) tags.push(`tlp:${tlp}`);
  return tags;
}

function tagsOfKind(kind: IndicatorKind): readonly string[] {
  const known = kindTags.get(kind);
  if (known !== undefined) return known;
  const network = NETWORK.has(kind) ? ["indicator.network"] : [];
  const made = ["indicator", ...network, `indicator.${kind}`];
  kindTags.set(kind, made);
  return made;
}

/** The detection that an indicator makes of an event. */
export function indicatorDetection(
  indicator: Indicator,
  event: EvidenceEvent,
  field: string,
  value: string,
): Detection {
  const { id, title, severity } = indicator;
  return { rule: id, title, severity, field, value, event, tags: indicatorTags(indicator) };
}
