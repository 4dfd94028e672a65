// SPDX-License-Identifier: Apache-2.0
// The process that holds the connection to libvirt, so that a fault in foreign code ends it and
// not the server. Started by libvirt.ts, which gives the URI as argument; ends with its channel.
import process from "node:process";
import {
  calls,
  deviceCallback,
  eventCallback,
  type Handle,
  runEventLoop,
  takeHandles,
} from "./calls.ts";
import type {
  DomainEvent,
  DomainState,
  LibvirtMessage,
  LibvirtMethods,
  LibvirtRequest,
} from "./protocol.ts";

// libvirt-domain.h: VIR_DOMAIN_AFFECT_*, VIR_DOMAIN_XML_INACTIVE, VIR_DUMP_MEMORY_ONLY,
// VIR_DOMAIN_CORE_DUMP_FORMAT_RAW, VIR_DOMAIN_EVENT_ID_*, virDomainEventType.
const affect = { live: 1, stored: 2 } as const;
const xmlFlags = { live: 0, stored: 2 } as const;
const dumpMemoryOnly = 16;
const dumpFormatRaw = 0;
const lifecycleEvents = 0;
const deviceEvents = { removed: 15, added: 19 } as const;
const eventNames: readonly (DomainEvent["event"] | undefined)[] = [
  ...(["defined", "undefined", "running", "paused", "running", "stopped"] as const),
  ...[undefined, "paused" as const, "crashed" as const],
];
const paused = 3;
const pausedByGuest = 7;
const offStates: readonly number[] = [5, 6];
const keepAliveSeconds = 5;
const keepAliveCount = 3;
const aliveLookMs = 500;
const uuidBytes = 37;
const uuidShape = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

class LibvirtError extends Error {
  readonly code: number = calls.getLastErrorCode();
}

function failure(): LibvirtError {
  return new LibvirtError(calls.getLastErrorMessage() ?? "libvirt gave no reason");
}

function check(status: number): void {
  if (status < 0) throw failure();
}

function send(message: LibvirtMessage): void {
  process.send?.(message);
}

function uuidOf(domain: Handle): string {
  const text = Buffer.alloc(uuidBytes);
  check(calls.domainGetUUIDString(domain, text));
  return text.toString("latin1", 0, uuidBytes - 1);
}

function stateOf(domain: Handle): DomainState {
  const state: [number] = [0];
  const reason: [number] = [0];
  check(calls.domainGetState(domain, state, reason, 0));
  const info: { cpuTime?: number | bigint; nrVirtCpu?: number } = {};
  check(calls.domainGetInfo(domain, info));
  const isPaused = state[0] === paused || state[0] === pausedByGuest;
  return {
    name: calls.domainGetName(domain) ?? "",
    uuid: uuidOf(domain),
    state: offStates.includes(state[0]) ? "off" : isPaused ? "paused" : "running",
    reason: reason[0],
    cpuMs: Number(info.cpuTime ?? 0) / 1e6,
    vcpus: info.nrVirtCpu ?? 0,
  };
}

