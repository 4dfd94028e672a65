// SPDX-License-Identifier: Apache-2.0
// A region in memory with the guest's ends of its rings, for the channel tests.
import {
  GuestClock,
  GuestStream,
  type StreamItem,
  type StreamSession,
} from "../../../lib/channel/channel.ts";
import type { ControlRecord, GuestFault } from "../../../lib/model/model.ts";
import { ManualClock } from "../../../lib/time/time.ts";
import {
  type Doorbell,
  type MemoryRegion,
  openMemoryRegion,
} from "../../../lib/transport/transport.ts";
import {
  encodeRecord,
  FIELD_PATH,
  type PlacedRing,
  planRegion,
  RECORD_FILE_OPEN,
  RECORD_PROCESS_EXEC,
  type RegionLayout,
} from "../../../lib/wire/wire.ts";
import { DataRing } from "../../sim/data-ring.ts";

export const PRIORITY = 1;
export const DATA0 = 2;
export const DATA1 = 3;

export const SESSION = {
  sessionId: 77,
  previousSessionId: 0,
  features: 0n,
  bootId: "b",
  sequence: 0,
  sameAttach: false,
  recovered: false,
  heads: [],
  lostBefore: [],
} as const;

/** One guest's stream and its rings. */
export class StreamRig {
  readonly clock: ManualClock = new ManualClock();
  readonly layout: RegionLayout;
  readonly region: MemoryRegion;
  readonly stream: GuestStream;
  readonly batches: Array<readonly StreamItem[]> = [];
  readonly controls: ControlRecord[] = [];
  readonly faults: Array<{ readonly fault: GuestFault; readonly evidence: Uint8Array }> = [];
  /** Times that a ring woke the stream. */
  awakened = 0;
  readonly #rings = new Map<number, DataRing>();

  constructor(name = "g", dataCapacityLog2 = 16, doorbell?: Doorbell) {
    const plan = { regionBytes: 1 << 20, dataRings: 2, dataCapacityLog2 };
    this.layout = planRegion({ ...plan, priorityCapacityLog2: 16 });
    const region = openMemoryRegion(1 << 20, name);
    this.region = doorbell === undefined ? region : Object.assign(region, { doorbell });
    this.stream = new GuestStream({
      guest: name,
      region: this.region,
      layout: this.layout,
      recordBytesMax: 8192,
      limits: { batchBytes: 16384, recordsMax: 64 },
      guestClock: new GuestClock(this.clock),
      awake: () => this.awakened++,
      hooks: {
        deliver: (items) => this.batches.push(items),
        control: (record) => this.controls.push(record),
        faulted: (fault, evidence) => this.faults.push({ fault, evidence }),
      },
    });
  }

  get items(): StreamItem[] {
    return this.batches.flat();
  }

  placed(index: number): PlacedRing {
    const ring = this.layout.rings[index];
    if (ring === undefined) throw new RangeError(`no ring ${index}`);
    return ring;
  }

  start(session: Partial<StreamSession> = {}): void {
    this.stream.startSession({ ...SESSION, ...session }, 0);
    for (const index of [PRIORITY, DATA0, DATA1]) this.ring(index).start(SESSION.sessionId);
  }

  ring(index: number): DataRing {
    const known = this.#rings.get(index) ?? new DataRing(this.region.memory, this.placed(index));
    this.#rings.set(index, known);
    return known;
  }

  /** Writes a file event into a data ring, or an exec into the priority ring, and shows it. */
  write(index: number, sequence: number, path = `/f/${sequence}`): boolean {
    const type = index === PRIORITY ? RECORD_PROCESS_EXEC : RECORD_FILE_OPEN;
    const payload = encodeRecord(type, { sequence }, {}, { [FIELD_PATH]: path });
    return this.ring(index).write(type, payload, sequence);
  }

  show(): void {
    for (const ring of this.#rings.values()) ring.tick();
  }
}
