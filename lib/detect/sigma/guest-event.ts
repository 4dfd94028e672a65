// SPDX-License-Identifier: Apache-2.0
// What a guest's driver tells, as Sigma rules see it: categories and field names are Sysmon's
// (taxonomy appendix 2.1.0). docs/detection.md has the same table for people; a test holds the two
// together. What no record holds is absent, never guessed.
import type {
  DnsQueryEvent,
  FileEvent,
  GuestEvent,
  GuestEventKind,
  ImageLoadEvent,
  ModuleEvent,
  ProcessExecEvent,
  RegistryEvent,
  RemoteThreadEvent,
  SocketEvent,
} from "../../model/model.ts";
import type { EventSource, SigmaEvent, SigmaValue } from "./event.ts";
import { registryDetails, registryObject } from "./registry-columns.ts";

/** What others know of a guest and its processes; whatever is unknown is undefined. */
export interface GuestFacts {
  readonly product: "linux" | "windows";
  /** The newest exec of a process. */
  exec(pid: number, processStartNs: bigint): ProcessExecEvent | undefined;
  /** The newest exec of its parent. */
  parent(pid: number, processStartNs: bigint): ProcessExecEvent | undefined;
  /** Name of a user of the guest. */
  userName(uid: number): string | undefined;
}

type Column<Event> = (event: Event, facts: GuestFacts) => SigmaValue;
type Columns<Event> = Readonly<Record<string, Column<Event>>>;

/** A kind of event as rules meet it. */
interface Mapping {
  readonly categories: readonly string[];
  readonly columns: Columns<never>;
}

/** Positive errno of a connect that goes on in the background. */
const EINPROGRESS = 115;

const execOf = ({ pid, processStartNs }: GuestEvent, facts: GuestFacts) =>
  facts.exec(pid, processStartNs);
const parentOf = ({ pid, processStartNs }: GuestEvent, facts: GuestFacts) =>
  facts.parent(pid, processStartNs);
/** Undefined where no record told one. */
const lineOf = (exec: ProcessExecEvent | undefined): string | undefined =>
  exec?.arguments.join(" ") || undefined;

/** On Windows the user is told with the program that it runs. */
function userOf(event: GuestEvent, facts: GuestFacts): string | undefined {
  const { user } = "user" in event ? event : (execOf(event, facts) ?? { user: "" });
  return user || facts.userName(event.uid);
}

// Mandatory labels ([MS-DTYP] 2.4.2.4), which a Windows driver sends as gid.
const INTEGRITY_LEVELS: ReadonlyMap<number, string> = new Map([
  [0x0000, "Untrusted"],
  [0x1000, "Low"],
  [0x2000, "Medium"],
  [0x2100, "Medium"],
  [0x3000, "High"],
  [0x4000, "System"],
]);

function onWindows(facts: GuestFacts, value: SigmaValue): SigmaValue {
  return facts.product === "windows" ? value : undefined;
}

/** Of any event: who acted. */
const actor: Columns<GuestEvent> = {
  UtcTime: ({ timeMs }) => new Date(timeMs).toISOString().replace("T", " ").slice(0, -1),
  Computer: ({ guest }) => guest,
  ProcessId: ({ pid }) => pid,
  ProcessGuid: ({ boot, pid, processStartNs, execGeneration }) =>
    `${boot}-${pid}-${processStartNs}-${execGeneration}`,
  ParentProcessId: ({ parentPid }) => parentPid,
  Image: (event, facts) => execOf(event, facts)?.path,
  CommandLine: (event, facts) => lineOf(execOf(event, facts)),
  CurrentDirectory: (event, facts) => execOf(event, facts)?.workingDirectory || undefined,
  ParentImage: (event, facts) => parentOf(event, facts)?.path,
  ParentCommandLine: (event, facts) => lineOf(parentOf(event, facts)),
  User: (event, facts) => userOf(event, facts),
  ParentUser: (event, facts) => parentOf(event, facts)?.user || undefined,
  IntegrityLevel: ({ gid }, facts) => onWindows(facts, INTEGRITY_LEVELS.get(gid)),
  TerminalSessionId: ({ cgroupId }, facts) => onWindows(facts, cgroupId),
};

