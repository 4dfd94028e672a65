// SPDX-License-Identifier: Apache-2.0
// What passed a guest's tap, as Sigma rules see it: the network category of the taxonomy 2.1.0,
// Zeek's names, and those of proxy, web server, DNS and firewall logs. docs/detection.md has the
// same table for people; a test holds the two together.
import type { GuestNetworkEvent } from "../../model/model.ts";
import type { EventSource, SigmaEvent, SigmaValue } from "./event.ts";

type Kind = GuestNetworkEvent["kind"];
type Of<Name extends Kind> = GuestNetworkEvent & { readonly kind: Name };
type Column<Event> = (event: Event) => SigmaValue;
type Columns<Event> = Readonly<Record<string, Column<Event>>>;

/** Of any event: the ends of the flow, and who owns it in the guest. */
const flow: Columns<GuestNetworkEvent> = {
  Computer: ({ guest }) => guest,
  Image: ({ program }) => known(program),
  CommandLine: ({ commandLine }) => known(commandLine),
  ParentImage: ({ ancestors: [parent = "?"] }) => (parent === "?" ? undefined : parent),
  ProcessId: ({ pid }) => (pid === 0 ? undefined : pid),
  src_ip: ({ sourceAddress }) => sourceAddress,
  src_port: ({ sourcePort }) => sourcePort,
  dst_ip: ({ destinationAddress }) => destinationAddress,
  dst_port: ({ destinationPort }) => destinationPort,
  "id.orig_h": ({ sourceAddress }) => sourceAddress,
  "id.orig_p": ({ sourcePort }) => sourcePort,
  "id.resp_h": ({ destinationAddress }) => destinationAddress,
  "id.resp_p": ({ destinationPort }) => destinationPort,
  "source.ip": ({ sourceAddress }) => sourceAddress,
  "source.port": ({ sourcePort }) => sourcePort,
  "destination.ip": ({ destinationAddress }) => destinationAddress,
  "destination.port": ({ destinationPort }) => destinationPort,
  "network.transport": ({ transport }) => transport,
  "network.community_id": ({ communityId }) => communityId,
  "network.type": ({ sourceAddress }) => (sourceAddress.includes(":") ? "ipv6" : "ipv4"),
};

const connection: Columns<Of<"flow.open" | "flow.close">> = {
  ...flow,
  "event.duration": ({ durationMs }) => durationMs / 1000,
  "network.protocol": ({ services }) => services,
  "network.state": ({ state }) => state,
  "network.history": ({ history }) => history,
  "source.bytes": ({ sourceBytes }) => sourceBytes,
  "source.packets": ({ sourcePackets }) => sourcePackets,
  "destination.bytes": ({ destinationBytes }) => destinationBytes,
  "destination.packets": ({ destinationPackets }) => destinationPackets,
};

const QUERY_TYPES: ReadonlyMap<number, string> = new Map([
  [1, "A"],
  [2, "NS"],
  [5, "CNAME"],
  [6, "SOA"],
  [10, "NULL"],
  [12, "PTR"],
  [15, "MX"],
  [16, "TXT"],
  [28, "AAAA"],
  [33, "SRV"],
  [48, "DNSKEY"],
  [64, "SVCB"],
  [65, "HTTPS"],
  [252, "AXFR"],
  [255, "*"],
]);
const RESPONSE_CODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"] as const;

const queryType = ({ queryType: type }: Of<"dns">): string => QUERY_TYPES.get(type) ?? `${type}`;
const responseCode = ({ answered, responseCode: code }: Of<"dns">): string | undefined =>
  answered ? (RESPONSE_CODES[code] ?? `${code}`) : undefined;

const dns: Columns<Of<"dns">> = {
  ...flow,
  query: ({ query }) => query,
  record_type: queryType,
  answer: ({ answers }) => answers,
  qtype_name: queryType,
  answers: ({ answers }) => answers,
  rcode_name: responseCode,
  "dns.id": ({ transactionId }) => transactionId,
  "dns.question.name": ({ query }) => query,
  "dns.question.type": queryType,
  "dns.answers.data": ({ answers }) => answers,
  "dns.response.code": responseCode,
};

/** The whole address, as a proxy writes it. */
function urlOf({ authority, uri }: Of<"http">): string {
  return uri.includes("://") ? uri : `http://${authority}${uri}`;
}

