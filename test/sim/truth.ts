// SPDX-License-Identifier: Apache-2.0
// What a simulated guest knows of itself and the server cannot: the other side of every oracle.

/** One life of a driver: from its load to its end. */
export class AttachTruth {
  readonly guest: string;
  readonly boot: string;
  /** Unique in the run; every event of this attach carries it. */
  readonly number: number;
  /** Records that were given a sequence. */
  attempted = 0;
  /** Event records that became visible to the server, and control records that did. */
  publishedEvents = 0;
  publishedControls = 0;
  /** Records that never reached a ring. */
  dropped = 0;
  /** Written and never published, because the guest died between the two. */
  unpublished = 0;
  /** Dropped, and left for the status page to name, because the session ended first. */
  droppedPending = 0;
  /** Highest sequence that any page or frame told before the attach ended. */
  told = 0;
  /** The guest lied or was set back in this attach: its own books prove nothing. */
  tainted = false;
  /** A region fault made the server give up what was in the rings. */
  givenUp = false;
  /** The server was killed and replaced during this attach. */
  serverReplaced = false;
  crashed = false;
  /** The server had a look at the status page as the guest left it. */
  lastStatusRead = true;
  /** How often each command id was carried out. */
  readonly executed: Map<bigint, number> = new Map();

  constructor(guest: string, boot: string, number: number) {
    this.guest = guest;
    this.boot = boot;
    this.number = number;
  }
}
