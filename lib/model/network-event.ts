// SPDX-License-Identifier: Apache-2.0
// Network events as they leave the network room: flat plain objects, one per flow change or
// protocol exchange. Which guest a tap belongs to is added by whoever owns the tap.

import type { ProcessIdentity } from "./event.ts";

export type TransportName = "tcp" | "udp" | "icmp" | "icmp6" | "other";

/** What every event of a flow carries. The source is who opened the flow. */
export interface NetworkEventBase {
  /** Milliseconds since 1970 of the packet that completed the event; fractions are kept. */
  readonly timeMs: number;
  /** Number of the flow within one analyzer; 0 for events without a flow. */
  readonly flowId: number;
  readonly transport: TransportName;
  readonly sourceAddress: string;
  /** Port, or ICMP type. */
  readonly sourcePort: number;
  readonly destinationAddress: string;
  /** Port, or the ICMP type that answers, or the ICMP code where none does. */
  readonly destinationPort: number;
  /** Community ID version 1. */
  readonly communityId: string;
}

/** A flow as far as it was seen. */
export interface FlowEvent extends NetworkEventBase {
  readonly kind: "flow.open" | "flow.update" | "flow.close";
  readonly startMs: number;
  readonly durationMs: number;
  readonly ipProtocol: number;
  readonly vlan: number;
  /** Protocols found by content, in the order found. */
  readonly services: readonly string[];
  readonly sourceBytes: number;
  readonly destinationBytes: number;
  readonly sourcePackets: number;
  readonly destinationPackets: number;
  readonly sourceIpBytes: number;
  readonly destinationIpBytes: number;
  readonly missedBytes: number;
  /** Bytes sent again with other content; the first content was kept. */
  readonly overlapBytes: number;
  /** Connection state in Zeek's terms: S0, SF, REJ and so on. */
  readonly state: string;
  /** Packet history in Zeek's letters; upper case for the source. */
  readonly history: string;
  /** Why a flow closed; "open" while it has not. */
  readonly reason: "open" | "ended" | "idle" | "evicted" | "flush";
}

export interface DnsEvent extends NetworkEventBase {
  readonly kind: "dns";
  readonly transactionId: number;
  readonly opcode: number;
  readonly query: string;
  readonly queryType: number;
  readonly queryClass: number;
  /** The question itself was seen, not only its echo in an answer. */
  readonly asked: boolean;
  readonly answered: boolean;
  readonly responseCode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly answers: readonly string[];
  readonly answerTtls: readonly number[];
  /** Milliseconds from query to response; 0 when one of them is missing. */
  readonly roundTripMs: number;
}

export interface HttpEvent extends NetworkEventBase {
  readonly kind: "http";
  /** Place of the request in its connection, from 1. */
  readonly depth: number;
  readonly method: string;
  /** What the request was sent to: name and port as it said. */
  readonly authority: string;
  readonly uri: string;
  readonly referrer: string;
  readonly userAgent: string;
  readonly origin: string;
  readonly version: string;
  readonly requestBodyBytes: number;
  /** As sent: packed where {@link responseEncoding} says so. */
  readonly responseBodyBytes: number;
  /** Content-Encoding of the response, empty when it has none. */
  readonly responseEncoding: string;
  /** 0 when no response was seen. */
  readonly statusCode: number;
  readonly statusMessage: string;
}

export interface TlsEvent extends NetworkEventBase {
  readonly kind: "tls";
  /** Chosen version, or the offered one when no server answered: such as 0x0303. */
  readonly version: number;
  readonly cipher: number;
  /** Group of the key exchange, 0 when unknown. */
  readonly group: number;
  readonly serverName: string;
  readonly applicationProtocol: string;
  readonly offeredProtocols: readonly string[];
  readonly established: boolean;
  readonly ja3: string;
  readonly ja3s: string;
  readonly ja4: string;
  /** SHA-256 of each certificate of the server, in hex, in the order sent. */
  readonly certificates: readonly string[];
  readonly clientCertificates: readonly string[];
  /** Last alert in plain text: level and description; -1 when none. */
  readonly alertLevel: number;
  readonly alert: number;
  readonly quic: boolean;
}

