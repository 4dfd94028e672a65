// SPDX-License-Identifier: Apache-2.0
// What a server and its manager say to each other. JSON; times are ms since 1970, of the speaker.
import type { CommandRecord } from "./command.ts";
import type { Finding } from "./finding.ts";
import type { GuestDriver, GuestState, GuestStateChange } from "./guest.ts";
import type { Plain } from "./plain.ts";

/** Version of this vocabulary: peers of another one are refused. */
export const LINK_VERSION = 1;

/** A guest as its server knows it. */
export interface LinkGuest {
  /** 32 hex digits: the domain's UUID where libvirt runs it. Ids, not names, are unique. */
  readonly id: string;
  readonly name: string;
  readonly state: GuestState;
  /** Since when it is in this state. */
  readonly sinceMs: number;
  readonly reason: string;
  readonly boot: string;
  readonly driver?: Plain<GuestDriver>;
  readonly isIsolated: boolean;
}

/** A response that waits for a person, or what became of one. */
export interface LinkApproval {
  readonly id: string;
  readonly finding: string;
  readonly guest: string;
  readonly action: string;
  /** Policy and rule that want it. */
  readonly reason: string;
  /** Wall clock, ms since 1970. */
  readonly requestedMs: number;
  readonly expiresMs: number;
  readonly state: "waiting" | "approved" | "rejected" | "expired";
}

/** What a response policy did or refused about a finding. */
export interface LinkResponse {
  readonly finding: string;
  readonly guest: string;
  readonly action: string;
  readonly reason: string;
  readonly timeMs: number;
  readonly command?: string;
}

/** Numbered and kept by the server until the manager has it on disk and says so. In order. */
export type LinkReport =
  | { readonly kind: "guest"; readonly guest: LinkGuest }
  | { readonly kind: "guest-state"; readonly id: string; readonly change: GuestStateChange }
  | { readonly kind: "guest-left"; readonly id: string; readonly timeMs: number }
  | { readonly kind: "finding"; readonly guest: string; readonly finding: Plain<Finding> }
  | { readonly kind: "command"; readonly guest: string; readonly command: Plain<CommandRecord> }
  | { readonly kind: "response"; readonly guest: string; readonly response: LinkResponse }
  | { readonly kind: "approval"; readonly guest: string; readonly approval: LinkApproval }
  | {
      readonly kind: "fault";
      readonly guest: string;
      readonly fault: string;
      readonly reason: string;
      readonly timeMs: number;
    }
  /** Reports that the server's queue could not hold while the manager was away. */
  | {
      readonly kind: "dropped";
      readonly count: number;
      readonly firstMs: number;
      readonly lastMs: number;
      readonly byKind: Readonly<Record<string, number>>;
    };

/** Counts of one guest since its server started; what is newest counts, none is kept. */
export interface LinkGuestStatistics {
  readonly id: string;
  readonly events: number;
  readonly bytes: number;
  readonly lost: number;
  /** Lost records by class and reason, as `class:reason`. */
  readonly lostBy: Readonly<Record<string, number>>;
  readonly findings: number;
  readonly ringBytesUsed: number;
  /** Events by class since the start. */
  readonly byClass: Readonly<Record<string, number>>;
  readonly packets: number;
  /** Since its heartbeat last moved; 0: no session is open. */
  readonly heartbeatMs: number;
}

export interface LinkStatistics {
  readonly timeMs: number;
  readonly uptimeMs: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  readonly storeEvents: number;
  readonly storeBytes: number;
  readonly queued: number;
  readonly guests: readonly LinkGuestStatistics[];
}

/** What is said of one server when it comes. */
export interface LinkHello {
  readonly version: number;
  readonly software: string;
  readonly machine: string;
  readonly instance: string;
  readonly guests: readonly LinkGuest[];
  /** Version of each kind of content that it has; 0: none. */
  readonly content: LinkContentVersions;
}

