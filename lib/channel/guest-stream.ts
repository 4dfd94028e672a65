// SPDX-License-Identifier: Apache-2.0
// The records of one guest as one ordered stream: drains its rings, merges them by the global
// sequence, decodes, and keeps the books. Turned by drain-loop.ts; must not fail for what a guest
// writes: a fault ends the reading of this guest and of no other.
import {
  CONSUMER_STAT,
  type ControlRecord,
  faultName,
  type GuestEvent,
  type GuestFault,
  type Loss,
  RECORD_STRIDE,
  type RingConsumer,
} from "../model/model.ts";
import type { DrainLimits, Region } from "../transport/transport.ts";
import {
  type DecodeContext,
  type Decoded,
  EVENT_HEADER_LAYOUT,
  type GuestStatus,
  RECORD_LOST,
  RecordDecoder,
  type RegionLayout,
  RING_DATA,
  RING_PRIORITY,
  recordClass,
} from "../wire/wire.ts";
import type { GuestClock } from "./guest-clock.ts";
import { type DoorbellStats, GuestDoorbell } from "./guest-doorbell.ts";
import { type LedgerStart, LossLedger } from "./loss-ledger.ts";

/** One place in a guest's history: something it did, or a hole of known size. */
export type StreamItem = GuestEvent | Loss;

export interface StreamHooks {
  /** A turn's items in order; the array is the receiver's to keep. */
  deliver(items: readonly StreamItem[]): void;
  /** Records about the channel itself, before the items of the same turn. */
  control(record: ControlRecord): void;
  /** The guest broke the rules; nothing more is read until the next session. */
  faulted(fault: GuestFault, evidence: Uint8Array): void;
}

export interface StreamOptions {
  readonly guest: string;
  readonly region: Region;
  readonly layout: RegionLayout;
  readonly recordBytesMax: number;
  readonly limits: DrainLimits;
  readonly guestClock: GuestClock;
  /** It is a redirector that speaks here: it may report as one, and has no events of its own. */
  readonly isRedirector?: boolean;
  /** The guest rang: a turn will find something. */
  readonly awake?: () => void;
  readonly hooks: StreamHooks;
}

/** What the stream needs to know of a session. */
export interface StreamSession extends LedgerStart {
  readonly sessionId: number;
  readonly previousSessionId: number;
  readonly features: bigint;
  /** By place in the directory; empty: all begin at 0. */
  readonly heads: readonly bigint[];
}

/** Cost of a record in bytes when turns are shared out, above its own length. */
const RECORD_COST_BYTES = 64;
/** A record without a sequence of its own goes out where it stands in its ring. */
const AT_ONCE = -1;

/** One ring being merged. */
interface Lane {
  readonly ring: number;
  readonly capacity: number;
  readonly consumer: RingConsumer;
  readonly decoder: RecordDecoder;
  count: number;
  index: number;
  /** Global sequence of the record at `index`. */
  sequence: number;
  missingSeen: bigint;
  bytesSeen: bigint;
}

/** Reads one guest. */
export class GuestStream {
  readonly guest: string;
  readonly ledger: LossLedger;
  readonly #options: StreamOptions;
  readonly #data: readonly Lane[];
  readonly #priority: Lane;
  readonly #doorbell: GuestDoorbell | undefined;
  #context: DecodeContext;
  #active = false;
  #fault: GuestFault | undefined;
  #bytes = 0;
  #faults = 0;
  #items: StreamItem[] = [];
  // Undecodable records of this turn by class and ring, so that a flood of them costs little.
  readonly #odd = new Map<number, number>();

