// SPDX-License-Identifier: Apache-2.0
// Commands to guest drivers and redirectors, and what became of them.
import type { RedirectorCommand } from "./redirector.ts";

/** One deny rule of the table that a driver evaluates by itself. */
export interface VerdictRule {
  readonly id: number;
  readonly operations: ReadonlyArray<"open" | "exec">;
  readonly match: "path" | "path-prefix" | "path-suffix" | "name" | "sha256";
  /** Text, or 64 hex digits for sha256. */
  readonly pattern: string;
  readonly verdict: "allow" | "deny";
  /** Only for this user; absent: for all. */
  readonly uid?: number;
  /** Milliseconds from now after which it no longer holds; absent: until replaced. */
  readonly expiresInMs?: number;
}

export type GuestCommand =
  | { readonly kind: "ping" }
  | { readonly kind: "start-monitoring"; readonly sensors: bigint }
  | { readonly kind: "stop-monitoring" }
  | {
      readonly kind: "kill-process";
      readonly pid: number;
      readonly processStartNs: bigint;
      /** Absent: whatever the process executes by now. */
      readonly execGeneration?: number;
    }
  | {
      readonly kind: "set-rules";
      readonly generation: number;
      readonly rules: readonly VerdictRule[];
    }
  | { readonly kind: "unregister-ack" }
  | { readonly kind: "quiesce" };

/** Whatever a command ring can carry. */
export type Command = GuestCommand | RedirectorCommand;

export type CommandKind = Command["kind"];

/**
 * What became of a command. done: the driver says so. confirmed: the event stream shows it too.
 * lost: the session ended first. Everything a guest says is a claim; confirmed is the strongest
 * that the guest's own word can be.
 */
export type CommandOutcome =
  | "pending"
  | "done"
  | "confirmed"
  | "not-found"
  | "refused"
  | "expired"
  | "malformed"
  | "unsupported"
  | "failed"
  | "lost";

/** One command from its making to its end, as console and audit show it. */
export interface CommandRecord {
  readonly id: bigint;
  /** Guest, or redirector, that was told. */
  readonly guest: string;
  readonly command: Command;
  /** Who asked: `policy:<name>`, `server` or a user. */
  readonly requestedBy: string;
  /** Finding that led to it, if one did. */
  readonly finding?: string;
  readonly createdMs: number;
  readonly deadlineMs: number;
  readonly outcome: CommandOutcome;
  readonly endedMs?: number;
  /** errno or NTSTATUS of the driver, 0 when none. */
  readonly detail: number;
}
