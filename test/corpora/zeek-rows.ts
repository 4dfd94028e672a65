// SPDX-License-Identifier: Apache-2.0
// Compares network events with the logs that Zeek wrote for the same captures, row by row and
// column by column (goal N1). Called by the corpora run. Columns out of scope are named here.
import type { NetworkEvent } from "../../lib/model/model.ts";

/** A row: column to text, as Zeek prints it. */
export type Row = ReadonlyMap<string, string>;

/** What one log compared like. */
export interface LogResult {
  readonly rows: number;
  readonly matched: number;
  /** Why rows did not match, with how many. */
  readonly reasons: ReadonlyMap<string, number>;
}

const services = new Set(["dns", "http", "ssl", "ssh", "dhcp"]);
const identity = ["id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"];

/** Columns of each log that the product claims. */
const columns: Readonly<Record<string, readonly string[]>> = {
  conn: [
    "proto",
    "service",
    "duration",
    "orig_bytes",
    "resp_bytes",
    "conn_state",
    "missed_bytes",
    "history",
    "orig_pkts",
    "orig_ip_bytes",
    "resp_pkts",
    "resp_ip_bytes",
  ],
  dns: [
    "proto",
    "trans_id",
    "query",
    "qtype",
    "qclass",
    "rcode",
    "AA",
    "TC",
    "RD",
    "RA",
    "answers",
  ],
  http: [
    "trans_depth",
    "method",
    "host",
    "uri",
    "referrer",
    "user_agent",
    "version",
    "request_body_len",
    "response_body_len",
    "status_code",
    "status_msg",
  ],
  ssl: ["version", "server_name", "next_protocol", "established", "cert_chain_fps"],
  ssh: ["client", "server", "kex_alg", "host_key_alg", "cipher_alg", "mac_alg", "compression_alg"],
};

/** Reads a Zeek log in its tab-separated form. */
export function readZeekLog(text: string): Row[] {
  let names: string[] = [];
  const rows: Row[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("#fields\t")) names = line.split("\t").slice(1);
    if (line === "" || line.startsWith("#")) continue;
    const values = line.split("\t");
    rows.push(new Map(names.map((name, index) => [name, values[index] ?? "-"])));
  }
  return rows;
}