function serve(connection: Handle): LibvirtMethods {
  const lookUp = (nameOrUuid: string): Handle => {
    const byUuid = uuidShape.test(nameOrUuid);
    const domain = byUuid
      ? calls.domainLookupByUUIDString(connection, nameOrUuid)
      : calls.domainLookupByName(connection, nameOrUuid);
    if (domain === null) throw failure();
    return domain;
  };
  const using = <Value>(nameOrUuid: string, use: (domain: Handle) => Value): Value => {
    const domain = lookUp(nameOrUuid);
    try {
      return use(domain);
    } finally {
      calls.domainFree(domain);
    }
  };
  const all = (): Handle[] => {
    const array: [Handle | null] = [null];
    const count = calls.connectListAllDomains(connection, array, 0);
    check(count);
    return array[0] === null ? [] : takeHandles(array[0], count);
  };
  return {
    domains: () =>
      all().flatMap((domain) => {
        try {
          return [stateOf(domain)];
        } catch {
          return []; // It went away meanwhile.
        } finally {
          calls.domainFree(domain);
        }
      }),
    domain: (nameOrUuid) => using(nameOrUuid, stateOf),
    xml: (uuid, which) =>
      using(uuid, (domain) => {
        const text = calls.domainGetXMLDesc(domain, xmlFlags[which]);
        if (text === null) throw failure();
        return text;
      }),
    attach: (uuid, xml, where) =>
      using(uuid, (domain) => check(calls.domainAttachDeviceFlags(domain, xml, affect[where]))),
    detach: (uuid, xml, where) =>
      using(uuid, (domain) => check(calls.domainDetachDeviceFlags(domain, xml, affect[where]))),
    pause: (uuid) => using(uuid, (domain) => check(calls.domainSuspend(domain))),
    resume: (uuid) => using(uuid, (domain) => check(calls.domainResume(domain))),
    dumpMemory: (uuid, path) =>
      using(uuid, (domain) =>
        check(calls.domainCoreDumpWithFormat(domain, path, dumpFormatRaw, dumpMemoryOnly)),
      ),
    snapshot: (uuid, xml) =>
      using(uuid, (domain) => {
        const snapshot = calls.domainSnapshotCreateXML(domain, xml, 0);
        if (snapshot === null) throw failure();
        calls.domainSnapshotFree(snapshot);
      }),
  };
}

function answer(methods: LibvirtMethods, { id, method, args }: LibvirtRequest): void {
  try {
    const call = methods[method] as (...values: readonly unknown[]) => unknown;
    send({ id, result: call(...args) });
  } catch (cause) {
    const code = cause instanceof LibvirtError ? cause.code : 0;
    send({ id, error: { code, message: cause instanceof Error ? cause.message : String(cause) } });
  }
}

function onEvent(domain: Handle, event: DomainEvent["event"] | undefined): void {
  if (event === undefined) return;
  send({ event: { uuid: uuidOf(domain), name: calls.domainGetName(domain) ?? "", event } });
}

/** @throws {LibvirtError} where libvirt refuses the connection or its events */
function open(uri: string): Handle {
  check(calls.eventRegisterDefaultImpl());
  const connection = calls.connectOpen(uri);
  if (connection === null) throw failure();
  calls.connectSetKeepAlive(connection, keepAliveSeconds, keepAliveCount);
  const tell = (domain: Handle, event: DomainEvent["event"] | undefined): number => {
    try {
      onEvent(domain, event);
    } catch {
      // The domain is gone already; what there is is looked at all the time.
    }
    return 0;
  };
  const register = (id: number, callback: bigint): void =>
    check(calls.connectDomainEventRegisterAny(connection, null, id, callback, null, null));
  register(
    lifecycleEvents,
    eventCallback((_connection, domain, number) => tell(domain, eventNames[number])),
  );
  const devices = deviceCallback((_connection, domain) => tell(domain, "devices"));
  for (const id of Object.values(deviceEvents)) register(id, devices);
  return connection;
}

function main(uri: string): void {
  let connection: Handle;
  try {
    connection = open(uri);
  } catch (cause) {
    send({ failed: cause instanceof Error ? cause.message : String(cause) });
    return;
  }
  runEventLoop(end);
  const methods = serve(connection);
  process.on("message", (request: LibvirtRequest) => answer(methods, request));
  // libvirtd went away: whoever started us opens another connection.
  setInterval(() => {
    if (calls.connectIsAlive(connection) !== 1) end();
  }, aliveLookMs);
  send({ ready: true });
}

/** exit() would wait for the thread of the event loop, which never ends. */
function end(): void {
  process.kill(process.pid, "SIGKILL");
}

process.on("disconnect", end);
main(process.argv[2] ?? "");
