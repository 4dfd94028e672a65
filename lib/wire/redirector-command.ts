// SPDX-License-Identifier: Apache-2.0
// Commands to a redirector: to bytes in the server, and back in the redirector. The way of a
// command record itself (id, deadline, kind) is command.ts's.
import { UndercroftError } from "../errors/errors.ts";
import type { BlockRule, RedirectMode, RedirectorCommand } from "../model/model.ts";
import { decodeBlockRule, encodeBlockRule } from "./block-rule.ts";
import * as w from "./layout.gen.ts";
import { writeStruct } from "./record-encode.ts";
import { decodeFixedText, encodeText, fromHex, toHex } from "./text.ts";

const START = w.COMMAND_REDIRECT_START_LAYOUT;
const MODES: Readonly<Record<RedirectMode, number>> = {
  mirror: w.REDIRECT_MIRROR,
  inline: w.REDIRECT_INLINE,
  replay: w.REDIRECT_REPLAY,
};
const MODE_NAMES: Readonly<Record<number, RedirectMode>> = {
  [w.REDIRECT_MIRROR]: "mirror",
  [w.REDIRECT_INLINE]: "inline",
  [w.REDIRECT_REPLAY]: "replay",
};
const NAME_BYTES = 16;

/**
 * Wire kind and body of a command. nowNs is the redirector's boot-time clock at this moment.
 * @throws {UndercroftError} ERR_UC_COMMAND_INVALID
 */
export function encodeRedirectorCommand(
  command: RedirectorCommand,
  nowNs: bigint,
  bodyBytesMax: number,
): { readonly kind: number; readonly body: Uint8Array } {
  switch (command.kind) {
    case "redirect-start":
      return { kind: w.COMMAND_REDIRECT_START, body: encodeStart(command) };
    case "redirect-stop": {
      const body = new Uint8Array(w.COMMAND_REDIRECT_STOP_LAYOUT.size);
      writeStruct(body, 0, w.COMMAND_REDIRECT_STOP_LAYOUT, { slot: command.slot });
      return { kind: w.COMMAND_REDIRECT_STOP, body };
    }
    case "block-add": {
      const size = w.BLOCK_RULE_LAYOUT.size;
      // All rules of one command come into force together, so they have to fit one record.
      const countMax = Math.floor(bodyBytesMax / size);
      if (command.rules.length === 0 || command.rules.length > countMax) {
        const text = `${command.rules.length} rules at the tap; one command takes 1 to ${countMax}`;
        throw new UndercroftError("ERR_UC_COMMAND_INVALID", text);
      }
      const body = new Uint8Array(command.rules.length * size);
      for (const [at, rule] of command.rules.entries()) {
        body.set(encodeBlockRule(rule, nowNs), at * size);
      }
      return { kind: w.COMMAND_BLOCK_ADD, body };
    }
    case "block-remove":
      return { kind: w.COMMAND_BLOCK_REMOVE, body: encodeIds(command.ids, bodyBytesMax) };
    case "block-list":
      return { kind: w.COMMAND_BLOCK_LIST, body: new Uint8Array(0) };
  }
}

/** Reads a command's body; undefined where kind or body is not a redirector's. */
export function decodeRedirectorCommand(
  kind: number,
  body: Uint8Array,
  nowNs: bigint,
): RedirectorCommand | undefined {
  switch (kind) {
    case w.COMMAND_REDIRECT_START:
      return decodeStart(body);
    case w.COMMAND_REDIRECT_STOP:
      if (body.length < w.COMMAND_REDIRECT_STOP_LAYOUT.size) return undefined;
      return { kind: "redirect-stop", slot: viewOf(body).getUint32(0, true) };
    case w.COMMAND_BLOCK_ADD: {
      const size = w.BLOCK_RULE_LAYOUT.size;
      if (body.length === 0 || body.length % size !== 0) return undefined;
      const rules: BlockRule[] = [];
      for (let at = 0; at < body.length; at += size) {
        const rule = decodeBlockRule(body, at, nowNs);
        if (rule === undefined) return undefined;
        rules.push(rule);
      }
      return { kind: "block-add", rules };
    }
    case w.COMMAND_BLOCK_REMOVE: {
      if (body.length === 0 || body.length % 8 !== 0) return undefined;
      const view = viewOf(body);
      const ids: bigint[] = [];
      for (let at = 0; at < body.length; at += 8) ids.push(view.getBigUint64(at, true));
      return { kind: "block-remove", ids };
    }
    case w.COMMAND_BLOCK_LIST:
      return { kind: "block-list" };
    default:
      return undefined;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function encodeStart(command: RedirectorCommand & { readonly kind: "redirect-start" }): Uint8Array {
  const body = new Uint8Array(START.size);
  writeStruct(body, 0, START, {
    slot: command.slot,
    lane: command.lane,
    mode: MODES[command.mode],
    snapBytes: command.snapBytes,
    flags: command.failOpen ? w.REDIRECT_FAIL_OPEN : 0,
    guestId: fromHex(command.guestId),
    interfaceName: interfaceNameBytes(command.interfaceName),
    uplinkName: interfaceNameBytes(command.uplinkName),
  });
  return body;
}

function decodeStart(body: Uint8Array): RedirectorCommand | undefined {
  if (body.length < START.size) return undefined;
  const view = viewOf(body);
  const mode = MODE_NAMES[view.getUint32(START.mode, true)];
  if (mode === undefined) return undefined;
  return {
    kind: "redirect-start",
    slot: view.getUint32(START.slot, true),
    lane: view.getUint32(START.lane, true),
    mode,
    snapBytes: view.getUint32(START.snapBytes, true),
    failOpen: (view.getUint32(START.flags, true) & w.REDIRECT_FAIL_OPEN) !== 0,
    guestId: toHex(body, START.guestId, 16),
    interfaceName: decodeFixedText(body, START.interfaceName, NAME_BYTES),
    uplinkName: decodeFixedText(body, START.uplinkName, NAME_BYTES),
  };
}

// The kernel's own rule for interface names, NUL included in the 16 bytes.
function interfaceNameBytes(name: string): Uint8Array {
  const bytes = encodeText(name);
  if (bytes.length >= NAME_BYTES || /[\s/:\0]/.test(name)) {
    throw new UndercroftError("ERR_UC_COMMAND_INVALID", `"${name}" is no interface name`);
  }
  return bytes;
}

function encodeIds(ids: readonly bigint[], bodyBytesMax: number): Uint8Array {
  const countMax = Math.floor(bodyBytesMax / 8);
  if (ids.length === 0 || ids.length > countMax) {
    const text = `${ids.length} rule ids; one command takes 1 to ${countMax}`;
    throw new UndercroftError("ERR_UC_COMMAND_INVALID", text);
  }
  const body = new Uint8Array(ids.length * 8);
  const view = viewOf(body);
  for (const [at, id] of ids.entries()) view.setBigUint64(at * 8, id, true);
  return body;
}
