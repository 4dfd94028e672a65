// SPDX-License-Identifier: Apache-2.0
// What may stand at the cursor of a search that is being written. It never throws: half a search
// is no error. Called by the console and by interactive programs.
import { type FieldSchema, typeOf } from "./schema.ts";
import { AGGREGATE_NAMES, STAGE_NAMES } from "./stage-parser.ts";

const ITEMS_MAX = 100;

export interface Completion {
  /** The part of the text that an item replaces. */
  readonly from: number;
  readonly to: number;
  readonly items: readonly CompletionItem[];
}

export interface CompletionItem {
  readonly text: string;
  readonly kind: "field" | "function" | "operator" | "stage" | "value";
  readonly about: string;
}

/**
 * Completes the word before the cursor. `known` gives values of fields that are known beyond the
 * schema, such as the names of guests.
 */
export function completeSearch(
  text: string,
  cursor: number,
  schema: FieldSchema,
  known: ReadonlyMap<string, readonly string[]> = new Map(),
): Completion {
  const before = text.slice(0, cursor);
  const stage = openStage(before);
  const word = /[^\s()|,]*$/.exec(before)?.[0] ?? "";
  const colon = stage === undefined ? fieldBefore(before) : undefined;
  if (colon !== undefined) {
    const from = cursor - colon.value.length;
    return taken(from, cursor, colon.value, valuesOf(schema, colon.field, known));
  }
  const items = stage === undefined ? wordsOf(schema, before, word) : stageWords(schema, stage);
  return taken(cursor - word.length, cursor, word.replace(/^[-+]/, ""), items);
}

function taken(
  from: number,
  to: number,
  word: string,
  items: readonly CompletionItem[],
): Completion {
  const wanted = word.toLowerCase();
  const begins = items.filter((item) => item.text.toLowerCase().startsWith(wanted));
  const holds = items.filter(
    (item) => !begins.includes(item) && wanted !== "" && item.text.toLowerCase().includes(wanted),
  );
  return { from, to, items: [...begins, ...holds].slice(0, ITEMS_MAX) };
}

/** The text of the stage that the cursor is in; undefined in the condition. */
function openStage(before: string): string | undefined {
  const bare = before.replaceAll(/"(?:[^"\\]|\\[\s\S])*("|$)/g, (phrase) =>
    "_".repeat(phrase.length),
  );
  const bar = bare.lastIndexOf("|");
  return bar < 0 ? undefined : before.slice(bar + 1).trimStart();
}

/** The field whose value is being written, also within its parentheses. */
function fieldBefore(before: string): { field: string; value: string } | undefined {
  const found = /([A-Za-z_][A-Za-z0-9_.]*):\s*(?:\((?:[^()]*\s)?)?([^\s()|]*)$/.exec(before);
  if (found === null || /:\s*\S+\s+\S*$/.test(found[0].replace(/\([^()]*$/, "("))) return undefined;
  return { field: (found[1] ?? "").toLowerCase(), value: found[2] ?? "" };
}

function valuesOf(
  schema: FieldSchema,
  written: string,
  known: ReadonlyMap<string, readonly string[]>,
): readonly CompletionItem[] {
  const field = schema.aliases.get(written) ?? written;
  const values = schema.fields.get(field)?.values ?? known.get(field) ?? [];
  const named = values.map((value) => item(safe(value), "value", `value of ${field}`));
  if (field === "last") return ["1h", "24h", "7d"].map((text) => item(text, "value", "until now"));
  const type = typeOf(schema, field);
  if (type === "flag") return ["true", "false"].map((text) => item(text, "value", field));
  if (type === "time") {
    return [">now-1h", ">now-24h", ">now-7d"].map((text) => item(text, "value", "since then"));
  }
  const isNumber = type === "number" || type === "real" || type === "bigint";
  const signs = isNumber ? [">=", "<=", ">", "<", "["] : [];
  const any = type === undefined ? [] : [item("*", "operator", "has a value")];
  return [...named, ...signs.map((sign) => item(sign, "operator", "compares")), ...any];
}

function safe(value: string): string {
  return /^[\w.-]+$/.test(value) ? value : `"${value.replaceAll(/[\\"]/g, "\\$&")}"`;
}

function wordsOf(schema: FieldSchema, before: string, word: string): readonly CompletionItem[] {
  const hasTerm = /\S/.test(before.slice(0, before.length - word.length).replace(/[()\s]*$/, ""));
  const fields = [...schema.fields].map(([name, { about }]) => item(`${name}:`, "field", about));
  const groups = [...schema.groups].map(([name, names]) =>
    item(`${name}:`, "field", `any of ${names.join(", ")}`),
  );
  const last = item("last:", "field", "from a duration ago until now");
  const joins = hasTerm ? ["AND", "OR", "|"].map((text) => item(text, "operator", "goes on")) : [];
  return [...groups, last, ...fields, item("NOT", "operator", "all others"), ...joins];
}

function stageWords(schema: FieldSchema, stage: string): readonly CompletionItem[] {
  if (!/\s/.test(stage)) return STAGE_NAMES.map((name) => item(name, "stage", "stage"));
  if (/^limit\s/i.test(stage)) return [10, 100, 1000].map((n) => item(String(n), "value", "rows"));
  const fields = [...schema.fields].map(([name, { about }]) => item(name, "field", about));
  if (!/^stats\s/i.test(stage) || /\sby\s/i.test(stage)) return fields;
  if (/\(\s*\w*$/.test(stage)) return fields;
  const functions = AGGREGATE_NAMES.map((name) => item(`${name}(`, "function", "of a group"));
  return [...functions, item("by", "operator", "groups by fields")];
}

function item(text: string, kind: CompletionItem["kind"], about: string): CompletionItem {
  return { text, kind, about };
}
