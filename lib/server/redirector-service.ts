// SPDX-License-Identifier: Apache-2.0
// One redirector inside the server: joins its registration, its answers, its packets and its
// commands. Made and turned by composition.ts; which interfaces and rules it has is tap-control's.
import {
  CommandChannel,
  GuestClock,
  GuestStream,
  type LaneCounts,
  PacketStream,
} from "../channel/channel.ts";
import type {
  BlockRule,
  CommandRecord,
  ControlRecord,
  FaultName,
  GuestFault,
  GuestState,
  GuestStateChange,
  RedirectStatus,
} from "../model/model.ts";
import { type GuestRecord, type GuestSession, Registration } from "../registry/registry.ts";
import type { Clock } from "../time/time.ts";
import type { Region } from "../transport/transport.ts";
import {
  type GuestStatus,
  type PacketRecord,
  RING_COMMAND,
  recordBytesMax,
  type Superblock,
} from "../wire/wire.ts";

/** What a redirector tells the rest of the server. */
export interface RedirectorHooks {
  /** It is there, knows nothing of what was asked before, and takes commands now. */
  ready(): void;
  packet(lane: number, record: PacketRecord, batch: Uint8Array): void;
  status(status: RedirectStatus): void;
  rule(rule: BlockRule): void;
  command(record: CommandRecord): void;
  state(change: GuestStateChange): void;
  faulted(fault: FaultName, reason: string, evidence: Uint8Array): void;
}

export interface RedirectorServiceOptions {
  readonly name: string;
  readonly id: string;
  readonly region: Region;
  readonly superblock: Superblock;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly takeIds: (count: number) => bigint;
  readonly silenceMs: number;
  readonly hooks: RedirectorHooks;
}

/** Room for the largest packet, and a power of two. */
const PACKET_BATCH_BYTES = 128 * 1024;
const RECORDS_MAX = 1024;

/** Serves one redirector. */
export class RedirectorService {
  readonly registration: Registration;
  readonly commands: CommandChannel;
  readonly #options: RedirectorServiceOptions;
  readonly #clock: GuestClock;
  readonly #answers: GuestStream;
  readonly #packets: PacketStream;

  constructor(options: RedirectorServiceOptions) {
    this.#options = options;
    const { name, region, superblock, clock } = options;
    const { layout } = superblock;
    this.#clock = new GuestClock(clock);
    const shared = { region, layout, recordBytesMax: superblock.recordBytesMax };
    const faulted = (fault: GuestFault, evidence: Uint8Array): void =>
      this.#faulted(fault, evidence);
    const limits = { batchBytes: PACKET_BATCH_BYTES, recordsMax: RECORDS_MAX };
    this.#answers = new GuestStream({
      ...shared,
      guest: name,
      isRedirector: true,
      limits,
      guestClock: this.#clock,
      hooks: { deliver: () => {}, control: (record) => this.#control(record), faulted },
    });
    this.#packets = new PacketStream({
      ...shared,
      limits,
      hooks: { packet: options.hooks.packet, faulted },
    });
    const ring = layout.rings.findIndex(({ kind }) => kind === RING_COMMAND);
    const placement = layout.rings[ring];
    if (placement === undefined) throw new RangeError("the layout has no command ring");
    this.commands = new CommandChannel({
      guest: name,
      producer: region.openProducer(placement, superblock.recordBytesMax),
      ring,
      payloadBytesMax: recordBytesMax(placement.capacityLog2, superblock.recordBytesMax),
      takeIds: options.takeIds,
      clock,
      guestClock: this.#clock,
      hooks: {
        changed: (record) => options.hooks.command(record),
        faulted: (fault) => faulted(fault, new Uint8Array(0)),
      },
    });
    this.registration = this.#register();
  }

  get state(): GuestState {
    return this.registration.state;
  }

  get record(): GuestRecord {
    return this.registration.record;
  }

  /** True while commands reach a redirector that lives. */
  get isReady(): boolean {
    const { session, state } = this.registration;
    return session !== undefined && !session.recovered && state === "registered";
  }

  get laneCount(): number {
    return this.#packets.laneCount;
  }

  counts(lane: number): LaneCounts {
    return this.#packets.counts(lane);
  }

  /** One drain of its rings; what it cost. */
  turn(): number {
    return this.#answers.turn() + this.#packets.turn();
  }

  control(nowMs: number): void {
    this.registration.poll(nowMs);
  }

  close(): void {
    this.commands.close();
    this.#answers.close();
    this.#packets.close();
  }

  #register(): Registration {
    const { name, id, region, superblock, clock, randomBytes, silenceMs, hooks } = this.#options;
    return new Registration({
      guest: name,
      guestId: id,
      ...{ region, superblock, clock, randomBytes, silenceMs },
      hooks: {
        sessionEnding: () => {
          this.#answers.finishSession();
          this.#packets.endSession();
          this.commands.endSession();
        },
        sessionStarting: (session) => this.#startSession(session),
        sessionReady: () => hooks.ready(),
        stateChanged: (change) => hooks.state(change),
        faulted: (fault, reason) => {
          if (fault === "E_HELLO" || fault === "E_MAPPING") {
            hooks.faulted(fault, reason, new Uint8Array(0));
          }
        },
        // A process that starts again is no virtual machine that was set back.
        rolledBack: () => {},
        statusRead: (status) => this.#readStatus(status),
        highestSequence: () => this.#answers.ledger.sequenceMax,
      },
    });
  }

  #startSession(session: GuestSession): void {
    this.#clock.start(session.boottimeNs);
    this.#answers.startSession(session, this.#options.clock.monotonicMs());
    this.#packets.startSession(session);
    if (!session.recovered) this.commands.startSession(session.sessionId, session.features);
  }

  #readStatus(status: GuestStatus): void {
    this.#clock.take(status.boottimeNs);
    this.#answers.claim(status);
  }

  #control(record: ControlRecord): void {
    const { hooks } = this.#options;
    switch (record.kind) {
      case "command.result":
        this.commands.acknowledge(record);
        break;
      case "clock":
        this.#clock.take(record.boottimeNs);
        break;
      case "redirect.status":
        hooks.status(record);
        break;
      case "block.rule":
        hooks.rule(record.rule);
        break;
      case "unregister":
        this.commands.send({ kind: "unregister-ack" }, { requestedBy: "server" });
        this.registration.unregistered("the redirector was stopped");
        break;
    }
  }

  #faulted(fault: GuestFault, evidence: Uint8Array): void {
    const reason = `${fault.fault} in ring ${fault.ring}`;
    this.#options.hooks.faulted(fault.fault, reason, evidence);
    this.registration.quarantine(fault.fault, reason);
  }
}
