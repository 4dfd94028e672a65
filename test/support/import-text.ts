// SPDX-License-Identifier: Apache-2.0
// Runs an importer over a text, in chunks of any size, and gives all that it said.
import {
  type CsvMapping,
  type ImportProblem,
  ImportReport,
  type IndicatorFormat,
  importerOf,
} from "../../lib/detect/detect.ts";
import type { Indicator } from "../../lib/model/model.ts";

export interface Imported {
  readonly indicators: Indicator[];
  readonly removed: string[];
  readonly problems: readonly ImportProblem[];
  readonly problemCount: number;
  readonly skips: ReadonlyMap<string, number>;
}

/** Imports a text; `chunkBytes` is how much the importer gets at a time. */
export function importText(
  format: IndicatorFormat,
  text: string | Uint8Array,
  chunkBytes = 65_536,
  mapping?: CsvMapping,
): Imported {
  const indicators: Indicator[] = [];
  const removed: string[] = [];
  const report = new ImportReport(
    (indicator) => indicators.push(indicator),
    (id) => removed.push(id),
  );
  const importer = importerOf(format, "src", report, mapping);
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  // One buffer for all chunks: an importer must not keep what it was given.
  const buffer = new Uint8Array(chunkBytes);
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const part = bytes.subarray(at, at + chunkBytes);
    buffer.set(part);
    importer.push(buffer.subarray(0, part.length));
  }
  importer.end();
  const { problems, problemCount, skips } = report;
  return { indicators, removed, problems, problemCount, skips };
}

/** `KIND VALUE` of each, and of what must hold too behind a plus sign. */
export function briefly(indicators: readonly Indicator[]): string[] {
  return indicators.map(({ kind, value, with: conditions = [] }) =>
    [`${kind} ${value}`, ...conditions.map((one) => `${one.kind} ${one.value}`)].join(" + "),
  );
}
