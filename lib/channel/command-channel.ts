// SPDX-License-Identifier: Apache-2.0
// Commands to one guest: the queue of record, their ids, deadlines and acknowledgements. Turned by
// the server. TRUST: the ring is written only; "done" is the guest's word for it.
import {
  type Command,
  type CommandOutcome,
  type CommandRecord,
  type ControlRecord,
  faultName,
  type GuestFault,
  type ProcessExitEvent,
  type RingProducer,
} from "../model/model.ts";
import type { Clock } from "../time/time.ts";
import {
  type CommandPart,
  encodeCommand,
  encodeCommandPayload,
  RECORD_COMMAND,
  RESULT_DONE,
  RESULT_EXPIRED,
  RESULT_FAILED,
  RESULT_MALFORMED,
  RESULT_NOT_FOUND,
  RESULT_REFUSED,
  RESULT_UNSUPPORTED,
} from "../wire/wire.ts";
import type { GuestClock } from "./guest-clock.ts";

/** Records in the guest's hands at once; a driver remembers at least twice as many results. */
const WINDOW = 32;
/** A record without an answer is sent again with its own id: a driver runs each id once. */
const RESEND_MS = 2000;
/** The answer to a command that ran at the last moment may come this much later. */
const ANSWER_GRACE_MS = 1000;
/** How long the exit of a killed process is waited for. */
const CONFIRM_MS = 30_000;
/** Ended commands kept for views. */
const HISTORY_MAX = 1000;

const OUTCOMES: Readonly<Record<number, CommandOutcome>> = {
  [RESULT_DONE]: "done",
  [RESULT_NOT_FOUND]: "not-found",
  [RESULT_REFUSED]: "refused",
  [RESULT_EXPIRED]: "expired",
  [RESULT_MALFORMED]: "malformed",
  [RESULT_UNSUPPORTED]: "unsupported",
  [RESULT_FAILED]: "failed",
};

/** Who asked for a command, and why. */
export interface CommandOrigin {
  readonly requestedBy: string;
  readonly finding?: string;
  /** Milliseconds from now; default {@link DEADLINE_MS}. */
  readonly deadlineMs?: number;
}

export const DEADLINE_MS = 10_000;

export interface CommandHooks {
  /** A command was made or its outcome changed. */
  changed(record: CommandRecord): void;
  /** The guest broke the command ring's rules. */
  faulted(fault: GuestFault): void;
}

export interface CommandOptions {
  readonly guest: string;
  readonly producer: RingProducer;
  /** Place of the ring in the directory. */
  readonly ring: number;
  readonly payloadBytesMax: number;
  /** Reserves ids and returns the first; no other run of a server may use the same. */
  readonly takeIds: (count: number) => bigint;
  readonly clock: Clock;
  readonly guestClock: GuestClock;
  /** Wakes the guest after commands were published. Default: it polls. */
  readonly published?: () => void;
  readonly hooks: CommandHooks;
}

/** Numbers of one guest's commands. */
export interface CommandTotals {
  readonly sent: number;
  readonly resent: number;
  readonly outstanding: number;
  /** Answers that fitted no outstanding command: late, repeated, of another kind or made up. */
  readonly strayAnswers: number;
}

/** A command on its way. */
interface Ticket {
  record: CommandRecord;
  readonly parts: readonly CommandPart[];
  /** Monotonic, unlike the record's times. */
  readonly expiresMs: number;
  readonly deadlineNs: bigint;
  answered: number;
  exitSeen: boolean;
}

/** One ring record of a ticket. */
interface Sent {
  readonly ticket: Ticket;
  readonly id: bigint;
  readonly part: CommandPart;
  sentMs: number;
}

/** Sends commands to one guest and keeps what became of them. */
export class CommandChannel {
  readonly #options: CommandOptions;
  #active = false;
  #queue: Sent[] = [];
  readonly #sent = new Map<bigint, Sent>();
  readonly #open = new Set<Ticket>();
  readonly #kills = new Set<Ticket>();
  readonly #history: CommandRecord[] = [];
  #sentCount = 0;
  #resentCount = 0;
  #strayCount = 0;

  constructor(options: CommandOptions) {
    this.#options = options;
  }

  get totals(): CommandTotals {
    return {
      sent: this.#sentCount,
      resent: this.#resentCount,
      outstanding: this.#open.size,
      strayAnswers: this.#strayCount,
    };
  }

