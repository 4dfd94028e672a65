// SPDX-License-Identifier: Apache-2.0
// Windows logs of attacks that were played in a lab, through the driver: each logged event is
// played in the simulator, and what the server makes of the driver's record is held against the
// rules. It must meet the rules that the logged event meets with the same fields.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import {
  FieldsEvent,
  type GuestFacts,
  guestSigmaEvent,
  loadRules,
  SigmaEngine,
  type SigmaEvent,
  type SigmaValue,
} from "../../lib/detect/detect.ts";
import type { GuestEvent } from "../../lib/model/model.ts";
import { ProcessTable } from "../../lib/server/process-table.ts";
import { guestFacts } from "../../lib/server/sigma-desk.ts";
import { loggedEvents, PLACEHOLDERS, ruleFiles } from "../corpora/sigma-data.ts";
import { buildSimulator, removeBuilt } from "./programs.ts";
import { planOf, Stage } from "./recorded-operations.ts";
import { until, WindowsGuest } from "./rig.ts";

const corpora = join(import.meta.dirname, "../../../shared/corpora");
const recordings = join(corpora, "otrf-host-logs/windows");
const rules = join(corpora, "sigma-rules");

let guest: WindowsGuest | undefined;
let program = "";

beforeAll(() => {
  program = buildSimulator();
});
afterEach(async () => {
  await guest?.close();
});
afterAll(removeBuilt);

/** An event with only those fields that another has as well. */
function shared(event: SigmaEvent, other: SigmaEvent, left: ReadonlySet<string>): SigmaEvent {
  const fields = new Map<string, SigmaValue>();
  for (const name of event.fieldNames()) {
    const value = event.get(name);
    if (value !== undefined && other.get(name) !== undefined && !left.has(name)) {
      fields.set(name, value);
    }
  }
  return new FieldsEvent({ ...other.source, service: "sysmon" }, 0, fields);
}

/** Numbers and identities are given out anew in the simulator. */
const RENUMBERED: ReadonlySet<string> = new Set([
  ...["UtcTime", "Computer", "ProcessId", "ProcessGuid", "ParentProcessId", "SourceProcessId"],
  ...["TargetProcessId", "NewThreadId", "TerminalSessionId", "User", "ParentUser", "EventID"],
]);

interface Tally {
  events: number;
  hits: number;
  readonly differences: string[];
}

function judge(
  engine: SigmaEngine,
  played: ReadonlyArray<readonly [logged: SigmaEvent, told: GuestEvent | undefined]>,
  facts: GuestFacts,
  tally: Tally,
): void {
  const hits = (event: SigmaEvent): string =>
    engine
      .match(event)
      .map((match) => (match.kind === "rule" ? match.rule.title : ""))
      .sort()
      .join("; ");
  for (const [logged, told] of played) {
    const view = told && guestSigmaEvent(told, facts);
    tally.events++;
    if (view === undefined) {
      tally.differences.push(`never told: ${logged.get("EventID")} ${logged.get("TargetObject")}`);
      continue;
    }
    const wanted = hits(shared(logged, view, RENUMBERED));
    const found = hits(shared(view, logged, RENUMBERED));
    if (wanted !== "") tally.hits++;
    if (wanted !== found) tally.differences.push(`${wanted} | ${found}`);
  }
}

function recordingFiles(): string[] {
  return readdirSync(recordings, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".zip"))
    .sort()
    .map((name) => join(recordings, name));
}

test("recorded attacks meet the same rules through the driver", async (context) => {
  if (!existsSync(recordings)) context.skip("no recordings in ../shared/corpora");
  const engine = new SigmaEngine(loadRules(ruleFiles(join(rules, "rules/windows")), PLACEHOLDERS));
  const tally: Tally = { events: 0, hits: 0, differences: [] };
  for (const path of recordingFiles()) {
    const stage = new Stage();
    const plans = [...loggedEvents(path)].flatMap(({ event }) => planOf(event, stage));
    if (plans.length === 0) continue;
    guest = new WindowsGuest({}, 64 * 2 ** 20);
    guest.start(program);
    await guest.doAll(stage.before());
    await guest.boot();
    await until("the processes", () => (guest?.events.length ?? 0) > stage.existing);
    await guest.doAll(plans.flatMap(({ lines }) => lines));
    const result = await guest.end();
    expect(result, path).toMatchObject({ violations: 0, status: 0, broken: [] });
    await guest.accounted(result.attempted);
    const processes = new ProcessTable();
    // Rings are merged by turns: what was written in between comes a little later.
    guest.events.sort((one, other) => one.sequence - other.sequence);
    const told = guest.events.filter((event) => {
      processes.observe(event);
      return event.kind !== "process.existing";
    });
    const facts = guestFacts("windows", processes);
    const queue = told.values();
    // Each plan says which kind of record it ends in; records before it belong to it as well.
    const played = plans.map(({ logged, kind }) => {
      for (let next = queue.next(); !next.done; next = queue.next()) {
        if (next.value.kind === kind) return [logged, next.value] as const;
      }
      return [logged, undefined] as const;
    });
    judge(engine, played, facts, tally);
    await guest.close();
  }
  console.log(`recordings: ${tally.events} events, ${tally.hits} of them meet rules`);
  expect(tally.differences.slice(0, 20)).toEqual([]);
  expect(tally.hits).toBeGreaterThan(50);
});
