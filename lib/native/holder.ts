// SPDX-License-Identifier: Apache-2.0
// Speaks to the holder, the program that owns the regions and doorbells of guests that use
// ivshmem-doorbell (hypervisor/holder). Called by lib/transport and by whoever provisions guests.
import { closeSync } from "node:fs";
import { getSystemErrorName } from "node:util";
import { UndercroftError } from "../errors/errors.ts";
import { addon } from "./addon.ts";

/** Where the holder listens unless it is told otherwise. */
export const HOLDER_CONTROL = "/run/undercroft-holder/control";

/** A guest that the holder keeps. */
export interface HeldGuest {
  readonly name: string;
  readonly bytes: number;
  /** Process of its QEMU, 0 where it has no number here; undefined while it is not connected. */
  readonly pid: number | undefined;
}

/** A guest's descriptors, the caller's to close. Eventfds: index is the vector. */
export interface HeldRegion {
  readonly bytes: number;
  readonly region: number;
  /** Rung by the guest. */
  readonly server: readonly [data: number, command: number];
  /** Rings the guest. */
  readonly guest: readonly [data: number, command: number];
}

const ANSWER_BYTES = 64 * 1024;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/**
 * One holder, by its control socket. Each call is a request that is answered at once; one that is
 * not answered within two seconds fails. Every method throws ERR_UC_HOLDER and
 * ERR_UC_NATIVE_MISSING.
 */
export class Holder {
  readonly path: string;

  constructor(path: string = HOLDER_CONTROL) {
    this.path = path;
  }

  /** Makes a guest's region; its QEMU can connect from then on. @throws {UndercroftError} */
  add(name: string, bytes: number): void {
    this.#ask(`add ${this.#checked(name)} ${bytes}`);
  }

  /** Gives up the region of a guest whose QEMU is not connected. @throws {UndercroftError} */
  remove(name: string): void {
    this.#ask(`remove ${this.#checked(name)}`);
  }

  /** @throws {UndercroftError} */
  list(): HeldGuest[] {
    const { lines } = this.#ask("list");
    return lines.slice(0, -1).map((line) => {
      const [, name = "", bytes, pid] = line.split(" ");
      return { name, bytes: Number(bytes), pid: pid === "-" ? undefined : Number(pid) };
    });
  }

  /** Hands out a guest's descriptors. @throws {UndercroftError} */
  attach(name: string): HeldRegion {
    const fds = new Int32Array(5).fill(-1);
    const { lines } = this.#ask(`attach ${this.#checked(name)}`, fds);
    const bytes = Number(lines[0]?.split(" ")[1]);
    const [region = -1, serverData = -1, serverCommand = -1, guestData = -1, guestCommand = -1] =
      fds;
    if (guestCommand < 0 || !Number.isSafeInteger(bytes)) {
      for (const fd of fds) if (fd >= 0) closeSync(fd);
      throw this.#error(`answered "attach ${name}" with too little; is it of another version?`);
    }
    return {
      bytes,
      region,
      server: [serverData, serverCommand],
      guest: [guestData, guestCommand],
    };
  }

  #ask(line: string, fds: Int32Array = new Int32Array(0)): { readonly lines: string[] } {
    const answer = new Uint8Array(ANSWER_BYTES);
    const result = addon().holderAsk(this.path, line, answer, fds);
    if (result < 0) {
      const reason = getSystemErrorName(result);
      throw this.#error(`does not answer: ${reason}; is it running?`, -result);
    }
    const lines = new TextDecoder().decode(answer.subarray(0, result)).trimEnd().split("\n");
    const last = lines.at(-1) ?? "";
    if (last.startsWith("error ")) throw this.#error(`refuses: ${last.slice("error ".length)}`);
    return { lines };
  }

  /** The holder's own rule, kept here too so that a name cannot become a second request. */
  #checked(name: string): string {
    if (NAME.test(name)) return name;
    throw this.#error(`takes no guest of the name ${JSON.stringify(name)}`);
  }

  #error(what: string, errno?: number): UndercroftError {
    return new UndercroftError("ERR_UC_HOLDER", `the holder at ${this.path} ${what}`, {
      path: this.path,
      ...(errno === undefined ? {} : { errno }),
    });
  }
}
