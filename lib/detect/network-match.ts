// SPDX-License-Identifier: Apache-2.0
// Matches network events, and what a guest's own sensor says of its sockets, against indicators
// of the network. Part of the indicator matcher.
import type {
  Detection,
  DnsQueryEvent,
  EvidenceEvent,
  GuestNetworkEvent,
  Indicator,
  SocketEvent,
} from "../model/model.ts";
import { parseAddressRange } from "../wire/wire.ts";
import { indicatorDetection } from "./indicator-detection.ts";
import { AddressStore, DomainStore, UrlStore, urlParts } from "./network-stores.ts";

const NONE: readonly Detection[] = [];

/** Looks one event up in the stores of all kinds of network indicators. */
export class NetworkMatch {
  readonly #addresses = new AddressStore<Indicator>();
  readonly #domains = new DomainStore<Indicator>();
  readonly #urls = new UrlStore<Indicator>();
  readonly #fingerprints = new Map<string, Indicator>();
  readonly #certificates = new Map<string, Indicator>();

  constructor(indicators: readonly Indicator[]) {
    for (const indicator of indicators) this.#add(indicator);
  }

  detect(event: GuestNetworkEvent): readonly Detection[] {
    let found = this.#addressesOf(event);
    switch (event.kind) {
      case "dns":
        found = hit(found, this.#domains.find(event.query), event, "query", event.query);
        for (const answer of event.answers) {
          found = hit(found, this.#domains.find(answer), event, "answers", answer);
        }
        return found;
      case "http":
        return this.#http(found, event);
      case "tls":
        return this.#tls(found, event);
      default:
        return found;
    }
  }

  /** A process used an address, or asked for a name. */
  detectSocket(event: SocketEvent | DnsQueryEvent): readonly Detection[] {
    if (event.kind === "dns.query") {
      return hit(NONE, this.#domains.find(event.query), event, "query", event.query);
    }
    const { remoteAddress } = event;
    return hit(NONE, this.#addresses.find(remoteAddress), event, "remoteAddress", remoteAddress);
  }

  #add(indicator: Indicator): void {
    const { kind, value } = indicator;
    switch (kind) {
      case "address": {
        const range = parseAddressRange(value);
        if (range !== undefined) this.#addresses.add(range, indicator);
        break;
      }
      case "domain":
        this.#domains.add(value, indicator);
        break;
      case "url": {
        const parts = urlParts(value);
        if (parts !== undefined) this.#urls.add(parts.domain, parts.path, indicator);
        break;
      }
      case "ja3":
      case "ja4":
        this.#fingerprints.set(`${kind} ${value}`, indicator);
        break;
      case "certificate":
        this.#certificates.set(value, indicator);
        break;
      default:
    }
  }

  // Only where a flow begins: everything else in it has the same ends.
  #addressesOf(event: GuestNetworkEvent): readonly Detection[] {
    if (event.kind !== "flow.open") return NONE;
    const isSourceRemote = !event.outbound;
    const field = isSourceRemote ? "sourceAddress" : "destinationAddress";
    return hit(NONE, this.#addresses.find(event[field]), event, field, event[field]);
  }

  #http(
    found: readonly Detection[],
    event: GuestNetworkEvent & { readonly kind: "http" },
  ): readonly Detection[] {
    const url = event.uri.includes("://") ? event.uri : event.authority + event.uri;
    const parts = urlParts(url);
    if (parts === undefined) return found;
    const named = this.#domains.find(parts.domain.replace(/:\d+$/, ""));
    const both = hit(found, named, event, "authority", event.authority);
    return hit(both, this.#urls.find(parts.domain, parts.path), event, "uri", url);
  }

  #tls(
    before: readonly Detection[],
    event: GuestNetworkEvent & { readonly kind: "tls" },
  ): readonly Detection[] {
    const { serverName, ja3, ja4, certificates } = event;
    let found = hit(before, this.#domains.find(serverName), event, "serverName", serverName);
    found = hit(found, this.#fingerprints.get(`ja3 ${ja3}`), event, "ja3", ja3);
    found = hit(found, this.#fingerprints.get(`ja4 ${ja4}`), event, "ja4", ja4);
    for (const digest of certificates) {
      found = hit(found, this.#certificates.get(digest), event, "certificates", digest);
    }
    return found;
  }
}

function hit(
  found: readonly Detection[],
  indicator: Indicator | undefined,
  event: EvidenceEvent,
  field: string,
  value: string,
): readonly Detection[] {
  if (indicator === undefined || found.some(({ rule }) => rule === indicator.id)) return found;
  return [...found, indicatorDetection(indicator, event, field, value)];
}
