// SPDX-License-Identifier: Apache-2.0
// A connection to libvirt for the rest of the program: typed calls and lifecycle events. Opens
// itself again when libvirtd restarts, and says so, because events were missed then.
import { type ChildProcess, fork } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { UndercroftError } from "../../errors/errors.ts";
import type { DomainEvent, LibvirtMessage, LibvirtMethods, MethodName } from "./protocol.ts";

export type { DomainEvent, DomainState } from "./protocol.ts";

type Async<Methods> = {
  readonly [Name in keyof Methods]: Methods[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Result>
    : never;
};

export interface LibvirtOptions {
  /** Default qemu:///system. */
  readonly uri?: string;
  /** Something happened to a domain. */
  readonly onEvent?: (event: DomainEvent) => void;
  /** The connection was lost and is open again: what happened in between is not known. */
  readonly onReopened?: () => void;
}

/** Calls to libvirt by the names of {@link LibvirtMethods}; each may throw ERR_UC_LIBVIRT. */
export interface Libvirt extends Async<LibvirtMethods> {
  close(): void;
}

interface Waiting {
  readonly method: MethodName;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: UndercroftError) => void;
}

/** libvirt's VIR_ERR_NO_DOMAIN. */
const noDomain = 42;
const reopenMs = 500;
const msMax = 15_000;
/** These copy a guest's memory. */
const slow: ReadonlySet<MethodName> = new Set(["dumpMemory", "snapshot"]);
const slowMsMax = 600_000;
const methodNames: readonly MethodName[] = [
  ...(["domains", "domain", "xml", "attach", "detach", "pause", "resume"] as const),
  ...(["dumpMemory", "snapshot"] as const),
];

/**
 * Opens a connection.
 * @throws {UndercroftError} ERR_UC_LIBVIRT
 */
export async function openLibvirt(options: LibvirtOptions = {}): Promise<Libvirt> {
  const connection = new Connection(options);
  await connection.open();
  const entries = methodNames.map((method) => [
    method,
    (...args: readonly unknown[]) => connection.call(method, args),
  ]);
  return { ...Object.fromEntries(entries), close: () => connection.close() } as Libvirt;
}

class Connection {
  readonly #options: LibvirtOptions;
  readonly #uri: string;
  readonly #waiting = new Map<number, Waiting>();
  #child: ChildProcess | undefined;
  #nextId = 1;
  #wasOpen = false;
  #isClosed = false;

  constructor(options: LibvirtOptions) {
    this.#options = options;
    this.#uri = options.uri ?? "qemu:///system";
  }

  /** Resolves when the connection is open. */
  open(): Promise<void> {
    const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const program = fileURLToPath(new URL(`./libvirt-child.${ending}`, import.meta.url));
    // libvirt prints errors that come back to us anyway.
    const stdio = ["ignore", "ignore", "ignore", "ipc"] as const;
    const child = fork(program, [this.#uri], { execPath: process.execPath, stdio: [...stdio] });
    this.#child = child;
    return new Promise((resolve, reject) => {
      const refuse = (reason: string): void => {
        reject(libvirtError(`cannot open ${this.#uri}: ${reason}`));
        child.kill("SIGKILL");
      };
      child.on("message", (message: LibvirtMessage) => {
        if ("ready" in message) {
          this.#wasOpen = true;
          resolve();
        } else if ("failed" in message) refuse(message.failed);
        else this.#take(message);
      });
      child.once("exit", () => {
        refuse("is libvirt.so.0 there (apt install libvirt0) and libvirtd running?");
        this.#lost(child);
      });
    });
  }

  call(method: MethodName, args: readonly unknown[]): Promise<unknown> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      if (child === undefined || !child.connected) {
        reject(libvirtError(`${method}: the connection to ${this.#uri} is closed`));
        return;
      }
      const id = this.#nextId++;
      // What hangs is ended, which tells everybody who waits for it.
      const timer = setTimeout(() => child.kill("SIGKILL"), slow.has(method) ? slowMsMax : msMax);
      this.#waiting.set(id, {
        method,
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      child.send({ id, method, args });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#child?.kill("SIGKILL");
  }

  #take(message: LibvirtMessage): void {
    if ("event" in message) {
      this.#options.onEvent?.(message.event);
      return;
    }
    if (!("id" in message)) return;
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (waiting === undefined) return;
    if (!("error" in message)) {
      // JSON leaves out a result that is undefined.
      waiting.resolve(message.result);
      return;
    }
    const { code, message: text } = message.error;
    waiting.reject(
      code === noDomain
        ? new UndercroftError("ERR_UC_DOMAIN_UNKNOWN", `${text}; see \`virsh list --all\``)
        : libvirtError(`${waiting.method}: ${text}`, code),
    );
  }

  #lost(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    for (const { method, reject } of this.#waiting.values()) {
      reject(libvirtError(`${method}: the connection to ${this.#uri} was lost`));
    }
    this.#waiting.clear();
    if (this.#wasOpen && !this.#isClosed) setTimeout(() => void this.#reopen(), reopenMs);
  }

  async #reopen(): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.open();
      this.#options.onReopened?.();
    } catch {
      // The child's end has asked for the next try.
    }
  }
}

function libvirtError(message: string, code?: number): UndercroftError {
  return new UndercroftError("ERR_UC_LIBVIRT", message, code === undefined ? {} : { code });
}
