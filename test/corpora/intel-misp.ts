// SPDX-License-Identifier: Apache-2.0
// Goal D6, second part: the pairs of MISP and STIX forms that misp-stix documents must give the
// same values, and MISP events all that they have for detection and nothing else.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Indicator } from "../../lib/model/model.ts";
import { importText } from "../support/import-text.ts";
import { Comparison } from "./comparison.ts";

type Json = Readonly<Record<string, unknown>>;

const FILES = [
  "misp_attributes_to_stix21.json",
  "misp_objects_to_stix21.json",
  "stix21_to_misp_attributes.json",
];
/** Attributes that are text in MISP, and in STIX properties of accounts and programs: no kind. */
const TEXT_OBJECTS: ReadonlySet<string> = new Set([
  ...["android-app", "credential", "facebook-account", "gitlab-user", "twitter-account"],
]);

/** Both forms of every pair. */
export function comparePairs(folder: string): Comparison[] {
  const row = new Comparison("D6", "MISP <-> STIX pairs, same kinds and values", "misp-stix");
  for (const file of FILES) {
    const pairs: Json = JSON.parse(readFileSync(join(folder, file), "utf8"));
    for (const [name, value] of Object.entries(pairs)) {
      const pair = value as Json;
      const forms = "MISP" in pair ? { "": pair } : (pair as Readonly<Record<string, Json>>);
      for (const [form, one] of Object.entries(forms)) {
        comparePair(row, `${file} ${name} ${form}`.trimEnd(), one, name);
      }
    }
  }
  return [row];
}

function comparePair(row: Comparison, place: string, pair: Json, name: string): void {
  const misp = listOf(pair.MISP);
  const stix = listOf(pair.STIX);
  const rule = notClaimed(name, stix);
  if (rule !== undefined) {
    row.exclude(rule);
    return;
  }
  const attributes = misp.filter((one) => !("Attribute" in one));
  const event = {
    info: "i",
    Attribute: attributes,
    Object: misp.filter((one) => "Attribute" in one),
  };
  const ours = valuesOf("misp", { Event: event });
  const theirs = valuesOf("stix", { type: "bundle", objects: stix });
  const lost = theirs.filter((one) => !ours.includes(one));
  const more = ours.filter((one) => !theirs.includes(one));
  if (lost.length + more.length === 0) row.hit();
  else row.miss("differs", `${place}: MISP ${more.join(", ")}; STIX ${lost.join(", ")}`);
}

function notClaimed(name: string, stix: readonly Json[]): string | undefined {
  if (name === "attachment") return "attached data compared byte by byte";
  if (TEXT_OBJECTS.has(name)) return "accounts and programs by name";
  const isIndicator = stix.some(({ type }) => type === "indicator");
  const isTool = stix.some(({ type }) => type === "tool");
  return isTool && !isIndicator ? "a tool in STIX, its file name in MISP" : undefined;
}

function valuesOf(format: "misp" | "stix", value: Json): string[] {
  const { indicators, problems } = importText(format, JSON.stringify(value));
  const found = new Set(problems.map(({ reason }) => `problem: ${reason}`));
  for (const { kind, value: text, with: conditions = [] } of indicators) {
    found.add(kind === "pattern" ? "a pattern" : `${kind} ${text}`);
    for (const one of conditions) found.add(`${one.kind} ${one.value}`);
  }
  return [...found];
}

function listOf(value: unknown): Json[] {
  return (Array.isArray(value) ? value : [value]) as Json[];
}

/** Every attribute of the events that is for detection. */
export function compareEvents(folder: string): Comparison[] {
  const row = new Comparison("D6", "MISP events, attributes for detection", "PyMISP's events");
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith(".json")) continue;
    const text = readFileSync(join(folder, file), "utf8");
    const whole = JSON.parse(text) as Json;
    const event = (whole.Event ?? whole) as Json;
    const { indicators, skips } = importText("misp", text);
    const left = [...indicators];
    for (const attribute of attributesOf(event)) {
      if (attribute.to_ids !== true) continue;
      const type = String(attribute.type);
      if (skips.has(`MISP attribute of type ${type}`)) row.exclude(`type ${type}`);
      else if (takeOne(left, attribute)) row.hit();
      else row.miss("lost", `${file} ${type} ${String(attribute.value).slice(0, 80)}`);
    }
    for (const one of left) row.miss("invented", `${file} ${one.kind} ${one.value.slice(0, 80)}`);
  }
  return [row];
}

function attributesOf(event: Json): Json[] {
  const objects = listOf(event.Object ?? []) as Json[];
  const own = listOf(event.Attribute ?? []);
  return [...own, ...objects.flatMap((one) => listOf(one.Attribute ?? []))];
}

// All indicators made of one attribute, by its uuid where it has one, by its value else.
function takeOne(left: Indicator[], attribute: Json): boolean {
  const value = String(attribute.value).toLowerCase();
  const isOf = ({ id, value: text, with: conditions = [] }: Indicator): boolean => {
    const isSame = [text, ...conditions.map((one) => one.value)].every((part) =>
      value.includes(part.toLowerCase()),
    );
    if (typeof attribute.uuid !== "string") return isSame;
    return id.split("#")[0] === attribute.uuid && isSame;
  };
  const found = left.filter(isOf);
  for (const one of found) left.splice(left.indexOf(one), 1);
  return found.length > 0;
}
