// SPDX-License-Identifier: Apache-2.0
// What it means that a value meets an indicator, written for reading, not for speed: the reference
// that the stores are held against.
import { canonicalValue } from "../../lib/detect/detect.ts";
import { isPublicSuffix } from "../../lib/detect/intel/indicator-kinds.ts";
import type { Indicator, IndicatorKind } from "../../lib/model/model.ts";
import { parseAddressRange } from "../../lib/wire/wire.ts";

/** Whether a value of a kind meets an indicator. */
export function meets(indicator: Indicator, kind: IndicatorKind, text: string): boolean {
  if (indicator.kind !== kind) return false;
  if (kind === "command-line") return text.includes(indicator.value);
  const value = canonicalValue(kind, text);
  if (value === undefined) return false;
  switch (kind) {
    case "address":
      return isInside(value, indicator.value);
    case "domain":
      if (value === indicator.value) return true;
      return value.endsWith(`.${indicator.value}`) && !isPublicSuffix(indicator.value);
    case "url":
      return isUnder(plainUrl(value), plainUrl(indicator.value));
    default:
      return value === indicator.value;
  }
}

function isInside(value: string, outer: string): boolean {
  const small = parseAddressRange(value);
  const large = parseAddressRange(outer);
  if (small === undefined || large === undefined || small.family !== large.family) return false;
  if (small.prefixBits < large.prefixBits) return false;
  return bitsOf(small.bytes).startsWith(bitsOf(large.bytes).slice(0, large.prefixBits));
}

function bitsOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
}

function plainUrl(url: string): string {
  const { hostname: server, port, pathname, search } = new URL(url);
  return `${server}${port === "" ? "" : `:${port}`}${pathname}${search}`;
}

function isUnder(path: string, listed: string): boolean {
  if (!path.startsWith(listed)) return false;
  const next = path[listed.length];
  return listed.endsWith("/") || next === undefined || "/?#".includes(next);
}
