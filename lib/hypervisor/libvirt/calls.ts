// SPDX-License-Identifier: Apache-2.0
// The calls of libvirt.so.0 that we make, declared for koffi after libvirt's own headers
// (libvirt-domain.h, libvirt-event.h, virterror.h; nothing newer than libvirt 6.6). Loaded by
// libvirt-child.ts only: a wrong declaration ends a process, and it must not be the server's.
import koffi from "koffi";

/** A libvirt object: passed on and freed, never looked into. */
export type Handle = bigint;

/** What virDomainGetInfo fills. */
export interface DomainInfo {
  readonly state: number;
  readonly nrVirtCpu: number;
  /** Nanoseconds that the vCPUs have run. */
  readonly cpuTime: number | bigint;
}

type EventCallback = (connection: Handle, domain: Handle, event: number, detail: number) => number;
type DeviceCallback = (connection: Handle, domain: Handle, alias: string) => number;

const library = koffi.load("libvirt.so.0");
for (const name of ["virConnect", "virDomain", "virDomainSnapshot"]) koffi.opaque(name);
koffi.disposable("ownedText", "str");
koffi.struct("virDomainInfo", {
  state: "uchar",
  maxMem: "ulong",
  memory: "ulong",
  nrVirtCpu: "ushort",
  cpuTime: "ulonglong",
});
const eventPrototype = koffi.proto(
  "int lifecycleCallback(virConnect *, virDomain *, int event, int detail, void *opaque)",
);
const devicePrototype = koffi.proto(
  "int deviceCallback(virConnect *, virDomain *, str alias, void *opaque)",
);

/** The calls by their names without "vir"; a negative number or null is a failure. */
export interface LibvirtCalls {
  getLastErrorMessage(): string | null;
  getLastErrorCode(): number;
  eventRegisterDefaultImpl(): number;
  connectOpen(uri: string): Handle | null;
  connectSetKeepAlive(connection: Handle, intervalSeconds: number, count: number): number;
  connectIsAlive(connection: Handle): number;
  connectListAllDomains(connection: Handle, array: [Handle | null], flags: number): number;
  connectDomainEventRegisterAny(
    connection: Handle,
    domain: null,
    eventId: number,
    callback: bigint,
    opaque: null,
    free: null,
  ): number;
  domainLookupByName(connection: Handle, name: string): Handle | null;
  domainLookupByUUIDString(connection: Handle, uuid: string): Handle | null;
  domainFree(domain: Handle): number;
  domainGetName(domain: Handle): string | null;
  domainGetUUIDString(domain: Handle, text: Buffer): number;
  domainGetXMLDesc(domain: Handle, flags: number): string | null;
  domainGetState(domain: Handle, state: [number], reason: [number], flags: number): number;
  domainGetInfo(domain: Handle, info: Partial<DomainInfo>): number;
  domainAttachDeviceFlags(domain: Handle, xml: string, flags: number): number;
  domainDetachDeviceFlags(domain: Handle, xml: string, flags: number): number;
  domainSuspend(domain: Handle): number;
  domainResume(domain: Handle): number;
  domainCoreDumpWithFormat(domain: Handle, path: string, format: number, flags: number): number;
  domainSnapshotCreateXML(domain: Handle, xml: string, flags: number): Handle | null;
  domainSnapshotFree(snapshot: Handle): number;
}

const declarations: Readonly<Record<keyof LibvirtCalls, string>> = {
  getLastErrorMessage: "str virGetLastErrorMessage()",
  getLastErrorCode: "int virGetLastErrorCode()",
  eventRegisterDefaultImpl: "int virEventRegisterDefaultImpl()",
  connectOpen: "virConnect *virConnectOpen(str uri)",
  connectSetKeepAlive: "int virConnectSetKeepAlive(virConnect *, int, uint)",
  connectIsAlive: "int virConnectIsAlive(virConnect *)",
  connectListAllDomains: "int virConnectListAllDomains(virConnect *, _Out_ void **, uint)",
  connectDomainEventRegisterAny:
    "int virConnectDomainEventRegisterAny(virConnect *, virDomain *, int, void *, void *, void *)",
  domainLookupByName: "virDomain *virDomainLookupByName(virConnect *, str)",
  domainLookupByUUIDString: "virDomain *virDomainLookupByUUIDString(virConnect *, str)",
  domainFree: "int virDomainFree(virDomain *)",
  domainGetName: "str virDomainGetName(virDomain *)",
  domainGetUUIDString: "int virDomainGetUUIDString(virDomain *, void *)",
  domainGetXMLDesc: "ownedText virDomainGetXMLDesc(virDomain *, uint)",
  domainGetState: "int virDomainGetState(virDomain *, _Out_ int *, _Out_ int *, uint)",
  domainGetInfo: "int virDomainGetInfo(virDomain *, _Out_ virDomainInfo *)",
  domainAttachDeviceFlags: "int virDomainAttachDeviceFlags(virDomain *, str, uint)",
  domainDetachDeviceFlags: "int virDomainDetachDeviceFlags(virDomain *, str, uint)",
  domainSuspend: "int virDomainSuspend(virDomain *)",
  domainResume: "int virDomainResume(virDomain *)",
  domainCoreDumpWithFormat: "int virDomainCoreDumpWithFormat(virDomain *, str, uint, uint)",
  domainSnapshotCreateXML: "virDomainSnapshot *virDomainSnapshotCreateXML(virDomain *, str, uint)",
  domainSnapshotFree: "int virDomainSnapshotFree(virDomainSnapshot *)",
};

/** The calls, ready to be made. */
export const calls: LibvirtCalls = Object.fromEntries(
  Object.entries(declarations).map(([name, text]) => [name, library.func(text)]),
) as unknown as LibvirtCalls;

const runEvents = library.func("int virEventRunDefaultImpl()");

/** Runs libvirt's event loop on a thread of its own, for as long as the process lives. */
export function runEventLoop(failed: (cause: unknown) => void): void {
  runEvents.async((cause: unknown, status: number) => {
    if (cause != null || status < 0) failed(cause);
    else runEventLoop(failed);
  });
}

/** Makes a lifecycle callback; it must return a number, or the process ends. */
export function eventCallback(callback: EventCallback): bigint {
  return koffi.register(callback, koffi.pointer(eventPrototype));
}

/** Makes a callback for devices that come or go, under the same rule. */
export function deviceCallback(callback: DeviceCallback): bigint {
  return koffi.register(callback, koffi.pointer(devicePrototype));
}

/** The handles in the array that virConnectListAllDomains made, and frees the array. */
export function takeHandles(array: Handle, count: number): Handle[] {
  const type = koffi.array("virDomain *", Math.max(count, 1));
  const handles = (koffi.decode(array, type) as Handle[]).slice(0, count);
  koffi.free(array);
  return handles;
}
