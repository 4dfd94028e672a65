// SPDX-License-Identifier: Apache-2.0
// Sigma rules over the events of guests: what a rule asks about a process comes from the guest's
// process table. One engine for all guests of a server; guest-service.ts brings the events.
import {
  type CorrelatorState,
  type GuestFacts,
  guestSigmaEvent,
  SigmaEngine,
  type SigmaEvent,
  type SigmaMatch,
  type SigmaRuleSet,
} from "../detect/detect.ts";
import type { Detection, EvidenceEvent, GuestDriver, GuestEvent } from "../model/model.ts";
import type { ProcessTable } from "./process-table.ts";

/** What a finding shows of the event, the most telling first. */
const TELLING = ["TargetObject", "TargetFilename", "CommandLine", "ImageLoaded", "Image"] as const;
const NONE: readonly Detection[] = [];

/** Judges events of guests by a set of rules. */
export class SigmaDesk {
  readonly #engine: SigmaEngine;

  constructor(rules: SigmaRuleSet) {
    // No guest's clock may close the windows of the others.
    this.#engine = new SigmaEngine(rules, { timeFrom: "advance" });
  }

  /** Goes on with other rules; correlations that are the same keep what they have seen. */
  replace(rules: SigmaRuleSet): void {
    this.#engine.replaceRules(rules);
  }

  /** What correlations have seen, as plain data. */
  exportState(): CorrelatorState {
    return this.#engine.exportState();
  }

  /** Goes on with what was exported; returns how many groups fit no correlation. */
  importState(state: CorrelatorState): number {
    return this.#engine.importState(state);
  }

  /**
   * Correlations whose windows are over by now, ms since 1970. The event of each detection is the
   * last one that counted.
   */
  advance(timeMs: number): readonly Detection[] {
    const matches = this.#engine.advance(timeMs);
    if (matches.length === 0) return NONE;
    return matches.flatMap((match) => {
      const { origin } = match.event;
      return origin === undefined ? [] : [detectionOf(match, origin, match.event)];
    });
  }

  /** What holds with this event; every detection carries the tag `sigma` and those of its rule. */
  detect(event: GuestEvent, facts: GuestFacts): readonly Detection[] {
    const view = guestSigmaEvent(event, facts);
    if (view === undefined) return NONE;
    const matches = this.#engine.match(view);
    return matches.length === 0 ? NONE : matches.map((match) => detectionOf(match, event, view));
  }
}

/** What rules may ask about a guest's processes. */
export function guestFacts(os: GuestDriver["os"] | undefined, processes: ProcessTable): GuestFacts {
  return {
    product: os === "windows" ? "windows" : "linux",
    exec: (pid, startNs) => processes.find(pid, startNs)?.exec,
    parent: (pid, startNs) => {
      const entry = processes.find(pid, startNs);
      return entry && processes.find(entry.parentPid, entry.parentStartNs)?.exec;
    },
    userName: () => undefined,
  };
}

function detectionOf(match: SigmaMatch, event: EvidenceEvent, view: SigmaEvent): Detection {
  const rule = match.kind === "rule" ? match.rule : match.correlation;
  const telling = TELLING.find((name) => view.get(name) !== undefined);
  // Of a window that closed little is known but what it counted.
  const counted = match.kind === "correlation" ? String(match.figure) : String(event.pid);
  return {
    rule: rule.key,
    title: rule.title,
    severity: rule.severity,
    field: telling ?? (match.kind === "correlation" ? "count" : "ProcessId"),
    value: telling === undefined ? counted : String(view.get(telling)),
    event,
    tags: ["sigma", ...rule.tags],
  };
}
