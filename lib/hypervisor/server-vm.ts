// SPDX-License-Identifier: Apache-2.0
// Runs the server VM on the hypervisor host: plugs each guest's region into it as a PCI device,
// and tells the server in it which guest that is. Called by whoever provisions guests, and tests.
// The PCI port that a region sits behind is chosen here, so no guest has a say in who it is.
import { type ErrorCode, UndercroftError } from "../errors/errors.ts";
import type { Guest, GuestExit, GuestRegionFile } from "./guest.ts";

interface Requests {
  readonly attach: { readonly uuid: string; readonly taps: readonly string[]; port: string };
  readonly "attach-redirector": { readonly packetRings: number; port: string };
  readonly release: object;
  readonly status: object;
}

/** What the hypervisor host asks the server in its VM; `name` is the guest's or redirector's. */
export type ServerVmRequest = {
  [Ask in keyof Requests]: Requests[Ask] & {
    readonly ask: Ask;
    readonly id: number;
    readonly name: string;
  };
}[keyof Requests];

/** The answer to a request. */
export interface ServerVmAnswer {
  readonly ready?: boolean;
  readonly id?: number;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
  /** What `status` asked for. */
  readonly status?: unknown;
}

/** The answer to a request that was carried out. */
export function vmDone(id: number): ServerVmAnswer {
  return { id };
}

/** The answer to a request that was refused. */
export function vmFailed(id: number, code: ErrorCode, message: string): ServerVmAnswer {
  return { id, error: { code, message } };
}

/** Regions that a server VM can hold at once, a redirector's among them. */
export const SERVER_VM_PORTS = 16;
const firstSlot = 0x10;
/** Of each port, above 4 GiB; a larger region does not fit. */
export const SERVER_VM_REGION_BYTES_MAX: number = 64 << 20;

const device = (port: number): number => firstSlot + (port >> 3);

/** Words for QEMU that give a server VM its ports. */
export function serverVmArguments(): string[] {
  return Array.from({ length: SERVER_VM_PORTS }, (_none, port) => {
    const address = `addr=0x${device(port).toString(16)}.${port & 7},multifunction=on`;
    const space = `pref64-reserve=${SERVER_VM_REGION_BYTES_MAX >> 19}M,bus-reserve=1`;
    const name = `id=uc-port${port},chassis=${port + 2},slot=${port}`;
    return ["-device", `pcie-root-port,${name},${address},${space}`];
  }).flat();
}

const answerMsMax = 60_000;

/** A running server VM. */
export class ServerVm {
  readonly #guest: Guest;
  readonly #ports = new Map<string, number>();
  readonly #waiting = new Map<number, (answer: ServerVmAnswer) => void>();
  readonly #ready: Promise<void>;
  #nextId = 1;

