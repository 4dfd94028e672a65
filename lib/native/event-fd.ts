// SPDX-License-Identifier: Apache-2.0
// A doorbell: an eventfd that the event loop of this thread watches. A ring is a hint and never
// trusted: a guest that rings without work is no longer listened to, and polling takes over.
import { closeSync } from "node:fs";
import { getSystemErrorName } from "node:util";
import { UndercroftError } from "../errors/errors.ts";
import { addon, type NativeHandle } from "./addon.ts";

/** Rings in a row that brought no work before the doorbell counts as stormed. */
export const IDLE_RINGS_MAX = 64;

export interface DoorbellListener {
  /** Called at most once a loop turn. Returns whether there was work behind the ring. */
  onRing(rings: number): boolean;
  /** Called once when the doorbell is no longer watched: fall back to polling. */
  onStorm(): void;
}

/** Owns one eventfd. */
export class EventFd {
  #fd: number;
  #watch: NativeHandle | undefined;
  #idleRings = 0;

  /** Takes over an eventfd, or makes one. @throws {UndercroftError} ERR_UC_REGION_OPEN */
  constructor(fd?: number) {
    this.#fd = fd ?? addon().eventFdCreate();
    if (this.#fd < 0) throw doorbellError("eventfd", this.#fd);
  }

  /** To pass to another process; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  get isListening(): boolean {
    return this.#watch !== undefined;
  }

  /** Rings the other side. @throws {UndercroftError} ERR_UC_REGION_CLOSED, ERR_UC_REGION_OPEN */
  ring(): void {
    this.#checkOpen();
    const result = addon().eventFdRing(this.#fd);
    if (result < 0) throw doorbellError("ring", result);
  }

  /**
   * Watches for rings in the loop of the calling thread, and keeps that loop alive.
   * @throws {UndercroftError} ERR_UC_REGION_CLOSED, ERR_UC_REGION_OPEN
   */
  listen(listener: DoorbellListener): void {
    this.#checkOpen();
    this.unlisten();
    this.#idleRings = 0;
    const watch = addon().watchStart(this.#fd, (rings) => this.#onRing(listener, rings));
    if (typeof watch === "number") throw doorbellError("watch", watch);
    this.#watch = watch;
  }

  unlisten(): void {
    if (this.#watch === undefined) return;
    addon().watchStop(this.#watch);
    this.#watch = undefined;
  }

  close(): void {
    if (this.#fd < 0) return;
    this.unlisten();
    closeSync(this.#fd);
    this.#fd = -1;
  }

  #onRing(listener: DoorbellListener, rings: number): void {
    // A negative count is an error of the descriptor: nothing will come from it any more.
    const isBroken = rings < 0;
    const hadWork = !isBroken && listener.onRing(rings);
    this.#idleRings = hadWork ? 0 : this.#idleRings + 1;
    if (!isBroken && this.#idleRings < IDLE_RINGS_MAX) return;
    this.unlisten();
    listener.onStorm();
  }

  #checkOpen(): void {
    if (this.#fd >= 0) return;
    throw new UndercroftError("ERR_UC_REGION_CLOSED", "a doorbell was used after its close()");
  }
}

function doorbellError(call: string, negativeErrno: number): UndercroftError {
  const reason = getSystemErrorName(negativeErrno);
  return new UndercroftError("ERR_UC_REGION_OPEN", `a doorbell failed in ${call}: ${reason}`, {
    errno: -negativeErrno,
  });
}
