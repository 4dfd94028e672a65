// SPDX-License-Identifier: Apache-2.0
// One measurement of the Sigma engine, in a process of its own on one processor: nothing is shared
// with the next one. Started by detection.ts, prints one JSON object.
//
// Events are made anew before each pass, from JSON: their texts are new objects, as those of a live
// stream are, so that nothing is known of them but what a first look tells.
import { join } from "node:path";
import {
  FieldsEvent,
  loadRules,
  Matcher,
  SigmaEngine,
  type SigmaEvent,
  type SigmaRule,
  type SigmaValue,
} from "../lib/detect/detect.ts";
import {
  filesBelow,
  loggedEvents,
  PLACEHOLDERS,
  recordedEvents,
  ruleFiles,
} from "../test/corpora/sigma-data.ts";

/** What one measurement gives. */
export interface DetectionFigures {
  /** Events of a second of processor, a pass each. */
  readonly rates: readonly number[];
  readonly events: number;
  readonly matches: number;
}

const PASS_EVENTS = 20_000;
/** Few, so that an event is still in the processor's cache, as one that was just decoded. */
const BATCH_EVENTS = 50;
const PASSES = 7;
/** Passes until the optimizing compiler has seen everything. */
const WARM_UP = 2;

const [subject = "", corpora = ""] = process.argv.slice(2);
const subjects: Readonly<Record<string, () => DetectionFigures>> = {
  "process as recorded": () => processes(windowsProcessRules(), false),
  "process distinct": () => processes(windowsProcessRules(), true),
  "process 1000 more": () => processes([...windowsProcessRules(), ...moreRules(1000)], true),
  mixed,
  correlation,
};
/** Seconds of processor, the garbage collector's included: others may share the machine. */
function secondsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

function allRules(): readonly SigmaRule[] {
  return loadRules(ruleFiles(join(corpora, "sigma-rules")), PLACEHOLDERS).rules;
}

function windowsProcessRules(): readonly SigmaRule[] {
  return allRules().filter(
    ({ source }) => source.product === "windows" && source.category === "process_creation",
  );
}

/** Rules that nobody else has: a name and a part of a command line each. */
function moreRules(count: number): readonly SigmaRule[] {
  const text = Array.from({ length: count }, (_, index) => {
    const word = (index * 7919 + 104_729).toString(36);
    return `title: more ${index}
logsource: {category: process_creation, product: windows}
detection:
    image: {Image|endswith: '\\tool-${word}.exe'}
    line: {CommandLine|contains|all: ['--${word}-mode', ' /${index}:x']}
    condition: image or line
`;
  }).join("---\n");
  return loadRules([{ name: "more.yml", text }]).rules;
}

/** Where a distinct command line has its number: as long as what takes its place. */
const MARK = "@@@@@@@";

/** Started processes of both corpora, again and again; with `isDistinct` no two are the same. */
function processes(rules: readonly SigmaRule[], isDistinct: boolean): DetectionFigures {
  const recorded = filesBelow(join(corpora, "sigma-events"), ".json")
    .filter((path) => !path.endsWith("matrix.json"))
    .flatMap(recordedEvents);
  const logged = logs().flatMap((path) => [...loggedEvents(path)].map(({ event }) => event));
  const starts = [...recorded, ...logged].filter(({ source }) =>
    source.categories.includes("process_creation"),
  );
  const lines = starts.map((event) => JSON.stringify(fieldsOf(event, isDistinct)));
  const matcher = new Matcher(rules);
  const source = starts[0]?.source ?? { categories: [] };
  let number = 0;
  return passes(
    PASS_EVENTS,
    (event) => matcher.match(event).length,
    () => {
      const line = lines[number % lines.length] ?? "{}";
      number += 1;
      const marked = number.toString(36).padStart(MARK.length, "0");
      const text = isDistinct ? line.replaceAll(MARK, marked) : line;
      const record = JSON.parse(text) as Record<string, SigmaValue>;
      return new FieldsEvent(source, 0, new Map(Object.entries(record)));
    },
  );
}

/** Runs events through, made in small batches as they would come; only matching is timed. */
function passes(
  count: number,
  match: (event: SigmaEvent) => number,
  make: () => SigmaEvent,
): DetectionFigures {
  const rates: number[] = [];
  let matches = 0;
  for (let pass = 0; pass < PASSES + WARM_UP; pass++) {
    let seconds = 0;
    matches = 0;
    for (let done = 0; done < count; done += BATCH_EVENTS) {
      const events = Array.from({ length: BATCH_EVENTS }, make);
      const start = process.cpuUsage();
      for (const event of events) matches += match(event);
      seconds += secondsSince(start);
    }
    if (pass >= WARM_UP) rates.push(count / seconds);
  }
  return { rates, events: count, matches };
}

const DISTINCT = ["CommandLine", "ParentCommandLine", "CurrentDirectory"];

function fieldsOf(event: SigmaEvent, isMarked: boolean): Record<string, SigmaValue> {
  const pairs = [...event.fieldNames()].map((name) => {
    const value = event.get(name);
    const isText = typeof value === "string" && isMarked && DISTINCT.includes(name);
    return [name, isText ? `${value} ${MARK}` : value] as const;
  });
  return Object.fromEntries(pairs);
}

function logs(): string[] {
  return filesBelow(join(corpora, "otrf-host-logs"), ".zip");
}

/** All records of Sysmon in the lab's logs, each once a pass, against all rules. */
function mixed(): DetectionFigures {
  const matcher = new Matcher(allRules());
  const rates: number[] = [];
  let [events, matches] = [0, 0];
  for (let pass = 0; pass < 3 + 1; pass++) {
    let seconds = 0;
    [events, matches] = [0, 0];
    for (const path of logs()) {
      const batch: SigmaEvent[] = [];
      for (const { event } of loggedEvents(path)) {
        if (event.source.service === "sysmon") batch.push(event);
      }
      const start = process.cpuUsage();
      for (const event of batch) matches += matcher.match(event).length;
      seconds += secondsSince(start);
      events += batch.length;
    }
    if (pass > 0) rates.push(events / seconds);
  }
  return { rates, events, matches };
}

/** Matches into groups: a count and distinct values, 100,000 users alive. */
function correlation(): DetectionFigures {
  const text = `title: base
name: base
logsource: {product: example}
detection: {s: {EventID: 1}, condition: s}
---
title: count
correlation: {type: event_count, rules: [base], group-by: [User], timespan: 1h,
  condition: {gte: 20}}
---
title: values
correlation: {type: value_count, rules: [base], group-by: [User], timespan: 1h,
  condition: {field: Image, gte: 20}}
`;
  const source = { product: "example", categories: [] };
  const limits = { groupsMax: 200_000, samplesMax: 10_000_000 };
  const engine = new SigmaEngine(loadRules([{ name: "a.yml", text }]), limits);
  let number = 0;
  return passes(
    200_000,
    (event) => engine.match(event).length,
    () => {
      number += 1;
      const user = `user${(number * 7919) % 100_000}`;
      const image = `i${number % 64}`;
      const pairs = [
        ["EventID", 1],
        ["User", user],
        ["Image", image],
      ] as const;
      return new FieldsEvent(source, 1e12 + number, new Map<string, SigmaValue>(pairs));
    },
  );
}

const run = subjects[subject];
if (run === undefined) throw new Error(`no measurement "${subject}"`);
console.log(JSON.stringify(run()));
