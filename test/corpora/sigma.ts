// SPDX-License-Identifier: Apache-2.0
// Goals D1 to D3: SigmaHQ's rules are loaded, fire on their own recorded events, and fire where
// pySigma's queries do. Called by the corpora run.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { parse } from "yaml";
import { loadRules, Matcher, type SigmaEvent, type SigmaRule } from "../../lib/detect/detect.ts";
import { Comparison } from "./comparison.ts";
import { filesBelow, loggedEvents, PLACEHOLDERS, recordedEvents, ruleFiles } from "./sigma-data.ts";
import type { LoadFigures } from "./sigma-load-worker.ts";
import { sqlMatches } from "./sigma-sql.ts";

const RULES = "sigma-rules";

/** Rules by id, and what matches. */
interface Engine {
  readonly rules: ReadonlyMap<string, SigmaRule>;
  readonly match: (event: SigmaEvent) => readonly SigmaRule[];
}

function engineOf(corpora: string): Engine {
  const { rules } = loadRules(ruleFiles(join(corpora, RULES)), PLACEHOLDERS);
  const matcher = new Matcher(rules);
  return {
    rules: new Map(rules.map((rule) => [rule.id, rule])),
    match: (event) => matcher.match(event),
  };
}

/** D1: every rule is loaded and compiled; time and memory of a process of its own. */
export function compareLoading(folder: string): Comparison[] {
  const worker = join(import.meta.dirname, "sigma-load-worker.ts");
  const output = execFileSync(process.execPath, [worker, folder], { encoding: "utf8" });
  const { rules, problems, loadMs, compileMs, peakMegabytes } = JSON.parse(output) as LoadFigures;
  process.stderr.write(
    `parsed in ${(loadMs / 1000).toFixed(2)} s, compiled for all log sources in ` +
      `${(compileMs / 1000).toFixed(2)} s, at most ${Math.round(peakMegabytes)} MB resident\n`,
  );
  const row = new Comparison("D1", "rules parsed and compiled", "sigmahq");
  row.hit(rules);
  for (const problem of problems) row.miss("does not load", problem);
  return [row];
}

interface RegressionInfo {
  readonly regression_tests_info?: ReadonlyArray<{ readonly match_count?: number }>;
}

interface MatrixRow {
  readonly file: string;
  readonly index: number;
  readonly own_rule: string;
  readonly own_hit: boolean;
  readonly matches: readonly string[];
  readonly unevaluated: readonly string[];
}

/** D2: each recorded file fires its own rule as often as its authors say; D3: all other rules. */
export function compareRegression(folder: string): Comparison[] {
  const engine = engineOf(dirname(folder));
  const text = readFileSync(join(folder, "matrix.json"), "utf8");
  const matrix = JSON.parse(text) as readonly MatrixRow[];
  const rows = {
    fires: new Comparison("D2", "recorded files that fire their own rule", "sigmahq"),
    counts: new Comparison("D2", "with the count of their authors", "sigmahq"),
  };
  const agreement = new Agreement("recorded events");
  for (const path of filesBelow(folder, "info.yml")) {
    const info = parse(readFileSync(path, "utf8")) as RegressionInfo;
    const wanted = info.regression_tests_info?.[0]?.match_count ?? 1;
    for (const file of filesBelow(dirname(path), ".json")) {
      const name = relative(folder, file);
      const events = recordedEvents(file);
      const hits = events.map((event) => engine.match(event).map(({ id }) => id));
      const known = matrix.filter((row) => row.file === name);
      const count = hits.filter((ids) => ids.includes(basename(file, ".json"))).length;
      compareCount(rows, name, wanted, count, known.filter((row) => row.own_hit).length);
      for (const row of known) {
        const place = `${name} event ${row.index}`;
        const event = events[row.index];
        agreement.add(engine, event, hits[row.index] ?? [], row, place);
      }
    }
  }
  return [rows.fires, rows.counts, ...agreement.rows];
}

