// SPDX-License-Identifier: Apache-2.0
// The service of a hypervisor host: the server, kept equal to libvirt's protected domains, its
// redirector's region, and the socket at which the hook and the commands ask. Opened by serve.ts.
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { isUndercroftError, UndercroftError } from "../errors/errors.ts";
import {
  type BelowRecord,
  type BelowRequest,
  DomainKeeper,
  type DomainLiveness,
  listenService,
  readDomainXml,
  respondBelow,
  type ServiceGuest,
  type ServiceRequest,
} from "../hypervisor/hypervisor.ts";
import { HOLDER_CONTROL } from "../native/native.ts";
import type { HypervisorActions, HypervisorRequest, Server } from "../server/server.ts";
import { createRegionFile, type IvshmemRegion, openIvshmemRegion } from "../transport/transport.ts";

export interface DomainServiceOptions {
  readonly server: Server;
  readonly uri: string | undefined;
  readonly socketPath: string;
  /** Where memory dumps go. */
  readonly evidenceDirectory: string;
  readonly redirectorRegion: string;
  readonly log: (line: string) => void;
  /** An action below a guest was tried. */
  readonly onBelow: (record: BelowRecord) => void;
  /** A guest is about to be served. */
  readonly onAttach: (name: string) => void;
}

const redirectorRegionBytes = 64 << 20;
const regionMode = 0o660;

/** What a server's policy may do to domains: refused until the service stands. */
export class DomainHand implements HypervisorActions {
  service: DomainService | undefined;

  async act({ guest, action, reason, requestedBy }: HypervisorRequest): Promise<string> {
    if (this.service === undefined) {
      throw new UndercroftError("ERR_UC_SERVICE", "the service has not begun yet");
    }
    const request = { domain: guest, action, reason, requestedBy };
    const { outcome, detail } = await this.service.respond(request);
    if (outcome === "confirmed") return detail;
    throw new UndercroftError("ERR_UC_LIBVIRT", detail);
  }
}

export class DomainService {
  readonly #options: DomainServiceOptions;
  readonly #keeper: DomainKeeper;
  readonly #regions = new Map<string, IvshmemRegion>();
  readonly #redirector: IvshmemRegion;
  #unlisten: (() => Promise<void>) | undefined;

  private constructor(options: DomainServiceOptions) {
    this.#options = options;
    const { server, uri, log } = options;
    this.#redirector = openRedirectorRegion(options.redirectorRegion);
    server.attachRedirector({ name: "redirector", region: this.#redirector });
    this.#keeper = new DomainKeeper({
      ...(uri === undefined ? {} : { uri }),
      log,
      hooks: {
        attach: (guest) => this.#attach(guest),
        release: (guest) => this.#release(guest),
        interfaces: ({ name, taps }) => server.setInterfaces(name, interfacesOf(taps)),
        liveness: ({ name }, liveness: DomainLiveness) => server.setLiveness(name, liveness),
      },
    });
  }

