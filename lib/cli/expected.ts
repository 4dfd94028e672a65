// SPDX-License-Identifier: Apache-2.0
// Compares what the demo had to show with what was observed, from both sides: the server's events,
// findings and commands, and the guest's own TAP. Pure; called by start.ts. An outcome counts only
// when every witness it names agrees.
import type {
  CommandRecord,
  Finding,
  GuestNetworkEvent,
  ProcessExitEvent,
  VerdictEvent,
} from "../model/model.ts";
import type { InterfaceStats } from "../server/server.ts";
import { GUEST_POINTS, NETWORK_POINTS } from "./demo-guest.ts";
import type { ManagerKnowledge } from "./demo-manager.ts";
import { DEMO_NET } from "./demo-network.ts";

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

/** Packets that had reached the listed address when the guest tried it, and when it gave up. */
export interface ContactCounts {
  readonly before: number;
  readonly after: number;
}

/** What passed the guest's tap. */
export interface NetworkObservations {
  readonly events: readonly GuestNetworkEvent[];
  readonly contact: ContactCounts | undefined;
  readonly interfaces: readonly InterfaceStats[];
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
  /** Absent where the guest had no network. */
  readonly network?: NetworkObservations;
  /** What the manager knew once the intrusion had been seen; absent: it was not asked yet. */
  readonly manager?: ManagerKnowledge;
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
    ...(seen.network === undefined ? [] : judgeNetwork(seen, seen.network)),
    judgeManager(seen),
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

// By its API alone: the guest's state, findings and events came over the link.
function judgeManager({ manager, findings }: Observations): ExpectedOutcome {
  const known = new Set(manager?.findings.map(({ id }) => id));
  // The driver's end, of which nobody knew when the manager was asked.
  const intrusions = findings.filter((finding) => !isUnloading(finding));
  return outcome("manager knows guest, findings and events", [
    ["manager: guest monitored", manager?.guests[0]?.state === "monitored"],
    ["manager: every finding", intrusions.every(({ id }) => known.has(id))],
    ["manager: events found by search", (manager?.executions ?? 0) > 0],
  ]);
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

function judgeNetwork(seen: Observations, network: NetworkObservations): ExpectedOutcome[] {
  const point = (name: string): Check => [`guest: ${name}`, seen.points.get(name) === true];
  const name = DEMO_NET.listedName;
  const asked = network.events.find((event) => event.kind === "dns" && event.query === name);
  const findings = seen.findings.filter(({ rule }) => rule === `domain:${name}`);
  const drops = seen.commands.filter(({ command }) => command.kind === "block-add");
  const { contact } = network;
  const fetched = network.events.find(
    (event) => event.kind === "http" && event.destinationAddress === DEMO_NET.peer,
  );
  return [
    outcome("a flow seen at the tap and joined to its process", [
      ["server: the question at the tap", asked !== undefined],
      ["server: the process that asked", asked?.commandLine.includes(name) === true],
      ["server: its ancestors", (asked?.ancestors.length ?? 0) > 0],
      ["server: the web request and its process", (fetched?.pid ?? 0) > 0],
      point(NETWORK_POINTS.unlisted),
    ]),
    outcome("a listed domain found, its address dropped at the tap", [
      ["server: finding", findings.length > 0],
      ["server: drop acknowledged", drops.some(({ outcome: end }) => end === "done")],
      ["server: finding says blocked", findings.some((one) => one.disposition === "blocked")],
      point(NETWORK_POINTS.resolved),
    ]),
    outcome("nothing more passed to the dropped address", [
      ["peer: counted", contact !== undefined],
      ["peer: no packet came through", contact?.after === contact?.before],
      point(NETWORK_POINTS.cutOff),
      point(NETWORK_POINTS.stillUnlisted),
    ]),
    outcome("every packet accounted for", [
      ["redirector: packets seen", network.interfaces.some(({ counts }) => counts.seen > 0)],
      [
        "redirector: seen = kept + lost",
        network.interfaces.every(
          ({ counts }) => counts.seen === counts.kept + counts.lostKernel + counts.lostRing,
        ),
      ],
    ]),
  ];
}

function findingsOf(seen: Observations, text: string): Finding[] {
  return seen.findings.filter((finding) => finding.value.includes(text));
}

function otherFindings(seen: Observations, values: IntrusionValues): Finding[] {
  const { payloadSha256, secretPath, minerName, stageUrl } = values;
  const texts = [payloadSha256, secretPath, minerName, stageUrl, DEMO_NET.listedName];
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
