// SPDX-License-Identifier: Apache-2.0
// Which property of which event is which field of event-fields.ts. A kind or a property without a
// field does not compile. Used by the store's columns and by whoever looks into events by field.
import type * as events from "./event.ts";
import type { FIELD_TABLE, FieldName, FieldType } from "./event-fields.ts";
import type { Finding } from "./finding.ts";
import type * as network from "./network-event.ts";

/** A loss with the server's time at which it was noticed. */
export type StoredLoss = events.Loss & { readonly timeMs: number };

/** A finding as it stood at `timeMs`; the newest row of an id is how it stands. */
export type StoredFinding = Omit<Finding, "process"> &
  events.ProcessIdentity & { readonly kind: "finding"; readonly timeMs: number };

/** Whatever the event store keeps. */
export type StoredEvent =
  | events.GuestEvent
  | network.GuestNetworkEvent
  | StoredLoss
  | StoredFinding;

export type StoredKind = StoredEvent["kind"];

/** Kinds of one shape have the same properties. */
interface Shapes {
  fork: events.ProcessForkEvent;
  exec: events.ProcessExecEvent;
  exit: events.ProcessExitEvent;
  hash: events.ProcessHashEvent;
  image: events.ImageLoadEvent;
  thread: events.RemoteThreadEvent;
  file: events.FileEvent;
  registry: events.RegistryEvent;
  verdict: events.VerdictEvent;
  module: events.ModuleEvent;
  socket: events.SocketEvent;
  query: events.DnsQueryEvent;
  flow: network.FlowEvent & network.NetworkPlace;
  dns: network.DnsEvent & network.NetworkPlace;
  http: network.HttpEvent & network.NetworkPlace;
  tls: network.TlsEvent & network.NetworkPlace;
  ssh: network.SshEvent & network.NetworkPlace;
  dhcp: network.DhcpEvent & network.NetworkPlace;
  arp: network.ArpEvent & network.NetworkPlace;
  smb: network.SmbEvent & network.NetworkPlace;
  anomaly: network.AnomalyEvent & network.NetworkPlace;
  finding: StoredFinding;
  loss: StoredLoss;
}

/** Class of events that share their columns. */
export type EventShape = keyof Shapes;

type FieldOfType<T extends FieldType> = {
  [N in FieldName]: (typeof FIELD_TABLE)[N][0] extends T ? N : never;
}[FieldName];

type FieldFor<V> = [V] extends [bigint]
  ? FieldOfType<"bigint">
  : [V] extends [string]
    ? FieldOfType<"address" | "text">
    : [V] extends [number]
      ? FieldOfType<"number" | "real" | "time">
      : [V] extends [boolean]
        ? FieldOfType<"flag">
        : FieldOfType<"list"> | "command_line";

type ColumnsOf<T> = { readonly [P in Exclude<keyof T, "kind">]-?: FieldFor<T[P]> };

/** The shape of each kind. */
export const KIND_SHAPES: { readonly [K in StoredKind]: ShapeOf<K> } = {
  "process.fork": "fork",
  "process.exec": "exec",
  "process.existing": "exec",
  "process.exit": "exit",
  "process.hash": "hash",
  "image.load": "image",
  "thread.remote": "thread",
  "file.create": "file",
  "file.open": "file",
  "file.close": "file",
  "file.write": "file",
  "file.attributes": "file",
  "file.rename": "file",
  "file.delete": "file",
  "key.create": "registry",
  "key.open": "registry",
  "key.close": "registry",
  "key.read": "registry",
  "key.rename": "registry",
  "key.delete": "registry",
  "value.set": "registry",
  "value.delete": "registry",
  verdict: "verdict",
  "module.load": "module",
  "module.unload": "module",
  "socket.connect": "socket",
  "socket.accept": "socket",
  "socket.bind": "socket",
  "socket.listen": "socket",
  "socket.send": "socket",
  "socket.raw": "socket",
  "dns.query": "query",
  "flow.open": "flow",
  "flow.update": "flow",
  "flow.close": "flow",
  dns: "dns",
  http: "http",
  tls: "tls",
  ssh: "ssh",
  dhcp: "dhcp",
  arp: "arp",
  smb: "smb",
  anomaly: "anomaly",
  finding: "finding",
  loss: "loss",
};

type ShapeOf<K extends StoredKind> = {
  [S in EventShape]: K extends Shapes[S]["kind"] ? S : never;
}[EventShape];

/** All kinds. */
export const STORED_KINDS: readonly StoredKind[] = Object.keys(KIND_SHAPES) as StoredKind[];

