// SPDX-License-Identifier: Apache-2.0
// The wake-ups that go with a region: heard from its guest, and rung there. Made of the holder's
// eventfds by ivshmem-region.ts; lib/channel sleeps on it.
import { closeSync } from "node:fs";
import { type DoorbellListener, EventFd, type HeldRegion } from "../native/native.ts";
import { DOORBELL_VECTOR_COMMAND, DOORBELL_VECTOR_DATA } from "../wire/wire.ts";

/** Two eventfds. TRUST: a guest may ring at any rate, or never; a ring is only a hint. */
export interface Doorbell {
  /** Hears the guest from now on, in place of an earlier listener, until unlisten() or a storm. */
  listen(listener: DoorbellListener): void;
  unlisten(): void;
  /** Wakes the guest: a command is in its ring. */
  ring(): void;
}

/** Owns the eventfds of a region that the holder handed out; the vectors not used are closed. */
export class RegionDoorbell implements Doorbell {
  readonly #own: EventFd;
  readonly #guest: EventFd;

  constructor({ server, guest }: HeldRegion) {
    this.#own = new EventFd(server[DOORBELL_VECTOR_DATA]);
    this.#guest = new EventFd(guest[DOORBELL_VECTOR_COMMAND]);
    closeSync(server[DOORBELL_VECTOR_COMMAND]);
    closeSync(guest[DOORBELL_VECTOR_DATA]);
  }

  listen(listener: DoorbellListener): void {
    this.#own.listen(listener);
  }

  unlisten(): void {
    this.#own.unlisten();
  }

  ring(): void {
    this.#guest.ring();
  }

  close(): void {
    this.#own.close();
    this.#guest.close();
  }
}
