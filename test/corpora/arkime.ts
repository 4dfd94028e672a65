// SPDX-License-Identifier: Apache-2.0
// Sessions that Arkime found in its own captures, beside our flows and what was read in them.
// Called by the corpora run. Each row is one field; a session without that field has no such row.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { domainToUnicode } from "node:url";
import type { FlowEvent, NetworkEvent } from "../../lib/model/model.ts";
import { analyze, readCapture } from "./analyze.ts";
import { type Comparison, Comparisons } from "./comparison.ts";
import { eveAddress } from "./eve.ts";

interface End {
  readonly ip?: string;
  readonly port?: number;
  readonly packets: number;
}

type Lists = Readonly<Record<string, ReadonlyArray<string | number>>>;

interface Session {
  readonly source: End;
  readonly destination: End;
  readonly ipProtocol: number;
  readonly firstPacket: number;
  readonly client: { readonly bytes: number };
  readonly server: { readonly bytes: number };
  readonly network: { readonly community_id?: string };
  readonly http?: Lists;
  readonly dns?: ReadonlyArray<{ readonly queryHost?: string }>;
  readonly tls?: Lists;
  readonly ssh?: Lists;
  readonly smb?: Lists;
  readonly protocol: readonly string[];
}

interface Talk {
  readonly flow: FlowEvent;
  readonly events: readonly NetworkEvent[];
}

type Values = ReadonlyArray<string | number>;
type Field = readonly [
  name: string,
  wanted: (session: Session) => Values | undefined,
  made: (talk: Talk, isTurned: boolean) => Values,
];

const of = <Kind extends NetworkEvent["kind"]>(
  talk: Talk,
  kind: Kind,
): Array<NetworkEvent & { readonly kind: Kind }> =>
  talk.events.filter((event) => event.kind === kind) as Array<
    NetworkEvent & { readonly kind: Kind }
  >;

// Arkime writes these in lower case, or cuts and adds to them.
const lower = (text: string): string => text.toLowerCase();

const fields: readonly Field[] = [
  [
    "packets",
    ({ source, destination }) => [`${source.packets} > ${destination.packets}`],
    ({ flow }, isTurned) => [
      isTurned
        ? `${flow.destinationPackets} > ${flow.sourcePackets}`
        : `${flow.sourcePackets} > ${flow.destinationPackets}`,
    ],
  ],
  ["community ID", ({ network }) => one(network.community_id), ({ flow }) => [flow.communityId]],
  [
    "HTTP hosts",
    ({ http }) => (http?.method === undefined ? undefined : http.host),
    (talk) => of(talk, "http").map((event) => lower(event.authority.replace(/:\d+$/, ""))),
  ],
  [
    "HTTP methods",
    ({ http }) => http?.method,
    (talk) => of(talk, "http").map((event) => event.method),
  ],
  [
    "HTTP user agents",
    ({ http }) => http?.useragent,
    (talk) => of(talk, "http").map((event) => event.userAgent),
  ],
  [
    "HTTP status codes",
    ({ http }) => http?.statuscode?.filter((code) => Number(code) >= 200),
    (talk) => of(talk, "http").flatMap((event) => event.statusCode || []),
  ],
  [
    "DNS names asked",
    ({ dns }) => dns?.flatMap(({ queryHost }) => queryHost ?? []),
    // Arkime shows international names as they are meant, and the root where nothing was asked.
    (talk) =>
      of(talk, "dns").map(
        (event) => (event.queryType > 0 ? domainToUnicode(lower(event.query)) : "") || "<root>",
      ),
  ],
  [
    "TLS versions",
    ({ tls }) => tls?.version,
    (talk) => of(talk, "tls").map((event) => tlsVersions.get(event.version) ?? "other"),
  ],
  ["TLS JA3", ({ tls }) => tls?.ja3, (talk) => of(talk, "tls").map((event) => event.ja3)],
  ["TLS JA3S", ({ tls }) => tls?.ja3s, (talk) => of(talk, "tls").map((event) => event.ja3s)],
  ["TLS JA4", ({ tls }) => tls?.ja4, (talk) => of(talk, "tls").map((event) => event.ja4)],
  [
    "SSH versions",
    ({ ssh }) => ssh?.version,
    (talk) =>
      of(talk, "ssh").flatMap((event) => [lower(event.clientVersion), lower(event.serverVersion)]),
  ],
  ["HASSH", ({ ssh }) => ssh?.hassh, (talk) => of(talk, "ssh").map((event) => event.hassh)],
  [
    "HASSH of servers",
    ({ ssh }) => ssh?.hasshServer,
    (talk) => of(talk, "ssh").map((event) => event.hasshServer),
  ],
  ["SMB shares", ({ smb }) => smb?.share, (talk) => of(talk, "smb").map((event) => event.share)],
  ["SMB users", ({ smb }) => smb?.user, (talk) => of(talk, "smb").map((event) => event.userName)],
];

const tlsVersions: ReadonlyMap<number, string> = new Map([
  [0x0304, "TLSv1.3"],
  [0x0303, "TLSv1.2"],
  [0x0302, "TLSv1.1"],
  [0x0301, "TLSv1"],
  [0x0300, "SSLv3"],
]);
// What runs inside these is not ours to read.
const carriers: ReadonlySet<string> = new Set(["socks", "http2", "dtls"]);
const claimedProtocols: ReadonlySet<number> = new Set([6, 17]);