const PROCESS = {
  guest: "guest",
  boot: "boot",
  pid: "pid",
  processStartNs: "start_ns",
  execGeneration: "generation",
} as const;

const BASE = {
  ...PROCESS,
  sequence: "seq",
  timeMs: "time",
  tid: "tid",
  parentPid: "ppid",
  uid: "uid",
  gid: "gid",
  cgroupId: "cgroup_id",
  mountNamespace: "mount_ns",
  cpu: "cpu",
  truncated: "truncated",
} as const;

const SOCKET = {
  ...BASE,
  socketCookie: "socket_cookie",
  family: "family",
  protocol: "protocol",
  localAddress: "local_address",
  localPort: "local_port",
  remoteAddress: "remote_address",
  remotePort: "remote_port",
  networkNamespace: "network_ns",
} as const;

const NETWORK = {
  ...PROCESS,
  slot: "slot",
  interfaceName: "interface",
  outbound: "outbound",
  program: "image",
  commandLine: "command_line",
  ancestors: "ancestors",
  timeMs: "time",
  flowId: "flow_id",
  transport: "transport",
  sourceAddress: "source_address",
  sourcePort: "source_port",
  destinationAddress: "destination_address",
  destinationPort: "destination_port",
  communityId: "community_id",
} as const;

/** Property to field, by shape. */
export const SHAPE_FIELDS: { readonly [S in EventShape]: ColumnsOf<Shapes[S]> } = {
  fork: {
    ...BASE,
    childPid: "child_pid",
    childStartNs: "child_start_ns",
    childExecGeneration: "child_generation",
  },
  exec: {
    ...BASE,
    path: "image",
    requestedPath: "requested_path",
    arguments: "command_line",
    argumentCount: "argument_count",
    argumentBytes: "argument_bytes",
    workingDirectory: "directory",
    cgroup: "cgroup",
    commandName: "command_name",
    user: "user",
    effectiveUid: "euid",
    inode: "inode",
    device: "device",
    mode: "mode",
    parentStartNs: "parent_start_ns",
    parentExecGeneration: "parent_generation",
    uncovered: "uncovered",
  },
  exit: { ...BASE, exitCode: "exit_code", signal: "signal" },
  hash: {
    ...BASE,
    path: "image",
    execSequence: "exec_seq",
    inode: "inode",
    device: "device",
    sizeBytes: "size",
    result: "hash_result",
    sha256: "sha256",
  },
  image: {
    ...BASE,
    path: "path",
    inode: "inode",
    device: "device",
    address: "load_address",
    sizeBytes: "size",
  },
  thread: {
    ...BASE,
    targetPid: "target_pid",
    targetTid: "target_tid",
    targetStartNs: "target_start_ns",
    startAddress: "start_address",
  },
  file: {
    ...BASE,
    path: "path",
    oldPath: "old_path",
    inode: "inode",
    device: "device",
    sizeBytes: "size",
    mode: "mode",
    written: "written",
    directory: "is_directory",
    forExecution: "for_execution",
  },
  registry: {
    ...BASE,
    key: "key",
    name: "value_name",
    valueType: "value_type",
    dataBytes: "data_bytes",
    data: "data",
    status: "status",
  },
  verdict: {
    ...BASE,
    path: "path",
    ruleId: "rule_id",
    operation: "operation",
    verdict: "verdict",
    inode: "inode",
    device: "device",
  },
  module: { ...BASE, name: "module", sizeBytes: "size", taints: "taints" },
  socket: { ...SOCKET, result: "errno" },
  query: {
    ...SOCKET,
    query: "query",
    queryType: "query_type",
    transactionId: "transaction_id",
  },
  flow: {
    ...NETWORK,
    startMs: "flow_start",
    durationMs: "duration_ms",
    ipProtocol: "protocol",
    vlan: "vlan",
    services: "services",
    sourceBytes: "source_bytes",
    destinationBytes: "destination_bytes",
    sourcePackets: "source_packets",
    destinationPackets: "destination_packets",
    sourceIpBytes: "source_ip_bytes",
    destinationIpBytes: "destination_ip_bytes",
    missedBytes: "missed_bytes",
    overlapBytes: "overlap_bytes",
    state: "flow_state",
    history: "history",
    reason: "reason",
  },
  dns: {
    ...NETWORK,
    transactionId: "transaction_id",
    opcode: "opcode",
    query: "query",
    queryType: "query_type",
    queryClass: "query_class",
    asked: "asked",
    answered: "answered",
    responseCode: "response_code",
    authoritative: "authoritative",
    truncated: "truncated",
    recursionDesired: "recursion_desired",
    recursionAvailable: "recursion_available",
    answers: "answers",
    answerTtls: "answer_ttls",
    roundTripMs: "round_trip_ms",
  },
  http: {
    ...NETWORK,
    depth: "depth",
    method: "method",
    authority: "authority",
    uri: "uri",
    referrer: "referrer",
    userAgent: "user_agent",
    origin: "origin",
    version: "http_version",
    requestBodyBytes: "request_bytes",
    responseBodyBytes: "response_bytes",
    responseEncoding: "response_encoding",
    statusCode: "status_code",
    statusMessage: "status_message",
  },
  tls: {
    ...NETWORK,
    version: "tls_version",
    cipher: "tls_cipher",
    group: "tls_group",
    serverName: "server_name",
    applicationProtocol: "application_protocol",
    offeredProtocols: "offered_protocols",
    established: "established",
    ja3: "ja3",
    ja3s: "ja3s",
    ja4: "ja4",
    certificates: "certificates",
    clientCertificates: "client_certificates",
    alertLevel: "alert_level",
    alert: "alert",
    quic: "quic",
  },
  ssh: {
    ...NETWORK,
    clientVersion: "client_version",
    serverVersion: "server_version",
    hassh: "hassh",
    hasshServer: "hassh_server",
    keyExchange: "key_exchange",
    serverKey: "server_key",
    cipher: "ssh_cipher",
    mac: "ssh_mac",
    compression: "compression",
  },
  dhcp: {
    ...NETWORK,
    transactionId: "transaction_id",
    messageType: "message_type",
    fromClient: "from_client",
    clientMac: "client_mac",
    clientAddress: "client_address",
    assignedAddress: "assigned_address",
    serverAddress: "server_address",
    requestedAddress: "requested_address",
    clientName: "client_name",
    clientDomainName: "client_domain",
    domain: "domain",
    leaseSeconds: "lease_seconds",
    routers: "routers",
    nameServers: "name_servers",
    vendorClass: "vendor_class",
    parameters: "parameters",
  },
  arp: {
    ...NETWORK,
    operation: "arp_operation",
    senderMac: "sender_mac",
    targetMac: "target_mac",
  },
  smb: {
    ...NETWORK,
    generation: "smb_generation",
    dialect: "dialect",
    offeredDialects: "offered_dialects",
    command: "smb_command",
    sessionId: "session_id",
    treeId: "tree_id",
    answered: "answered",
    statusCode: "status_code",
    isNtStatus: "is_nt_status",
    userName: "user",
    domainName: "user_domain",
    clientName: "client_name",
    clientSystem: "client_system",
    clientSoftware: "client_software",
    serverSystem: "server_system",
    serverSoftware: "server_software",
    serverGuid: "server_guid",
    fileId: "file_id",
    share: "share",
    shareType: "share_type",
    fileName: "file_name",
    newName: "new_name",
    disposition: "create_disposition",
    isDeleted: "is_deleted",
    fileBytes: "size",
    transfers: "transfers",
    transferBytes: "transfer_bytes",
  },
  anomaly: { ...NETWORK, name: "anomaly" },
  finding: {
    ...PROCESS,
    timeMs: "time",
    id: "finding",
    rule: "rule",
    title: "title",
    severity: "severity",
    firstMs: "first",
    lastMs: "last",
    count: "count",
    field: "field",
    value: "value",
    evidence: "evidence",
    commands: "commands",
    disposition: "disposition",
    tags: "tags",
  },
  loss: {
    timeMs: "time",
    guest: "guest",
    boot: "boot",
    ring: "ring",
    recordClass: "record_class",
    reason: "reason",
    count: "count",
    firstSequence: "first_seq",
    lastSequence: "last_seq",
  },
};

const PROPERTIES = new Map<EventShape, ReadonlyMap<FieldName, string>>(
  Object.entries(SHAPE_FIELDS).map(([shape, fields]) => [
    shape as EventShape,
    new Map(Object.entries(fields).map(([property, field]) => [field, property])),
  ]),
);

/** The value that an event has for a field, as its property has it; undefined where it has none. */
export function fieldOf(event: StoredEvent, field: FieldName): unknown {
  const property = PROPERTIES.get(KIND_SHAPES[event.kind])?.get(field);
  if (property === undefined) return undefined;
  const value: unknown = event[property as keyof StoredEvent];
  return property === "arguments" ? (value as readonly string[]).join(" ") : value;
}
