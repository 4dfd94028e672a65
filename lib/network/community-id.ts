// SPDX-License-Identifier: Apache-2.0
// Community ID version 1 of a flow: the same text for both directions and in every tool. Called
// by the analyzer once for each flow.

import type { Flow } from "./flow.ts";
import { putAddress, TCP, UDP } from "./packet.ts";
import { icmpAnswer } from "./packet-decoder.ts";
import type { NetworkDigests } from "./parser-context.ts";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The Community ID of a flow, with seed 0. */
export function communityIdOf(flow: Flow, digests: NetworkDigests): string {
  const buffer = new Uint8Array(40);
  const isIcmp = flow.protocol === 1 || flow.protocol === 58;
  const hasPorts = flow.protocol === TCP || flow.protocol === UDP || isIcmp;
  const isOneWay = isIcmp && icmpAnswer(flow.protocol, flow.sourcePort) === undefined;
  const isOrdered = isOneWay || compare(flow) <= 0;
  let at = 2;
  at += putAddress(flow.address, isOrdered ? 0 : 4, flow.isV6, buffer, at);
  at += putAddress(flow.address, isOrdered ? 4 : 0, flow.isV6, buffer, at);
  buffer[at] = flow.protocol;
  at += 2;
  if (hasPorts) {
    const first = isOrdered ? flow.sourcePort : flow.destinationPort;
    const second = isOrdered ? flow.destinationPort : flow.sourcePort;
    buffer.set([first >> 8, first & 255, second >> 8, second & 255], at);
    at += 4;
  }
  return `1:${base64(digests.sha1(buffer.subarray(0, at)))}`;
}

function compare(flow: Flow): number {
  for (let word = 0; word < 4; word += 1) {
    const difference =
      ((flow.address[word] as number) >>> 0) - ((flow.address[word + 4] as number) >>> 0);
    if (difference !== 0) return difference;
  }
  return flow.sourcePort - flow.destinationPort;
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const bits = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (let shift = 18; shift >= 0; shift -= 6) text += alphabet[(bits >> shift) & 63];
  }
  const padding = (3 - (bytes.length % 3)) % 3;
  return padding === 0 ? text : text.slice(0, -padding) + "=".repeat(padding);
}
