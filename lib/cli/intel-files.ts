// SPDX-License-Identifier: Apache-2.0
// Files of threat intelligence into one store, held against warning lists. Used by the commands of
// `undercroft intel` and by the server's; what an entry means is the detect room's to say.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  type CsvMapping,
  type ImportProblem,
  ImportReport,
  INDICATOR_KINDS,
  type IndicatorFormat,
  IndicatorStore,
  WarningLists,
} from "../detect/detect.ts";
import { UndercroftError } from "../errors/errors.ts";
import { importFile } from "../feeds/feeds.ts";
import { printable } from "../wire/wire.ts";
import type { Arguments } from "./usage.ts";

/** Problems of one file that are written out. */
const PROBLEMS_SHOWN = 20;

/** Options about what shall not be loaded. */
export const WARNING_OPTIONS = {
  warnings: { type: "string", multiple: true },
  "keep-reserved": { type: "boolean" },
} as const;

/** What files gave. */
export interface LoadedIntel {
  readonly store: IndicatorStore;
  /** Indicators that are on a warning list, by its name. */
  readonly suppressed: ReadonlyMap<string, number>;
  readonly expired: number;
}

/** How files are read. */
export interface IntelFilesOptions {
  readonly format?: IndicatorFormat | undefined;
  readonly mapping?: CsvMapping | undefined;
  /** A file of nothing but bad entries is refused. */
  readonly isStrict?: boolean;
}

/**
 * Reads files into a store. Bad entries are told on standard error; the others load.
 * @throws {UndercroftError} ERR_UC_CONFIG, ERR_UC_INDICATORS
 */
export async function loadIntelFiles(
  files: readonly string[],
  lists: WarningLists | undefined,
  { format, mapping, isStrict = false }: IntelFilesOptions = {},
  store: IndicatorStore = new IndicatorStore(),
): Promise<LoadedIntel> {
  const suppressed = new Map<string, number>();
  for (const file of files) {
    const report = new ImportReport(
      (indicator) => {
        const name = lists?.nameOf(indicator);
        if (name === undefined) store.add(indicator);
        else suppressed.set(name, (suppressed.get(name) ?? 0) + 1);
      },
      (id) => store.remove(file, id),
    );
    await importFile(file, report, {
      ...(format === undefined ? {} : { format }),
      ...(mapping === undefined ? {} : { mapping }),
    });
    for (const [what, count] of report.skips) tell(`${file}: ${count} not used: ${what}`);
    tellProblems(file, report.problems, report.problemCount);
    if (isStrict && report.indicators === 0 && report.problemCount > 0) throw useless(file);
  }
  return { store, suppressed, expired: store.advance(Date.now()) };
}

/** The error about a file that has entries, but no indicator. */
export function useless(path: string): UndercroftError {
  const message = `${path}: no entry of it is an indicator; see "undercroft intel import ${path}"`;
  return new UndercroftError("ERR_UC_INDICATORS", message, { path });
}

/** Writes the first problems of a file to standard error, and how many more there are. */
export function tellProblems(
  file: string,
  problems: readonly ImportProblem[],
  problemCount: number,
): void {
  for (const { place, reason } of problems.slice(0, PROBLEMS_SHOWN)) {
    tell(`${file}: ${place}: ${reason}`);
  }
  const more = problemCount - Math.min(problemCount, PROBLEMS_SHOWN);
  if (more > 0) tell(`${file}: ${more} more bad entries`);
}

/**
 * The warning lists that options name, and unless they say otherwise the reserved addresses.
 * @throws {UndercroftError} ERR_UC_CONFIG, ERR_UC_INDICATORS
 */
export function readWarnings({ values }: Arguments): WarningLists {
  const lists = new WarningLists();
  if (values["keep-reserved"] !== true) lists.addReserved();
  const paths = values.warnings;
  for (const path of Array.isArray(paths) ? paths.map(String) : []) {
    for (const file of listFiles(path)) lists.add(readOrRefuse(file), file);
  }
  return lists;
}

/** How many indicators of which kind, in words. */
export function storeSummary(store: IndicatorStore): string {
  const kinds = INDICATOR_KINDS.filter((kind) => store.count(kind) > 0);
  const parts = kinds.map((kind) => `${store.count(kind)} ${kind}`);
  return `${store.size} indicators${parts.length === 0 ? "" : `: ${parts.join(", ")}`}`;
}

/** The error about a path that cannot be read or written. */
export function unusable(path: string, cause: unknown): UndercroftError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new UndercroftError("ERR_UC_CONFIG", `cannot use ${path}: ${reason}`, { path });
}

function listFiles(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path, { recursive: true, encoding: "utf8" });
    const found = names.filter((name) => name.endsWith(".json")).sort();
    return found.map((name) => join(path, name));
  } catch (cause) {
    throw unusable(path, cause);
  }
}

function readOrRefuse(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw unusable(path, cause);
  }
}

function tell(line: string): void {
  process.stderr.write(`undercroft: ${printable(line)}\n`);
}
