// SPDX-License-Identifier: Apache-2.0
// Goal D5, its "0 wrong": a large public list of indicators, each line of one kind, each found
// again, and nothing found that is not there. The values are never resolved or opened.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ImportReport, IndicatorStore, importerOf } from "../../lib/detect/detect.ts";
import { isPublicSuffix } from "../../lib/detect/intel/indicator-kinds.ts";
import type { Indicator } from "../../lib/model/model.ts";
import { Comparison } from "./comparison.ts";

/** Lines that hold an expression over names, not a name. */
const EXPRESSION = /[\\^$*+?()[\]{}|]/;

const LONG_LABEL = /[^.\s]{64}/;

/** Lines that become an indicator, and look-ups that are wrong. */
export function compareLists(folder: string, seed: number): Comparison[] {
  const lines = new Comparison("D5", "list lines of one kind each", "maltrail's lists");
  const asked = new Comparison("D5", "look-ups that are wrong", "maltrail's lists", "failures");
  const store = new IndicatorStore();
  const all: Indicator[] = [];
  for (const file of listFiles(folder)) readList(file, lines, store, all);
  const members = new Set(all.map(({ kind, value }) => `${kind} ${value}`));
  for (const { kind, value } of all) {
    if (store.find(kind, value).length > 0) asked.hit();
    else asked.miss("not found", `${kind} ${value}`);
  }
  const random = randomNames(seed);
  for (let at = 0; at < 10 * all.length; at++) {
    const name = random();
    const isFound = store.findDomain(name) >= 0;
    if (isFound === isListed(name, members)) asked.hit();
    else asked.miss(isFound ? "found, not listed" : "listed, not found", name);
  }
  return [lines, asked];
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".txt") && !name.includes("LICENSE"))
    .sort()
    .map((name) => join(folder, name));
}

function readList(file: string, row: Comparison, store: IndicatorStore, all: Indicator[]): void {
  const text = readFileSync(file);
  const lines = text.toString("utf8").split("\n");
  const report = new ImportReport((indicator) => {
    row.hit();
    all.push(indicator);
    store.add(indicator);
  });
  const importer = importerOf("list", "maltrail", report);
  importer.push(text);
  importer.end();
  const shown = report.problems.length;
  for (const { place, reason } of report.problems) {
    const line = lines[Number(place.replace("line ", "")) - 1] ?? "";
    if (LONG_LABEL.test(line)) row.exclude("a label longer than DNS allows");
    else if (EXPRESSION.test(line) || report.problemCount > shown)
      row.exclude("expressions over names");
    else row.miss(reason.replace(/:.*/s, ""), `${file}: ${line}`);
  }
}

function isListed(name: string, members: ReadonlySet<string>): boolean {
  const labels = name.split(".");
  return labels.some((_, at) => {
    const suffix = labels.slice(at).join(".");
    return members.has(`domain ${suffix}`) && (at === 0 || !isPublicSuffix(suffix));
  });
}

// Names that look like those of the lists: some of their ends are listed.
function randomNames(seed: number): () => string {
  let state = seed >>> 0 || 1;
  const next = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  const ends = ["com", "net", "org", "top", "duckdns.org", "ddns.net", "no-ip.biz", "ru", "co.uk"];
  const letters = "abcdefghijklmnopqrstuvwxyz";
  return () => {
    let word = "";
    for (let at = 1 + next(5); at > 0; at--) word += letters[next(26)];
    return `${next(2) === 0 ? "www." : ""}${word}.${ends[next(ends.length)]}`;
  };
}
