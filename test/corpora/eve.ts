// SPDX-License-Identifier: Apache-2.0
// Network events in the words of Suricata's EVE log, as flat maps of dotted keys. Called by the
// suricata-verify comparison. Keys that are not made here are not claimed.

import type { FlowEvent, NetworkEvent, SmbEvent } from "../../lib/model/model.ts";
import { ipv6Text } from "../../lib/network/bytes.ts";

export type EveValue = string | number | boolean;
/** One EVE event: dotted key to value. */
export type EveEvent = ReadonlyMap<string, EveValue>;

const baseKeys = ["event_type", "src_ip", "src_port", "dest_ip", "dest_port", "proto", "ip_v"];

/** Keys of each event type that we claim; a list is claimed by its name and any place in it. */
export const claimedKeys: Readonly<Record<string, readonly string[]>> = {
  flow: [
    ...["app_proto", "community_id", "flow.pkts_toserver", "flow.pkts_toclient", "flow.age"],
    ...["flow.start", "flow.end", "flow.state", "tcp.state", "icmp_type"],
  ],
  http: [
    ...["community_id", "http.http_method", "http.hostname", "http.url", "http.status"],
    ...["http.length", "http.http_user_agent", "http.http_refer", "http.protocol", "tx_id"],
  ],
  dns: ["community_id", "dns.type", "dns.rcode", "dns.queries.rrname", "dns.queries.rrtype"],
  tls: [
    ...["community_id", "tls.sni", "tls.version", "tls.ja3.hash", "tls.ja3s.hash", "tls.ja4"],
    ...["tls.client_alpns", "tls.server_alpns"],
  ],
  quic: ["community_id", "quic.ja4", "quic.sni"],
  ssh: [
    ...["community_id", "ssh.client.hassh.hash", "ssh.server.hassh.hash"],
    ...["ssh.client.software_version", "ssh.server.software_version"],
  ],
  dhcp: [
    ...["community_id", "pcap_cnt", "dhcp.type", "dhcp.dhcp_type", "dhcp.id", "dhcp.client_mac"],
    ...["dhcp.assigned_ip", "dhcp.hostname", "dhcp.requested_ip", "dhcp.lease_time"],
    ...["dhcp.routers", "dhcp.dns_servers", "dhcp.params", "dhcp.vendor_class_identifier"],
  ],
  smb: [
    ...["community_id", "smb.id", "smb.dialect", "smb.command", "smb.status", "smb.status_code"],
    ...["smb.session_id", "smb.tree_id", "smb.filename", "smb.fuid", "smb.disposition"],
    ...["smb.share", "smb.named_pipe", "smb.client_dialects", "smb.server_guid"],
    ...["smb.request.native_os", "smb.request.native_lm", "smb.response.native_os"],
    ...["smb.response.native_lm"],
  ],
  arp: ["arp.opcode", "arp.src_mac", "arp.dest_mac"],
};

/** Whether a key is among those we claim of an event type. */
export function isClaimed(type: string, key: string): boolean {
  const name = key.replaceAll(/\[\d+\]/g, "").replace(/\.__\w+$/, "");
  return baseKeys.includes(name) || (claimedKeys[type] ?? []).includes(name);
}

/** Protocols by content that we and Suricata name. */
export const eveProtocols: ReadonlyMap<string, string> = new Map([
  ["http", "http"],
  ["ssl", "tls"],
  ["dns", "dns"],
  ["ssh", "ssh"],
  ["dhcp", "dhcp"],
  ["smb", "smb"],
  ["quic", "quic"],
]);

/** What an EVE event says beside its content. */
export interface EveContext {
  /** Packets read so far. */
  readonly packetCount: number;
  /** Place of the event among those of its kind in its flow, from 0. */
  readonly txId: number;
  /** Layout of DNS events: 2 has the flow's direction in answers too, 3 the packet's. */
  readonly dnsVersion: 2 | 3;
}

/** EVE events of one of ours; DNS gives one for the question and one for the answer. */
export function eveEvents(event: NetworkEvent, context: EveContext): EveEvent[] {
  const type = event.kind.startsWith("flow.") ? "flow" : event.kind;
  const fields = eveFields(event, context);
  return fields.map((own) => {
    const made = new Map<string, EveValue>();
    const isQuic = event.kind === "tls" && event.quic;
    const all = { ...eveBase(event), event_type: isQuic ? "quic" : type, ...own };
    for (const [key, value] of Object.entries(all)) if (value !== "") made.set(key, value);
    return made;
  });
}