function pathOf({ uri }: Of<"http">): string {
  return uri.replace(/[?#].*$/s, "");
}

const http: Columns<Of<"http">> = {
  ...flow,
  method: ({ method }) => method,
  host: ({ authority }) => authority.replace(/:\d+$/, ""),
  uri: ({ uri }) => uri,
  referrer: ({ referrer }) => known(referrer),
  user_agent: ({ userAgent }) => known(userAgent),
  status_code: ({ statusCode }) => statusCode || undefined,
  request_body_len: ({ requestBodyBytes }) => requestBodyBytes,
  response_body_len: ({ responseBodyBytes }) => responseBodyBytes,
  "c-uri": urlOf,
  "c-uri-stem": pathOf,
  "c-uri-query": ({ uri }) => uri,
  "c-uri-extension": (event) => /\.([^./]+)$/.exec(pathOf(event))?.[1],
  "c-useragent": ({ userAgent }) => known(userAgent),
  "c-ip": ({ sourceAddress }) => sourceAddress,
  "cs-method": ({ method }) => method,
  "cs-host": ({ authority }) => authority,
  "cs-uri": urlOf,
  "cs-uri-stem": pathOf,
  // SigmaHQ's rules mean path and query by it, as most web servers log them.
  "cs-uri-query": ({ uri }) => uri,
  "cs-user-agent": ({ userAgent }) => known(userAgent),
  "cs-referer": ({ referrer }) => known(referrer),
  "cs-referrer": ({ referrer }) => known(referrer),
  "cs-version": ({ version }) => version,
  "cs-bytes": ({ requestBodyBytes }) => requestBodyBytes,
  "sc-status": ({ statusCode }) => statusCode || undefined,
  "sc-bytes": ({ responseBodyBytes }) => responseBodyBytes,
  "s-ip": ({ destinationAddress }) => destinationAddress,
  "s-port": ({ destinationPort }) => destinationPort,
};

const smb: Columns<Of<"smb">> = {
  ...flow,
  name: ({ fileName }) => known(fileName),
  path: ({ share }) => known(share),
  action: ({ command }) => command,
};

function known(text: string): string | undefined {
  return text === "" ? undefined : text;
}

interface Mapping {
  readonly source: EventSource;
  readonly columns: Columns<never>;
}

const source = (
  categories: readonly string[],
  parts: { readonly product?: string; readonly service?: string } = {},
): EventSource => ({ ...parts, categories });

/** Kinds without a line have no place in Sigma's log sources. */
const MAPPINGS: Readonly<Record<string, Mapping>> = {
  "flow.open": { source: source(["firewall"]), columns: connection },
  "flow.close": {
    source: source(["network"], { service: "connection" }),
    columns: connection,
  },
  dns: { source: source(["dns", "network"], { product: "zeek", service: "dns" }), columns: dns },
  "http outbound": {
    source: source(["proxy"], { product: "zeek", service: "http" }),
    columns: http,
  },
  "http inbound": {
    source: source(["webserver"], { product: "zeek", service: "http" }),
    columns: http,
  },
  smb: { source: source([], { product: "zeek", service: "smb_files" }), columns: smb },
};

interface PreparedMapping {
  readonly source: EventSource;
  readonly columns: ReadonlyMap<string, Column<GuestNetworkEvent>>;
}

const PREPARED: ReadonlyMap<string, PreparedMapping> = new Map(
  Object.entries(MAPPINGS).map(([kind, { source: from, columns }]) => {
    // Each kind's columns are called with events of that kind only: the map's key sees to it.
    const callable = new Map(Object.entries(columns as Columns<GuestNetworkEvent>));
    return [kind, { source: from, columns: callable }];
  }),
);

/** The event as rules see it; undefined for kinds that Sigma has no log source for. */
export function networkSigmaEvent(event: GuestNetworkEvent): SigmaEvent | undefined {
  const prepared = PREPARED.get(mappingOf(event));
  return prepared === undefined ? undefined : new NetworkView(event, prepared);
}

/** What a guest asks of others passes a proxy's place, what others ask of it a web server's. */
function mappingOf({ kind, outbound }: GuestNetworkEvent): string {
  if (kind !== "http") return kind;
  return outbound ? "http outbound" : "http inbound";
}

/** Log source and fields of each kind, as the table in docs/detection.md has them. */
export function networkMappings(): ReadonlyArray<{
  readonly kind: string;
  readonly source: EventSource;
  readonly fields: readonly string[];
}> {
  const common = Object.keys(flow);
  return Object.entries(MAPPINGS).map(([kind, { source: from, columns }]) => ({
    kind,
    source: from,
    fields: Object.keys(columns).filter((field) => !common.includes(field)),
  }));
}

class NetworkView implements SigmaEvent {
  readonly source: EventSource;
  readonly timeMs: number;
  readonly #event: GuestNetworkEvent;
  readonly #columns: ReadonlyMap<string, Column<GuestNetworkEvent>>;

  constructor(event: GuestNetworkEvent, { source: from, columns }: PreparedMapping) {
    this.source = from;
    this.timeMs = event.timeMs;
    this.#event = event;
    this.#columns = columns;
  }

  get(field: string): SigmaValue {
    return this.#columns.get(field)?.(this.#event);
  }

  fieldNames(): Iterable<string> {
    return this.#columns.keys();
  }
}