// Why some rows differ, as far as we know; the rest are open. All count as misses.
const known: Readonly<Record<string, string>> = {
  "vxlan.test": "oracle: outer packets of port 0",
  "wireshark-dhcp.test": "oracle: both directions of broadcasts in one session",
};

/** Rows of each field: wanted, matched, why not. */
export function compareWithArkime(folder: string): Comparison[] {
  const comparisons = new Comparisons("N1", "arkime");
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".test"))) {
    const capture = join(folder, name.replace(/\.test$/, ".pcap"));
    if (!existsSync(capture)) continue;
    const text = readFileSync(join(folder, name), "utf8");
    const { sessions3 } = JSON.parse(text) as { sessions3: Array<{ body: Session }> };
    compareCapture(
      name,
      sessions3.map(({ body }) => body),
      talksOf(capture),
      comparisons,
    );
  }
  return comparisons.all();
}

/** Our flows with the same ends are one: when a new one begins is each tool's own timeout. */
function talksOf(capture: string): Map<string, Talk> {
  const events = analyze(readCapture(capture));
  const talks = new Map<string, { flow: FlowEvent; events: NetworkEvent[] }>();
  const byFlow = new Map<number, NetworkEvent[]>();
  for (const event of events) {
    const list = byFlow.get(event.flowId) ?? [];
    byFlow.set(event.flowId, list);
    list.push(event);
  }
  for (const flow of events) {
    if (flow.kind !== "flow.close") continue;
    const read = byFlow.get(flow.flowId) ?? [];
    const before = talks.get(endsOf(flow));
    talks.set(endsOf(flow), {
      flow: before === undefined ? flow : added(before.flow, flow),
      events: [...(before?.events ?? []), ...read],
    });
  }
  return talks;
}

function added(one: FlowEvent, two: FlowEvent): FlowEvent {
  const isTurned = one.sourceAddress !== two.sourceAddress;
  const [there, back] = [two.sourcePackets, two.destinationPackets];
  return {
    ...one,
    sourcePackets: one.sourcePackets + (isTurned ? back : there),
    destinationPackets: one.destinationPackets + (isTurned ? there : back),
  };
}

function compareCapture(
  name: string,
  sessions: readonly Session[],
  talks: ReadonlyMap<string, Talk>,
  comparisons: Comparisons,
): void {
  for (const session of sessions) {
    const { source, destination, ipProtocol } = session;
    const comparison = comparisons.of("sessions: addresses, ports, protocol");
    if (!claimedProtocols.has(ipProtocol)) {
      comparison.exclude("other than TCP and UDP");
      continue;
    }
    const ends = sessionEnds(session);
    if (sessions.filter((other) => sessionEnds(other) === ends).length > 1) {
      comparison.exclude("several sessions with the same ends");
      continue;
    }
    const place = `${name} ${source.ip}:${source.port} ${destination.ip}:${destination.port}`;
    const talk = talks.get(ends);
    if (talk === undefined) {
      comparison.miss(known[name] ?? "open: no such flow", place);
      continue;
    }
    comparison.hit();
    const isTurned = eveAddress(talk.flow.sourceAddress) !== eveAddress(source.ip ?? "");
    compareFields(session, talk, isTurned, place, comparisons);
  }
}

function compareFields(
  session: Session,
  talk: Talk,
  isTurned: boolean,
  place: string,
  comparisons: Comparisons,
): void {
  const carrier = session.protocol.find((name) => carriers.has(name));
  for (const [field, wantedOf, madeOf] of fields) {
    const wanted = distinct(wantedOf(session) ?? []);
    if (wanted === "") continue;
    const comparison = comparisons.of(field);
    if (carrier !== undefined && /^(HTTP|TLS)/.test(field)) {
      comparison.exclude(`inside ${carrier}`);
      continue;
    }
    const made = distinct(madeOf(talk, isTurned));
    if (made === wanted) comparison.hit();
    else
      comparison.miss(
        known[place.split(" ")[0] ?? ""] ?? "open: differs",
        `${place} ${made || "nothing"} / ${wanted}`,
      );
  }
}

function one(value: string | undefined): string[] | undefined {
  return value === undefined ? undefined : [value];
}

function distinct(values: Values): string {
  return [...new Set(values.map(String))]
    .filter((value) => value !== "")
    .sort()
    .join(", ");
}

/** Both ends in one order, whoever is taken for the source. */
function endsOf(flow: FlowEvent): string {
  const source = `${eveAddress(flow.sourceAddress)} ${flow.sourcePort}`;
  const destination = `${eveAddress(flow.destinationAddress)} ${flow.destinationPort}`;
  return [flow.ipProtocol, ...[source, destination].sort()].join(" ");
}

function sessionEnds({ source, destination, ipProtocol }: Session): string {
  const text = ({ ip = "", port = 0 }: End): string => `${eveAddress(ip)} ${port}`;
  return [ipProtocol, ...[text(source), text(destination)].sort()].join(" ");
}
