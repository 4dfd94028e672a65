// SPDX-License-Identifier: Apache-2.0
// Compares what the demo had to show with what was observed, from both sides: the server's events,
// findings and commands, and the guest's own TAP. Pure; called by start.ts. An outcome counts only
// when every witness it names agrees.
import type { CommandRecord, Finding, ProcessExitEvent, VerdictEvent } from "../model/model.ts";
import { GUEST_POINTS } from "./demo-guest.ts";

/** One outcome that the demo promises. */
export interface ExpectedOutcome {
  readonly what: string;
  readonly observed: boolean;
  /** What was missing; empty when observed. */
  readonly missing: readonly string[];
}

/** Values that the demo's intruder uses; the events must carry them. */
export interface IntrusionValues {
  readonly payloadSha256: string;
  readonly secretPath: string;
  readonly minerName: string;
  readonly stageUrl: string;
}

/** Everything that was seen, by whom. */
export interface Observations {
  readonly wasMonitored: boolean;
  readonly hasLeft: boolean;
  readonly events: number;
  readonly exits: readonly ProcessExitEvent[];
  readonly verdicts: readonly VerdictEvent[];
  readonly findings: readonly Finding[];
  readonly commands: readonly CommandRecord[];
  readonly loss: { readonly named: number; readonly unaccounted: number };
  /** Points of the guest's TAP by name. */
  readonly points: ReadonlyMap<string, boolean>;
}

/** Judges the intrusion and everything around it, unloading included. */
export function judgeDemo(seen: Observations, values: IntrusionValues): ExpectedOutcome[] {
  const point = (name: string): Check => [`guest: ${name}`, seen.points.get(name) === true];
  return [
    outcome("guest registered and monitored", [
      ["server: state monitored", seen.wasMonitored],
      ["server: events arrived", seen.events > 0],
      point(GUEST_POINTS.driver),
    ]),
    ...judgeIntrusion(seen, values).map(({ what, checks, name }) =>
      outcome(what, [...checks, point(name)]),
    ),
    outcome("ordinary work not disturbed", [
      ["server: no other finding", otherFindings(seen, values).length === 0],
      point(GUEST_POINTS.undisturbed),
    ]),
    outcome("every event accounted for", [
      ["server: events arrived", seen.events > 0],
      ["server: no unaccounted loss", seen.loss.unaccounted === 0],
    ]),
    outcome("driver unloaded and guest unregistered", [
      ["server: state left", seen.hasLeft],
      ["server: finding that the driver is gone", seen.findings.some(isUnloading)],
      point(GUEST_POINTS.unloaded),
      point(GUEST_POINTS.healthy),
    ]),
  ];
}

/** True once the server has seen every outcome of the intrusion itself. */
export function isIntrusionSeen(seen: Observations, values: IntrusionValues): boolean {
  return judgeIntrusion(seen, values).every(({ checks }) => checks.every(([, holds]) => holds));
}

type Check = readonly [what: string, holds: boolean];

interface Part {
  readonly what: string;
  readonly checks: readonly Check[];
  readonly name: string;
}

function judgeIntrusion(seen: Observations, values: IntrusionValues): Part[] {
  return [
    {
      what: "program with a listed SHA-256 found and killed",
      checks: killChecks(seen, findingsOf(seen, values.payloadSha256)),
      name: GUEST_POINTS.killedByHash,
    },
    {
      what: "opening a listed path refused",
      checks: refusalChecks(seen, findingsOf(seen, values.secretPath), "open"),
      name: GUEST_POINTS.openRefused,
    },
    {
      what: "running a listed name refused",
      checks: refusalChecks(seen, findingsOf(seen, values.minerName), "exec"),
      name: GUEST_POINTS.execRefused,
    },
    {
      what: "process with a listed command line found and killed",
      checks: killChecks(seen, findingsOf(seen, values.stageUrl)),
      name: GUEST_POINTS.killedByCommandLine,
    },
  ];
}

function findingsOf(seen: Observations, text: string): Finding[] {
  return seen.findings.filter((finding) => finding.value.includes(text));
}

function otherFindings(seen: Observations, values: IntrusionValues): Finding[] {
  const texts = [values.payloadSha256, values.secretPath, values.minerName, values.stageUrl];
  return seen.findings.filter(
    (finding) => !isUnloading(finding) && !texts.some((text) => finding.value.includes(text)),
  );
}

// Unloading a driver is worth a finding anywhere, so also at the demo's own end.
function isUnloading(finding: Finding): boolean {
  return finding.rule === "driver_unregistered";
}

function killChecks(seen: Observations, findings: readonly Finding[]): Check[] {
  const ids = new Set(findings.map(({ id }) => id));
  const kills = seen.commands.filter(
    ({ command, finding }) => command.kind === "kill-process" && ids.has(finding ?? ""),
  );
  const killed = (exit: ProcessExitEvent): boolean =>
    exit.signal === 9 &&
    findings.some(
      ({ process }) => process.pid === exit.pid && process.processStartNs === exit.processStartNs,
    );
  return [
    ["server: finding", findings.length > 0],
    ["server: kill command confirmed", kills.some(({ outcome: end }) => end === "confirmed")],
    ["server: exit event with signal 9", seen.exits.some(killed)],
    ["server: finding says killed", findings.some((found) => found.disposition === "killed")],
  ];
}

function refusalChecks(
  seen: Observations,
  findings: readonly Finding[],
  operation: "open" | "exec",
): Check[] {
  const refused = (event: VerdictEvent): boolean =>
    event.operation === operation &&
    event.verdict === "deny" &&
    findings.some(({ process }) => process.pid === event.pid);
  return [
    ["server: finding", findings.length > 0],
    [`server: verdict record, ${operation} denied`, seen.verdicts.some(refused)],
    ["server: finding says blocked", findings.some((found) => found.disposition === "blocked")],
  ];
}

function outcome(what: string, checks: readonly Check[]): ExpectedOutcome {
  const missing = checks.filter(([, holds]) => !holds).map(([name]) => name);
  return { what, observed: missing.length === 0, missing };
}