/** Compares one log; `isBare` leaves out what depends on the scripts that were loaded. */
export function compareLog(
  log: string,
  wanted: readonly Row[],
  events: readonly NetworkEvent[],
  isBare: boolean,
): LogResult {
  const made = events.flatMap((event) => zeekRow(log, event) ?? []);
  const left = [...made];
  const reasons = new Map<string, number>();
  let matched = 0;
  const compared = (columns[log] ?? []).filter((name) => !(isBare && name === "service"));
  for (const row of wanted) {
    const candidates = left.filter((other) =>
      identity.every((name) => other.get(name) === row.get(name)),
    );
    const scored = candidates.map((other) => ({
      other,
      wrong: compared.filter((name) => row.has(name) && !isEqual(name, row, other)),
    }));
    scored.sort((one, two) => one.wrong.length - two.wrong.length);
    const best = scored[0];
    if (best !== undefined) left.splice(left.indexOf(best.other), 1);
    if (best !== undefined && best.wrong.length === 0) {
      matched += 1;
      continue;
    }
    const reason = best === undefined ? "no such row" : differenceText(best.wrong, row, best.other);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  if (left.length > 0) reasons.set("rows too many (not counted)", left.length);
  return { rows: wanted.length, matched, reasons };
}

function differenceText(wrong: readonly string[], row: Row, other: Row): string {
  const parts = wrong.map((name) => `${name}=${other.get(name)}/${row.get(name)}`);
  return `differs: ${parts.join(" ")}`;
}

/** Stands for a figure that cannot be compared. */
const packed = "packed";

function isEqual(name: string, row: Row, other: Row): boolean {
  const wanted = row.get(name) ?? "-";
  const made = other.get(name) ?? "-";
  if (made === packed) return true;
  if (name === "duration") return Math.abs(numberOf(wanted) - numberOf(made)) < 0.00001;
  if (name === "service") {
    const claimed = wanted.split(",").filter((service) => services.has(service));
    return (
      claimed.sort().join() ===
      made
        .split(",")
        .filter((s) => services.has(s))
        .sort()
        .join()
    );
  }
  // Zeek repeats t, w, g and c for powers of ten: the letters count once here.
  if (name === "history") return distinct(wanted) === distinct(made);
  if (name === "answers") return wanted.replace("(empty)", "-").replace("LOC:  ", "LOC ") === made;
  return wanted === made || (wanted === "(empty)" && made === "-");
}

function distinct(history: string): string {
  return [...new Set(history)].filter((letter) => !"cgtwCGTW".includes(letter)).join("");
}

function numberOf(text: string): number {
  return text === "-" ? 0 : Number(text);
}

function zeekRow(log: string, event: NetworkEvent): Row | undefined {
  const fields = rowFields(log, event);
  if (fields === undefined) return undefined;
  const row = new Map<string, string>([
    ["id.orig_h", event.sourceAddress],
    ["id.orig_p", String(event.sourcePort)],
    ["id.resp_h", event.destinationAddress],
    ["id.resp_p", String(event.destinationPort)],
    ["proto", protocolName(event)],
  ]);
  for (const [name, value] of Object.entries(fields)) {
    row.set(name, typeof value === "boolean" ? (value ? "T" : "F") : `${value}` || "-");
  }
  return row;
}

function protocolName(event: NetworkEvent): string {
  if (event.transport === "other") return "unknown_transport";
  return event.transport === "icmp6" ? "icmp" : event.transport;
}

type Fields = Readonly<Record<string, string | number | boolean>>;

function rowFields(log: string, event: NetworkEvent): Fields | undefined {
  switch (event.kind) {
    case "flow.close": {
      if (log !== "conn") return undefined;
      const isInstant = event.durationMs <= 0;
      const isKnown = event.transport !== "other";
      return {
        service: event.services.join(","),
        duration: isInstant ? "-" : event.durationMs / 1000,
        // Zeek counts no payload of protocols that it does not know.
        orig_bytes: isInstant ? "-" : isKnown ? event.sourceBytes : 0,
        resp_bytes: isInstant ? "-" : isKnown ? event.destinationBytes : 0,
        conn_state: event.state,
        missed_bytes: event.missedBytes,
        history: event.history,
        orig_pkts: event.sourcePackets,
        orig_ip_bytes: event.sourceIpBytes,
        resp_pkts: event.destinationPackets,
        resp_ip_bytes: event.destinationIpBytes,
      };
    }
    case "dns":
      return log === "dns" ? dnsFields(event) : undefined;
    case "http":
      return log === "http" ? httpFields(event) : undefined;
    case "tls":
      if (log !== "ssl") return undefined;
      return {
        version: tlsVersions.get(event.version) ?? `unknown-${event.version}`,
        server_name: event.serverName,
        next_protocol: event.applicationProtocol,
        // Zeek does not follow the handshake that QUIC carries.
        established: event.established && !event.quic,
        cert_chain_fps: event.certificates.join(","),
      };
    case "ssh":
      if (log !== "ssh") return undefined;
      return {
        client: event.clientVersion,
        server: event.serverVersion,
        kex_alg: event.keyExchange,
        host_key_alg: event.serverKey,
        cipher_alg: event.cipher,
        mac_alg: event.mac,
        compression_alg: event.compression,
      };
    default:
      return undefined;
  }
}

const tlsVersions: ReadonlyMap<number, string> = new Map([
  [0x0304, "TLSv13"],
  [0x0303, "TLSv12"],
  [0x0302, "TLSv11"],
  [0x0301, "TLSv10"],
  [0x0300, "SSLv3"],
]);

function dnsFields(event: NetworkEvent & { readonly kind: "dns" }): Fields {
  // Zeek fills the flags of an answer only where the answer holds a record, and takes type and
  // class from the question alone, which an answer only echoes.
  const hasAnswers = event.answers.length > 0;
  return {
    trans_id: event.transactionId,
    query: event.query,
    qtype: event.asked ? event.queryType : "-",
    qclass: event.asked ? event.queryClass : "-",
    rcode: event.answered ? event.responseCode : "-",
    AA: hasAnswers && event.authoritative,
    TC: event.truncated,
    RD: event.recursionDesired,
    RA: hasAnswers && event.recursionAvailable,
    answers: event.answers.join(","),
  };
}

// Zeek logs a URI decoded, and then escapes what is not ASCII; the product keeps it as it was sent.
function decodedUri(uri: string): string {
  return uri.replaceAll(/%([0-9a-fA-F]{2})/g, (_, digits: string) => {
    const code = Number.parseInt(digits, 16);
    return code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : `\\x${digits.toLowerCase()}`;
  });
}

function httpFields(event: NetworkEvent & { readonly kind: "http" }): Fields {
  return {
    trans_depth: event.depth,
    method: event.method,
    host: event.authority,
    uri: decodedUri(event.uri),
    referrer: event.referrer,
    user_agent: event.userAgent,
    // Zeek's is the answer's.
    version: event.statusCode === 0 ? "-" : event.version,
    request_body_len: event.requestBodyBytes,
    // Zeek counts what it unpacked.
    response_body_len: event.responseEncoding === "" ? event.responseBodyBytes : packed,
    status_code: event.statusCode || "-",
    status_msg: event.statusMessage,
  };
}
