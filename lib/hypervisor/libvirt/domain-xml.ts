// SPDX-License-Identifier: Apache-2.0
// Reads what we need of a domain's XML, in the hook and from libvirt, and writes the device that
// protects a domain. Format: libvirt's formatdomain.html, elements shmem, interface, seclabel.
import { XMLParser } from "fast-xml-parser";
import { UndercroftError } from "../../errors/errors.ts";

/** A shared-memory device of a domain. */
export interface ShmemDevice {
  readonly name: string;
  readonly bytes: number;
  readonly model: string;
  /** Its memory goes along when the domain is migrated, saved or snapshotted. */
  readonly isKept: boolean;
}

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

/**
 * The device that protects a domain. It is the one whose memory goes along where the domain goes:
 * without that role no domain that has it could be migrated, saved or snapshotted with memory.
 */
export function regionDeviceXml(uuid: string, bytes: number): string {
  return `<shmem name='${regionName(uuid)}' role='master'>
  <model type='ivshmem-plain'/>
  <size unit='M'>${bytes / 2 ** 20}</size>
</shmem>`;
}

function shmemOf(shmem: Node): ShmemDevice {
  const size = node(shmem.size) ?? { "#text": text(shmem.size) };
  const unit = text(size["@unit"]).toLowerCase() || "b";
  return {
    name: text(shmem["@name"]),
    bytes: Number(text(size["#text"])) * (units[unit] ?? Number.NaN),
    model: text(node(shmem.model)?.["@type"]),
    isKept: text(shmem["@role"]) === "master",
  };
}

function ownerOf(seclabel: Node): { uid: number; gid: number }[] {
  if (text(seclabel["@model"]) !== "dac") return [];
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
