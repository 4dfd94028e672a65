// SPDX-License-Identifier: Apache-2.0
// Commands to bytes (server) and back (simulated guests, tests). One command becomes one record,
// except set-rules, which becomes BEGIN, ADD.., COMMIT and takes effect at COMMIT as a whole.
import { UndercroftError } from "../errors/errors.ts";
import type { Command, CommandKind, VerdictRule } from "../model/model.ts";
import * as w from "./layout.gen.ts";
import { encodeRedirectorCommand } from "./redirector-command.ts";
import { encodeText, fromHex } from "./text.ts";

const COMMAND = w.COMMAND_LAYOUT;

const MATCHES: Readonly<Record<VerdictRule["match"], number>> = {
  path: w.MATCH_PATH,
  "path-prefix": w.MATCH_PATH_PREFIX,
  "path-suffix": w.MATCH_PATH_SUFFIX,
  name: w.MATCH_NAME,
  sha256: w.MATCH_SHA256,
};

/** Names of command kinds by their wire number; rule records count as set-rules. */
export const COMMAND_NAMES: Readonly<Record<number, CommandKind>> = {
  [w.COMMAND_PING]: "ping",
  [w.COMMAND_START_MONITORING]: "start-monitoring",
  [w.COMMAND_STOP_MONITORING]: "stop-monitoring",
  [w.COMMAND_KILL_PROCESS]: "kill-process",
  [w.COMMAND_RULES_BEGIN]: "set-rules",
  [w.COMMAND_RULES_ADD]: "set-rules",
  [w.COMMAND_RULES_COMMIT]: "set-rules",
  [w.COMMAND_UNREGISTER_ACK]: "unregister-ack",
  [w.COMMAND_QUIESCE]: "quiesce",
  [w.COMMAND_REDIRECT_START]: "redirect-start",
  [w.COMMAND_REDIRECT_STOP]: "redirect-stop",
  [w.COMMAND_BLOCK_ADD]: "block-add",
  [w.COMMAND_BLOCK_REMOVE]: "block-remove",
  [w.COMMAND_BLOCK_LIST]: "block-list",
};

/** One record of the command ring before its id and deadline are known. */
export interface CommandPart {
  readonly kind: number;
  readonly body: Uint8Array;
}

/** Guest boot-time clock in ns at the moment of encoding, for expiries. */
export type GuestNowNs = bigint;

/**
 * Splits a command into its records; only the last one's result decides the command.
 * @throws {UndercroftError} ERR_UC_COMMAND_INVALID
 */
export function encodeCommand(
  command: Command,
  guestNowNs: GuestNowNs,
  payloadBytesMax: number,
): CommandPart[] {
  switch (command.kind) {
    case "ping":
      return [part(w.COMMAND_PING, 0)];
    case "stop-monitoring":
      return [part(w.COMMAND_STOP_MONITORING, 0)];
    case "unregister-ack":
      return [part(w.COMMAND_UNREGISTER_ACK, 0)];
    case "quiesce":
      return [part(w.COMMAND_QUIESCE, 0)];
    case "start-monitoring":
      return [
        part(w.COMMAND_START_MONITORING, w.COMMAND_START_MONITORING_LAYOUT.size, (view) =>
          view.setBigUint64(w.COMMAND_START_MONITORING_LAYOUT.sensors, command.sensors, true),
        ),
      ];
    case "kill-process": {
      const layout = w.COMMAND_KILL_PROCESS_LAYOUT;
      return [
        part(w.COMMAND_KILL_PROCESS, layout.size, (view) => {
          view.setBigUint64(layout.processStartNs, command.processStartNs, true);
          view.setUint32(layout.pid, command.pid, true);
          const generation = command.execGeneration ?? w.EXEC_GENERATION_ANY;
          view.setUint32(layout.execGeneration, generation, true);
        }),
      ];
    }
    case "set-rules":
      return encodeRules(command.generation, command.rules, guestNowNs, payloadBytesMax);
    case "redirect-start":
    case "redirect-stop":
    case "block-add":
    case "block-remove":
    case "block-list":
      return [encodeRedirectorCommand(command, guestNowNs, payloadBytesMax - COMMAND.size)];
  }
}

/** Payload of one COMMAND record. */
export function encodeCommandPayload(
  id: bigint,
  deadlineNs: bigint,
  piece: CommandPart,
): Uint8Array {
  const payload = new Uint8Array(COMMAND.size + piece.body.length);
  const view = new DataView(payload.buffer);
  view.setBigUint64(COMMAND.id, id, true);
  view.setBigUint64(COMMAND.deadlineNs, deadlineNs, true);
  view.setUint32(COMMAND.kind, piece.kind, true);
  payload.set(piece.body, COMMAND.size);
  return payload;
}

function part(kind: number, size: number, fill?: (view: DataView) => void): CommandPart {
  const body = new Uint8Array(size);
  fill?.(new DataView(body.buffer));
  return { kind, body };
}

