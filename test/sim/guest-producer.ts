// SPDX-License-Identifier: Apache-2.0
// All that a simulated guest's driver puts into its rings and counters, with the truth about it.
// Part of simulated-guest.ts, which decides what to write and when.

import type { MemoryRegion } from "../../lib/transport/transport.ts";
import {
  CLASS_CONTROL,
  CLASS_COUNT,
  LOSS_COUNT,
  LOSS_FULL,
  LOSS_NOT_READY,
  LOSS_SHUTDOWN,
  RECORD_FILE_OPEN,
  type RegionLayout,
  RING_DATA,
  RING_PRIORITY,
  STATUS_LAYOUT,
  STATUS_OFFSET,
} from "../../lib/wire/wire.ts";
import { DataRing } from "./data-ring.ts";
import type { Random } from "./random.ts";
import type { AttachTruth } from "./truth.ts";

/** Writes records of one guest and keeps count. */
export class GuestProducer {
  readonly #region: MemoryRegion;
  readonly #random: Random;
  readonly #statusWords = new BigUint64Array(STATUS_LAYOUT.size / 8);
  readonly #data: DataRing[] = [];
  #priority: DataRing | undefined;
  // Control records among the unpublished ones of a ring.
  readonly #controls = new Map<DataRing, number>();
  #truth: AttachTruth;
  #inSession = false;
  #sequence = 0;
  #heartbeat = 0n;
  #lost = new Array<number>(CLASS_COUNT * LOSS_COUNT).fill(0);
  #lostChanged = true;

  constructor(region: MemoryRegion, random: Random, truth: AttachTruth) {
    this.#region = region;
    this.#random = random;
    this.#truth = truth;
  }

  /** Last global sequence given out. */
  get sequence(): number {
    return this.#sequence;
  }

  /** A driver begins. */
  attach(truth: AttachTruth): void {
    this.#truth = truth;
    this.#sequence = 0;
    this.#lost.fill(0);
    this.#lostChanged = true;
    this.#inSession = false;
  }

  /** Learns from the directory where the rings lie; only the first time. */
  place(layout: RegionLayout): void {
    if (this.#priority !== undefined) return;
    for (const placed of layout.rings) {
      const { memory } = this.#region;
      if (placed.kind === RING_DATA) this.#data.push(new DataRing(memory, placed));
      if (placed.kind === RING_PRIORITY) this.#priority = new DataRing(memory, placed);
    }
  }

  start(sessionId: number): void {
    for (const ring of this.#rings()) ring.start(sessionId);
    this.#inSession = true;
  }

  /** Writes a record whose header expects the next sequence; losses are counted. */
  send(type: number, payload: Uint8Array): void {
    if (!this.#inSession) {
      this.#lose(type, LOSS_NOT_READY);
      return;
    }
    this.#sequence++;
    this.#truth.attempted++;
    const lane = this.#data[this.#random.below(this.#data.length)];
    const ring = type === RECORD_FILE_OPEN ? lane : this.#priority;
    if (ring === undefined) throw new RangeError("a ready guest has rings");
    if (!ring.write(type, payload, this.#sequence)) {
      this.#countLost(type, LOSS_FULL);
    } else if (type >> 8 === CLASS_CONTROL) {
      this.#controls.set(ring, (this.#controls.get(ring) ?? 0) + 1);
    }
  }

  publish(): void {
    for (const ring of this.#rings()) this.#show(ring);
    this.tell();
  }

  /** Producers stop: what is written becomes visible, what is unnamed stays in the counters. */
  park(): void {
    for (const ring of this.#rings()) {
      this.#show(ring);
      this.#truth.droppedPending += ring.pendingCount;
      ring.stop();
    }
    this.#inSession = false;
  }

  /** What happens after the last session has nowhere to go. */
  loseAtShutdown(count: number): void {
    for (let left = count; left > 0; left--) this.#lose(RECORD_FILE_OPEN, LOSS_SHUTDOWN);
  }

  /** Stops between two instructions. */
  crash(): void {
    for (const ring of this.#rings()) {
      this.#truth.unpublished += ring.unpublished;
      this.#truth.droppedPending += ring.pendingCount;
      ring.stop();
    }
    this.#controls.clear();
    this.#inSession = false;
  }

  /** Breaks the rules of a ring in a way that no driver would, and stops. */
  attack(): void {
    const ring = this.#random.pick(this.#rings());
    const lies = [
      0xffff_ffff_ffff_fff0n,
      ring.tail + 0x10_0000n,
      ring.tail + 8n,
      ring.tail + 64n,
      ring.tail + 4096n,
      0n,
    ];
    if (this.#random.chance(0.5)) ring.scribble(this.#random.bytes(256));
    ring.forgeTail(this.#random.pick(lies));
    for (const one of this.#rings()) one.stop();
    this.#controls.clear();
    this.#inSession = false;
  }

  /** Private state as a snapshot holds it; the function puts it back. */
  save(): () => void {
    const rings = this.#rings().map((ring) => ring.save());
    const sequence = this.#sequence;
    const lost = [...this.#lost];
    return () => {
      for (const restore of rings) restore();
      this.#sequence = sequence;
      this.#lost = [...lost];
      this.#lostChanged = true;
    };
  }

  /** Refreshes the status page. */
  writeStatus(boottimeNs: bigint, sensors: bigint): void {
    const words = this.#statusWords;
    words[STATUS_LAYOUT.heartbeat / 8] = ++this.#heartbeat;
    words[STATUS_LAYOUT.boottimeNs / 8] = boottimeNs;
    words[STATUS_LAYOUT.sequence / 8] = BigInt(this.#sequence);
    words[STATUS_LAYOUT.sensors / 8] = sensors;
    if (this.#lostChanged) {
      this.#lostChanged = false;
      for (const [index, count] of this.#lost.entries()) {
        words[STATUS_LAYOUT.lost / 8 + index] = BigInt(count);
      }
    }
    this.#region.copyIn(STATUS_OFFSET, new Uint8Array(words.buffer));
    this.tell();
  }

  /** Every way in which the guest lets the server know how far it has come passes here. */
  tell(): void {
    this.#truth.told = Math.max(this.#truth.told, this.#sequence);
  }

  #rings(): DataRing[] {
    return this.#priority === undefined ? this.#data : [this.#priority, ...this.#data];
  }

  #show(ring: DataRing): void {
    const controls = this.#controls.get(ring) ?? 0;
    this.#truth.publishedControls += controls;
    this.#truth.publishedEvents += ring.unpublished - controls;
    this.#controls.delete(ring);
    ring.tick();
  }

  #lose(type: number, reason: number): void {
    this.#sequence++;
    this.#truth.attempted++;
    this.#countLost(type, reason);
  }

  #countLost(type: number, reason: number): void {
    const index = (type >> 8) * LOSS_COUNT + reason;
    this.#lost[index] = (this.#lost[index] ?? 0) + 1;
    this.#lostChanged = true;
    this.#truth.dropped++;
  }
}
