// SPDX-License-Identifier: Apache-2.0
// A process that loads and compiles all rules of a folder and prints what that took. Run by the
// corpora run and the benchmark, so that nothing else counts.
import { loadRules, Matcher, problemLine } from "../../lib/detect/detect.ts";
import { PLACEHOLDERS, ruleFiles } from "./sigma-data.ts";

export interface LoadFigures {
  readonly rules: number;
  /** Errors, one a line. */
  readonly problems: readonly string[];
  /** Reading and parsing the files. */
  readonly loadMs: number;
  /** Compiling, and the tables of every log source that a rule names. */
  readonly compileMs: number;
  readonly peakMegabytes: number;
  readonly triggers: number;
  readonly tableBytes: number;
}

const [folder = ""] = process.argv.slice(2);
const startMs = performance.now();
const { rules, problems } = loadRules(ruleFiles(folder), PLACEHOLDERS);
const loadedMs = performance.now();
const matcher = new Matcher(rules);
for (const { category, ...source } of matcher.sources) {
  matcher.prepare({ ...source, categories: category === undefined ? [] : [category] });
}
const { triggers, bytes } = matcher.stats;
const figures: LoadFigures = {
  rules: rules.length,
  problems: problems.filter(({ severity }) => severity === "error").map(problemLine),
  loadMs: loadedMs - startMs,
  compileMs: performance.now() - loadedMs,
  peakMegabytes: process.resourceUsage().maxRSS / 1024,
  triggers,
  tableBytes: bytes,
};
console.log(JSON.stringify(figures));
