// SPDX-License-Identifier: Apache-2.0
// Network events in the outward shape: OCSF 1.8, category 4 (network activity). Pure; called by
// whoever hands events to other systems. What the schema has no place for goes to `unmapped`.
import type {
  DhcpEvent,
  DnsEvent,
  FlowEvent,
  GuestNetworkEvent,
  HttpEvent,
  SmbEvent,
  SshEvent,
  TlsEvent,
} from "../model/model.ts";

/** An OCSF event: plain JSON. */
export type OcsfEvent = Readonly<Record<string, unknown>>;

const schemaVersion = "1.8.0";
const category = 4;
const networkActivity = 4001;
const httpActivity = 4002;
const dnsActivity = 4003;
const dhcpActivity = 4004;
const smbActivity = 4006;
const sshActivity = 4007;
const informational = 1;
const traffic = 6;
const virtualMachine = 6;
const regularFile = 1;
const md5 = 1;
const ja4Client = 1;

interface Part {
  readonly classUid: number;
  readonly activity: number;
  readonly fields: OcsfEvent;
  readonly unmapped?: OcsfEvent;
}

/** One network event as OCSF. version: of this program, told as the product's. */
export function toOcsf(event: GuestNetworkEvent, version: string): OcsfEvent {
  const { classUid, activity, fields, unmapped } = partOf(event);
  const rest = { ...unmapped, interface: event.interfaceName, event_kind: event.kind };
  return {
    category_uid: category,
    class_uid: classUid,
    activity_id: activity,
    type_uid: classUid * 100 + activity,
    severity_id: informational,
    time: Math.round(event.timeMs),
    metadata: {
      version: schemaVersion,
      product: { name: "Undercroft", vendor_name: "Undercroft", version },
      profiles: ["host"],
    },
    device: { type_id: virtualMachine, name: event.guest },
    ...endsOf(event),
    ...(event.pid === 0 ? {} : { actor: { process: processOf(event) } }),
    ...fields,
    unmapped: rest,
  };
}

function endsOf(event: GuestNetworkEvent): OcsfEvent {
  const { sourceAddress, sourcePort, destinationAddress, destinationPort, outbound } = event;
  const hasPorts = event.transport === "tcp" || event.transport === "udp";
  const end = (ip: string, port: number): object | undefined =>
    ip === "" ? undefined : { ip, ...(hasPorts ? { port } : {}) };
  const [source, destination] = [
    end(sourceAddress, sourcePort),
    end(destinationAddress, destinationPort),
  ];
  return {
    ...(source === undefined ? {} : { src_endpoint: source }),
    ...(destination === undefined ? {} : { dst_endpoint: destination }),
    connection_info: {
      direction_id: outbound ? 2 : 1,
      protocol_name: event.transport,
      ...(event.communityId === "" ? {} : { community_uid: event.communityId }),
      ...("history" in event && event.history !== "" ? { flag_history: event.history } : {}),
      ...("ipProtocol" in event ? { protocol_num: event.ipProtocol } : {}),
    },
  };
}

function processOf(event: GuestNetworkEvent): OcsfEvent {
  const name = event.program.slice(event.program.lastIndexOf("/") + 1);
  return {
    pid: event.pid,
    uid: [event.boot, event.pid, event.processStartNs, event.execGeneration].join("-"),
    ...(event.commandLine === "" ? {} : { cmd_line: event.commandLine }),
    ...(name === "" ? {} : { name, file: { name, path: event.program, type_id: regularFile } }),
    ...(event.ancestors.length === 0 ? {} : { lineage: [...event.ancestors] }),
  };
}

function partOf(event: GuestNetworkEvent): Part {
  switch (event.kind) {
    case "dns":
      return dnsPart(event);
    case "http":
      return httpPart(event);
    case "tls":
      return tlsPart(event);
    case "ssh":
      return sshPart(event);
    case "smb":
      return smbPart(event);
    case "dhcp":
      return dhcpPart(event);
    case "flow.open":
    case "flow.update":
    case "flow.close":
      return flowPart(event);
    case "arp": {
      const { operation, senderMac, targetMac } = event;
      const unmapped = { operation, sender_mac: senderMac, target_mac: targetMac };
      return { classUid: networkActivity, activity: traffic, fields: {}, unmapped };
    }
    case "anomaly": {
      const unmapped = { anomaly: event.name };
      return { classUid: networkActivity, activity: traffic, fields: {}, unmapped };
    }
  }
}

function flowPart(event: FlowEvent): Part {
  const opened = 1;
  const closed = 2;
  const failed = 4;
  const isFailed = event.state === "S0" || event.state === "REJ";
  const end = isFailed && event.transport === "tcp" ? failed : closed;
  const { sourceBytes, destinationBytes, sourcePackets, destinationPackets } = event;
  return {
    classUid: networkActivity,
    activity: event.kind === "flow.open" ? opened : event.kind === "flow.close" ? end : traffic,
    fields: {
      traffic: {
        bytes: sourceBytes + destinationBytes,
        bytes_in: destinationBytes,
        bytes_out: sourceBytes,
        bytes_missed: event.missedBytes,
        packets: sourcePackets + destinationPackets,
        packets_in: destinationPackets,
        packets_out: sourcePackets,
      },
      start_time: Math.round(event.startMs),
      duration: Math.round(event.durationMs),
    },
    unmapped: { state: event.state, services: [...event.services], reason: event.reason },
  };
}