function encodeRules(
  generation: number,
  rules: readonly VerdictRule[],
  guestNowNs: bigint,
  payloadBytesMax: number,
): CommandPart[] {
  if (rules.length > w.RULES_MAX) {
    throw new UndercroftError(
      "ERR_UC_COMMAND_INVALID",
      `${rules.length} verdict rules; a guest takes at most ${w.RULES_MAX}`,
    );
  }
  if (!isCount(generation)) {
    throw new UndercroftError("ERR_UC_COMMAND_INVALID", `${generation} is no rule generation`);
  }
  const begin = w.COMMAND_RULES_BEGIN_LAYOUT;
  const parts = [
    part(w.COMMAND_RULES_BEGIN, begin.size, (view) => {
      view.setBigUint64(begin.generation, BigInt(generation), true);
      view.setUint32(begin.ruleCount, rules.length, true);
    }),
  ];
  const room = payloadBytesMax - COMMAND.size;
  let chunk: Uint8Array[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (bytes === 0) return;
    const body = new Uint8Array(bytes);
    let at = 0;
    for (const piece of chunk) {
      body.set(piece, at);
      at += piece.length;
    }
    parts.push({ kind: w.COMMAND_RULES_ADD, body });
    chunk = [];
    bytes = 0;
  };
  for (const rule of rules) {
    const piece = encodeRule(rule, guestNowNs);
    if (piece.length > room) {
      throw new UndercroftError("ERR_UC_COMMAND_INVALID", `rule ${rule.id}: pattern is too long`);
    }
    if (bytes + piece.length > room) flush();
    chunk.push(piece);
    bytes += piece.length;
  }
  flush();
  const commit = w.COMMAND_RULES_COMMIT_LAYOUT;
  parts.push(
    part(w.COMMAND_RULES_COMMIT, commit.size, (view) =>
      view.setBigUint64(commit.generation, BigInt(generation), true),
    ),
  );
  return parts;
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/**
 * Bytes of one verdict rule with its padded pattern.
 * @throws {UndercroftError} ERR_UC_COMMAND_INVALID
 */
export function encodeRule(rule: VerdictRule, guestNowNs: bigint): Uint8Array {
  const invalid = (why: string): never => {
    throw new UndercroftError("ERR_UC_COMMAND_INVALID", `rule ${rule.id}: ${why}`);
  };
  if (!isCount(rule.id)) invalid("the id is no whole number");
  if (rule.uid !== undefined && !(isCount(rule.uid) && rule.uid < w.UID_ANY)) {
    invalid(`${rule.uid} is no user id`);
  }
  if (rule.expiresInMs !== undefined && !isCount(Math.round(rule.expiresInMs))) {
    invalid(`it cannot expire in ${rule.expiresInMs} ms`);
  }
  if (rule.match === "sha256" && !/^[0-9a-f]{64}$/.test(rule.pattern)) {
    invalid("a sha256 pattern is 64 lower-case hex digits");
  }
  const pattern = rule.match === "sha256" ? fromHex(rule.pattern) : encodeText(rule.pattern);
  if (pattern.length === 0) invalid("the pattern is empty");
  if (pattern.length > w.RULE_PATTERN_BYTES_MAX) invalid("the pattern is too long");
  if (rule.match === "name" && rule.pattern.includes("/")) invalid("a name has no slash");
  const layout = w.RULE_LAYOUT;
  const padded = (pattern.length + 7) & ~7;
  const bytes = new Uint8Array(layout.size + padded);
  const view = new DataView(bytes.buffer);
  let operations = 0;
  for (const operation of rule.operations) {
    operations |= operation === "open" ? w.OPERATION_OPEN : w.OPERATION_EXEC;
  }
  if (operations === 0) invalid("names no operation");
  view.setBigUint64(layout.id, BigInt(rule.id), true);
  if (rule.expiresInMs !== undefined) {
    // Zero would mean that it never expires.
    const expires = guestNowNs + BigInt(Math.round(rule.expiresInMs)) * 1_000_000n;
    view.setBigUint64(layout.expiresNs, expires > 0n ? expires : 1n, true);
  }
  view.setUint32(layout.operations, operations, true);
  view.setUint32(layout.match, MATCHES[rule.match], true);
  view.setUint32(layout.verdict, rule.verdict === "deny" ? w.VERDICT_DENY : w.VERDICT_ALLOW, true);
  view.setUint32(layout.uid, rule.uid ?? w.UID_ANY, true);
  view.setUint32(layout.patternBytes, pattern.length, true);
  bytes.set(pattern, layout.size);
  return bytes;
}

/** A COMMAND record as a guest reads it. */
export interface ReceivedCommand {
  readonly id: bigint;
  readonly deadlineNs: bigint;
  readonly kind: number;
  readonly body: Uint8Array;
}

/** Reads a COMMAND payload, or undefined when it is too short. For simulated guests. */
export function decodeCommandPayload(payload: Uint8Array): ReceivedCommand | undefined {
  if (payload.length < COMMAND.size) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return {
    id: view.getBigUint64(COMMAND.id, true),
    deadlineNs: view.getBigUint64(COMMAND.deadlineNs, true),
    kind: view.getUint32(COMMAND.kind, true),
    body: payload.slice(COMMAND.size),
  };
}
