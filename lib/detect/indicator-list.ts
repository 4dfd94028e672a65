// SPDX-License-Identifier: Apache-2.0
// A plain list of indicators as a whole text. Called with the text of a file by whoever read it; a
// list with any bad line is refused whole, so that nothing is half applied.
import { UndercroftError } from "../errors/errors.ts";
import type { Indicator } from "../model/model.ts";
import { parseListLine } from "./intel/import-list.ts";

/** Bad lines spelled out in the message; the count names all. */
const PROBLEMS_SHOWN = 20;

/**
 * Reads `sha256:HEX`, `path:/PATH`, `name:FILE`, `cmdline:TEXT`, `ip:ADDRESS` (or `ADDRESS/BITS`),
 * `domain:NAME`, `url:URL`, `ja3:MD5`, `ja4:TEXT`, `cert:SHA256` and further kinds, or bare values
 * whose form tells what they are; each with an optional ` | TITLE | SEVERITY` (for cmdline: both or
 * none). Empty lines and what follows ` #` are skipped.
 * @throws {UndercroftError} ERR_UC_INDICATORS naming each bad line
 */
export function parseIndicators(text: string, source: string): Indicator[] {
  const indicators: Indicator[] = [];
  const problems: string[] = [];
  const seen = new Set<string>();
  let firstLine = 0;
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .entries()) {
    const parsed = parseListLine(raw, source);
    if (typeof parsed === "string") {
      problems.push(`${source}:${index + 1}: ${parsed}`);
      firstLine ||= index + 1;
    } else if (parsed !== undefined && !seen.has(parsed.id)) {
      seen.add(parsed.id);
      indicators.push(parsed);
    }
  }
  if (problems.length === 0) return indicators;
  const shown = problems.slice(0, PROBLEMS_SHOWN).join("\n");
  const rest = problems.length - PROBLEMS_SHOWN;
  throw new UndercroftError(
    "ERR_UC_INDICATORS",
    `${problems.length} bad indicator line${problems.length === 1 ? "" : "s"}; nothing of the ` +
      `file is used\n${shown}${rest > 0 ? `\nand ${rest} more` : ""}`,
    { path: source, line: firstLine, problems: problems.length },
  );
}