const processCreation: Columns<ProcessExecEvent> = {
  ...actor,
  EventID: () => 1,
  Image: ({ path }) => path,
  CommandLine: (event) => lineOf(event),
  CurrentDirectory: ({ workingDirectory }) => workingDirectory || undefined,
};

const imageLoad: Columns<ImageLoadEvent> = {
  ...actor,
  EventID: () => 7,
  ImageLoaded: ({ path }) => path,
};

const remoteThread: Columns<RemoteThreadEvent> = {
  ...actor,
  EventID: () => 8,
  SourceImage: (event, facts) => execOf(event, facts)?.path,
  SourceProcessId: ({ pid }) => pid,
  SourceCommandLine: (event, facts) => lineOf(execOf(event, facts)),
  SourceParentImage: (event, facts) => parentOf(event, facts)?.path,
  TargetImage: ({ targetPid, targetStartNs }, facts) => facts.exec(targetPid, targetStartNs)?.path,
  TargetProcessId: ({ targetPid }) => targetPid,
  NewThreadId: ({ targetTid }) => targetTid,
  StartAddress: ({ startAddress }) =>
    `0x${startAddress.toString(16).toUpperCase().padStart(16, "0")}`,
};

const driverLoad: Columns<ModuleEvent> = {
  ...actor,
  EventID: () => 6,
  ImageLoaded: ({ name }) => name,
};

const file = (eventId: number): Columns<FileEvent> => ({
  ...actor,
  EventID: () => eventId,
  TargetFilename: ({ path }) => path,
});
const fileAccess: Columns<FileEvent> = { ...actor, FileName: ({ path }) => path };
const fileRename: Columns<FileEvent> = {
  ...actor,
  SourceFilename: ({ oldPath }) => oldPath,
  TargetFilename: ({ path }) => path,
};

const registry = (eventId: number, eventType: string): Columns<RegistryEvent> => ({
  ...actor,
  EventID: () => eventId,
  EventType: () => eventType,
  TargetObject: (event) => registryObject(event),
});
const registrySet: Columns<RegistryEvent> = {
  ...registry(13, "SetValue"),
  Details: (event) => registryDetails(event),
};
const registryRename: Columns<RegistryEvent> = {
  ...registry(14, "RenameKey"),
  NewName: ({ name }) => name,
};

const connection = (isOutbound: boolean): Columns<SocketEvent> => ({
  ...actor,
  EventID: () => 3,
  Initiated: () => String(isOutbound),
  Protocol: ({ protocol }) => PROTOCOLS.get(protocol),
  SourceIp: (event) => (isOutbound ? event.localAddress : event.remoteAddress),
  SourcePort: (event) => (isOutbound ? event.localPort : event.remotePort),
  SourceIsIpv6: ({ family }) => String(family === 6),
  DestinationIp: (event) => (isOutbound ? event.remoteAddress : event.localAddress),
  DestinationPort: (event) => (isOutbound ? event.remotePort : event.localPort),
  DestinationIsIpv6: ({ family }) => String(family === 6),
});
const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [1, "icmp"],
  [6, "tcp"],
  [17, "udp"],
  [58, "icmp6"],
]);

const dnsQuery: Columns<DnsQueryEvent> = {
  ...actor,
  EventID: () => 22,
  QueryName: ({ query }) => query,
};

const mapping = <Event extends GuestEvent>(
  categories: readonly string[],
  columns: Columns<Event>,
): Mapping => ({ categories, columns });

