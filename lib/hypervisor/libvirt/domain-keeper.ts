// SPDX-License-Identifier: Apache-2.0
// Keeps a server's guests equal to the protected domains that run: told by the hook through the
// service's socket, by libvirt's events, and by looking. Called by `undercroft serve --libvirt`.
// Every way leads to the same few calls, and each call may come twice.
import { existsSync } from "node:fs";
import { isUndercroftError } from "../../errors/errors.ts";
import type { ServiceGuest } from "../service-socket.ts";
import { readDomainXml } from "./domain-xml.ts";
import { serviceGuest } from "./hook.ts";
import { type DomainEvent, type DomainState, type Libvirt, openLibvirt } from "./libvirt.ts";

/** What a hypervisor knows of a guest that its driver cannot forge. */
export type DomainLiveness = "running" | "paused" | "off";

/** The server's side of it. */
export interface KeeperHooks {
  /** Begin to serve; what it throws is told and tried again later. */
  readonly attach: (guest: ServiceGuest) => void;
  /** Read out what is left and let go of the region. */
  readonly release: (guest: ServiceGuest) => void;
  /** Its taps are other ones now. */
  readonly interfaces: (guest: ServiceGuest) => void;
  readonly liveness: (guest: ServiceGuest, liveness: DomainLiveness) => void;
}

export interface KeeperOptions {
  readonly uri?: string;
  readonly hooks: KeeperHooks;
  readonly log: (line: string) => void;
}

interface Kept {
  guest: ServiceGuest;
  liveness: DomainLiveness;
  cpuMs: number;
}

const lookMs = 1000;
const retryMs = 2000;

export class DomainKeeper {
  readonly #options: KeeperOptions;
  readonly #kept = new Map<string, Kept>();
  /** Problems that have been told, by domain, so that looking again does not tell them again. */
  readonly #told = new Map<string, string>();
  #libvirt: Libvirt | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isClosed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Opens libvirt, now or as soon as it is there, and looks at what runs. */
  async start(): Promise<void> {
    const { uri, log } = this.#options;
    this.#timer = setInterval(() => void this.look(), lookMs);
    while (!this.#isClosed && this.#libvirt === undefined) {
      try {
        this.#libvirt = await openLibvirt({
          ...(uri === undefined ? {} : { uri }),
          onEvent: (event) => void this.#onEvent(event),
          onReopened: () => {
            log("libvirt: the connection is open again");
            void this.#lookAtDevices();
          },
        });
        log("libvirt: connected");
      } catch (cause) {
        this.#tell("", `libvirt: ${cause instanceof Error ? cause.message : String(cause)}`);
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
    await this.look();
  }

  /** The connection, for actions below the guest; undefined until it is open. */
  get libvirt(): Libvirt | undefined {
    return this.#libvirt;
  }

