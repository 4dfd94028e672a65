// SPDX-License-Identifier: Apache-2.0
// Judges that no command runs twice, no answer counts twice, none stays without an end and none is
// called done that never ran. Fed with the server's command records and the guests' truth.
import type { CommandOutcome, CommandRecord } from "../../lib/model/model.ts";
import type { AttachTruth } from "./truth.ts";

interface Followed {
  readonly server: number;
  readonly guest: string;
  outcomes: CommandOutcome[];
}

/** Sums for people. */
export interface CommandOracleTotals {
  commands: number;
  executed: number;
  byOutcome: Record<string, number>;
}

/** Follows all commands of all servers of a run. */
export class CommandOracle {
  readonly #commands = new Map<bigint, Followed>();
  readonly #problems: string[] = [];

  /** server: counts the servers of the run; a killed one ends nothing any more. */
  take(server: number, record: CommandRecord): void {
    const known = this.#commands.get(record.id);
    if (known === undefined) {
      const { guest, outcome } = record;
      this.#commands.set(record.id, { server, guest, outcomes: [outcome] });
      if (outcome !== "pending") this.#problems.push(`command ${record.id} begins as ${outcome}`);
      return;
    }
    if (known.server !== server || known.guest !== record.guest) {
      this.#problems.push(`command id ${record.id} was given out twice`);
    }
    const last = known.outcomes.at(-1);
    const isStep = last === "pending" || (last === "done" && record.outcome === "confirmed");
    if (!isStep) this.#problems.push(`command ${record.id} went from ${last} to ${record.outcome}`);
    known.outcomes.push(record.outcome);
  }

  /** liveServer: the one that still runs and therefore owes an end to all of its commands. */
  judge(
    histories: ReadonlyArray<readonly AttachTruth[]>,
    liveServer: number,
    totals: CommandOracleTotals,
  ): string[] {
    const problems = [...this.#problems];
    const executed = new Map<bigint, number>();
    const uncertain = new Set<string>();
    for (const truth of histories.flat()) {
      if (truth.tainted) uncertain.add(truth.guest);
      for (const [id, count] of truth.executed) {
        executed.set(id, (executed.get(id) ?? 0) + count);
        totals.executed += count;
        if (count > 1 && !truth.tainted) {
          problems.push(`${truth.guest} ran command ${id} ${count} times`);
        }
      }
    }
    for (const [id, { server, guest, outcomes }] of this.#commands) {
      const end = outcomes.at(-1) ?? "pending";
      totals.commands++;
      totals.byOutcome[end] = (totals.byOutcome[end] ?? 0) + 1;
      if (end === "pending" && server === liveServer) {
        problems.push(`command ${id} to ${guest} has no outcome`);
      }
      const isDone = end === "done" || end === "confirmed";
      if (isDone && !executed.has(id) && !uncertain.has(guest)) {
        problems.push(`command ${id} is ${end}, but ${guest} never ran it`);
      }
    }
    return problems;
  }
}