/** Kinds without a line have no place in Sigma's categories. */
const MAPPINGS: Readonly<Partial<Record<GuestEventKind, Mapping>>> = {
  "process.exec": mapping(["process_creation"], processCreation),
  // A rule that knows a bad program shall find it when it was there first, too.
  "process.existing": mapping(["process_creation"], processCreation),
  "process.exit": mapping(["process_termination"], { ...actor, EventID: () => 5 }),
  "image.load": mapping(["image_load"], imageLoad),
  "thread.remote": mapping(["create_remote_thread"], remoteThread),
  "module.load": mapping(["driver_load"], driverLoad),
  "file.create": mapping(["file_event"], file(11)),
  "file.open": mapping(["file_access"], fileAccess),
  "file.rename": mapping(["file_rename"], fileRename),
  "file.delete": mapping(["file_delete"], file(23)),
  "key.create": mapping(["registry_event", "registry_add"], registry(12, "CreateKey")),
  "key.delete": mapping(["registry_event", "registry_delete"], registry(12, "DeleteKey")),
  "key.rename": mapping(["registry_event", "registry_rename"], registryRename),
  "value.set": mapping(["registry_event", "registry_set"], registrySet),
  "value.delete": mapping(["registry_event", "registry_delete"], registry(12, "DeleteValue")),
  "socket.connect": mapping(["network_connection"], connection(true)),
  "socket.accept": mapping(["network_connection"], connection(false)),
  "socket.send": mapping(["network_connection"], connection(true)),
  "dns.query": mapping(["dns_query"], dnsQuery),
};

interface PreparedMapping {
  readonly sources: Readonly<Record<GuestFacts["product"], EventSource>>;
  readonly columns: ReadonlyMap<string, Column<GuestEvent>>;
}

const PREPARED: ReadonlyMap<string, PreparedMapping> = new Map(
  Object.entries(MAPPINGS).map(([kind, { categories, columns }]) => {
    const linux: EventSource = { product: "linux", categories };
    const windows: EventSource = { product: "windows", categories };
    // Each kind's columns are called with events of that kind only: the map's key sees to it.
    const callable = new Map(Object.entries(columns as Columns<GuestEvent>));
    return [kind, { sources: { linux, windows }, columns: callable }];
  }),
);

/** The event as rules see it; undefined for kinds that Sigma has no category for. */
export function guestSigmaEvent(event: GuestEvent, facts: GuestFacts): SigmaEvent | undefined {
  const prepared = PREPARED.get(event.kind);
  if (prepared === undefined || isFailed(event)) return undefined;
  return new GuestView(event, facts, prepared);
}

/** Categories and fields of each kind, as the table in docs/detection.md has them. */
export function guestMappings(): ReadonlyArray<{
  readonly kind: string;
  readonly categories: readonly string[];
  readonly fields: readonly string[];
}> {
  const common = Object.keys(actor);
  return Object.entries(MAPPINGS).map(([kind, { categories, columns }]) => ({
    kind,
    categories,
    fields: Object.keys(columns).filter((field) => !common.includes(field)),
  }));
}

/** A connection that did not come about is none, nor is a change that the registry refused. */
function isFailed(event: GuestEvent): boolean {
  if ("status" in event) return event.status >= 0x8000_0000;
  return event.kind === "socket.connect" && event.result !== 0 && event.result !== EINPROGRESS;
}

class GuestView implements SigmaEvent {
  readonly source: EventSource;
  readonly timeMs: number;
  readonly origin: GuestEvent;
  readonly #facts: GuestFacts;
  readonly #columns: ReadonlyMap<string, Column<GuestEvent>>;

  constructor(event: GuestEvent, facts: GuestFacts, { sources, columns }: PreparedMapping) {
    this.source = sources[facts.product];
    this.timeMs = event.timeMs;
    this.origin = event;
    this.#facts = facts;
    this.#columns = columns;
  }

  get(field: string): SigmaValue {
    return this.#columns.get(field)?.(this.origin, this.#facts);
  }

  fieldNames(): Iterable<string> {
    return this.#columns.keys();
  }
}