type Fields = Readonly<Record<string, EveValue>>;

function eveBase(event: NetworkEvent): Fields {
  const isV6 = event.sourceAddress.includes(":");
  const isPorted = event.transport === "tcp" || event.transport === "udp";
  const names = { tcp: "TCP", udp: "UDP", icmp: "ICMP", icmp6: "IPv6-ICMP", other: "" };
  return {
    src_ip: eveAddress(event.sourceAddress),
    dest_ip: eveAddress(event.destinationAddress),
    ...(isPorted ? { src_port: event.sourcePort, dest_port: event.destinationPort } : {}),
    proto: names[event.transport],
    ip_v: isV6 ? 6 : 4,
    community_id: event.communityId,
  };
}

/** IPv6 with all its digits, as EVE has it. */
export function eveAddress(text: string): string {
  if (!text.includes(":")) return text;
  const bytes = new Uint8Array(16);
  const [head = "", tail = ""] = text.split("::");
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const last = groups(tail);
  const all = [...groups(head)];
  while (all.length + last.length < 8) all.push(0);
  for (const [index, group] of [...all, ...last].entries()) {
    bytes[2 * index] = group >> 8;
    bytes[2 * index + 1] = group & 0xff;
  }
  const full = [...all, ...last].map((group) => group.toString(16).padStart(4, "0")).join(":");
  return ipv6Text(bytes, 0) === text ? full : text;
}

function eveFields(event: NetworkEvent, context: EveContext): Fields[] {
  const { packetCount, txId, dnsVersion } = context;
  switch (event.kind) {
    case "flow.close":
      return event.ipProtocol === igmp ? [] : [flowFields(event)];
    case "http":
      return [
        {
          tx_id: txId,
          "http.http_method": event.method,
          "http.hostname": event.authority.replace(/:\d+$/, ""),
          "http.url": event.uri,
          "http.http_user_agent": event.userAgent,
          "http.http_refer": event.referrer,
          "http.protocol": event.version === "" ? "" : `HTTP/${event.version}`,
          "http.length": event.responseBodyBytes,
          ...(event.statusCode === 0 ? {} : { "http.status": event.statusCode }),
        },
      ];
    case "dns":
      return dnsFields(event, dnsVersion);
    case "tls":
      return [event.quic ? { "quic.ja4": event.ja4, "quic.sni": event.serverName } : tls(event)];
    case "ssh":
      return [
        {
          "ssh.client.hassh.hash": event.hassh,
          "ssh.server.hassh.hash": event.hasshServer,
          "ssh.client.software_version": event.clientVersion.replace(/^SSH-[\d.]+-/, ""),
          "ssh.server.software_version": event.serverVersion.replace(/^SSH-[\d.]+-/, ""),
        },
      ];
    case "dhcp":
      return [
        {
          pcap_cnt: packetCount,
          "dhcp.type": event.fromClient ? "request" : "reply",
          "dhcp.dhcp_type": dhcpTypes[event.messageType] ?? "",
          "dhcp.id": event.transactionId,
          "dhcp.client_mac": event.clientMac,
          "dhcp.assigned_ip": event.assignedAddress,
          "dhcp.hostname": event.clientName,
          "dhcp.requested_ip": event.requestedAddress,
          "dhcp.lease_time": event.leaseSeconds,
          ...listed("dhcp.routers", event.routers),
          ...listed("dhcp.dns_servers", event.nameServers),
          ...listed(
            "dhcp.params",
            event.parameters.map((code) => dhcpOptions.get(code) ?? ""),
          ),
          "dhcp.vendor_class_identifier": event.vendorClass,
        },
      ];
    case "smb":
      return [smbFields(event, txId)];
    case "arp":
      return [
        {
          "arp.opcode": event.operation === 1 ? "request" : "reply",
          "arp.src_mac": event.senderMac,
          "arp.dest_mac": event.targetMac,
        },
      ];
    default:
      return [];
  }
}

function listed(key: string, values: readonly string[]): Fields {
  return Object.fromEntries(values.map((value, index) => [`${key}[${index}]`, value]));
}