  get guests(): readonly ServiceGuest[] {
    return [...this.#kept.values()].map(({ guest }) => guest);
  }

  /** A protected domain runs: serve it from now on. */
  attach(guest: ServiceGuest): void {
    const kept = this.#kept.get(guest.uuid);
    if (kept !== undefined && isSame(kept.guest, guest)) {
      this.#setTaps(kept, guest);
      this.#setLiveness(kept, "running");
      return;
    }
    if (kept !== undefined) this.release(guest.uuid);
    this.#options.hooks.attach(guest);
    this.#told.delete(guest.uuid);
    const fresh: Kept = { guest, liveness: "off", cpuMs: 0 };
    this.#kept.set(guest.uuid, fresh);
    this.#setLiveness(fresh, "running");
  }

  /** A domain's machine has ended; its region may still be read. */
  stopped(uuid: string): void {
    const kept = this.#kept.get(uuid);
    if (kept !== undefined) this.#setLiveness(kept, "off");
  }

  /** A domain's region goes away. */
  release(uuid: string): void {
    const kept = this.#kept.get(uuid);
    if (kept === undefined) return;
    this.#kept.delete(uuid);
    this.#options.hooks.release(kept.guest);
  }

  /** Compares what is served with what runs. */
  async look(): Promise<void> {
    const libvirt = this.#libvirt;
    if (libvirt === undefined || this.#isLooking) return;
    this.#isLooking = true;
    try {
      const domains = await libvirt.domains();
      for (const domain of domains) await this.#lookAt(libvirt, domain);
      const known = new Set(domains.map(({ uuid }) => uuid));
      for (const uuid of this.#kept.keys()) if (!known.has(uuid)) this.#gone(uuid);
    } catch (cause) {
      // Lost meanwhile; it is looked at again when the connection is open again.
      if (!isUndercroftError(cause)) throw cause;
    } finally {
      this.#isLooking = false;
    }
  }

  /** Ends looking; what is served stays so. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#libvirt?.close();
  }

  async #lookAt(libvirt: Libvirt, domain: DomainState): Promise<void> {
    const kept = this.#kept.get(domain.uuid);
    if (domain.state === "off") {
      if (kept !== undefined) this.#gone(domain.uuid);
      return;
    }
    if (kept === undefined) {
      await this.#tryAttach(libvirt, domain);
      return;
    }
    // A machine whose vCPUs stand still cannot be blamed for a heartbeat that does.
    const hasRun = domain.cpuMs > kept.cpuMs;
    kept.cpuMs = domain.cpuMs;
    this.#setLiveness(kept, domain.state === "running" && hasRun ? "running" : "paused");
  }

  async #tryAttach(libvirt: Libvirt, domain: DomainState): Promise<void> {
    const description = readDomainXml(await libvirt.xml(domain.uuid, "live"));
    if (description.region === undefined) return;
    try {
      this.attach(serviceGuest(description));
    } catch (cause) {
      if (!isUndercroftError(cause)) throw cause;
      this.#tell(domain.uuid, `guest ${domain.name}: ${cause.message} (${cause.code})`);
    }
  }

  #gone(uuid: string): void {
    this.stopped(uuid);
    const kept = this.#kept.get(uuid);
    // Without the hook nobody else says that the region has gone.
    if (kept !== undefined && !existsSync(kept.guest.regionPath)) this.release(uuid);
  }

  /** What was plugged in or out while nobody told us. */
  async #lookAtDevices(): Promise<void> {
    for (const uuid of [...this.#kept.keys()]) await this.#devicesOf(uuid);
    await this.look();
  }

  async #devicesOf(uuid: string): Promise<void> {
    const libvirt = this.#libvirt;
    if (libvirt === undefined) return;
    try {
      const domain = await libvirt.domain(uuid);
      if (domain.state === "off") return;
      const description = readDomainXml(await libvirt.xml(uuid, "live"));
      const kept = this.#kept.get(uuid);
      if (description.region === undefined) this.release(uuid);
      else if (kept === undefined) await this.#tryAttach(libvirt, domain);
      else this.#setTaps(kept, serviceGuest(description));
    } catch (cause) {
      // The domain or the connection has gone, and that is noticed elsewhere.
      if (!isUndercroftError(cause)) throw cause;
    }
  }

  #setTaps(kept: Kept, guest: ServiceGuest): void {
    if (kept.guest.taps.join() === guest.taps.join()) return;
    kept.guest = guest;
    this.#options.hooks.interfaces(guest);
  }

  async #onEvent({ uuid, event }: DomainEvent): Promise<void> {
    const kept = this.#kept.get(uuid);
    if (event === "stopped" || event === "crashed") this.stopped(uuid);
    else if (event === "paused" && kept !== undefined) this.#setLiveness(kept, "paused");
    else if (event === "running") await this.look();
    else if (event === "devices") await this.#devicesOf(uuid);
  }

  #setLiveness(kept: Kept, liveness: DomainLiveness): void {
    if (kept.liveness === liveness) return;
    kept.liveness = liveness;
    this.#options.hooks.liveness(kept.guest, liveness);
  }

  #tell(about: string, line: string): void {
    if (this.#told.get(about) === line) return;
    this.#told.set(about, line);
    this.#options.log(line);
  }
}

/** The same guest with the same region; its taps may be others. */
function isSame(one: ServiceGuest, other: ServiceGuest): boolean {
  return (
    one.name === other.name &&
    one.regionPath === other.regionPath &&
    one.regionBytes === other.regionBytes &&
    one.regionUid === other.regionUid
  );
}
