// SPDX-License-Identifier: Apache-2.0
// Fields of JSON objects that others wrote: asked by name, used only where they are of the wanted
// type and not too long. Shared by the importers of STIX, MISP and our own lines.
import type { Severity, TlpMarking } from "../../model/model.ts";

export type Fields = Readonly<Record<string, unknown>>;

const TITLE_LENGTH_MAX = 300;
const LABEL_LENGTH_MAX = 256;
const LABELS_MAX = 64;
export const ID_LENGTH_MAX = 256;

/** An object of JSON, or undefined. */
export function fieldsOf(value: unknown): Fields | undefined {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Fields) : undefined;
}

/** A field's value; what an object inherits is none. */
export function field(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** A field that is a text which is not empty. */
export function textField(fields: Fields, name: string): string | undefined {
  const value = field(fields, name);
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A text or number as text; anything else, whose conversion might throw, is the empty text. */
export function plainText(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** A field that is a list; anything else counts as none. */
export function listField(fields: Fields, name: string): readonly unknown[] {
  const value = field(fields, name);
  return Array.isArray(value) ? value : [];
}

/** The texts of a list, cut to what an indicator keeps. */
export function labelsField(fields: Fields, name: string): string[] {
  return listField(fields, name)
    .slice(0, LABELS_MAX)
    .filter((label): label is string => typeof label === "string" && label !== "")
    .map((label) => label.slice(0, LABEL_LENGTH_MAX));
}

/** A title of one line. */
export function titleText(text: string): string {
  const line = text.slice(0, 2 * TITLE_LENGTH_MAX).trim();
  return (line.split(/[\r\n]/, 1)[0] ?? "").slice(0, TITLE_LENGTH_MAX);
}

const MARKINGS: Readonly<Record<string, TlpMarking>> = {
  white: "clear",
  clear: "clear",
  green: "green",
  amber: "amber",
  "amber+strict": "amber+strict",
  red: "red",
};
const STRICTNESS: readonly TlpMarking[] = ["clear", "green", "amber", "amber+strict", "red"];

/** The marking of a name such as `TLP:AMBER` or `amber`. */
export function tlpMarking(name: string): TlpMarking | undefined {
  const bare = name.toLowerCase().replace(/^tlp:/, "");
  return Object.hasOwn(MARKINGS, bare) ? MARKINGS[bare] : undefined;
}

/** The stricter of two markings. */
export function stricterTlp(
  one: TlpMarking | undefined,
  other: TlpMarking | undefined,
): TlpMarking | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return STRICTNESS.indexOf(one) >= STRICTNESS.indexOf(other) ? one : other;
}

/** A confidence from 0 to 100, or undefined. */
export function confidenceOf(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  const isOne = typeof number === "number" && number >= 0 && number <= 100;
  return isOne ? Math.round(number) : undefined;
}

const SEVERITIES: readonly Severity[] = ["informational", "low", "medium", "high", "critical"];

/** A severity by its name, or undefined. */
export function severityOf(value: unknown): Severity | undefined {
  return SEVERITIES.find((known) => known === value);
}
