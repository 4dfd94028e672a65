// SPDX-License-Identifier: Apache-2.0
// What a server tells: the events it emits and the numbers it shows. Types only.
import type { CommandTotals, DoorbellStats, LossTotals, StreamItem } from "../channel/channel.ts";
import type {
  Command,
  CommandRecord,
  FaultName,
  Finding,
  GuestNetworkEvent,
  GuestStateChange,
} from "../model/model.ts";
import type { GuestRecord } from "../registry/registry.ts";
import type { ResponseAction } from "../response/response.ts";
import type { ApprovalState, PendingApproval } from "./approvals.ts";
import type { NetworkStats } from "./guest-network.ts";
import type { InterfaceStats } from "./tap-control.ts";

/** One turn's items of one guest, in order. */
export interface GuestBatch {
  readonly guest: string;
  readonly items: readonly StreamItem[];
}

/** Network events of one guest, in the order in which their owners became known. */
export interface NetworkBatch {
  readonly guest: string;
  readonly events: readonly GuestNetworkEvent[];
}

/** A guest broke the rules of its region. */
export interface FaultReport {
  readonly guest: string;
  readonly fault: FaultName;
  readonly reason: string;
  readonly timeMs: number;
  /** First bytes, at most 256, of what broke them. */
  readonly evidence: Uint8Array;
}

/**
 * What was made of one finding: an action that was begun, or why one was not. alert: nothing was
 * wanted but the finding. blocked: the driver refused it by a rule that it had. approval: it waits
 * for a person. limited: a limit of the policy is reached.
 */
export interface ResponseRecord {
  readonly guest: string;
  readonly finding: string;
  readonly action:
    | ResponseAction
    | ("alert" | "approval" | "blocked" | "dry-run" | "limited" | "refused");
  /** What the policy wants, where it was not begun. */
  readonly wanted?: ResponseAction;
  /** Policy and rule that decided, or why nothing may be done. */
  readonly reason: string;
  readonly requestedBy: string;
  readonly timeMs: number;
  readonly commandId?: bigint;
  readonly command?: Command;
}

/** A response waits for a person, or no longer does. */
export interface ApprovalChange {
  readonly approval: PendingApproval;
  readonly state: ApprovalState;
}

/**
 * Events of a server by name. command comes again at each change, finding when something was done
 * about it and each time its count doubles.
 */
export interface ServerEvents {
  /** A guest is served from now on, or no longer. */
  readonly attached: GuestRecord;
  readonly detached: GuestRecord;
  readonly state: GuestStateChange;
  readonly events: GuestBatch;
  readonly network: NetworkBatch;
  /** A redirector came, went or was quarantined. */
  readonly redirector: GuestStateChange;
  readonly finding: Finding;
  readonly response: ResponseRecord;
  readonly approval: ApprovalChange;
  readonly command: CommandRecord;
  readonly fault: FaultReport;
}

/** Numbers of one guest. */
export interface GuestStats {
  readonly guest: GuestRecord;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly bytes: number;
  readonly faults: number;
  readonly processes: number;
  /** Bytes that wait in the guest's rings; a claim. */
  readonly ringBytesUsed: number;
  readonly loss: LossTotals;
  readonly commands: CommandTotals;
  readonly network: NetworkStats;
  readonly interfaces: readonly InterfaceStats[];
  /** Where its region has a doorbell. */
  readonly doorbell?: DoorbellStats;
}

/** Numbers of a server. */
export interface ServerStats {
  readonly serverInstance: string;
  readonly serverEpoch: bigint;
  readonly findings: number;
  /** Indicators in use. */
  readonly indicators: number;
  /** Deny rules in the table, and indicators that found no room in it. */
  readonly verdictRules: number;
  readonly verdictRulesLeftOut: number;
  readonly guests: readonly GuestStats[];
  /** Absent where none is attached. */
  readonly redirector?: GuestRecord;
  /** Rules at taps that are asked for or in force. */
  readonly tapRules: number;
}
