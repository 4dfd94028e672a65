// SPDX-License-Identifier: Apache-2.0
// How the stream of one guest sleeps: says in the region from where on it wants to be rung, hears
// the rings and counts what came of them. Used by guest-stream.ts.
// TRUST: the guest may overwrite what is said and ring as it likes; it costs it only its own speed.
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
  /** Times that rings brought nothing so often that they were no longer listened to. */
  readonly storms: number;
}

/** One guest's doorbell. */
export class GuestDoorbell {
  readonly #region: Region;
  readonly #doorbell: Doorbell;
  readonly #rings: readonly ArmedRing[];
  readonly #awake: () => void;
  #isListening = false;
  #isArmed = false;
  #hasRead = true;
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
    this.#hasRead = true;
    this.#isListening = true;
    this.#doorbell.listen({
      onRing: (rings) => this.#onRing(rings),
      onStorm: () => {
        this.#storms++;
        this.stop();
        this.#awake();
      },
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
    this.#isArmed = true;
    return true;
  }

  /** Something was read. isLook: while it was armed, and not at its last look before sleeping. */
  hasRead(isLook: boolean): void {
    this.#hasRead = true;
    if (isLook && this.#isArmed) this.#missed++;
    this.#isArmed = false;
  }

  // A ring is worth something when anything was read since the one before it.
  #onRing(rings: number): boolean {
    const wasWorth = this.#hasRead;
    this.#hasRead = false;
    this.#ringCount += rings;
    if (this.#isArmed) {
      this.#isArmed = false;
      this.#awake();
    }
    return wasWorth;
  }
}
