// SPDX-License-Identifier: Apache-2.0
// Matches network events, and what a guest's own sensor says of its sockets, against indicators
// of the network. Part of the indicator matcher.
import type { Detection, DnsQueryEvent, GuestNetworkEvent, SocketEvent } from "../model/model.ts";
import { type IndicatorLook, NONE } from "./indicator-look.ts";

type EventOf<Kind> = GuestNetworkEvent & { readonly kind: Kind };

/** Looks the values of a network event up. */
export function matchNetwork(look: IndicatorLook, event: GuestNetworkEvent): readonly Detection[] {
  switch (event.kind) {
    case "flow.open": {
      // Only where a flow begins: everything else in it has the same ends.
      const field = event.outbound ? "destinationAddress" : "sourceAddress";
      return look.look(NONE, event, field, "address", event[field]);
    }
    case "dns":
      return matchDns(look, event);
    case "http":
      return matchHttp(look, event);
    case "tls":
      return matchTls(look, event);
    case "ssh": {
      const found = look.look(NONE, event, "hassh", "hassh", event.hassh);
      return look.look(found, event, "hasshServer", "hassh", event.hasshServer);
    }
    default:
      return NONE;
  }
}

/** A process used an address, or asked for a name. */
export function matchSocket(
  look: IndicatorLook,
  event: SocketEvent | DnsQueryEvent,
): readonly Detection[] {
  if (event.kind === "dns.query") return look.look(NONE, event, "query", "domain", event.query);
  return look.look(NONE, event, "remoteAddress", "address", event.remoteAddress);
}

function matchDns(look: IndicatorLook, event: EventOf<"dns">): readonly Detection[] {
  let found = look.look(NONE, event, "query", "domain", event.query);
  for (const answer of event.answers) found = look.look(found, event, "answers", "domain", answer);
  return found;
}

function matchHttp(look: IndicatorLook, event: EventOf<"http">): readonly Detection[] {
  const { authority, uri, userAgent } = event;
  const isWhole = uri.includes("://");
  const url = isWhole ? uri : authority + uri;
  const server = isWhole ? (URL.parse(uri)?.hostname ?? "") : authority;
  let found = look.look(NONE, event, "authority", "domain", server.replace(/:\d+$/, ""));
  found = look.look(found, event, "uri", "url", url);
  if (!isWhole) found = look.look(found, event, "uri", "http-path", uri);
  return look.look(found, event, "userAgent", "user-agent", userAgent);
}

function matchTls(look: IndicatorLook, event: EventOf<"tls">): readonly Detection[] {
  let found = look.look(NONE, event, "serverName", "domain", event.serverName);
  found = look.look(found, event, "ja3", "ja3", event.ja3);
  found = look.look(found, event, "ja4", "ja4", event.ja4);
  for (const digest of event.certificates) {
    found = look.look(found, event, "certificates", "certificate", digest);
  }
  return found;
}
