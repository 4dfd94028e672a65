// SPDX-License-Identifier: Apache-2.0
// One guest inside the server: joins its registration, its stream of records and its commands.
// Made and turned by composition.ts; what it finds goes to the case desk.
import { CommandChannel, GuestClock, GuestStream, type StreamItem } from "../channel/channel.ts";
import type { GuestFacts } from "../detect/detect.ts";
import type {
  CommandRecord,
  ControlRecord,
  Detection,
  GuestCommand,
  GuestEvent,
  GuestFault,
  GuestNetworkEvent,
  NetworkEvent,
  SocketEvent,
} from "../model/model.ts";
import {
  type EarlierAttach,
  type GuestSession,
  Registration,
  type SessionEnd,
} from "../registry/registry.ts";
import type { Clock } from "../time/time.ts";
import type { DrainLimits, Region } from "../transport/transport.ts";
import {
  FEATURE_DOORBELL,
  type GuestStatus,
  RING_COMMAND,
  RING_CONSUMER_LAYOUT,
  RING_PRODUCER_LAYOUT,
  recordBytesMax,
  SENSOR_SOCKET,
  SENSORS_DEFAULT,
  type Superblock,
  UNREGISTER_SHUTDOWN,
} from "../wire/wire.ts";
import type { CaseDesk } from "./case-desk.ts";
import type { Emitter } from "./emitter.ts";
import { GuestNetwork } from "./guest-network.ts";
import { ProcessTable } from "./process-table.ts";
import type { GuestStats, ServerEvents } from "./reports.ts";
import type { Responder } from "./responder.ts";
import type { RuleBook } from "./rule-book.ts";
import { guestFacts } from "./sigma-desk.ts";
import type { GuestInterface, InterfaceStats } from "./tap-control.ts";
import { WindowsNames } from "./windows-names.ts";

export interface GuestServiceOptions {
  readonly name: string;
  readonly id: string;
  readonly region: Region;
  readonly superblock: Superblock;
  readonly limits: DrainLimits;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly takeIds: (count: number) => bigint;
  readonly silenceMs: number;
  readonly emitter: Emitter<ServerEvents>;
  readonly rules: RuleBook;
  readonly desk: CaseDesk;
  readonly responder: Responder;
  readonly interfaces: readonly GuestInterface[];
  readonly earlier?: EarlierAttach;
  readonly hooks: GuestServiceHooks;
}

/** What a guest tells the network half of its server. */
export interface GuestServiceHooks {
  /** The guest rang: its stream is to be read. */
  awake(): void;
  /** A driver registered: its interfaces are to be watched. */
  registered(): void;
  network(events: readonly GuestNetworkEvent[]): void;
  interfaces(): readonly InterfaceStats[];
}

/** A driver that goes has this long to end its rings after its leave was acknowledged. */
const LEAVE_AFTER_ACK_MS = 1000;
const LEAVE_MS_MAX = 4000;
/** Status reads in a row that say "no sensor on" before a monitored guest is suspected. */
const SENSORS_OFF_MAX = 4;

/** Serves one guest. */
export class GuestService {
  readonly registration: Registration;
  readonly stream: GuestStream;
  readonly commands: CommandChannel;
  readonly network: GuestNetwork;
  readonly processes: ProcessTable = new ProcessTable();
  /** Its network interfaces now. */
  interfaces: readonly GuestInterface[];
  readonly #options: GuestServiceOptions;
  readonly #guestClock: GuestClock;
  readonly #windows = new WindowsNames();
  #facts: GuestFacts | undefined;
  #events = 0;
  #rateEvents = 0;
  #rateMs = 0;
  #eventsPerSecond = 0;
  #mismatches = 0;
  #sensorsOff = 0;
  // When the driver said that it goes, and when that was acknowledged; undefined: it did not.
  #leavingMs: number | undefined;
  #leaveAckedMs: number | undefined;
  #startId: bigint | undefined;
  #rulesId: bigint | undefined;