  constructor(options: StreamOptions) {
    this.guest = options.guest;
    this.ledger = new LossLedger(options.guest);
    this.#options = options;
    this.#context = { guest: options.guest, boot: "", clockOffsetMs: 0 };
    const { layout } = options;
    const lanes = layout.rings.flatMap((ring, index) =>
      ring.kind === RING_DATA || ring.kind === RING_PRIORITY ? [this.#openLane(index)] : [],
    );
    const isPriority = (lane: Lane): boolean => layout.rings[lane.ring]?.kind === RING_PRIORITY;
    const priority = lanes.find(isPriority);
    if (priority === undefined) throw new RangeError("the layout has no priority ring");
    this.#priority = priority;
    this.#data = lanes.filter((lane) => !isPriority(lane));
    const { region, awake } = options;
    if (region.doorbell !== undefined) {
      const rings = lanes.map(({ consumer, ring }) => {
        return { consumer, consumerOffset: layout.rings[ring]?.consumerOffset ?? 0 };
      });
      this.#doorbell = new GuestDoorbell(region, region.doorbell, rings, () => awake?.());
    }
  }

  /** Payload bytes taken since the server began. */
  get bytes(): number {
    return this.#bytes;
  }

  get faults(): number {
    return this.#faults;
  }

  /** Undefined where the region has no doorbell. */
  get doorbell(): DoorbellStats | undefined {
    return this.#doorbell?.stats;
  }

  /** True while nothing is to be read before a ring: a look now and then is enough. */
  get isAsleep(): boolean {
    return this.#doorbell !== undefined && (!this.#active || this.#doorbell.isArmed);
  }

  /** Begins to read a session; what the one before left open is settled and delivered. */
  startSession(session: StreamSession, nowMs: number): void {
    this.#items.push(...this.ledger.startSession(session, nowMs));
    this.#context = { ...this.#context, boot: session.bootId };
    this.#fault = undefined;
    this.#active = true;
    for (const lane of [this.#priority, ...this.#data]) {
      const head = session.heads[lane.ring] ?? 0n;
      const { sessionId, previousSessionId, features } = session;
      lane.consumer.startSession(sessionId, previousSessionId, features, head);
      lane.missingSeen = lane.consumer.stats[CONSUMER_STAT.missing] ?? 0n;
      lane.bytesSeen = lane.consumer.stats[CONSUMER_STAT.bytes] ?? 0n;
    }
    this.#doorbell?.start(session.features);
    this.#flush();
  }

  /** Reads what is left, as far as a guest that writes on can be outrun, and stops. */
  finishSession(): void {
    const limit = [this.#priority, ...this.#data].reduce((sum, lane) => sum + lane.capacity, 0);
    for (let cost = 0; cost <= limit * 2; ) {
      const spent = this.turn();
      if (spent === 0) break;
      cost += spent;
    }
    this.#end();
  }

  /** Stops reading without looking at the region again. */
  abandonSession(): void {
    if (this.#active) this.ledger.giveUp();
    this.#end();
  }

  /** The driver is gone for good: names everything that never came. */
  closeAttach(nowMs: number): void {
    this.#items.push(...this.ledger.closeAttach(nowMs));
    this.#flush();
  }

  /** The guest refreshed its own counters: books and stream take them in. */
  claim(status: GuestStatus): void {
    this.#items.push(...this.ledger.claim(status));
    if (this.ledger.settled) this.#items.push(...this.ledger.nameRest());
    this.#flush();
  }

  /** One drain of each ring. Returns what it cost, 0 when there was nothing to read. */
  turn(): number {
    return this.#turn(true);
  }

  /**
   * After a turn that found nothing: sleeps where a doorbell can wake it, having looked once more.
   * Returns what that look cost; it then stays awake.
   */
  sleep(): number {
    return this.#active && this.#doorbell?.arm() === true ? this.#turn(false) : 0;
  }

  #turn(isLook: boolean): number {
    if (!this.#active) return 0;
    const data = this.#data;
    let open = 0;
    // ORDER: data tails are sampled before the priority ring's, so that the exec of a process is
    // here whenever anything that it did is.
    for (const lane of data) open += this.#drain(lane);
    open += this.#drain(this.#priority);
    if (open === 0) {
      this.#report();
      return 0;
    }
    this.#doorbell?.noteRead(isLook);
    this.#context = { ...this.#context, clockOffsetMs: this.#options.guestClock.offsetMs };
    const bytesBefore = this.#bytes;
    const records = this.#merge();
    for (const lane of data) this.#tally(lane);
    this.#tally(this.#priority);
    this.#nameOdd();
    this.#flush();
    this.#report();
    return this.#bytes - bytesBefore + records * RECORD_COST_BYTES;
  }

  close(): void {
    this.#end();
    for (const lane of [this.#priority, ...this.#data]) lane.consumer.close();
  }

  #end(): void {
    this.#active = false;
    this.#doorbell?.stop();
  }

  #openLane(ring: number): Lane {
    const { region, layout, recordBytesMax, limits } = this.#options;
    const placement = layout.rings[ring];
    if (placement === undefined) throw new RangeError(`no ring ${ring}`);
    return {
      ring,
      capacity: 2 ** placement.capacityLog2,
      consumer: region.openConsumer(placement, recordBytesMax, limits),
      decoder: new RecordDecoder(),
      count: 0,
      index: 0,
      sequence: 0,
      missingSeen: 0n,
      bytesSeen: 0n,
    };
  }

  // Next batch of a ring: 1 when there is something to merge, 0 when not.
  #drain(lane: Lane): number {
    lane.index = 0;
    lane.count = 0;
    if (this.#fault !== undefined) return 0;
    const { consumer } = lane;
    const result = consumer.drain();
    if (result <= 0) {
      if (result < 0) this.#fault = { fault: faultName(result), ring: lane.ring };
      return 0;
    }
    lane.count = result;
    lane.decoder.use(consumer.batch);
    const missing = consumer.stats[CONSUMER_STAT.missing] ?? 0n;
    if (missing !== lane.missingSeen) {
      this.ledger.miss(lane.ring, Number(missing - lane.missingSeen));
      lane.missingSeen = missing;
    }
    this.#look(lane);
    return 1;
  }

  #look(lane: Lane): void {
    const at = lane.index * RECORD_STRIDE;
    const { records } = lane.consumer;
    const type = (records[at + 2] ?? 0) & 0xffff;
    const whole = (records[at + 1] ?? 0) >= EVENT_HEADER_LAYOUT.size;
    lane.sequence =
      type === RECORD_LOST || !whole ? AT_ONCE : lane.decoder.sequenceAt(records[at] ?? 0);
  }

  // Takes records in the order of their global sequence until all lanes are empty. The priority
  // lane is refilled as long as it lasts, within bounds, because it must stay ahead.
  #merge(): number {
    let records = 0;
    let refills = this.#priority.capacity;
    for (;;) {
      const lane = this.#first();
      if (lane === undefined) return records;
      const until = this.#nextSequence(lane);
      do {
        this.#take(lane);
        records++;
        lane.index++;
        if (lane.index < lane.count) this.#look(lane);
      } while (lane.index < lane.count && lane.sequence <= until);
      if (lane === this.#priority && lane.index >= lane.count && refills > 0) {
        refills -= lane.count * RECORD_COST_BYTES;
        this.#drain(lane);
      }
    }
  }

  #first(): Lane | undefined {
    let first: Lane | undefined =
      this.#priority.index < this.#priority.count ? this.#priority : undefined;
    for (const lane of this.#data) {
      if (lane.index >= lane.count) continue;
      if (first === undefined || lane.sequence < first.sequence) first = lane;
    }
    return first;
  }

  #nextSequence(but: Lane): number {
    let next = Number.POSITIVE_INFINITY;
    const priority = this.#priority;
    if (priority !== but && priority.index < priority.count) next = priority.sequence;
    for (const lane of this.#data) {
      if (lane !== but && lane.index < lane.count && lane.sequence < next) next = lane.sequence;
    }
    return next;
  }

