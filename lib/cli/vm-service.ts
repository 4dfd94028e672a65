// SPDX-License-Identifier: Apache-2.0
// The server in a VM of its own: the hypervisor host says over a port of that VM which guest is
// behind which PCI port, one JSON object a line, and gets one answer a line. Opened by serve.ts.
// TRUST: no guest reaches this port; what it says is the identity of a region's guest.
import { createReadStream, createWriteStream, type ReadStream, type WriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { isUndercroftError, UndercroftError } from "../errors/errors.ts";
import { type ServerVmRequest, vmDone, vmFailed } from "../hypervisor/hypervisor.ts";
import type { Server } from "../server/server.ts";
import { type IvshmemRegion, openIvshmemRegion } from "../transport/transport.ts";
import { toJson } from "./json.ts";

/** A device that was just plugged takes the kernel some time to find. */
const plugMsMax = 30_000;
const lookEveryMs = 100;

/** Serves what the control port names. */
export class VmService {
  readonly #server: Server;
  readonly #regions = new Map<string, IvshmemRegion>();
  readonly #input: ReadStream;
  readonly #output: WriteStream;

  /** Answers requests from now on; the first line it writes says that it is ready. */
  constructor(server: Server, controlPath: string) {
    this.#server = server;
    this.#input = createReadStream(controlPath);
    this.#output = createWriteStream(controlPath, { flags: "r+" });
    this.#input.on("error", (cause) => this.#output.destroy(cause));
    let last = Promise.resolve();
    createInterface({ input: this.#input }).on("line", (line) => {
      last = last.then(() => this.#take(line));
    });
    this.#output.write(`${toJson({ ready: true })}\n`);
  }

  /** Leaves sessions and regions for the next service. */
  close(): void {
    this.#input.destroy();
    this.#output.destroy();
    this.#server.close();
    for (const region of this.#regions.values()) region.close();
  }

  async #take(line: string): Promise<void> {
    let id = 0;
    try {
      const request = JSON.parse(line) as ServerVmRequest;
      id = request.id;
      await this.#carryOut(request);
      this.#output.write(`${toJson({ ...vmDone(id), ...this.#status(request) })}\n`);
    } catch (cause) {
      const code = isUndercroftError(cause) ? cause.code : "ERR_UC_ARGUMENT";
      const message = cause instanceof Error ? cause.message : String(cause);
      this.#output.write(`${toJson(vmFailed(id, code, message))}\n`);
    }
  }

  async #carryOut(request: ServerVmRequest): Promise<void> {
    const server = this.#server;
    switch (request.ask) {
      case "attach": {
        const { name, uuid, taps, port } = request;
        const region = await this.#open(name, port);
        const interfaces = taps.map((tap) => ({ name: tap }));
        this.#keep(name, region, () => server.attachGuest({ name, region, id: uuid, interfaces }));
        return;
      }
      case "attach-redirector": {
        const { name, port, packetRings } = request;
        const region = await this.#open(name, port);
        this.#keep(name, region, () => server.attachRedirector({ name, region, packetRings }));
        return;
      }
      case "release":
        server.detachGuest(request.name);
        this.#regions.get(request.name)?.close();
        this.#regions.delete(request.name);
        return;
      case "status":
        return;
      default:
        throw new UndercroftError("ERR_UC_ARGUMENT", "this is no request to a server VM");
    }
  }

  #status(request: ServerVmRequest): object {
    return request.ask === "status" ? { status: this.#server.stats } : {};
  }

  async #open(name: string, port: string): Promise<IvshmemRegion> {
    if (this.#regions.has(name)) {
      throw new UndercroftError("ERR_UC_GUEST_EXISTS", `${name} is already attached`, { name });
    }
    for (const endMs = performance.now() + plugMsMax; ; ) {
      try {
        return openIvshmemRegion({ pciPort: port });
      } catch (cause) {
        const isMissing = isUndercroftError(cause) && cause.code === "ERR_UC_REGION_OPEN";
        if (!isMissing || performance.now() > endMs) throw cause;
        await sleep(lookEveryMs);
      }
    }
  }

  #keep(name: string, region: IvshmemRegion, attach: () => void): void {
    try {
      attach();
    } catch (cause) {
      region.close();
      throw cause;
    }
    this.#regions.set(name, region);
  }
}