  constructor(options: GuestServiceOptions) {
    this.#options = options;
    this.interfaces = options.interfaces;
    const { name, region, superblock, clock } = options;
    const { layout } = superblock;
    this.#guestClock = new GuestClock(clock);
    const guestClock = this.#guestClock;
    this.stream = new GuestStream({
      guest: name,
      region,
      layout,
      recordBytesMax: superblock.recordBytesMax,
      limits: options.limits,
      guestClock,
      awake: () => options.hooks.awake(),
      hooks: {
        deliver: (items) => this.#deliver(items),
        control: (record) => this.#control(record),
        faulted: (fault, evidence) => this.#faulted(fault, evidence),
      },
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
      guestClock,
      published: () => this.#ring(),
      hooks: {
        changed: (record) => this.#commandChanged(record),
        faulted: (fault) => this.#faulted(fault, new Uint8Array(0)),
      },
    });
    this.network = new GuestNetwork({
      guest: name,
      processes: this.processes,
      nowMs: () => clock.monotonicMs(),
      deliver: (events) => options.hooks.network(events),
      contradictions: {
        hidden: (event) => this.#hidden(event),
        missing: (event) => this.#missing(event),
      },
    });
    this.registration = this.#register();
  }

  get id(): string {
    return this.#options.id;
  }

  get name(): string {
    return this.#options.name;
  }

  get stats(): GuestStats {
    return {
      guest: this.registration.record,
      events: this.#events,
      eventsPerSecond: this.#eventsPerSecond,
      bytes: this.stream.bytes,
      faults: this.stream.faults,
      processes: this.processes.size,
      ringBytesUsed: this.#ringBytesUsed,
      loss: this.stream.ledger.totals,
      commands: this.commands.totals,
      network: this.network.stats,
      interfaces: this.#options.hooks.interfaces(),
      ...(this.stream.doorbell === undefined ? {} : { doorbell: this.stream.doorbell }),
    };
  }

