// SPDX-License-Identifier: Apache-2.0
// What is worked out of the rows of a search: columns, counts over time, the most frequent values,
// files to keep. Pure: parts/results.tsx shows it.
import type { Row } from "../api/results.ts";

const BARS = 60;
const VALUES_SHOWN = 8;

/** Shown first, where rows have them. */
const FIRST = ["time", "guest", "kind", "image", "command_line", "path", "query", "user", "pid"];
const COLUMNS_SHOWN = 7;

/** All fields that some row has, the telling ones first. */
export function fieldsOf(rows: readonly Row[]): readonly string[] {
  const names = new Set(rows.slice(0, 2000).flatMap((row) => Object.keys(row)));
  const rank = (name: string): number => {
    const at = FIRST.indexOf(name);
    return at < 0 ? FIRST.length : at;
  };
  return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** Fields to begin with. */
export function columnsToShow(rows: readonly Row[]): readonly string[] {
  const fields = fieldsOf(rows);
  const known = fields.filter((name) => FIRST.includes(name));
  return (known.length >= 3 ? known : fields).slice(0, COLUMNS_SHOWN);
}

export interface Bar {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

/** How many rows fall into each of equal spans of time; empty where rows have no times. */
export function barsOf(rows: readonly Row[]): readonly Bar[] {
  const times = rows.flatMap(({ time }) => (typeof time === "number" ? [time] : []));
  let [first, last] = [Infinity, -Infinity];
  for (const time of times) {
    first = Math.min(first, time);
    last = Math.max(last, time);
  }
  if (times.length === 0 || last <= first) return [];
  const step = (last - first) / BARS;
  const counts = new Array<number>(BARS).fill(0);
  for (const time of times) {
    const at = Math.min(BARS - 1, Math.floor((time - first) / step));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts.map((count, at) => {
    return { fromMs: first + at * step, toMs: first + (at + 1) * step, count };
  });
}

/** The most frequent values of a field. */
export function topValues(
  rows: readonly Row[],
  field: string,
): ReadonlyArray<readonly [value: string, count: number]> {
  const counts = new Map<string, number>();
  for (const { [field]: value } of rows) {
    if (value === undefined || value === null || value === "") continue;
    const text = valueText(value);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).slice(0, VALUES_SHOWN);
}

/** Any value as one text. */
export function valueText(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Adds a condition before the stages of a search (docs/search.md, "Conditions"). */
export function withCondition(query: string, field: string, value: string, isNot: boolean): string {
  const quoted = `"${value.replace(/["\\]/g, "\\$&")}"`;
  const condition = `${isNot ? "NOT " : ""}${field}:${quoted}`;
  const { head, stages } = splitStages(query);
  return `${head === "" ? condition : `${head} ${condition}`}${stages}`;
}

// The first bar that stands in no quotes begins the stages.
function splitStages(query: string): { readonly head: string; readonly stages: string } {
  let isQuoted = false;
  for (let at = 0; at < query.length; at++) {
    const letter = query[at];
    if (letter === "\\") at += 1;
    else if (letter === '"') isQuoted = !isQuoted;
    else if (letter === "|" && !isQuoted) {
      return { head: query.slice(0, at).trim(), stages: ` ${query.slice(at)}` };
    }
  }
  return { head: query.trim(), stages: "" };
}

/** Rows as CSV (RFC 4180). Texts that a spreadsheet would run begin with an apostrophe. */
export function csvOf(rows: readonly Row[], fields: readonly string[]): string {
  const cell = (value: unknown): string => {
    const text = valueText(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = rows.map((row) => fields.map((field) => cell(row[field])).join(","));
  return `${[fields.map(cell).join(","), ...lines].join("\r\n")}\r\n`;
}
