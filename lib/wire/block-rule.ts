// SPDX-License-Identifier: Apache-2.0
// Rules at the tap to bytes (server) and back (redirector, and the server for listed ones).
import { UndercroftError } from "../errors/errors.ts";
import type { BlockRule } from "../model/model.ts";
import { addressRangeText, parseAddressRange } from "./address.ts";
import * as w from "./layout.gen.ts";
import { writeStruct } from "./record-encode.ts";

const LAYOUT = w.BLOCK_RULE_LAYOUT;
const ACTIONS: Readonly<Record<BlockRule["action"], number>> = {
  drop: w.BLOCK_DROP,
  allow: w.BLOCK_ALLOW,
  isolate: w.BLOCK_ISOLATE,
};
const ACTION_NAMES: Readonly<Record<number, BlockRule["action"]>> = {
  [w.BLOCK_DROP]: "drop",
  [w.BLOCK_ALLOW]: "allow",
  [w.BLOCK_ISOLATE]: "isolate",
};

/**
 * Bytes of one rule. nowNs is the redirector's boot-time clock at this moment.
 * @throws {UndercroftError} ERR_UC_COMMAND_INVALID
 */
export function encodeBlockRule(rule: BlockRule, nowNs: bigint): Uint8Array {
  const invalid = (why: string): never => {
    throw new UndercroftError("ERR_UC_COMMAND_INVALID", `rule ${rule.id} at the tap: ${why}`);
  };
  const range = (text: string | undefined): ReturnType<typeof parseAddressRange> =>
    text === undefined ? undefined : (parseAddressRange(text) ?? invalid(`${text} is no address`));
  const remote = range(rule.remote);
  const local = range(rule.local);
  if (remote !== undefined && local !== undefined && remote.family !== local.family) {
    invalid("its addresses are of two families");
  }
  if (rule.id <= 0n) invalid("an id is a positive number");
  for (const port of [rule.remotePort ?? 0, rule.localPort ?? 0]) {
    if (!Number.isInteger(port) || port < 0 || port > 65_535) invalid(`${port} is no port`);
  }
  const protocol = rule.protocol ?? 0;
  if (!Number.isInteger(protocol) || protocol < 0 || protocol > 255) {
    invalid(`${protocol} is no IP protocol`);
  }
  const hasPort = (rule.remotePort ?? 0) + (rule.localPort ?? 0) > 0;
  if (hasPort && protocol !== 6 && protocol !== 17) invalid("ports need protocol 6 or 17");
  const { expiresInMs } = rule;
  if (expiresInMs !== undefined && !(expiresInMs >= 0 && Number.isFinite(expiresInMs))) {
    invalid(`it cannot expire in ${expiresInMs} ms`);
  }
  const bytes = new Uint8Array(LAYOUT.size);
  writeStruct(bytes, 0, LAYOUT, {
    id: rule.id,
    // Zero would mean that it never expires.
    expiresNs: expiresInMs === undefined ? 0n : nowNs + BigInt(Math.round(expiresInMs * 1e6)) + 1n,
    slot: rule.slot,
    action: ACTIONS[rule.action],
    family: remote?.family ?? local?.family ?? 0,
    remoteAddress: remote?.bytes ?? new Uint8Array(16),
    localAddress: local?.bytes ?? new Uint8Array(16),
    remotePrefix: remote?.prefixBits ?? 0,
    localPrefix: local?.prefixBits ?? 0,
    protocol,
    remotePort: rule.remotePort ?? 0,
    localPort: rule.localPort ?? 0,
  });
  return bytes;
}

/** Reads a rule; undefined where it contradicts itself. nowNs as for encoding. */
export function decodeBlockRule(
  bytes: Uint8Array,
  at: number,
  nowNs: bigint,
): BlockRule | undefined {
  if (at + LAYOUT.size > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, LAYOUT.size);
  const id = view.getBigUint64(LAYOUT.id, true);
  const action = ACTION_NAMES[view.getUint16(LAYOUT.action, true)];
  const family = view.getUint16(LAYOUT.family, true);
  const bitsMax = family === w.ADDRESS_IPV4 ? 32 : family === w.ADDRESS_IPV6 ? 128 : 0;
  const remoteBits = view.getUint8(LAYOUT.remotePrefix);
  const localBits = view.getUint8(LAYOUT.localPrefix);
  const isKnown = family === 0 || bitsMax > 0;
  if (id === 0n || action === undefined || !isKnown) return undefined;
  if (remoteBits > bitsMax || localBits > bitsMax) return undefined;
  const text = (offset: number, prefixBits: number): string =>
    addressRangeText({
      family: family === w.ADDRESS_IPV4 ? w.ADDRESS_IPV4 : w.ADDRESS_IPV6,
      bytes: bytes.slice(at + offset, at + offset + 16),
      prefixBits,
    });
  const expiresNs = view.getBigUint64(LAYOUT.expiresNs, true);
  const protocol = view.getUint16(LAYOUT.protocol, true);
  const remotePort = view.getUint16(LAYOUT.remotePort, true);
  const localPort = view.getUint16(LAYOUT.localPort, true);
  if (protocol > 255) return undefined;
  if (remotePort + localPort > 0 && protocol !== 6 && protocol !== 17) return undefined;
  const leftMs = Math.max(0, Number(expiresNs - nowNs) / 1e6);
  return {
    id,
    slot: view.getUint32(LAYOUT.slot, true),
    action,
    ...(remoteBits === 0 ? {} : { remote: text(LAYOUT.remoteAddress, remoteBits) }),
    ...(localBits === 0 ? {} : { local: text(LAYOUT.localAddress, localBits) }),
    ...(protocol === 0 ? {} : { protocol }),
    ...(remotePort === 0 ? {} : { remotePort }),
    ...(localPort === 0 ? {} : { localPort }),
    ...(expiresNs === 0n ? {} : { expiresInMs: leftMs }),
  };
}
