// SPDX-License-Identifier: Apache-2.0
// What libvirt.ts and libvirt-child.ts say to each other. Types only.

/** A domain as libvirt knows it now. */
export interface DomainState {
  readonly name: string;
  readonly uuid: string;
  readonly state: "running" | "paused" | "off";
  /** libvirt's own number for why (virDomainState's reasons). */
  readonly reason: number;
  /** Time that the vCPUs have run, in milliseconds; 0 while off. */
  readonly cpuMs: number;
  readonly vcpus: number;
}

/** Something that happened to a domain. */
export interface DomainEvent {
  readonly uuid: string;
  readonly name: string;
  /** devices: one was plugged in or out. */
  readonly event:
    | "defined"
    | "undefined"
    | "running"
    | "paused"
    | "stopped"
    | "crashed"
    | "devices";
}

/** Methods of the child by name: what they take and give. */
export interface LibvirtMethods {
  domains(): DomainState[];
  domain(nameOrUuid: string): DomainState;
  xml(uuid: string, which: "live" | "stored"): string;
  attach(uuid: string, xml: string, where: "live" | "stored"): void;
  detach(uuid: string, xml: string, where: "live" | "stored"): void;
  pause(uuid: string): void;
  resume(uuid: string): void;
  /** Guest memory alone, as an ELF file that crash and gdb read. */
  dumpMemory(uuid: string, path: string): void;
  snapshot(uuid: string, xml: string): void;
}

export type MethodName = keyof LibvirtMethods;

export interface LibvirtRequest {
  readonly id: number;
  readonly method: MethodName;
  readonly args: readonly unknown[];
}

export type LibvirtMessage =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: number; readonly message: string } }
  | { readonly event: DomainEvent }
  /** The connection is open, or why it is not. */
  | { readonly ready: true }
  | { readonly failed: string };
