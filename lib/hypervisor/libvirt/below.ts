// SPDX-License-Identifier: Apache-2.0
// Response below the guest: what libvirt can do to a domain whatever its driver does. Called by the
// service. Each action looks afterwards whether it really happened.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { UndercroftError } from "../../errors/errors.ts";
import type { BelowAction } from "../service-socket.ts";
import { type DomainInterface, readDomainXml } from "./domain-xml.ts";
import type { Libvirt } from "./libvirt.ts";

export interface BelowRequest {
  /** Name or UUID. */
  readonly domain: string;
  readonly action: BelowAction;
  readonly reason: string;
  /** A user, or `policy:<name>`. */
  readonly requestedBy: string;
}

/** An action with who, why and what came of it. */
export interface BelowRecord extends BelowRequest {
  readonly uuid: string;
  readonly layer: "libvirt";
  readonly outcome: "confirmed" | "failed";
  /** What was seen, or why it failed. */
  readonly detail: string;
  readonly createdMs: number;
  readonly endedMs: number;
}

const unplugMsMax = 10_000;
const lookMs = 250;

/**
 * Does one action and says what came of it; a refusal of libvirt is an outcome, too.
 * @throws {UndercroftError} ERR_UC_DOMAIN_UNKNOWN
 */
export async function respondBelow(
  libvirt: Libvirt,
  request: BelowRequest,
  evidenceDirectory: string,
): Promise<BelowRecord> {
  const createdMs = Date.now();
  const { name, uuid } = await libvirt.domain(request.domain);
  const stem = `${name.replaceAll(/[^\w.-]/g, "_")}-${createdMs}`;
  let outcome: BelowRecord["outcome"] = "confirmed";
  let detail: string;
  try {
    detail = await act(libvirt, uuid, request, { stem, directory: evidenceDirectory });
  } catch (cause) {
    outcome = "failed";
    detail = cause instanceof Error ? cause.message : String(cause);
  }
  const ended = { layer: "libvirt" as const, outcome, detail, createdMs, endedMs: Date.now() };
  return { ...request, domain: name, uuid, ...ended };
}

async function act(
  libvirt: Libvirt,
  uuid: string,
  { action, reason }: BelowRequest,
  evidence: { readonly stem: string; readonly directory: string },
): Promise<string> {
  switch (action) {
    case "pause":
      await libvirt.pause(uuid);
      return expectState(libvirt, uuid, "paused");
    case "resume":
      await libvirt.resume(uuid);
      return expectState(libvirt, uuid, "running");
    case "snapshot": {
      const name = `undercroft-${evidence.stem}`;
      await libvirt.snapshot(uuid, snapshotXml(name, reason));
      return `snapshot ${name}`;
    }
    case "dump-memory": {
      mkdirSync(evidence.directory, { recursive: true, mode: 0o700 });
      const path = join(evidence.directory, `${evidence.stem}.elf`);
      await libvirt.dumpMemory(uuid, path);
      return `guest memory in ${path}`;
    }
    case "detach-nic":
      return detachInterfaces(libvirt, uuid);
  }
}

async function expectState(libvirt: Libvirt, uuid: string, wanted: string): Promise<string> {
  const { state } = await libvirt.domain(uuid);
  if (state === wanted) return `libvirt says ${wanted}`;
  throw new UndercroftError("ERR_UC_DOMAIN_STATE", `libvirt says that the domain is ${state}`);
}

async function detachInterfaces(libvirt: Libvirt, uuid: string): Promise<string> {
  const interfaces = async (): Promise<readonly DomainInterface[]> =>
    readDomainXml(await libvirt.xml(uuid, "live")).interfaces;
  const all = await interfaces();
  for (const { type, mac } of all) {
    const xml = `<interface type='${type}'><mac address='${mac}'/></interface>`;
    await libvirt.detach(uuid, xml, "live");
  }
  const endMs = performance.now() + unplugMsMax;
  while (performance.now() < endMs) {
    if ((await interfaces()).length === 0) return `${all.length} interfaces unplugged`;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  throw new UndercroftError(
    "ERR_UC_DOMAIN_STATE",
    "the guest does not let go of its interface; isolate it at its tap instead",
  );
}

function snapshotXml(name: string, reason: string): string {
  const escaped = reason.replaceAll(/[^\w .,:;()/-]/g, (mark) => `&#${mark.codePointAt(0)};`);
  const parts = `<name>${name}</name><description>${escaped}</description>`;
  return `<domainsnapshot>${parts}</domainsnapshot>`;
}
