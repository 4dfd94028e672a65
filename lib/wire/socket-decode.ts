// SPDX-License-Identifier: Apache-2.0
// Bodies of socket records and of a redirector's reports to typed values. Called by the record
// decoder, which has checked that the body is whole.
import type {
  BlockRuleReport,
  RedirectStatus,
  SocketAddresses,
  SocketEventKind,
} from "../model/model.ts";
import { addressText } from "./address.ts";
import { decodeBlockRule } from "./block-rule.ts";
import * as w from "./layout.gen.ts";

/** Event kinds of socket records; DNS_QUERY is a kind of its own. */
export const SOCKET_KINDS: Readonly<Record<number, SocketEventKind>> = {
  [w.RECORD_SOCKET_CONNECT]: "socket.connect",
  [w.RECORD_SOCKET_ACCEPT]: "socket.accept",
  [w.RECORD_SOCKET_BIND]: "socket.bind",
  [w.RECORD_SOCKET_LISTEN]: "socket.listen",
  [w.RECORD_SOCKET_SEND]: "socket.send",
  [w.RECORD_SOCKET_RAW]: "socket.raw",
};
const STATES: ReadonlyArray<RedirectStatus["state"]> = ["unknown", "running", "stopped", "gone"];
const MODES: ReadonlyArray<RedirectStatus["mode"]> = ["unknown", "mirror", "inline", "replay"];

/** Addresses of a socket record's body. */
export function decodeSocket(bytes: Uint8Array, view: DataView, at: number): SocketAddresses {
  const layout = w.SOCKET_EVENT_LAYOUT;
  const family = view.getUint16(at + layout.family, true);
  return {
    socketCookie: view.getBigUint64(at + layout.socketCookie, true),
    family,
    protocol: view.getUint16(at + layout.protocol, true),
    localAddress: addressText(bytes, at + layout.localAddress, family),
    localPort: view.getUint16(at + layout.localPort, true),
    remoteAddress: addressText(bytes, at + layout.remoteAddress, family),
    remotePort: view.getUint16(at + layout.remotePort, true),
    networkNamespace: view.getUint32(at + layout.networkNamespace, true),
  };
}

/** Body of a REDIRECT_STATUS record. */
export function decodeRedirectStatus(view: DataView, at: number, sequence: number): RedirectStatus {
  const layout = w.REDIRECT_STATUS_LAYOUT;
  const count = (offset: number): number => Number(view.getBigUint64(at + offset, true));
  return {
    kind: "redirect.status",
    sequence,
    slot: view.getUint32(at + layout.slot, true),
    state: STATES[view.getUint32(at + layout.state, true)] ?? "unknown",
    mode: MODES[view.getUint32(at + layout.mode, true)] ?? "unknown",
    detail: view.getUint32(at + layout.detail, true),
    seen: count(layout.seen),
    kept: count(layout.kept),
    shortened: count(layout.shortened),
    lostKernel: count(layout.lostKernel),
    lostRing: count(layout.lostRing),
    dropped: count(layout.dropped),
    forwarded: count(layout.forwarded),
    seenBytes: count(layout.seenBytes),
    keptBytes: count(layout.keptBytes),
  };
}

/** Body of a BLOCK_RULE record; undefined where the rule contradicts itself. */
export function decodeBlockRuleReport(
  bytes: Uint8Array,
  at: number,
  sequence: number,
  boottimeNs: bigint,
): BlockRuleReport | undefined {
  const rule = decodeBlockRule(bytes, at, boottimeNs);
  return rule === undefined ? undefined : { kind: "block.rule", sequence, rule };
}