  // TRUST: both positions are claims and only shown, so they are clamped, not judged.
  get #ringBytesUsed(): number {
    const { region, superblock } = this.#options;
    const word = (offset: number): bigint => {
      const bytes = new Uint8Array(8);
      region.copyOut(offset, bytes);
      return new DataView(bytes.buffer).getBigUint64(0, true);
    };
    let used = 0;
    for (const { kind, producerOffset, consumerOffset, capacityLog2 } of superblock.layout.rings) {
      if (kind === RING_COMMAND) continue;
      const tail = word(producerOffset + RING_PRODUCER_LAYOUT.tail);
      const head = word(consumerOffset + RING_CONSUMER_LAYOUT.head);
      used += Math.min(Number(BigInt.asUintN(64, tail - head)), 2 ** capacityLog2);
    }
    return used;
  }

  /** Looks after everything that is not records: pages, silence, leaving, rates. */
  control(nowMs: number): void {
    this.registration.poll(nowMs);
    this.#finishLeaving(nowMs);
    this.network.turn();
    if (nowMs - this.#rateMs >= 1000) {
      const seconds = (nowMs - this.#rateMs) / 1000;
      this.#eventsPerSecond = (this.#events - this.#rateEvents) / seconds;
      this.#rateEvents = this.#events;
      this.#rateMs = nowMs;
    }
    const { mismatches } = this.stream.ledger.totals;
    if (mismatches > this.#mismatches) {
      this.#options.desk.sensorFinding(this.#place(), "accounting_mismatch", `${mismatches}`);
    }
    this.#mismatches = mismatches;
  }

  /** Sends the newest table of deny rules. */
  pushRules(): void {
    const { rules } = this.#options;
    this.#rulesId = this.commands.send(
      {
        kind: "set-rules",
        generation: rules.generation,
        rules: rules.tableOf(this.#options.name).rules,
      },
      { requestedBy: "server" },
    ).id;
  }

  /** A rule or an indicator matched: opens a case and answers it. */
  detected(detection: Detection): void {
    const { desk, responder } = this.#options;
    responder.respond(detection, desk.detection(detection, this.processes), this);
  }

  close(): void {
    this.commands.close();
    this.stream.close();
  }

  // A driver that did not take the feature has nobody who would hear it.
  #ring(): void {
    const features = this.registration.session?.features ?? 0n;
    if ((features & FEATURE_DOORBELL) !== 0n) this.#options.region.doorbell?.ring();
  }

  #register(): Registration {
    const { name, id, region, superblock, clock, randomBytes, silenceMs } = this.#options;
    return new Registration({
      guest: name,
      guestId: id,
      region,
      superblock,
      clock,
      randomBytes,
      silenceMs,
      ...(this.#options.earlier === undefined ? {} : { earlier: this.#options.earlier }),
      hooks: {
        sessionEnding: (end) => this.#endSession(end),
        sessionStarting: (session) => this.#startSession(session),
        sessionReady: () => {
          this.#options.hooks.registered();
          this.#beginMonitoring();
        },
        stateChanged: (change) => {
          this.#options.emitter.emit("state", change);
          if (change.to === "silent") {
            this.#options.desk.sensorFinding(this.#place(), "sensor_silent", change.reason);
          }
        },
        faulted: (fault, reason) => {
          if (fault === "E_HELLO" || fault === "E_MAPPING") {
            this.#options.desk.faultFinding(this.#place(), fault, reason, new Uint8Array(0));
          }
        },
        rolledBack: (reason) => this.#options.desk.sensorFinding(this.#place(), "rollback", reason),
        statusRead: (status) => this.#readStatus(status),
        highestSequence: () => this.stream.ledger.sequenceMax,
      },
    });
  }

  #startSession(session: GuestSession): void {
    this.#guestClock.start(session.boottimeNs);
    this.#facts = undefined;
    this.stream.startSession(session, this.#options.clock.monotonicMs());
    this.#leavingMs = undefined;
    this.#leaveAckedMs = undefined;
    this.#sensorsOff = 0;
    // An earlier server's session is read to its end, but its command ring is not ours to write.
    if (!session.recovered) this.commands.startSession(session.sessionId, session.features);
  }

  #endSession(end: SessionEnd): void {
    if (end === "faulted") this.stream.abandonSession();
    else this.stream.finishSession();
    this.commands.endSession();
    if (end === "closed" || end === "powered-off") {
      this.stream.closeAttach(this.#options.clock.monotonicMs());
    }
  }

  // Rules first: from the first record on the driver refuses what the policy wants refused.
  #beginMonitoring(): void {
    this.pushRules();
    this.#startMonitoring();
  }

  #startMonitoring(): void {
    const command: GuestCommand = { kind: "start-monitoring", sensors: SENSORS_DEFAULT };
    this.#startId = this.commands.send(command, { requestedBy: "server" }).id;
  }

  #readStatus(status: GuestStatus): void {
    this.#guestClock.take(status.boottimeNs);
    this.stream.claim(status);
    const isMonitored = this.registration.state === "monitored";
    this.network.setSensor(isMonitored && (status.sensors & SENSOR_SOCKET) !== 0n);
    const off = isMonitored && status.sensors === 0n;
    this.#sensorsOff = off ? this.#sensorsOff + 1 : 0;
    if (this.#sensorsOff === SENSORS_OFF_MAX) {
      const reason = "the driver says that its sensors are off";
      this.#options.desk.sensorFinding(this.#place(), "sensor_silent", reason);
    }
  }

  #deliver(delivered: readonly StreamItem[]): void {
    const { emitter, name } = this.#options;
    const isWindows = this.registration.record.driver?.os === "windows";
    const items = isWindows ? delivered.map((item) => this.#named(item)) : delivered;
    emitter.emit("events", { guest: name, items });
    for (const item of items) {
      if (item.kind !== "loss") this.#judge(item);
      else if (item.recordClass === "socket" || item.recordClass === "unknown") this.network.lost();
    }
  }

  #named(item: StreamItem): StreamItem {
    return item.kind === "loss" ? item : this.#windows.translate(item);
  }

  #judge(event: GuestEvent): void {
    const { desk, rules } = this.#options;
    this.#events++;
    this.processes.observe(event);
    this.network.observe(event);
    if (event.kind === "process.exit") this.commands.observeExit(event);
    if (event.kind === "verdict") desk.verdict(event);
    // What passes a watched tap is judged there, with what came of it.
    if (isNetworkUse(event) && this.network.isWatching) return;
    for (const detection of rules.detector.detect(event)) this.detected(detection);
    if (rules.sigma === undefined) return;
    this.#facts ??= guestFacts(this.registration.record.driver?.os, this.processes);
    for (const detection of rules.sigma.detect(event, this.#facts)) this.detected(detection);
  }

  #hidden(event: NetworkEvent): void {
    const { transport, sourceAddress, sourcePort, destinationAddress, destinationPort } = event;
    const to = `${destinationAddress}:${destinationPort}`;
    const value = `${transport} ${sourceAddress}:${sourcePort} > ${to}`;
    this.#options.desk.sensorFinding(this.#place(), "hidden_traffic", value);
  }

  #missing(event: SocketEvent): void {
    const { localAddress, localPort, remoteAddress, remotePort, pid } = event;
    const value = `tcp ${localAddress}:${localPort} > ${remoteAddress}:${remotePort} (pid ${pid})`;
    this.#options.desk.sensorFinding(this.#place(), "missing_traffic", value);
  }

  #control(record: ControlRecord): void {
    switch (record.kind) {
      case "command.result":
        this.commands.acknowledge(record);
        break;
      case "clock":
        this.#guestClock.take(record.boottimeNs);
        break;
      case "unregister":
        this.#leave(record.reason);
        break;
      case "volume":
        this.#windows.volume(record);
        break;
    }
  }

  #leave(reason: number): void {
    if (this.#leavingMs !== undefined || this.registration.session?.recovered !== false) return;
    this.#leavingMs = this.#options.clock.monotonicMs();
    const shutdown = reason === UNREGISTER_SHUTDOWN;
    const why = shutdown ? "the guest shuts down" : "the driver was unloaded";
    this.commands.send(
      { kind: "unregister-ack" },
      { requestedBy: "server", deadlineMs: LEAVE_MS_MAX },
    );
    this.registration.unregistered(why);
    const rule = shutdown ? "guest_shut_down" : "driver_unregistered";
    this.#options.desk.sensorFinding(this.#place(), rule, why);
  }

  // The driver ends its rings after it heard the acknowledgement: they are read that long.
  #finishLeaving(nowMs: number): void {
    if (this.#leavingMs === undefined) return;
    const acked = this.#leaveAckedMs;
    const isDone = acked !== undefined && nowMs - acked >= LEAVE_AFTER_ACK_MS;
    if (!isDone && nowMs - this.#leavingMs < LEAVE_MS_MAX) return;
    this.#leavingMs = undefined;
    this.registration.close();
  }

  #commandChanged(record: CommandRecord): void {
    const { desk, emitter, responder } = this.#options;
    emitter.emit("command", record);
    desk.commandChanged(record);
    responder.commandChanged(record);
    const { kind } = record.command;
    if (record.outcome === "done") {
      if (kind === "start-monitoring") this.registration.monitoringStarted();
      else if (kind === "stop-monitoring") this.registration.monitoringStopped();
      else if (kind === "unregister-ack") this.#leaveAckedMs = this.#options.clock.monotonicMs();
    } else if (record.outcome === "expired") {
      // What the server itself wants of every guest is asked for until it is so.
      if (record.id === this.#startId) this.#startMonitoring();
      if (record.id === this.#rulesId) this.pushRules();
    }
  }

  #faulted(fault: GuestFault, evidence: Uint8Array): void {
    const reason = `${fault.fault} in ring ${fault.ring}`;
    this.#options.desk.faultFinding(this.#place(), fault.fault, reason, evidence);
    this.registration.quarantine(fault.fault, reason);
  }

  #place(): { readonly guest: string; readonly boot: string } {
    return { guest: this.#options.name, boot: this.registration.boot };
  }
}

function isNetworkUse(event: GuestEvent): boolean {
  return event.kind.startsWith("socket.") || event.kind === "dns.query";
}
