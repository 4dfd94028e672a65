// SPDX-License-Identifier: Apache-2.0
// How the stream of one guest sleeps: says in the region from where on it wants to be rung, hears
// the rings and counts what came of them. Used by guest-stream.ts.
// TRUST: the guest may overwrite what is said and ring as it likes. It loses its own speed by it:
// one that rings more often than it was asked to is not heard any more, before that costs much.
import { CONSUMER_STAT, type RingConsumer } from "../model/model.ts";
import type { Doorbell, Region } from "../transport/transport.ts";
import { FEATURE_DOORBELL, RING_CONSUMER_LAYOUT } from "../wire/wire.ts";

/** A ring to be woken by: its reading end and where its consumer page lies. */
export interface ArmedRing {
  readonly consumer: RingConsumer;
  readonly consumerOffset: number;
}

/** Numbers of one guest's doorbell since its server began. */
export interface DoorbellStats {
  /** The guest rings and is heard; false before a session with doorbells and after a storm. */
  readonly isListening: boolean;
  readonly rings: number;
  /** Times that a look found what no ring had told of. */
  readonly missed: number;
  /** Times that it rang more often than it was asked to, and was no longer listened to. */
  readonly storms: number;
}

/** A place is crossed once each time that it is armed; rings of some times before may be late. */
const ARMINGS_MAX = 4;

/** One guest's doorbell. */
export class GuestDoorbell {
  readonly #region: Region;
  readonly #doorbell: Doorbell;
  readonly #rings: readonly ArmedRing[];
  readonly #awake: () => void;
  #isListening = false;
  #isArmed = false;
  // Rings that a driver which keeps the rules may still ring.
  #allowed = 0;
  // The first ones may be left from a session before.
  #isFresh = true;
  #ringCount = 0;
  #missed = 0;
  #storms = 0;

  /** awake: something is to be read. */
  constructor(region: Region, doorbell: Doorbell, rings: readonly ArmedRing[], awake: () => void) {
    this.#region = region;
    this.#doorbell = doorbell;
    this.#rings = rings;
    this.#awake = awake;
  }

  get isArmed(): boolean {
    return this.#isArmed;
  }

  get stats(): DoorbellStats {
    return {
      isListening: this.#isListening,
      rings: this.#ringCount,
      missed: this.#missed,
      storms: this.#storms,
    };
  }

  /** A session begins; its rings' pages are new. */
  start(features: bigint): void {
    this.stop();
    if ((features & FEATURE_DOORBELL) === 0n) return;
    this.#allowed = ARMINGS_MAX * this.#rings.length;
    this.#isFresh = true;
    this.#isListening = true;
    this.#doorbell.listen({
      onRing: (rings) => this.#onRing(rings),
      onStorm: () => this.#giveUp(),
    });
  }

  stop(): void {
    if (this.#isListening) this.#doorbell.unlisten();
    this.#isListening = false;
    this.#isArmed = false;
  }

  /** Asks to be rung for the next record of any ring. False: nobody would be heard. */
  arm(): boolean {
    if (!this.#isListening || this.#isArmed) return false;
    for (const { consumer, consumerOffset } of this.#rings) {
      const head = consumer.stats[CONSUMER_STAT.head] ?? 0n;
      // ORDER: the store is a full fence, and the caller looks at all tails once more after it;
      // pairs with the fence between tail and wake_at in guest-drivers/core/uc_ring.c.
      this.#region.storeU64(consumerOffset + RING_CONSUMER_LAYOUT.wakeAt, head + 1n);
    }
    const most = ARMINGS_MAX * this.#rings.length;
    this.#allowed = Math.min(this.#allowed + this.#rings.length, most);
    this.#isArmed = true;
    return true;
  }

  /** Something was read. isLook: while it was armed, and not at its last look before sleeping. */
  noteRead(isLook: boolean): void {
    if (isLook && this.#isArmed) this.#missed++;
    this.#isArmed = false;
  }

  #onRing(rings: number): boolean {
    this.#ringCount += rings;
    if (!this.#isFresh) this.#allowed -= rings;
    this.#isFresh = false;
    if (this.#allowed < 0) {
      this.#giveUp();
    } else if (this.#isArmed) {
      this.#isArmed = false;
      this.#awake();
    }
    return true;
  }

  // Polled until its next session.
  #giveUp(): void {
    this.#storms++;
    this.stop();
    this.#awake();
  }
}