const dhcpOptions: ReadonlyMap<number, string> = new Map([
  [1, "subnet_mask"],
  [3, "router"],
  [6, "dns_server"],
  [15, "domain"],
]);
const dhcpTypes = ["", "discover", "offer", "request", "decline", "ack", "nak", "release"];

function tls(event: NetworkEvent & { readonly kind: "tls" }): Fields {
  const versions: Readonly<Record<number, string>> = {
    772: "TLS 1.3",
    771: "TLS 1.2",
    770: "TLS 1.1",
    769: "TLSv1",
    768: "SSLv3",
  };
  return {
    "tls.sni": event.serverName,
    "tls.version": versions[event.version] ?? "",
    "tls.ja3.hash": event.ja3,
    "tls.ja3s.hash": event.ja3s,
    "tls.ja4": event.ja4,
    ...listed("tls.client_alpns", event.offeredProtocols),
    "tls.server_alpns[0]": event.applicationProtocol,
  };
}

// Suricata does not count multicast name resolution as DNS.
const otherNamePorts: ReadonlySet<number> = new Set([137, 5353, 5355]);

function dnsFields(event: NetworkEvent & { readonly kind: "dns" }, dnsVersion: 2 | 3): Fields[] {
  const made: Fields[] = [];
  if (otherNamePorts.has(event.destinationPort)) return made;
  const common = {
    "dns.queries[0].rrname": event.query,
    "dns.queries[0].rrtype": dnsTypes.get(event.queryType) ?? `TYPE${event.queryType}`,
  };
  if (event.asked) made.push({ ...common, "dns.type": "request" });
  if (!event.answered) return made;
  made.push({
    ...common,
    ...(dnsVersion === 3 ? turnedEnds(event) : {}),
    "dns.type": "response",
    "dns.rcode": dnsCodes[event.responseCode] ?? "",
  });
  return made;
}

function turnedEnds(event: NetworkEvent): Fields {
  return {
    src_ip: eveAddress(event.destinationAddress),
    src_port: event.destinationPort,
    dest_ip: eveAddress(event.sourceAddress),
    dest_port: event.sourcePort,
  };
}

const dnsCodes = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
const dnsTypes: ReadonlyMap<number, string> = new Map([
  [1, "A"],
  [2, "NS"],
  [5, "CNAME"],
  [6, "SOA"],
  [12, "PTR"],
  [15, "MX"],
  [16, "TXT"],
  [28, "AAAA"],
  [33, "SRV"],
]);

// Suricata keeps no flows of it.
const igmp = 2;

function flowFields(event: FlowEvent): Fields {
  const found = event.services.map((name) => eveProtocols.get(name)).find((name) => name);
  const isTcp = event.transport === "tcp";
  const state = isTcp ? tcpState(event.state) : udpState(event);
  // Without a protocol that tells, Suricata takes the first sender of a datagram for the client;
  // we, like Zeek, go by the port that is likely a server's.
  const isTurned =
    event.transport === "udp" && event.history.startsWith("^") && event.services.length === 0;
  return {
    ...(isTurned ? turnedEnds(event) : {}),
    app_proto: found ?? "",
    "flow.pkts_toserver": isTurned ? event.destinationPackets : event.sourcePackets,
    "flow.pkts_toclient": isTurned ? event.sourcePackets : event.destinationPackets,
    "flow.age": Math.floor(event.timeMs / 1000) - Math.floor(event.startMs / 1000),
    "flow.start": eveTime(event.startMs),
    "flow.end": eveTime(event.timeMs),
    "flow.state": state,
    ...(isTcp ? { "tcp.state": state } : {}),
    ...(event.transport.startsWith("icmp") ? { icmp_type: event.sourcePort } : {}),
  };
}

// A half-closed connection is still established in Suricata's flow states.
function tcpState(state: string): string {
  if (/^(SF|RST|REJ)/.test(state)) return "closed";
  return /^(S0|SH)$/.test(state) ? "new" : "established";
}

function udpState(event: FlowEvent): string {
  return event.sourcePackets > 0 && event.destinationPackets > 0 ? "established" : "new";
}