  #take(lane: Lane): void {
    const at = lane.index * RECORD_STRIDE;
    const { records } = lane.consumer;
    const offset = records[at] ?? 0;
    const length = records[at + 1] ?? 0;
    const kind = records[at + 2] ?? 0;
    const type = kind & 0xffff;
    if (type === RECORD_LOST) {
      const loss = lane.decoder.decodeLost(this.#context, lane.ring, offset, length);
      if (loss !== undefined && this.ledger.nameInBand(loss)) this.#items.push(loss);
      return;
    }
    this.ledger.take(1, lane.sequence);
    const record = lane.decoder.decode(this.#context, type, kind >>> 16, offset, length);
    // TRUST: a guest that speaks as a redirector is not listened to, nor the other way round.
    if (record === undefined || !this.#isOwn(record)) {
      const key = lane.ring * 0x1_0000 + type;
      this.#odd.set(key, (this.#odd.get(key) ?? 0) + 1);
    } else if (
      record.kind === "command.result" ||
      record.kind === "unregister" ||
      record.kind === "clock" ||
      record.kind === "volume" ||
      record.kind === "redirect.status" ||
      record.kind === "block.rule"
    ) {
      this.#options.hooks.control(record);
    } else {
      this.#items.push(record);
    }
  }

  #isOwn(record: Decoded): boolean {
    switch (record.kind) {
      case "command.result":
      case "unregister":
      case "clock":
        return true;
      case "redirect.status":
      case "block.rule":
        return this.#options.isRedirector === true;
      default:
        return this.#options.isRedirector !== true;
    }
  }

  #tally(lane: Lane): void {
    const bytes = lane.consumer.stats[CONSUMER_STAT.bytes] ?? 0n;
    if (bytes === lane.bytesSeen) return;
    this.#bytes += Number(bytes - lane.bytesSeen);
    lane.bytesSeen = bytes;
  }

  #nameOdd(): void {
    if (this.#odd.size === 0) return;
    for (const [key, count] of this.#odd) {
      const ring = Math.floor(key / 0x1_0000);
      this.#items.push(this.ledger.undecodable(ring, recordClass(key % 0x1_0000), count));
    }
    this.#odd.clear();
  }

  #flush(): void {
    if (this.#items.length === 0) return;
    const items = this.#items;
    this.#items = [];
    this.#options.hooks.deliver(items);
  }

  #report(): void {
    if (this.#fault === undefined || !this.#active) return;
    this.#faults++;
    this.abandonSession();
    const lane = [this.#priority, ...this.#data].find(({ ring }) => ring === this.#fault?.ring);
    this.#options.hooks.faulted(this.#fault, lane?.consumer.evidence() ?? new Uint8Array(0));
  }
}