export interface SshEvent extends NetworkEventBase {
  readonly kind: "ssh";
  readonly clientVersion: string;
  readonly serverVersion: string;
  readonly hassh: string;
  readonly hasshServer: string;
  /** Algorithms that both sides agree on, empty when unknown. */
  readonly keyExchange: string;
  readonly serverKey: string;
  readonly cipher: string;
  readonly mac: string;
  readonly compression: string;
}

export interface DhcpEvent extends NetworkEventBase {
  readonly kind: "dhcp";
  readonly transactionId: number;
  /** Message type of option 53; 0 for plain BOOTP. */
  readonly messageType: number;
  readonly fromClient: boolean;
  readonly clientMac: string;
  readonly clientAddress: string;
  readonly assignedAddress: string;
  readonly serverAddress: string;
  readonly requestedAddress: string;
  readonly clientName: string;
  readonly clientDomainName: string;
  readonly domain: string;
  /** Seconds; 0 when absent. */
  readonly leaseSeconds: number;
  readonly routers: readonly string[];
  readonly nameServers: readonly string[];
  /** What the client is and asks for: it tells systems apart. */
  readonly vendorClass: string;
  readonly parameters: readonly number[];
}

export interface ArpEvent extends NetworkEventBase {
  readonly kind: "arp";
  readonly operation: number;
  readonly senderMac: string;
  readonly targetMac: string;
}

/** One exchange of SMB; reads and writes are one event each an open file, told when it closes. */
export interface SmbEvent extends NetworkEventBase {
  readonly kind: "smb";
  /** 1, or 2 for SMB 2 and 3. */
  readonly generation: 1 | 2;
  /** Chosen dialect, such as "NT LM 0.12" or "3.11"; empty when its choice was not seen. */
  readonly dialect: string;
  readonly offeredDialects: readonly string[];
  readonly command: string;
  /** Decimal text, because it has 64 bits. */
  readonly sessionId: string;
  readonly treeId: number;
  readonly answered: boolean;
  /** Status of the answer: an NTSTATUS value, or an SMB1 class and code. */
  readonly statusCode: number;
  readonly isNtStatus: boolean;
  readonly userName: string;
  readonly domainName: string;
  readonly clientName: string;
  /** System and software that an SMB1 client and server name. */
  readonly clientSystem: string;
  readonly clientSoftware: string;
  readonly serverSystem: string;
  readonly serverSoftware: string;
  /** The server's GUID and the open file's number, in hex as sent. */
  readonly serverGuid: string;
  readonly fileId: string;
  readonly share: string;
  readonly shareType: "" | "disk" | "pipe" | "print";
  readonly fileName: string;
  /** What a rename made of the name. */
  readonly newName: string;
  /** Create: what to do where the name exists or not; -1 in other commands. */
  readonly disposition: number;
  /** Close: the file is gone with it. */
  readonly isDeleted: boolean;
  /** Size of the file as it was opened; 0 when unknown. */
  readonly fileBytes: number;
  /** Reads or writes of an open file together, and the bytes they moved. */
  readonly transfers: number;
  readonly transferBytes: number;
}

/** Input that breaks its protocol, or that a limit cut. */
export interface AnomalyEvent extends NetworkEventBase {
  readonly kind: "anomaly";
  readonly name: string;
}

/** Where and by whom in a guest; the process parts are 0 and empty while no process is known. */
export interface NetworkPlace extends ProcessIdentity {
  /** The server's number of the interface. */
  readonly slot: number;
  readonly interfaceName: string;
  /** The guest opened the flow. */
  readonly outbound: boolean;
  /** What the process executes, and how it was started. */
  readonly program: string;
  readonly commandLine: string;
  /** Programs of its ancestors, the parent first; "?" for one that was never seen. */
  readonly ancestors: readonly string[];
}

/** A network event with the guest, and the process once its sensor told of the socket. */
export type GuestNetworkEvent = NetworkEvent & NetworkPlace;

export type NetworkEvent =
  | FlowEvent
  | DnsEvent
  | HttpEvent
  | TlsEvent
  | SshEvent
  | DhcpEvent
  | ArpEvent
  | SmbEvent
  | AnomalyEvent;
