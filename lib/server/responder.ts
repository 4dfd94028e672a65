// SPDX-License-Identifier: Apache-2.0
// Carries out what the policy wants done about findings: commands to drivers, rules at taps,
// actions of the hypervisor, approvals. One for all guests of a server; guest-service.ts and
// network-desk.ts bring the detections.
import type { CommandChannel } from "../channel/channel.ts";
import { isUndercroftError } from "../errors/errors.ts";
import type { CommandRecord, Detection, Finding, GuestCommand } from "../model/model.ts";
import {
  blockMs,
  decideResponse,
  type PolicyRule,
  planDrops,
  planIsolation,
  type ResponseAction,
  ResponseLimits,
  type ResponseStep,
} from "../response/response.ts";
import type { Clock } from "../time/time.ts";
import { toHex } from "../wire/wire.ts";
import { Approvals } from "./approvals.ts";
import type { CaseDesk } from "./case-desk.ts";
import type { Emitter } from "./emitter.ts";
import type { FoldedFinding } from "./finding-store.ts";
import type { ProcessEntry, ProcessTable } from "./process-table.ts";
import type { ServerEvents } from "./reports.ts";
import type { RuleBook } from "./rule-book.ts";
import type { TapControl } from "./tap-control.ts";

/** What a hypervisor can do to a guest from below, whatever runs in it. */
export interface HypervisorActions {
  /** Resolves to what was seen of it; rejects with the reason where it failed. */
  act(request: HypervisorRequest): Promise<string>;
}

export interface HypervisorRequest {
  readonly guest: string;
  /** A policy never resumes: a person does. */
  readonly action: "pause" | "resume" | "snapshot";
  readonly reason: string;
  readonly requestedBy: string;
}

export interface ResponderOptions {
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly rules: RuleBook;
  readonly desk: CaseDesk;
  readonly emitter: Emitter<ServerEvents>;
  readonly taps: TapControl;
  readonly hypervisor: HypervisorActions | undefined;
}

/** A guest, as far as a response needs it. */
export interface RespondedGuest {
  readonly name: string;
  readonly processes: ProcessTable;
  readonly commands: CommandChannel;
}

/** One detection, where it was made, and what the policy says to it. */
interface Case {
  readonly detection: Detection;
  readonly finding: Finding;
  readonly guest: RespondedGuest;
  readonly rule: PolicyRule;
}

/** A tree of processes that is being ended: what was forked meanwhile is ended too. */
interface Tree {
  readonly on: Case;
  readonly reason: string;
  readonly told: Set<string>;
}

/** Processes of one tree; what is beyond is left and said. */
const TREE_MAX = 256;
const TREES_MAX = 64;

/** Answers findings. */
export class Responder {
  readonly #options: ResponderOptions;
  readonly #limits = new ResponseLimits();
  readonly #approvals: Approvals;
  readonly #trees = new Map<string, Tree>();