  /**
   * Listens for the hook and looks for running domains; libvirt may come later.
   * @throws {UndercroftError} ERR_UC_SERVICE, ERR_UC_REGION_OPEN, ERR_UC_REGION_OWNER
   */
  static async open(options: DomainServiceOptions): Promise<DomainService> {
    const service = new DomainService(options);
    service.#unlisten = await listenService(options.socketPath, (request) =>
      service.#answer(request),
    );
    void service.#keeper.start();
    return service;
  }

  /** Stops serving; sessions, regions and rules at taps stay for the next service. */
  async close(): Promise<void> {
    await this.#unlisten?.();
    this.#keeper.close();
    this.#options.server.close();
    for (const region of [this.#redirector, ...this.#regions.values()]) region.close();
  }

  async #answer(request: ServiceRequest): Promise<object> {
    switch (request.ask) {
      case "attach":
        this.#keeper.attach(request.guest);
        return { done: true };
      case "stopped":
        this.#keeper.stopped(request.uuid);
        return { done: true };
      case "release":
        this.#keeper.release(request.uuid);
        return { done: true };
      case "status":
        return this.#status();
      case "respond": {
        const { domain, action, reason, requestedBy } = request;
        return this.respond({ domain, action, reason, requestedBy });
      }
    }
  }

  /**
   * Acts on a domain from below and tells what came of it.
   * @throws {UndercroftError} ERR_UC_DOMAIN_UNKNOWN, ERR_UC_LIBVIRT
   */
  async respond(request: BelowRequest): Promise<BelowRecord> {
    const record = await respondBelow(this.#libvirt, request, this.#options.evidenceDirectory);
    this.#options.onBelow(record);
    return record;
  }

  get #libvirt(): NonNullable<DomainKeeper["libvirt"]> {
    const { libvirt } = this.#keeper;
    if (libvirt !== undefined) return libvirt;
    throw new UndercroftError("ERR_UC_LIBVIRT", "the service has no connection to libvirt yet");
  }

  /** Served guests, and protected domains that are off. */
  async #status(): Promise<object> {
    const { stats, findings } = this.#options.server;
    const served = new Map(this.#keeper.guests.map((guest) => [guest.uuid, guest]));
    const guests: object[] = [];
    for (const { guest, events, loss, interfaces } of stats.guests) {
      const known = [...served.values()].find(({ name }) => name === guest.name);
      guests.push({
        ...{ name: guest.name, uuid: known?.uuid, state: guest.state, driver: guest.driver },
        ...{ events, loss: { named: loss.named, unaccounted: loss.unaccounted }, interfaces },
        findings: findings.filter((finding) => finding.guest === guest.name).length,
        region: known?.regionPath,
        wakeUps: known?.held === undefined ? "polling" : "doorbells",
      });
    }
    const isOpen = await this.#addOffline(guests, served);
    return { guests, redirector: stats.redirector?.state, libvirt: isOpen };
  }

  /** False where libvirt does not answer; what is served is known all the same. */
  async #addOffline(guests: object[], served: ReadonlyMap<string, ServiceGuest>): Promise<boolean> {
    const { libvirt } = this.#keeper;
    if (libvirt === undefined) return false;
    try {
      for (const { uuid, name } of await libvirt.domains()) {
        if (served.has(uuid)) continue;
        const stored = readDomainXml(await libvirt.xml(uuid, "stored"));
        if (stored.region !== undefined) guests.push({ name, uuid, state: "offline" });
      }
      return true;
    } catch (cause) {
      if (!isUndercroftError(cause)) throw cause;
      return false;
    }
  }

  #attach(guest: ServiceGuest): void {
    const { server } = this.#options;
    const { name, uuid, regionPath, regionBytes, regionUid, held, taps } = guest;
    const region = openIvshmemRegion(
      held === undefined
        ? { path: regionPath, bytes: regionBytes, uid: regionUid, mode: regionMode }
        : { holder: HOLDER_CONTROL, guest: held },
    );
    try {
      this.#options.onAttach(name);
      server.attachGuest({
        name,
        region,
        id: uuid,
        interfaces: interfacesOf(taps),
      });
    } catch (cause) {
      region.close();
      throw cause;
    }
    this.#regions.set(uuid, region);
  }

  #release({ name, uuid }: ServiceGuest): void {
    this.#options.server.detachGuest(name);
    this.#regions.get(uuid)?.close();
    this.#regions.delete(uuid);
  }
}

function interfacesOf(taps: readonly string[]): { readonly name: string }[] {
  return taps.map((name) => ({ name }));
}

/** One that an earlier service left is taken on, so that the redirector need not be restarted. */
function openRedirectorRegion(path: string): IvshmemRegion {
  mkdirSync(dirname(path), { recursive: true });
  if (!existsSync(path)) createRegionFile(path, redirectorRegionBytes);
  return openIvshmemRegion({ path, bytes: redirectorRegionBytes });
}
