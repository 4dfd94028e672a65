// SPDX-License-Identifier: Apache-2.0
// `undercroft intel import`, `stats` and `lookup`: threat intelligence of any format into one
// store, and what is in it. What an entry means is the detect room's to say.
import { renameSync, writeFileSync } from "node:fs";
import process from "node:process";
import {
  type CsvMapping,
  INDICATOR_FORMATS,
  INDICATOR_KINDS,
  type IndicatorFormat,
  type IndicatorStore,
  indicatorLine,
  kindOfListName,
  LINES_HEADER,
  parseCsvMapping,
} from "../detect/detect.ts";
import type { Indicator, IndicatorKind } from "../model/model.ts";
import { printable } from "../wire/wire.ts";
import {
  loadIntelFiles,
  readWarnings,
  storeSummary,
  unusable,
  WARNING_OPTIONS,
} from "./intel-files.ts";
import { toJson } from "./json.ts";
import { type Arguments, readArguments, textOption, usageError } from "./usage.ts";

/** Sources and the like of a store that are written out, those with most first. */
const NAMES_SHOWN = 10;
/** Lines that are written to a file at once. */
const LINES_AT_ONCE = 10_000;

/** Runs `intel import`. */
export async function importIntel(args: readonly string[]): Promise<number> {
  const read = readArguments(
    "intel import",
    args,
    {
      format: { type: "string" },
      map: { type: "string" },
      ...WARNING_OPTIONS,
      out: { type: "string" },
    },
    ["FILE..."],
  );
  const lists = readWarnings(read);
  const { store, suppressed, expired } = await loadIntelFiles(read.operands, lists, {
    format: formatOption(read),
    mapping: mappingOption(read),
  });
  const out = textOption(read, "out");
  if (out !== undefined) writeLines(out, store);
  for (const [name, count] of suppressed) say(`${count} left out: on the list "${name}"`);
  if (expired > 0) say(`${expired} left out: no longer valid`);
  say(storeSummary(store));
  if (store.size > 0) return 0;
  process.stderr.write("undercroft: no indicator was read\n");
  return 1;
}

/** Runs `intel stats`. */
export async function intelStats(args: readonly string[]): Promise<number> {
  const read = readArguments("intel stats", args, { json: { type: "boolean" } }, ["FILE"]);
  const { store, expired } = await loadIntelFiles(read.operands, undefined);
  const stats = countAll(store);
  if (read.values.json === true) {
    const { size: indicators, bytes } = store;
    process.stdout.write(`${toJson({ indicators, expired, storeBytes: bytes, ...stats })}\n`);
    return 0;
  }
  say(storeSummary(store));
  if (expired > 0) say(`${expired} more are no longer valid`);
  for (const [what, counts] of Object.entries(stats)) {
    if (what !== "kinds") say(`${what}: ${mostOf(counts)}`);
  }
  say(`memory of the store: ${(store.bytes / 1e6).toFixed(1)} MB`);
  return 0;
}

/** Runs `intel lookup`. */
export async function lookupIntel(args: readonly string[]): Promise<number> {
  const options = { json: { type: "boolean" } } as const;
  const read = readArguments("intel lookup", args, options, ["FILE", "VALUE..."]);
  const [file = "", ...values] = read.operands;
  const { store } = await loadIntelFiles([file], undefined);
  let found = 0;
  for (const value of values) {
    const indicators = lookup(store, value);
    found += indicators.length;
    if (read.values.json === true) process.stdout.write(`${toJson({ value, indicators })}\n`);
    else for (const line of lookupLines(value, indicators)) say(line);
  }
  return found > 0 ? 0 : 1;
}

function mostOf(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).sort((one, other) => other[1] - one[1]);
  if (sorted.length === 0) return "none";
  const shown = sorted.slice(0, NAMES_SHOWN).map(([name, count]) => `${count} ${name}`);
  const more = sorted.length - shown.length;
  return shown.join(", ") + (more > 0 ? `, and ${more} more` : "");
}

// A value is looked up as every kind that it may be, or as the one named before it.
function lookup(store: IndicatorStore, text: string): readonly Indicator[] {
  const colon = text.indexOf(":");
  const named = kindOfListName(text.slice(0, Math.max(0, colon)));
  const rest = text.slice(colon + 1);
  const kinds: readonly IndicatorKind[] = named === undefined ? INDICATOR_KINDS : [named];
  const value = named === undefined ? text : rest;
  return kinds
    .filter((kind) => kind !== "pattern" && store.count(kind) > 0)
    .flatMap((kind) => store.find(kind, value));
}

function lookupLines(value: string, indicators: readonly Indicator[]): string[] {
  if (indicators.length === 0) return [`${value}: not listed`];
  return indicators.map((one) => {
    const about = [one.severity, one.source, ...(one.tlp === undefined ? [] : [`TLP:${one.tlp}`])];
    if (one.confidence !== undefined) about.push(`confidence ${one.confidence}`);
    if (one.validUntilMs !== undefined) {
      about.push(`until ${new Date(one.validUntilMs).toISOString()}`);
    }
    const conditions = (one.with ?? []).map((part) => ` and ${part.kind} ${part.value}`).join("");
    return `${value}: ${one.kind} ${one.value}${conditions}: ${one.title} (${about.join(", ")})`;
  });
}

function formatOption(args: Arguments): IndicatorFormat | undefined {
  const format = textOption(args, "format");
  if (format === undefined) return undefined;
  const known = INDICATOR_FORMATS.find((one) => one === format);
  if (known !== undefined) return known;
  const names = INDICATOR_FORMATS.join(", ");
  throw usageError("intel import", `--format "${format}": must be one of ${names}`);
}

function mappingOption(args: Arguments): CsvMapping | undefined {
  const mapping = textOption(args, "map");
  return mapping === undefined ? undefined : parseCsvMapping(mapping);
}

// Whole or not at all: a reader never meets half a file.
function writeLines(path: string, store: IndicatorStore): void {
  const beside = `${path}.${process.pid}.new`;
  try {
    writeFileSync(beside, `${LINES_HEADER}\n`, { flag: "wx", mode: 0o600 });
    let lines: string[] = [];
    for (const indicator of store) {
      lines.push(`${indicatorLine(indicator)}\n`);
      if (lines.length < LINES_AT_ONCE) continue;
      writeFileSync(beside, lines.join(""), { flag: "a" });
      lines = [];
    }
    writeFileSync(beside, lines.join(""), { flag: "a" });
    renameSync(beside, path);
  } catch (cause) {
    throw unusable(path, cause);
  }
}

function countAll(store: IndicatorStore): Readonly<Record<string, Record<string, number>>> {
  const kinds: Record<string, number> = {};
  const sources: Record<string, number> = {};
  const severities: Record<string, number> = {};
  const markings: Record<string, number> = {};
  const further: Record<string, number> = {};
  const add = (counts: Record<string, number>, name: string): void => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  for (const one of store) {
    add(kinds, one.kind);
    add(sources, one.source);
    add(severities, one.severity);
    if (one.tlp !== undefined) add(markings, one.tlp);
    if (one.with !== undefined) add(further, "with conditions");
    if (one.validUntilMs !== undefined) add(further, "with an end");
  }
  return { kinds, sources, severities, TLP: markings, further };
}

function say(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}