/** Microseconds, which a Date does not hold. */
function eveTime(timeMs: number): string {
  const microseconds = Math.round(timeMs * 1000);
  const whole = new Date(Math.floor(microseconds / 1e6) * 1000).toISOString().slice(0, 19);
  return `${whole}.${String(microseconds % 1e6).padStart(6, "0")}+0000`;
}

const smbCommands: Readonly<Record<string, readonly [string, string]>> = {
  negotiate: ["SMB1_COMMAND_NEGOTIATE_PROTOCOL", "SMB2_COMMAND_NEGOTIATE_PROTOCOL"],
  "session-setup": ["SMB1_COMMAND_SESSION_SETUP_ANDX", "SMB2_COMMAND_SESSION_SETUP"],
  logoff: ["SMB1_COMMAND_LOGOFF_ANDX", "SMB2_COMMAND_SESSION_LOGOFF"],
  "tree-connect": ["SMB1_COMMAND_TREE_CONNECT_ANDX", "SMB2_COMMAND_TREE_CONNECT"],
  "tree-disconnect": ["SMB1_COMMAND_TREE_DISCONNECT", "SMB2_COMMAND_TREE_DISCONNECT"],
  create: ["SMB1_COMMAND_NT_CREATE_ANDX", "SMB2_COMMAND_CREATE"],
  close: ["SMB1_COMMAND_CLOSE", "SMB2_COMMAND_CLOSE"],
  read: ["SMB1_COMMAND_READ_ANDX", "SMB2_COMMAND_READ"],
  write: ["SMB1_COMMAND_WRITE_ANDX", "SMB2_COMMAND_WRITE"],
  "query-directory": ["", "SMB2_COMMAND_FIND"],
  "query-info": ["", "SMB2_COMMAND_GET_INFO"],
};
const smbStatus: ReadonlyMap<number, string> = new Map([
  [0, "STATUS_SUCCESS"],
  [0x80000006, "STATUS_NO_MORE_FILES"],
  [0xc0000011, "STATUS_END_OF_FILE"],
  [0xc0000016, "STATUS_MORE_PROCESSING_REQUIRED"],
  [0xc0000022, "STATUS_ACCESS_DENIED"],
]);
const smbDosErrors: ReadonlyMap<number, string> = new Map([[0x5b0002, "SRV_BADUID"]]);
const dispositions = ["FILE_SUPERSEDE", "FILE_OPEN", "FILE_CREATE", "FILE_OPEN_IF"];

function smbFields(event: SmbEvent, txId: number): Fields {
  const { statusCode, isNtStatus, answered } = event;
  const names = smbCommands[event.command];
  // A class and a code share the 32 bits of an NTSTATUS: EVE shows the code alone.
  const code = isNtStatus
    ? statusCode.toString(16)
    : (statusCode >>> 16).toString(16).padStart(4, "0");
  const status = (isNtStatus ? smbStatus : smbDosErrors).get(statusCode);
  const isShared = event.command === "tree-connect";
  return {
    "smb.id": txId + 1,
    "smb.dialect": event.dialect || "unknown",
    "smb.command": names?.[event.generation - 1] ?? "",
    "smb.status": answered ? (status ?? "other") : "",
    "smb.status_code": answered ? `0x${code}` : "",
    "smb.session_id": Number(event.sessionId),
    "smb.tree_id": event.treeId,
    "smb.filename": event.fileName,
    "smb.fuid": event.fileId.length === 32 ? guidText(event.fileId) : "",
    "smb.disposition": dispositions[event.disposition] ?? "",
    "smb.share": isShared && event.shareType === "disk" ? event.share : "",
    "smb.named_pipe": isShared && event.shareType === "pipe" ? event.share : "",
    ...listed("smb.client_dialects", event.offeredDialects),
    "smb.server_guid": event.serverGuid === "" ? "" : guidText(event.serverGuid),
    "smb.request.native_os": event.clientSystem,
    "smb.request.native_lm": event.clientSoftware,
    "smb.response.native_os": event.serverSystem,
    "smb.response.native_lm": event.serverSoftware,
  };
}

// EVE turns each group round.
function guidText(hex: string): string {
  const turned = (from: number, to: number): string =>
    (hex.slice(2 * from, 2 * to).match(/../g) ?? []).reverse().join("");
  return [turned(0, 4), turned(4, 6), turned(6, 8), turned(8, 10)]
    .concat(turned(10, 12) + turned(12, 16))
    .join("-");
}
