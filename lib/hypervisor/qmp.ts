// SPDX-License-Identifier: Apache-2.0
// Speaks QEMU's monitor protocol (JSON lines) over an open socket. Called by qemu.ts only. It
// keeps no state of the guest beyond the reason QEMU gave for shutting down.

import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { UndercroftError } from "../errors/errors.ts";

interface Reply {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
  readonly data?: { readonly reason?: string };
}

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (cause: UndercroftError) => void;
}

/** One monitor connection. */
export class Qmp {
  readonly closed: Promise<void>;
  #shutdownReason: string | undefined;
  #nextId = 1;
  #isOpen = true;
  readonly #waiting = new Map<number, Waiter>();
  readonly #socket: Duplex;

  constructor(socket: Duplex) {
    this.#socket = socket;
    const lines = createInterface({ input: socket });
    lines.on("line", (line) => this.#receive(line));
    // QEMU may be gone at any moment; every command learns that from the close below.
    lines.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#isOpen = false;
        for (const [, waiter] of this.#waiting) waiter.reject(gone());
        this.#waiting.clear();
        resolve();
      });
    });
  }

  /** Why the guest ended in QEMU's words, such as `guest-shutdown` for a power-off. */
  get shutdownReason(): string | undefined {
    return this.#shutdownReason;
  }

  /**
   * Runs a monitor command and returns its result.
   * @throws UndercroftError ERR_UC_QEMU_FAILED
   */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (!this.#isOpen) return Promise.reject(gone());
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
  }

  #receive(line: string): void {
    const reply = JSON.parse(line) as Reply;
    if (reply.event === "SHUTDOWN") this.#shutdownReason = reply.data?.reason;
    if (reply.id === undefined) return;
    const waiter = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.error === undefined) {
      waiter?.resolve(reply.return);
    } else {
      const message = `QEMU refused a monitor command: ${reply.error.desc}`;
      waiter?.reject(new UndercroftError("ERR_UC_QEMU_FAILED", message));
    }
  }
}

function gone(): UndercroftError {
  return new UndercroftError("ERR_UC_QEMU_FAILED", "QEMU has ended; its monitor is closed");
}