function compareCount(
  rows: { readonly fires: Comparison; readonly counts: Comparison },
  name: string,
  wanted: number,
  count: number,
  counted: number,
): void {
  if (count > 0) rows.fires.hit();
  else rows.fires.miss("open: does not fire", name);
  if (count === wanted) rows.counts.hit();
  else {
    const isShared = count === counted;
    const cause = isShared ? "oracle: more of its records hold what the rule asks for" : "open";
    rows.counts.miss(cause, `${name}: ${count} of ${wanted}, pySigma ${counted}`);
  }
}

interface LogMatches {
  readonly sysmon_events: number;
  readonly matches: Readonly<Record<string, readonly string[]>>;
  readonly unevaluated: readonly string[];
}

/** D3: the rules that fire on a lab's logs, Sysmon's records. */
export function compareLogs(folder: string): Comparison[] {
  const engine = engineOf(dirname(folder));
  const text = readFileSync(join(folder, "expected-matches.json"), "utf8");
  const expected = JSON.parse(text) as Readonly<Record<string, LogMatches>>;
  const agreement = new Agreement("lab logs");
  let events = 0;
  for (const [zip, { matches, unevaluated }] of Object.entries(expected)) {
    const path = join(folder, zip);
    if (!existsSync(path)) continue;
    const theirs = new Map<string, string[]>();
    for (const [rule, places] of Object.entries(matches)) {
      for (const place of places) theirs.set(place, [...(theirs.get(place) ?? []), rule]);
    }
    for (const { place, event } of loggedEvents(path)) {
      if (event.source.service !== "sysmon") continue;
      events += 1;
      const ours = engine.match(event).map(({ id }) => id);
      const known = { matches: theirs.get(place) ?? [], unevaluated };
      agreement.add(engine, event, ours, known, `${zip} ${place}`);
      theirs.delete(place);
    }
    for (const [place, rules] of theirs) {
      agreement.add(engine, undefined, [], { matches: rules, unevaluated }, `${zip} ${place}`);
    }
  }
  process.stderr.write(`${events} events of Sysmon\n`);
  return [...agreement.rows];
}

/** Our hits against another engine's, both ways. */
class Agreement {
  readonly rows: readonly [Comparison, Comparison];

  constructor(what: string) {
    this.rows = [
      new Comparison("D3", `${what}: hits of pySigma that we have`, "pysigma-sqlite"),
      new Comparison("D3", `${what}: hits of ours that pySigma has`, "pysigma-sqlite"),
    ];
  }

  add(
    engine: Engine,
    event: SigmaEvent | undefined,
    ours: readonly string[],
    theirs: { readonly matches: readonly string[]; readonly unevaluated: readonly string[] },
    place: string,
  ): void {
    const [found, confirmed] = this.rows;
    const judged = ours.filter((id) => isInScope(engine.rules.get(id)));
    for (const id of theirs.matches) {
      if (judged.includes(id)) found.hit();
      else found.miss(causeOf(engine.rules.get(id), event, true), `${place} ${id}`);
    }
    for (const id of judged) {
      if (theirs.matches.includes(id)) confirmed.hit();
      else if (theirs.unevaluated.includes(id)) confirmed.exclude("not run by pySigma's database");
      else confirmed.miss(causeOf(engine.rules.get(id), event, false), `${place} ${id}`);
    }
  }
}

/** The oracle has the rules of Sysmon's categories only. */
function isInScope(rule: SigmaRule | undefined): boolean {
  const category = rule?.source.category ?? "";
  return rule?.source.product === "windows" && category !== "" && !/^ps_/.test(category);
}

/** A cause counts as known only where it gives the other engine's answer. */
function causeOf(
  rule: SigmaRule | undefined,
  event: SigmaEvent | undefined,
  isTheirs: boolean,
): string {
  if (rule === undefined || event === undefined) return "open: no such rule or event";
  if (sqlMatches(rule, event) !== isTheirs) return `open: ${rule.title}`;
  return isTheirs
    ? "oracle: true is a number in its database and equals no text"
    : "oracle: a field that is not there makes a negation unknown in SQL";
}