  constructor(options: ResponderOptions) {
    this.#options = options;
    const { emitter } = options;
    this.#approvals = new Approvals((approval, state) =>
      emitter.emit("approval", { approval, state }),
    );
  }

  get approvals(): Approvals {
    return this.#approvals;
  }

  /** Gives up what waited too long for a person. */
  turn(): void {
    this.#approvals.expire(this.#wallMs());
  }

  /** Answers a detection. A finding is answered once, but new peers of it are cut off, too. */
  respond(detection: Detection, { finding, isNew }: FoldedFinding, guest: RespondedGuest): void {
    const { rules, desk, clock } = this.#options;
    const { pid, processStartNs } = detection.event;
    const programName = guest.processes.programName(pid, processStartNs);
    const place = { guest: guest.name, programName };
    const { rule, steps, reason } = decideResponse(rules.policy, detection, place);
    if (rule === undefined || steps.length === 0) {
      if (isNew) desk.report(finding, "alert", reason);
      return;
    }
    const on: Case = { detection, finding, guest, rule };
    if (!isNew) {
      for (const step of steps) if (isAtTap(step)) this.#cutOff(on, step.action, step.reason);
      return;
    }
    const isMeant = steps.some(({ verdict }) => verdict === "ask" || verdict === "do");
    const full = isMeant ? this.#limits.take(rules.policy, rule, clock.monotonicMs()) : undefined;
    for (const step of steps) this.#step(on, step, full);
  }

  /** A command ended: what a process of a tree started meanwhile is ended now. */
  commandChanged({ finding, outcome }: CommandRecord): void {
    if (finding === undefined || outcome === "pending") return;
    const tree = this.#trees.get(finding);
    if (tree !== undefined) this.#sweep(tree);
  }

  #step(on: Case, step: ResponseStep, full: string | undefined): void {
    const { desk } = this.#options;
    const { action: wanted, reason, verdict } = step;
    if (verdict === "refuse") desk.report(on.finding, "refused", reason, { wanted });
    else if (verdict === "dry-run") desk.report(on.finding, "dry-run", reason, { wanted });
    else if (full !== undefined) {
      desk.report(on.finding, "limited", `${reason}: ${full}`, { wanted });
    } else if (verdict === "ask") this.#ask(on, wanted, reason);
    else this.#carryOut(on, wanted, reason);
  }

  #ask(on: Case, wanted: ResponseAction, reason: string): void {
    const { desk, randomBytes } = this.#options;
    const requestedMs = this.#wallMs();
    const isWaiting = this.#approvals.add({
      shown: {
        ...{ id: toHex(randomBytes(8)), finding: on.finding.id, guest: on.guest.name },
        ...{ action: wanted, reason, requestedMs },
        expiresMs: requestedMs + (on.rule.approvalSeconds ?? 0) * 1000,
      },
      carryOut: (why) => this.#carryOut(on, wanted, `${reason}: ${why}`),
      refuse: (why) => desk.report(on.finding, "refused", `${reason}: ${why}`, { wanted }),
    });
    if (isWaiting) desk.report(on.finding, "approval", reason, { wanted });
    else desk.report(on.finding, "refused", `${reason}: too many wait for approval`, { wanted });
  }

  #carryOut(on: Case, action: ResponseAction, reason: string): void {
    switch (action) {
      case "kill":
        this.#kill(on, on.detection.event, reason, action);
        break;
      case "kill-tree":
        this.#killTree(on, reason);
        break;
      case "drop":
      case "isolate":
        this.#cutOff(on, action, reason);
        break;
      case "pause":
      case "snapshot":
        void this.#actBelow(on, action, reason);
        break;
    }
  }

  // The generation is part of the identity: a process that executes something else by the time
  // the command arrives is not the one that was found.
  #kill(
    { finding, guest }: Case,
    process: Pick<Detection["event"], "execGeneration" | "pid" | "processStartNs">,
    reason: string,
    action: "kill" | "kill-tree",
  ): void {
    const { pid, processStartNs, execGeneration } = process;
    const command: GuestCommand = { kind: "kill-process", pid, processStartNs, execGeneration };
    const origin = { requestedBy: this.#requestedBy(), finding: finding.id };
    const { id } = guest.commands.send(command, origin);
    this.#options.desk.report(finding, action, reason, { commandId: id, command });
  }

  // The root first: what is dead starts nothing more.
  #killTree(on: Case, reason: string): void {
    const { pid, processStartNs } = on.detection.event;
    this.#kill(on, on.detection.event, reason, "kill-tree");
    const tree: Tree = { on, reason, told: new Set([`${pid}:${processStartNs}`]) };
    const [oldest = ""] = this.#trees.keys();
    if (this.#trees.size >= TREES_MAX) this.#trees.delete(oldest);
    this.#trees.set(on.finding.id, tree);
    this.#sweep(tree);
  }

  #sweep({ on, reason, told }: Tree): void {
    const { pid, processStartNs } = on.detection.event;
    const { processes, commands } = on.guest;
    for (const entry of processes.descendants(pid, processStartNs)) {
      const key = `${entry.pid}:${entry.processStartNs}`;
      if (entry.exited || told.has(key)) continue;
      told.add(key);
      const refusal = this.#refusal(entry, processes, told.size);
      if (refusal !== undefined) {
        const wanted = "kill-tree";
        this.#options.desk.report(on.finding, "refused", `${reason}: ${refusal}`, { wanted });
        if (told.size <= TREE_MAX) continue;
        this.#trees.delete(on.finding.id);
        return;
      }
      const command: GuestCommand = {
        ...{ kind: "kill-process", pid: entry.pid, processStartNs: entry.processStartNs },
      };
      const origin = { requestedBy: this.#requestedBy(), finding: on.finding.id };
      const { id } = commands.send(command, origin);
      this.#options.desk.report(on.finding, "kill-tree", reason, { commandId: id, command });
    }
  }

  #refusal(entry: ProcessEntry, processes: ProcessTable, told: number): string | undefined {
    const { protectedPids, protectedNames } = this.#options.rules.policy;
    if (told > TREE_MAX) return `more than ${TREE_MAX} processes: the rest is left`;
    if (protectedPids.includes(entry.pid)) return `process ${entry.pid} is protected`;
    const name = processes.programName(entry.pid, entry.processStartNs);
    return protectedNames.includes(name) ? `${name} is protected` : undefined;
  }

  #cutOff(on: Case, action: "drop" | "isolate", reason: string): void {
    const { taps, desk, rules } = this.#options;
    const { detection, finding, guest, rule } = on;
    const slots = taps.slotsOf(guest.name);
    const expiresInMs = blockMs(rule);
    const planned =
      action === "drop"
        ? planDrops(detection, slots, expiresInMs)
        : slots.flatMap((slot) => planIsolation(slot, rules.policy.isolationAllow, expiresInMs));
    if (planned.length === 0) {
      const why = slots.length === 0 ? "no tap of the guest is watched" : "nothing to cut off";
      if (finding.count === 1)
        desk.report(finding, "refused", `${reason}: ${why}`, { wanted: action });
      return;
    }
    const wanted = planned.filter((one) => !taps.has(one));
    if (wanted.length === 0) return;
    try {
      const origin = { requestedBy: this.#requestedBy(), finding: finding.id };
      const { id, command } = taps.block(guest.name, wanted, origin);
      desk.report(finding, action, reason, { commandId: id, command });
    } catch (error) {
      if (!isUndercroftError(error)) throw error;
      desk.report(finding, "refused", `${reason}: ${error.message}`, { wanted: action });
      desk.settle(finding.id, "failed");
    }
  }

  async #actBelow(on: Case, action: "pause" | "snapshot", reason: string): Promise<void> {
    const { desk, hypervisor } = this.#options;
    const { finding, guest } = on;
    if (hypervisor === undefined) {
      const why = "this server has no hand on the hypervisor";
      desk.report(finding, "refused", `${reason}: ${why}`, { wanted: action });
      return;
    }
    try {
      const seen = await hypervisor.act({
        ...{ guest: guest.name, action, reason },
        requestedBy: this.#requestedBy(),
      });
      desk.report(finding, action, `${reason}: ${seen}`);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      desk.report(finding, "refused", `${reason}: ${why}`, { wanted: action });
      desk.settle(finding.id, "failed");
    }
  }

  #requestedBy(): string {
    return `policy:${this.#options.rules.policy.name}`;
  }

  #wallMs(): number {
    return Number(this.#options.clock.realtimeNs() / 1_000_000n);
  }
}

function isAtTap(
  step: ResponseStep,
): step is ResponseStep & { readonly action: "drop" | "isolate" } {
  return step.verdict === "do" && (step.action === "drop" || step.action === "isolate");
}
