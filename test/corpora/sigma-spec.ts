// SPDX-License-Identifier: Apache-2.0
// The specification's own examples: whatever its schemas accept must load, and each correlation
// must hold with just enough events and not with one too few. Called by the corpora run.
import { readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { FieldsEvent, loadRules, SigmaEngine, type SigmaRuleSet } from "../../lib/detect/detect.ts";
import { Comparison } from "./comparison.ts";
import { filesBelow } from "./sigma-data.ts";

type Fields = Readonly<Record<string, string | number>>;

const SOURCE = { product: "example", categories: [] };
const START_MS = Date.UTC(2024, 0, 1);
const DAYS_MS = 10 * 86_400_000;

/** Just enough events for each example, in order; with one left out it must not hold. */
const enough: Readonly<Record<string, readonly Fields[]>> = {
  "event_count.yml": repeated(100, () => ({ rule: 0, ComputerName: "a" })),
  "event_count_ecs.yml": repeated(100, () => ({ rule: 0, "dns.question.name": "a" })),
  "value_count.yml": repeated(100, (index) => ({
    ...{ rule: 0, ComputerName: "a", WorkstationName: "b", User: `u${index}` },
  })),
  "temporal.yml": [2, 0, 1].map((rule) => ({ rule, ComputerName: "a", User: "u" })),
  "temporal_ordered.yml": [0, 1, 2].map((rule) => ({ rule, ComputerName: "a", User: "u" })),
  "value_sum.yml": repeated(2, () => ({ rule: 0, SourceIP: "a", User: "u", bytes_sent: 500_001 })),
  "value_avg.yml": [1, 1001].map((BytesOut) => ({ rule: 0, SourceIP: "a", User: "u", BytesOut })),
  // One of a hundred is one percent; of ninety-nine it is more.
  "value_percentile.yml": repeated(100, (index) => ({
    ...{ rule: 0, ComputerName: "a", Image: index === 0 ? "rare" : "common" },
  })),
};

function repeated(count: number, make: (index: number) => Fields): Fields[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** Rows: examples that load, and correlations that hold when they should. */
export function compareSpecification(folder: string): Comparison[] {
  const loading = new Comparison("D1", "examples of the specification that load", "sigma-spec");
  const holding = new Comparison("D2", "its correlations, enough and too few", "sigma-spec");
  for (const path of filesBelow(join(folder, "tests/schema"), ".yml")) {
    const set = withRules(readFileSync(path, "utf8"));
    compareLoaded(set, relative(folder, path), loading);
    const steps = enough[basename(path)];
    if (steps === undefined) continue;
    count(holding, matchesOf(set, steps) > 0, `${basename(path)}, enough`);
    count(holding, matchesOf(set, steps.slice(0, -1)) === 0, `${basename(path)}, too few`);
  }
  const text = "specification/sigma-correlation-rules-specification.md";
  for (const [index, example] of examplesOf(readFileSync(join(folder, text), "utf8")).entries()) {
    compareLoaded(withRules(example), `${text}, example ${index + 1}`, loading);
  }
  return [loading, holding];
}

/** Complete documents with a correlation among the text's examples. */
function examplesOf(text: string): string[] {
  const blocks = [...text.matchAll(/^```ya?ml\n(.*?)^```/gms)].map(([, block = ""]) => block);
  return blocks.filter(
    (block) => /^title: (?!—)/m.test(block) && /^ {4}(type|rules):/m.test(block),
  );
}

/** The example with rules for all that it refers to and does not bring along. */
function withRules(example: string): SigmaRuleSet {
  const referred = example.matchAll(/^ {4}rules: *\n((?: +- .*\n)+)/gm);
  const names = [...referred].flatMap(([, list = ""]) => [...list.matchAll(/- +(\S+)/g)]);
  const own = [...example.matchAll(/^(?:name|id): (\S+)/gm)].map(([, name]) => name);
  const missing = [...new Set(names.map(([, name = ""]) => name))].filter(
    (one) => !own.includes(one),
  );
  const rules = missing.map((name, index) => {
    const key = /^[0-9a-f]{8}-/.test(name) ? "id" : "name";
    return `title: stand-in ${index}
${key}: ${name}
logsource: {product: example, category: process_creation}
detection: {s: {rule: ${index}}, condition: s}
`;
  });
  return loadRules([{ name: "example.yml", text: [example, ...rules].join("\n---\n") }]);
}

function compareLoaded(set: SigmaRuleSet, place: string, row: Comparison): void {
  const errors = set.problems.filter(({ severity }) => severity === "error");
  const [first] = errors;
  if (first === undefined) row.hit();
  else row.miss(first.message, place);
}

function matchesOf(set: SigmaRuleSet, steps: readonly Fields[]): number {
  const engine = new SigmaEngine(set);
  const source = { ...SOURCE, categories: ["process_creation"] };
  const matches = steps.flatMap((fields, index) => {
    return engine.match(new FieldsEvent(source, START_MS + index, new Map(Object.entries(fields))));
  });
  const all = [...matches, ...engine.advance(START_MS + DAYS_MS)];
  return all.filter(({ kind }) => kind === "correlation").length;
}

function count(row: Comparison, isRight: boolean, place: string): void {
  if (isRight) row.hit();
  else row.miss("open", place);
}