  /** Takes a guest that was started from the server VM's image with its arguments. */
  constructor(guest: Guest) {
    this.#guest = guest;
    this.#ready = new Promise((resolve, reject) => {
      void this.#read(resolve, reject);
    });
    this.#ready.catch(() => {});
  }

  /**
   * Waits until the server in it answers.
   * @throws {UndercroftError} ERR_UC_GUEST_BOOT
   */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** What the server in it reports: `serve --json`, a line each. */
  get lines(): AsyncIterable<string> {
    return this.#guest.tapLines;
  }

  /**
   * Plugs a guest's region in and has it served.
   * @throws {UndercroftError} ERR_UC_SERVICE, ERR_UC_QEMU_FAILED, and what the server answered
   */
  async attach(
    guest: { readonly name: string; readonly uuid: string; readonly taps: readonly string[] },
    region: GuestRegionFile,
  ): Promise<void> {
    const { name, uuid, taps } = guest;
    await this.#plugged(name, region, (port) =>
      this.#ask({ ask: "attach", id: 0, name, uuid, taps, port }),
    );
  }

  /**
   * Plugs a redirector's region in; the redirector itself stays on the hypervisor host.
   * @throws {UndercroftError} ERR_UC_SERVICE, ERR_UC_QEMU_FAILED, and what the server answered
   */
  async attachRedirector(
    name: string,
    region: GuestRegionFile,
    packetRings: number,
  ): Promise<void> {
    await this.#plugged(name, region, (port) =>
      this.#ask({ ask: "attach-redirector", id: 0, name, packetRings, port }),
    );
  }

  /** Ends the serving of a guest, then takes its region out. */
  async release(name: string): Promise<void> {
    await this.#ask({ ask: "release", id: 0, name });
    await this.#unplug(name);
  }

  /** The server's own counts, as `serve` keeps them. */
  async status(): Promise<unknown> {
    return (await this.#ask({ ask: "status", id: 0, name: "" })).status;
  }

  /** Ends the VM by force. */
  stop(): Promise<GuestExit> {
    return this.#guest.stop();
  }

  async #plugged(
    name: string,
    region: GuestRegionFile,
    attach: (port: string) => Promise<unknown>,
  ): Promise<void> {
    const port = await this.#plug(name, region);
    try {
      await attach(`0000:00:${device(port).toString(16)}.${port & 7}`);
    } catch (cause) {
      await this.#unplug(name);
      throw cause;
    }
  }

  async #plug(name: string, { path, bytes }: GuestRegionFile): Promise<number> {
    const used = new Set(this.#ports.values());
    const port = Array.from({ length: SERVER_VM_PORTS }, (_none, at) => at).find(
      (at) => !used.has(at),
    );
    if (port === undefined || this.#ports.has(name) || bytes > SERVER_VM_REGION_BYTES_MAX) {
      const message =
        `the server VM cannot take the region of ${name}: it takes ${SERVER_VM_PORTS} regions ` +
        `of at most ${SERVER_VM_REGION_BYTES_MAX} bytes, each once`;
      throw new UndercroftError("ERR_UC_SERVICE", message, { name, bytes });
    }
    this.#ports.set(name, port);
    const [memory, id] = [`uc-memory${port}`, `uc-region${port}`];
    const memoryObject = { "qom-type": "memory-backend-file", id: memory, "mem-path": path };
    await this.#guest.qmp("object-add", { ...memoryObject, size: bytes, share: true });
    const bus = `uc-port${port}`;
    await this.#guest.qmp("device_add", { driver: "ivshmem-plain", id, bus, memdev: memory });
    return port;
  }

  /** The memory can go only once the VM's kernel let go of the device; QEMU refuses before. */
  async #unplug(name: string): Promise<void> {
    const port = this.#ports.get(name);
    if (port === undefined) return;
    await this.#guest.qmp("device_del", { id: `uc-region${port}` });
    for (const endMs = performance.now() + answerMsMax; ; ) {
      try {
        await this.#guest.qmp("object-del", { id: `uc-memory${port}` });
        this.#ports.delete(name);
        return;
      } catch (cause) {
        if (performance.now() > endMs) throw cause;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async #ask(request: ServerVmRequest): Promise<ServerVmAnswer> {
    await this.#ready;
    const id = this.#nextId++;
    const answer = await new Promise<ServerVmAnswer>((resolve, reject) => {
      const message = `the server VM did not answer "${request.ask}" within ${answerMsMax} ms`;
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new UndercroftError("ERR_UC_SERVICE", message));
      }, answerMsMax);
      this.#waiting.set(id, (found) => {
        clearTimeout(timer);
        resolve(found);
      });
      this.#guest.sendLine(JSON.stringify({ ...request, id }));
    });
    if (answer.error === undefined) return answer;
    throw new UndercroftError(answer.error.code, answer.error.message);
  }

  async #read(ready: () => void, failed: (cause: UndercroftError) => void): Promise<void> {
    for await (const line of this.#guest.controlLines) {
      let answer: ServerVmAnswer;
      try {
        answer = JSON.parse(line) as ServerVmAnswer;
      } catch {
        continue; // Half a line of an earlier start.
      }
      if (answer.ready === true) ready();
      const take = this.#waiting.get(answer.id ?? 0);
      this.#waiting.delete(answer.id ?? 0);
      take?.(answer);
    }
    failed(new UndercroftError("ERR_UC_GUEST_BOOT", "the server VM ended"));
  }
}