export interface LinkContentVersions {
  readonly indicators: number;
  readonly rules: number;
  readonly policy: number;
}

/** Asked by the manager, answered once by the server, after any number of parts. */
export type LinkRequest =
  | {
      readonly kind: "search";
      readonly query: string;
      /** Rows that are wanted at most. */
      readonly limit: number;
      readonly nowMs: number;
      /** Guests by id that the asking user may see; absent: all. */
      readonly guests?: readonly string[];
      /** The server's name at the manager: what the field `server` is for the search. */
      readonly server?: string;
    }
  | {
      readonly kind: "trace";
      readonly guest: string;
      readonly boot?: string;
      readonly pid: number;
      readonly startNs?: string;
      readonly timeMs: number;
      readonly direction: "backward" | "forward";
      readonly spanMs: number;
      /** As in a search: an address may lead to other guests. */
      readonly guests?: readonly string[];
    }
  | { readonly kind: "processes"; readonly guest: string }
  | { readonly kind: "live"; readonly guest: string; readonly seconds: number }
  | {
      readonly kind: "act";
      readonly guest: string;
      readonly action: GuestAction;
      readonly requestedBy: string;
      readonly reason: string;
    }
  | {
      readonly kind: "approval";
      readonly id: string;
      readonly isApproved: boolean;
      readonly requestedBy: string;
    }
  /** An increment on version `base`; base 0 replaces everything. Swapped in at once. */
  | {
      readonly kind: "indicators";
      readonly base: number;
      readonly version: number;
      readonly added: readonly LinkIndicator[];
      readonly removed: readonly string[];
    }
  | {
      readonly kind: "rules";
      readonly version: number;
      readonly files: ReadonlyArray<{ readonly name: string; readonly text: string }>;
    }
  | { readonly kind: "policy"; readonly version: number; readonly text: string }
  | { readonly kind: "retro"; readonly sinceMs: number; readonly indicators: readonly string[] };

/** One indicator on its way: what an indicator list of ours says in a line, and its source. */
export interface LinkIndicator {
  readonly id: string;
  readonly kind: string;
  readonly value: string;
  readonly source: string;
  readonly title: string;
  readonly severity: string;
  readonly confidence?: number;
  readonly tlp?: string;
  readonly validUntilMs?: number;
}

/** What a person can have done to a guest. */
export type GuestAction =
  | { readonly kind: "start-monitoring" }
  | { readonly kind: "stop-monitoring" }
  | { readonly kind: "kill"; readonly pid: number; readonly processStartNs: string }
  | { readonly kind: "isolate"; readonly allow: readonly string[]; readonly expiresInMs?: number }
  | { readonly kind: "release" }
  | { readonly kind: "pause" }
  | { readonly kind: "resume" }
  | { readonly kind: "snapshot" };

/** Value of an answer, by the kind of request. Rows come before it, as parts. */
export interface LinkAnswerValues {
  /** Rows of the condition, newest first, no stage run: whoever merges the servers' rows does. */
  readonly search: { readonly rows: number; readonly isComplete: boolean };
  /** A graph of provenance. */
  readonly trace: Readonly<Record<string, unknown>>;
  /** One row for each process that runs, fields named as in a search. */
  readonly processes: { readonly rows: number };
  /** dropped: rows that came faster than they could be sent. */
  readonly live: { readonly rows: number; readonly dropped: number };
  /** What really happened, as far as it was seen. */
  readonly act: { readonly outcome: string };
  readonly approval: { readonly outcome: string };
  /** What the server has now; what of it is of no use, and why, the first ones. */
  readonly indicators: LinkContentTaken;
  readonly rules: LinkContentTaken;
  readonly policy: LinkContentTaken;
}

export interface LinkContentTaken {
  readonly content: LinkContentVersions;
  readonly refused: number;
  readonly reasons: readonly string[];
}

/** The end of a request: what a guest or a server did not do is said here. */
export type LinkAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string };