function dnsPart(event: DnsEvent): Part {
  const both = 6;
  const flags = [
    event.authoritative ? 1 : 0,
    event.truncated ? 2 : 0,
    event.recursionDesired ? 3 : 0,
    event.recursionAvailable ? 4 : 0,
  ].filter((flag) => flag > 0);
  return {
    classUid: dnsActivity,
    activity: event.asked && event.answered ? both : event.answered ? 2 : 1,
    fields: {
      query: {
        hostname: event.query,
        type: String(event.queryType),
        class: String(event.queryClass),
        packet_uid: event.transactionId,
      },
      flag_ids: flags,
      ...(event.answered ? { rcode_id: event.responseCode <= 23 ? event.responseCode : 99 } : {}),
      answers: event.answers.map((rdata, at) => ({ rdata, ttl: event.answerTtls[at] ?? 0 })),
    },
  };
}

const httpMethods = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE"];

function httpPart(event: HttpEvent): Part {
  const other = 99;
  const known = httpMethods.indexOf(event.method) + 1;
  const path = event.uri.includes("://") ? event.uri : `http://${event.authority}${event.uri}`;
  return {
    classUid: httpActivity,
    activity: known > 0 ? known : other,
    fields: {
      http_request: {
        ...(event.method === "" ? {} : { http_method: event.method }),
        url: { url_string: path },
        ...(event.userAgent === "" ? {} : { user_agent: event.userAgent }),
        ...(event.referrer === "" ? {} : { referrer: event.referrer }),
        ...(event.version === "" ? {} : { version: event.version }),
        body_length: event.requestBodyBytes,
      },
      ...(event.statusCode === 0
        ? {}
        : {
            http_response: {
              code: event.statusCode,
              ...(event.statusMessage === "" ? {} : { message: event.statusMessage }),
              body_length: event.responseBodyBytes,
            },
          }),
    },
  };
}

const tlsNames: Readonly<Record<number, string>> = {
  768: "3.0",
  769: "1.0",
  770: "1.1",
  771: "1.2",
  772: "1.3",
};

function tlsPart(event: TlsEvent): Part {
  const digest = (value: string): object | undefined =>
    value === "" ? undefined : { algorithm_id: md5, value };
  const [ja3, ja3s] = [digest(event.ja3), digest(event.ja3s)];
  return {
    classUid: networkActivity,
    activity: traffic,
    fields: {
      app_protocol_name: event.quic ? "quic" : "tls",
      tls: {
        version: tlsNames[event.version] ?? String(event.version),
        ...(event.serverName === "" ? {} : { sni: event.serverName }),
        ...(event.cipher === 0 ? {} : { cipher: event.cipher.toString(16).padStart(4, "0") }),
        ...(ja3 === undefined ? {} : { ja3_hash: ja3 }),
        ...(ja3s === undefined ? {} : { ja3s_hash: ja3s }),
        ...(event.alert < 0 ? {} : { alert: event.alert }),
      },
      ...(event.ja4 === ""
        ? {}
        : { ja4_fingerprint_list: [{ type_id: ja4Client, value: event.ja4 }] }),
    },
    unmapped: {
      established: event.established,
      application_protocol: event.applicationProtocol,
      certificates: [...event.certificates],
    },
  };
}

function sshPart(event: SshEvent): Part {
  const hassh = (value: string): object => ({
    fingerprint: { algorithm_id: md5, value },
  });
  return {
    classUid: sshActivity,
    activity: traffic,
    fields: {
      ...(event.hassh === "" ? {} : { client_hassh: hassh(event.hassh) }),
      ...(event.hasshServer === "" ? {} : { server_hassh: hassh(event.hasshServer) }),
      protocol_ver: event.serverVersion || event.clientVersion,
    },
    unmapped: { client: event.clientVersion, server: event.serverVersion },
  };
}

function smbPart(event: SmbEvent): Part {
  const other = 99;
  const name = event.fileName.slice(event.fileName.lastIndexOf("\\") + 1);
  return {
    classUid: smbActivity,
    // Create dispositions are numbered from 0, the schema's activities from 1.
    activity: event.disposition >= 0 && event.disposition <= 5 ? event.disposition + 1 : other,
    fields: {
      command: event.command,
      ...(event.dialect === "" ? {} : { dialect: event.dialect }),
      ...(event.share === "" ? {} : { share: event.share }),
      ...(name === "" ? {} : { file: { name, path: event.fileName, type_id: regularFile } }),
    },
  };
}

function dhcpPart(event: DhcpEvent): Part {
  const other = 99;
  // DISCOVER to INFORM; the schema counts as the protocol does.
  const isKnown = event.messageType >= 1 && event.messageType <= 8;
  return {
    classUid: dhcpActivity,
    activity: isKnown ? event.messageType : other,
    fields: {
      transaction_uid: String(event.transactionId),
      ...(event.leaseSeconds === 0 ? {} : { lease_dur: event.leaseSeconds }),
    },
    unmapped: { client_mac: event.clientMac, assigned_address: event.assignedAddress },
  };
}
