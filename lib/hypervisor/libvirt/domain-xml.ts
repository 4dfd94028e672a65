// SPDX-License-Identifier: Apache-2.0
// Reads what we need of a domain's XML, in the hook and from libvirt, and writes the device that
// protects a domain. Format: libvirt's formatdomain.html, elements shmem, interface, seclabel.
import { basename, dirname } from "node:path";
import { XMLParser } from "fast-xml-parser";
import { UndercroftError } from "../../errors/errors.ts";
import { HOLDER_CONTROL } from "../../native/native.ts";

/** A shared-memory device of a domain. */
export interface ShmemDevice {
  readonly name: string;
  readonly bytes: number;
  readonly model: string;
  /** Its memory goes along when the domain is migrated, saved or snapshotted. */
  readonly isKept: boolean;
  /** The guest's name at the holder, where the device has doorbells of its. */
  readonly held: string | undefined;
}

/** How the driver and the server wake each other; docs/wake-ups.md. */
export type WakeUps = "polling" | "doorbells";

/** A network interface of a domain. */
export interface DomainInterface {
  /** As libvirt names it: network, bridge, ethernet... */
  readonly type: string;
  readonly mac: string;
  /** Its tap on the hypervisor host; empty while the domain is off. */
  readonly tap: string;
}

/** What a domain's XML says that matters here. */
export interface DomainDescription {
  readonly name: string;
  readonly uuid: string;
  /** Our device, where the domain is protected. */
  readonly region: ShmemDevice | undefined;
  readonly interfaces: readonly DomainInterface[];
  /** User and group that its QEMU runs as, where the domain names them itself. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

type Node = Readonly<Record<string, unknown>>;

const uuidShape = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** A guest at the holder: its domain's UUID and, as the device has no size, its region's MiB. */
const heldShape = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{1,4})M$/;
const holderFolder = dirname(HOLDER_CONTROL);
const numericLabel = /^\+(\d+):\+(\d+)$/;
const units: Readonly<Record<string, number>> = {
  ...{ b: 1, bytes: 1, k: 2 ** 10, kib: 2 ** 10, m: 2 ** 20, mib: 2 ** 20, g: 2 ** 30 },
  ...{ gib: 2 ** 30, kb: 1e3, mb: 1e6, gb: 1e9 },
};
const repeated = ["shmem", "interface", "seclabel"];
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  parseTagValue: false,
  isArray: (name) => repeated.includes(name),
});

/** Name of the region of a domain, under /dev/shm and in its XML. */
export function regionName(uuid: string): string {
  return `undercroft-${uuid}`;
}

/**
 * Reads a domain's XML.
 * @throws {UndercroftError} ERR_UC_CONFIG
 */
export function readDomainXml(xml: string): DomainDescription {
  let domain: Node | undefined;
  try {
    domain = node(node(parser.parse(xml) as Node)?.domain);
  } catch (cause) {
    throw badXml(cause instanceof Error ? cause.message : String(cause));
  }
  const uuid = text(domain?.uuid).toLowerCase();
  const name = text(domain?.name);
  if (domain === undefined || name === "") throw badXml("there is no domain with a name in it");
  if (!uuidShape.test(uuid)) throw badXml(`domain ${name} has no UUID`);
  const devices = node(domain.devices);
  const shmems = list(devices?.shmem).map(shmemOf);
  return {
    name,
    uuid,
    region: shmems.find((device) => device.name === regionName(uuid)),
    interfaces: list(devices?.interface).map((one) => ({
      type: text(one["@type"]),
      mac: text(node(one.mac)?.["@address"]),
      tap: text(node(one.target)?.["@dev"]),
    })),
    owner: list(domain.seclabel).flatMap(ownerOf)[0],
  };
}

/** Path of the socket at which a guest's QEMU finds the holder. */
export function holderSocket(held: string): string {
  return `${holderFolder}/${held}.sock`;
}

/**
 * The device that protects a domain. Polled, it is the one whose memory goes along where the domain
 * goes: without that role no domain that has it could be migrated, saved or snapshotted with
 * memory. One with doorbells does not move.
 */
export function regionDeviceXml(uuid: string, bytes: number, wakeUps: WakeUps = "polling"): string {
  if (wakeUps === "doorbells") {
    const path = holderSocket(`${uuid}-${bytes / 2 ** 20}M`);
    return `<shmem name='${regionName(uuid)}'>
  <model type='ivshmem-doorbell'/>
  <server path='${path}'/>
  <msi vectors='2' ioeventfd='on'/>
</shmem>`;
  }
  return `<shmem name='${regionName(uuid)}' role='master'>
  <model type='ivshmem-plain'/>
  <size unit='M'>${bytes / 2 ** 20}</size>
</shmem>`;
}

function shmemOf(shmem: Node): ShmemDevice {
  const size = node(shmem.size) ?? { "#text": text(shmem.size) };
  const unit = text(size["@unit"]).toLowerCase() || "b";
  const model = text(node(shmem.model)?.["@type"]);
  const path = text(node(shmem.server)?.["@path"]);
  const [held, , mib] = heldShape.exec(basename(path, ".sock")) ?? [];
  const isHeld = held !== undefined && path === holderSocket(held);
  return {
    name: text(shmem["@name"]),
    bytes: isHeld
      ? Number(mib) * 2 ** 20
      : Number(text(size["#text"])) * (units[unit] ?? Number.NaN),
    model,
    held: isHeld && model === "ivshmem-doorbell" ? held : undefined,
    isKept: text(shmem["@role"]) === "master",
  };
}

/** A dynamic label tells what libvirt's configuration says, and only while the domain runs. */
function ownerOf(seclabel: Node): { uid: number; gid: number }[] {
  if (text(seclabel["@model"]) !== "dac" || text(seclabel["@type"]) === "dynamic") return [];
  const [, uid, gid] = numericLabel.exec(text(seclabel.label)) ?? [];
  return uid === undefined ? [] : [{ uid: Number(uid), gid: Number(gid) }];
}

function node(value: unknown): Node | undefined {
  return typeof value === "object" && value !== null ? (value as Node) : undefined;
}

function list(value: unknown): Node[] {
  return (Array.isArray(value) ? value : []).map((one) => node(one) ?? {});
}

function text(value: unknown): string {
  return typeof value === "string" ? value.trim() : "";
}

function badXml(reason: string): UndercroftError {
  return new UndercroftError("ERR_UC_CONFIG", `this is no XML of a libvirt domain: ${reason}`);
}
