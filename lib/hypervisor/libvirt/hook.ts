// SPDX-License-Identifier: Apache-2.0
// What libvirt's qemu hook does for a domain at each step of its life (libvirt's hooks.html). It
// never asks libvirt for anything, which would hang it: it reads the XML that it is given, makes
// and removes the region, and tells the service. Called by `undercroft hook`.
import { UndercroftError } from "../../errors/errors.ts";
import { askService, type ServiceGuest, type ServiceRequest } from "../service-socket.ts";
import { type DomainDescription, readDomainXml } from "./domain-xml.ts";
import { provisionRegion, regionOwner, regionPath, removeRegion } from "./region-provision.ts";

export interface HookCall {
  readonly domain: string;
  /** prepare, start, started, stopped, release, migrate, restore, reconnect or attach. */
  readonly operation: string;
  /** Standard input: the domain's XML. */
  readonly xml: string;
  readonly socketPath: string;
}

/** What a call did, for its log. */
export interface HookReport {
  readonly domain: string;
  readonly operation: string;
  readonly isProtected: boolean;
  readonly did: readonly string[];
  /** What went wrong and was left so; a guest starts all the same. */
  readonly problems: readonly string[];
}

/** libvirt waits for the hook, and a guest for libvirt. */
const serviceMsMax = 2000;

/**
 * Does what one call of the hook is for.
 * @throws {UndercroftError} ERR_UC_CONFIG, ERR_UC_REGION_OPEN, ERR_UC_REGION_SIZE, ERR_UC_HOLDER
 */
export async function runHook(call: HookCall): Promise<HookReport> {
  const { operation } = call;
  const domain = readDomainXml(call.xml);
  const did: string[] = [];
  const problems: string[] = [];
  const report: HookReport = {
    ...{ domain: domain.name, operation, isProtected: domain.region !== undefined },
    ...{ did, problems },
  };
  if (domain.region === undefined) return report;
  const tell = async (request: ServiceRequest): Promise<void> => {
    try {
      await askService(call.socketPath, request, serviceMsMax);
      did.push(`told the service: ${request.ask}`);
    } catch (cause) {
      // The service looks for running domains itself when it starts.
      problems.push(cause instanceof UndercroftError ? cause.message : String(cause));
    }
  };
  const { uuid } = domain;
  switch (operation) {
    case "prepare":
      // What an earlier run left must not be served on while its file is made anew.
      await tell({ ask: "release", uuid });
      did.push(`made ${provisionRegion(domain)}`);
      break;
    case "started":
    case "reconnect":
      await tell({ ask: "attach", guest: serviceGuest(domain) });
      break;
    case "stopped":
      await tell({ ask: "stopped", uuid });
      break;
    case "release":
      // The service reads the rings out before the region goes.
      await tell({ ask: "release", uuid });
      removeRegion(domain);
      did.push(`removed ${regionPath(domain)}`);
      break;
    default:
      // start, migrate, restore, attach: prepare comes before each of them, and nothing is changed.
      break;
  }
  return report;
}

/** A domain as the service takes it. */
export function serviceGuest(domain: DomainDescription): ServiceGuest {
  return {
    name: domain.name,
    uuid: domain.uuid,
    regionPath: regionPath(domain),
    regionBytes: domain.region?.bytes ?? 0,
    ...(domain.region?.held === undefined ? {} : { held: domain.region.held }),
    regionUid: regionOwner(domain).uid,
    taps: domain.interfaces.flatMap(({ tap }) => (tap === "" ? [] : [tap])),
  };
}