  /** Open commands and the newest ended ones, oldest first. */
  get records(): readonly CommandRecord[] {
    return [...this.#history, ...[...this.#open].map(({ record }) => record)];
  }

  /**
   * Puts a command into the queue. Without a session it is lost at once: what it was meant for is
   * not there any more when the guest comes back.
   * @throws {UndercroftError} ERR_UC_COMMAND_INVALID
   */
  send(command: Command, origin: CommandOrigin): CommandRecord {
    const { clock, guestClock, guest, payloadBytesMax, takeIds } = this.#options;
    const parts = encodeCommand(command, guestClock.nowNs(), payloadBytesMax);
    const firstId = takeIds(parts.length);
    const deadlineMs = origin.deadlineMs ?? DEADLINE_MS;
    const createdMs = Number(clock.realtimeNs() / 1_000_000n);
    const record: CommandRecord = {
      id: firstId,
      guest,
      command,
      requestedBy: origin.requestedBy,
      ...(origin.finding === undefined ? {} : { finding: origin.finding }),
      createdMs,
      deadlineMs: createdMs + deadlineMs,
      outcome: "pending",
      detail: 0,
    };
    const ticket: Ticket = {
      record,
      parts,
      expiresMs: clock.monotonicMs() + deadlineMs,
      deadlineNs: guestClock.nowNs(deadlineMs),
      answered: 0,
      exitSeen: false,
    };
    this.#open.add(ticket);
    if (command.kind === "kill-process") this.#kills.add(ticket);
    for (const [index, part] of parts.entries()) {
      this.#queue.push({ ticket, id: firstId + BigInt(index), part, sentMs: 0 });
    }
    this.#options.hooks.changed(record);
    if (!this.#active) this.#end(ticket, "lost", 0);
    return ticket.record;
  }

  startSession(sessionId: number, features: bigint): void {
    this.#options.producer.startSession(sessionId, features);
    this.#active = true;
  }

  /** What is not answered by now never will be. */
  endSession(): void {
    this.#active = false;
    for (const ticket of [...this.#open]) this.#end(ticket, "lost", 0);
    this.#kills.clear();
  }

  /** Sends what fits, sends again what stays unanswered, ends what is too late. */
  turn(): void {
    if (this.#open.size === 0 && this.#kills.size === 0) return;
    const nowMs = this.#options.clock.monotonicMs();
    this.#expire(nowMs);
    if (!this.#active) return;
    let written = 0;
    for (const sent of this.#sent.values()) {
      if (nowMs - sent.sentMs < RESEND_MS) continue;
      const result = this.#write(sent, nowMs);
      if (result < 0) return;
      if (result === 0) break;
      this.#resentCount++;
      written++;
    }
    while (this.#queue.length > 0 && this.#sent.size < WINDOW) {
      const next = this.#queue[0];
      if (next === undefined) break;
      const result = this.#write(next, nowMs);
      if (result < 0) return;
      if (result === 0) break;
      this.#queue.shift();
      this.#sent.set(next.id, next);
      this.#sentCount++;
      written++;
    }
    if (written === 0) return;
    this.#options.producer.publish();
    this.#options.published?.();
  }

  /** Takes an answer: once, in time, for a record that is out, of its kind. */
  acknowledge(answer: Extract<ControlRecord, { kind: "command.result" }>): void {
    const sent = this.#sent.get(answer.commandId);
    if (sent === undefined || sent.part.kind !== answer.commandKind) {
      this.#strayCount++;
      return;
    }
    this.#sent.delete(answer.commandId);
    const { ticket } = sent;
    if (answer.result !== RESULT_DONE) {
      this.#end(ticket, OUTCOMES[answer.result] ?? "failed", answer.detail);
      return;
    }
    ticket.answered++;
    if (ticket.answered < ticket.parts.length) return;
    this.#end(ticket, "done", answer.detail);
    if (ticket.exitSeen) this.#confirm(ticket);
  }

  /** The end of a process, seen in the event stream, confirms the kill that asked for it. */
  observeExit(event: ProcessExitEvent): void {
    for (const ticket of this.#kills) {
      const { command, outcome } = ticket.record;
      if (command.kind !== "kill-process") continue;
      if (command.pid !== event.pid || command.processStartNs !== event.processStartNs) continue;
      const { execGeneration } = command;
      if (execGeneration !== undefined && execGeneration !== event.execGeneration) continue;
      if (outcome === "done") this.#confirm(ticket);
      else ticket.exitSeen = true;
    }
  }

  close(): void {
    this.endSession();
    this.#options.producer.close();
  }

  #write(sent: Sent, nowMs: number): number {
    const payload = encodeCommandPayload(sent.id, sent.ticket.deadlineNs, sent.part);
    const result = this.#options.producer.write(RECORD_COMMAND, 0, payload);
    if (result === 1) sent.sentMs = nowMs;
    if (result < 0) {
      this.#options.hooks.faulted({ fault: faultName(result), ring: this.#options.ring });
    }
    return result;
  }

  #expire(nowMs: number): void {
    for (const ticket of [...this.#open]) {
      if (nowMs > ticket.expiresMs + ANSWER_GRACE_MS) this.#end(ticket, "expired", 0);
    }
    for (const ticket of this.#kills) {
      if (nowMs > ticket.expiresMs + CONFIRM_MS) this.#kills.delete(ticket);
    }
  }

  #confirm(ticket: Ticket): void {
    this.#kills.delete(ticket);
    const place = this.#history.lastIndexOf(ticket.record);
    ticket.record = { ...ticket.record, outcome: "confirmed" };
    if (place >= 0) this.#history[place] = ticket.record;
    this.#options.hooks.changed(ticket.record);
  }

  #end(ticket: Ticket, outcome: CommandOutcome, detail: number): void {
    if (!this.#open.delete(ticket)) return;
    if (outcome !== "done") this.#kills.delete(ticket);
    this.#queue = this.#queue.filter((sent) => sent.ticket !== ticket);
    for (const [id, sent] of this.#sent) if (sent.ticket === ticket) this.#sent.delete(id);
    const endedMs = Number(this.#options.clock.realtimeNs() / 1_000_000n);
    ticket.record = { ...ticket.record, outcome, endedMs, detail };
    this.#history.push(ticket.record);
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
    this.#options.hooks.changed(ticket.record);
  }
}
