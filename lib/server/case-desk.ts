// SPDX-License-Identifier: Apache-2.0
// Turns detections, verdicts and sensor trouble into findings, and tells what was made of them. One
// desk for all guests of a server; guest-service.ts brings the cases.
import { indicatorTags } from "../detect/detect.ts";
import type {
  CommandOutcome,
  CommandRecord,
  Detection,
  Disposition,
  EvidenceEvent,
  FaultName,
  Finding,
  ProcessIdentity,
  Severity,
  VerdictEvent,
} from "../model/model.ts";
import type { Clock } from "../time/time.ts";
import type { Emitter } from "./emitter.ts";
import type { FindingInput, FindingStore, FoldedFinding } from "./finding-store.ts";
import type { ProcessTable } from "./process-table.ts";
import type { ResponseRecord, ServerEvents } from "./reports.ts";
import type { RuleBook } from "./rule-book.ts";

/** Troubles of a sensor that are findings by themselves. */
export type SensorRule =
  | "accounting_mismatch"
  | "driver_unregistered"
  | "guest_shut_down"
  | "hidden_traffic"
  | "missing_traffic"
  | "rollback"
  | "sensor_silent";

const SENSOR_RULES: Readonly<Record<SensorRule, readonly [title: string, Severity]>> = {
  missing_traffic: ["A connection of the guest that never passed its tap", "medium"],
  hidden_traffic: ["The guest sent what no process of it owns", "high"],
  accounting_mismatch: ["The guest's counters contradict its records", "medium"],
  driver_unregistered: ["The guest driver was unloaded", "medium"],
  guest_shut_down: ["The guest shut down", "informational"],
  rollback: ["The guest was set back to an earlier state", "high"],
  sensor_silent: ["The guest runs but its sensor is silent", "high"],
};

const DISPOSITIONS: Readonly<Record<CommandOutcome, Disposition>> = {
  pending: "pending",
  done: "killed",
  confirmed: "killed",
  "not-found": "failed",
  refused: "failed",
  expired: "failed",
  malformed: "failed",
  unsupported: "failed",
  failed: "failed",
  lost: "failed",
};

/** Which guest, in which boot. */
export interface GuestPlace {
  readonly guest: string;
  readonly boot: string;
}

/** Opens and follows cases. */
export class CaseDesk {
  readonly #clock: Clock;
  readonly #rules: RuleBook;
  readonly #findings: FindingStore;
  readonly #emitter: Emitter<ServerEvents>;

  constructor(
    clock: Clock,
    rules: RuleBook,
    findings: FindingStore,
    emitter: Emitter<ServerEvents>,
  ) {
    this.#clock = clock;
    this.#rules = rules;
    this.#findings = findings;
    this.#emitter = emitter;
  }

  /** A rule or indicator matched: opens a case, or adds to one. */
  detection(detection: Detection, processes: ProcessTable): FoldedFinding {
    const { event } = detection;
    return this.#fold({
      ...describe(detection),
      process: identity(event),
      evidence: evidenceOf(event, processes),
      disposition: "none",
    });
  }

  /** What became of a finding, where no command says it. */
  settle(id: string, disposition: Disposition): void {
    const changed = this.#findings.settle(id, disposition);
    if (changed !== undefined) this.#emitter.emit("finding", changed);
  }

  /** The driver refused something by itself: the case and its end in one record. */
  verdict(event: VerdictEvent): void {
    if (event.verdict === "allow") return;
    const indicator = this.#rules.indicatorOf(event.ruleId);
    const { finding, isNew } = this.#fold({
      rule: indicator?.id ?? `verdict:${event.ruleId}`,
      title: indicator?.title ?? "The driver refused a file by a rule of its own",
      severity: indicator?.severity ?? "low",
      field: "path",
      value: event.path,
      tags: indicator === undefined ? ["verdict"] : [...indicatorTags(indicator), "verdict"],
      process: identity(event),
      evidence: [event],
      disposition: "blocked",
    });
    if (!isNew) return;
    this.report(finding, "blocked", `deny rule ${event.ruleId}, ${event.operation} refused`);
  }

  /** Something is wrong with the sensor or the guest itself. */
  sensorFinding(place: GuestPlace, rule: SensorRule, value: string): void {
    const [title, severity] = SENSOR_RULES[rule];
    this.#fold(this.#sensorInput(place, rule, title, severity, "reason", value));
  }

  /** The guest broke the rules of its region. */
  faultFinding(place: GuestPlace, fault: FaultName, reason: string, evidence: Uint8Array): void {
    const title = "The guest broke the rules of its region";
    this.#fold(this.#sensorInput(place, "ring_corrupt", title, "high", "fault", reason));
    const bytes = evidence.slice(0, 256);
    const timeMs = this.#wallMs();
    this.#emitter.emit("fault", { guest: place.guest, fault, reason, timeMs, evidence: bytes });
  }

  /** A command changed; the finding behind it says what really happened. */
  commandChanged(record: CommandRecord): void {
    if (record.finding === undefined) return;
    const done = record.command.kind === "block-add" ? "blocked" : "killed";
    const outcome = DISPOSITIONS[record.outcome];
    const disposition = outcome === "killed" ? done : outcome;
    const changed = this.#findings.act(record.finding, disposition, record.id);
    if (changed !== undefined) this.#emitter.emit("finding", changed);
  }

  /** Tells what was made of a finding. */
  report(
    finding: Finding,
    action: ResponseRecord["action"],
    reason: string,
    more: Pick<ResponseRecord, "command" | "commandId" | "wanted"> = {},
  ): void {
    this.#emitter.emit("response", {
      guest: finding.guest,
      finding: finding.id,
      action,
      reason,
      requestedBy: `policy:${this.#rules.policy.name}`,
      timeMs: this.#wallMs(),
      ...more,
    });
  }

  #sensorInput(
    place: GuestPlace,
    rule: string,
    title: string,
    severity: Severity,
    field: string,
    value: string,
  ): FindingInput {
    const process = { ...place, pid: 0, processStartNs: 0n, execGeneration: 0 };
    const tags = ["sensor"];
    const disposition = "none";
    return { rule, title, severity, field, value, tags, process, evidence: [], disposition };
  }

  #fold(input: FindingInput): FoldedFinding {
    const folded = this.#findings.fold(input, this.#wallMs());
    if (folded.isWorthTelling) this.#emitter.emit("finding", folded.finding);
    return folded;
  }

  #wallMs(): number {
    return Number(this.#clock.realtimeNs() / 1_000_000n);
  }
}

function describe(
  detection: Detection,
): Pick<FindingInput, "rule" | "title" | "severity" | "field" | "value" | "tags"> {
  const { rule, title, severity, field, value, tags } = detection;
  return { rule, title, severity, field, value, tags };
}

function identity(event: EvidenceEvent): ProcessIdentity {
  const { guest, boot, pid, processStartNs, execGeneration } = event;
  return { guest, boot, pid, processStartNs, execGeneration };
}

// A digest says little by itself: the exec that it belongs to says who ran what.
function evidenceOf(event: EvidenceEvent, processes: ProcessTable): readonly EvidenceEvent[] {
  const exec = processes.find(event.pid, event.processStartNs)?.exec;
  return exec === undefined || exec === event ? [event] : [event, exec];
}
