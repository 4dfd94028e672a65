// SPDX-License-Identifier: Apache-2.0
// A guest with its driver, in TypeScript over a region in memory: registers, has processes that do
// things, runs commands, dies and lies. Stepped by world.ts and by tests of the server.
import { type MemoryRegion, openMemoryRegion } from "../../lib/transport/transport.ts";
import {
  COMMAND_KILL_PROCESS,
  COMMAND_KILL_PROCESS_LAYOUT,
  COMMAND_START_MONITORING,
  COMMAND_STOP_MONITORING,
  COMMAND_UNREGISTER_ACK,
  decodeSession,
  decodeSuperblock,
  EVENT_HEADER_LAYOUT,
  encodeHello,
  encodeRecord,
  FIELD_ARGUMENTS,
  FIELD_PATH,
  type FieldValues,
  type FixedValues,
  HELLO_OFFSET,
  PAGE_BYTES,
  RECORD_COMMAND_RESULT,
  RECORD_FILE_OPEN,
  RECORD_PROCESS_EXEC,
  RECORD_PROCESS_EXIT,
  RECORD_UNREGISTER,
  RESULT_DONE,
  RESULT_NOT_FOUND,
  type ReceivedCommand,
  SESSION_CLOSED,
  SESSION_OFFSET,
  SESSION_QUARANTINED,
  SESSION_READY,
  SUPERBLOCK_LAYOUT,
  UNREGISTER_UNLOAD,
  WIRE_HASH,
} from "../../lib/wire/wire.ts";
import { CommandRunner } from "./command-runner.ts";
import { DRIVER, type GuestPlan, identityOf, type Process } from "./guest-plan.ts";
import { GuestProducer } from "./guest-producer.ts";
import type { Random } from "./random.ts";
import { AttachTruth } from "./truth.ts";

type LinkState = "offline" | "waiting" | "ready" | "quarantined" | "leaving" | "gone";

const HELLO_GAP_MS = 1000;
const HELLOS_PER_HOUR = 20;
const QUARANTINE_MS_MAX = 60_000;
/** A driver that is to be unloaded waits no longer for its acknowledgement. */
const LEAVE_MS_MAX = 5000;
const PROCESSES_MAX = 64;

/** One simulated guest. Its steps are the driver's own polling. */
export class SimulatedGuest {
  readonly name: string;
  readonly index: number;
  readonly region: MemoryRegion;
  /** All attaches so far, the present one last. */
  readonly history: AttachTruth[] = [];
  /** Stops looking at the command ring while set. */
  deaf = false;
  readonly #random: Random;
  readonly #producer: GuestProducer;
  readonly #commands: CommandRunner;
  readonly #page = new Uint8Array(PAGE_BYTES);
  readonly #pageView = new DataView(this.#page.buffer);
  readonly #openRecord: Uint8Array;
  readonly #openView: DataView;
  #state: LinkState = "gone";
  #boot = "";
  #boots = 0;
  #attaches = 0;
  #attachNs = 0n;
  #helloSeq = 0n;
  #helloTimes: number[] = [];
  #epoch = 0n;
  #session = 0;
  #sensors = 0n;
  #bootMs = 0;
  #skewMs = 0;
  #retryMs = 0;
  #quarantineMs = 0;
  #leaveMs = 0;
  #processes: Process[] = [];
  #nextPid = 100;

  constructor(plan: GuestPlan) {
    this.name = plan.name;
    this.index = plan.index;
    this.#random = plan.random;
    this.region = openMemoryRegion(plan.regionBytes, plan.name);
    const nobody = new AttachTruth(plan.name, "", 0);
    this.#producer = new GuestProducer(this.region, plan.random, nobody);
    this.#commands = new CommandRunner(plan.forgetful);
    const fields = { [FIELD_PATH]: `/${plan.name}/f` };
    this.#openRecord = encodeRecord(RECORD_FILE_OPEN, {}, {}, fields);
    this.#openView = new DataView(this.#openRecord.buffer);
  }

  get truth(): AttachTruth {
    const truth = this.history.at(-1);
    if (truth === undefined) throw new RangeError("the guest never booted");
    return truth;
  }

  get state(): LinkState {
    return this.#state;
  }

  get isMonitored(): boolean {
    return this.#state === "ready" && this.#sensors !== 0n;
  }

  /** Powers on with a driver that starts at once. */
  boot(nowMs: number): void {
    this.#boots++;
    this.#boot = hex32(this.index + 1) + hex32(this.#boots).repeat(3);
    this.#bootMs = nowMs - 1000;
    this.#skewMs = 0;
    this.#processes = [];
    this.loadDriver(nowMs);
  }

  /** A driver begins, in the same boot or a new one. */
  loadDriver(nowMs: number): void {
    this.#attaches++;
    const number = this.index * 1_000_000 + this.#attaches;
    this.history.push(new AttachTruth(this.name, this.#boot, number));
    this.#attachNs = this.#nowNs(nowMs) + BigInt(this.#attaches);
    this.#producer.attach(this.truth);
    this.#commands.attach();
    this.#sensors = 0n;
    this.#helloTimes = [];
    this.#quarantineMs = 0;
    this.#state = "offline";
    this.deaf = false;
  }

  /** Everything stops between two instructions; memory of the region stays as it is. */
  crash(): void {
    if (this.#state === "gone") return;
    this.truth.crashed = true;
    this.#producer.crash();
    this.#state = "gone";
  }

  /** One look of the driver at everything it polls. */
  step(nowMs: number): void {
    if (this.#state === "gone") return;
    this.#pollLink(nowMs);
    if (this.#isInSession() && !this.deaf) this.#runCommands(nowMs);
    // The acknowledgement of the leave may just have ended it.
    if (this.#isInSession()) this.#producer.publish();
    if (this.state !== "gone") this.#producer.writeStatus(this.#nowNs(nowMs), this.#sensors);
  }

  /** Makes events: `count` file opens, sometimes an exec or an exit among them. */
  work(nowMs: number, count: number): void {
    if (this.#sensors === 0n || this.#state === "gone") return;
    for (let done = 0; done < count; done++) {
      if (this.#random.chance(0.02)) this.exec(nowMs, "/usr/bin/true");
      else if (this.#random.chance(0.01) && this.#processes.length > 4) this.#exit(nowMs, 0, 0);
      else this.#open(nowMs);
    }
  }

  /** A process begins to run that command line. */
  exec(nowMs: number, commandLine: string): void {
    if (this.#sensors === 0n || this.#state === "gone") return;
    const process = { pid: this.#nextPid++, startNs: this.#nowNs(nowMs) };
    this.#processes.push(process);
    if (this.#processes.length > PROCESSES_MAX) this.#exit(nowMs, 0, 0);
    const body = { argumentCount: 1, argumentBytes: commandLine.length + 1 };
    this.record(nowMs, RECORD_PROCESS_EXEC, body, {
      [FIELD_PATH]: commandLine.split(" ")[0] ?? "",
      [FIELD_ARGUMENTS]: commandLine.replaceAll(" ", "\0") + "\0",
    });
  }

  /** One record of any kind, by the newest process. */
  record(nowMs: number, type: number, body: FixedValues, fields: FieldValues): void {
    const header = { ...this.#header(nowMs), ...identityOf(this.#processes.at(-1)) };
    this.#producer.send(type, encodeRecord(type, header, body, fields));
  }

  /** The driver is to be unloaded: says so and waits for the acknowledgement. */
  unload(nowMs: number): void {
    if (this.#state !== "ready") {
      this.crash();
      return;
    }
    const body = { reason: UNREGISTER_UNLOAD };
    // An unregistration that finds no room in its ring goes unheard: the driver just disappears.
    this.#producer.send(
      RECORD_UNREGISTER,
      encodeRecord(RECORD_UNREGISTER, this.#header(nowMs), body),
    );
    this.#producer.publish();
    this.#state = "leaving";
    this.#leaveMs = nowMs;
  }

  /** The guest's own clock jumps, as after a long pause. */
  jumpClock(ms: number): void {
    this.#skewMs += ms;
  }

  /** Writes hellos that no limiter holds back. */
  stormHello(): void {
    if (this.#state !== "ready") return;
    this.truth.tainted = true;
    this.region.storeU64(HELLO_OFFSET, this.#readWord(HELLO_OFFSET) + 1n);
  }

  /** A hello that the server never gets to see whole: the guest dies while it writes. */
  loseHello(): void {
    if (this.#state !== "offline" && this.#state !== "waiting") return;
    this.region.zero(HELLO_OFFSET + 8, 64);
    this.crash();
  }

  /** Breaks the rules of a ring in a way that no driver would, and is never heard of again. */
  attack(): void {
    if (this.#state !== "ready") return;
    this.truth.tainted = true;
    this.#producer.attack();
    this.#state = "gone";
  }

  /** Answers commands that nobody sent, and real ones twice. */
  forgeAnswers(nowMs: number): void {
    if (this.#state !== "ready") return;
    const known = this.#commands.lastId ?? 1n;
    for (const id of [known, known, known + 1000n]) {
      this.#answer(nowMs, { id, deadlineNs: 0n, kind: 1, body: new Uint8Array(0) }, RESULT_DONE);
    }
  }

  /** Takes a snapshot of the guest's own memory; the function sets the guest back to it. */
  snapshot(): (() => void) | undefined {
    if (this.#state !== "ready") return undefined;
    const restore = this.#producer.save();
    const { truth } = this;
    const session = this.#session;
    return () => {
      if (this.truth !== truth || this.#state !== "ready") return;
      truth.tainted = true;
      restore();
      this.#session = session;
    };
  }

  #isInSession(): boolean {
    return this.#state === "ready" || this.#state === "leaving";
  }

  #pollLink(nowMs: number): void {
    const epoch = this.#readWord(SUPERBLOCK_LAYOUT.serverEpoch);
    if (this.#state !== "offline" && epoch !== this.#epoch) {
      this.#quarantineMs = 0;
      if (this.#state === "leaving") {
        this.#finish(nowMs);
        return;
      }
      this.#park();
    }
    if (this.#state === "offline") this.#sayHello(nowMs);
    else if (this.#state !== "quarantined") this.#readAnswer(nowMs);
    else if (nowMs >= this.#retryMs) this.#state = "offline";
  }

  #readAnswer(nowMs: number): void {
    const ready = BigInt(SESSION_READY) | (BigInt(this.#session) << 32n);
    if (this.#state !== "waiting" && this.#readWord(SESSION_OFFSET) === ready) {
      if (this.#state === "leaving" && nowMs - this.#leaveMs >= LEAVE_MS_MAX) this.#finish(nowMs);
      return;
    }
    this.region.copyOut(SESSION_OFFSET, this.#page);
    const session = decodeSession(this.#page);
    const isOurs = session.helloSeq === this.#helloSeq && session.bootId === this.#boot;
    if (this.#state === "leaving") this.#finish(nowMs);
    else if (isOurs && session.state === SESSION_QUARANTINED) this.#quarantine(nowMs);
    else if (this.#state === "ready") this.#park();
    else if (isOurs && session.state === SESSION_READY) this.#start(session.sessionId);
    else if (isOurs && session.state === SESSION_CLOSED) this.#state = "offline";
  }

  #quarantine(nowMs: number): void {
    this.truth.givenUp = true;
    this.#park();
    const twice = Math.max(this.#quarantineMs * 2, HELLO_GAP_MS);
    this.#quarantineMs = Math.min(twice, QUARANTINE_MS_MAX);
    this.#retryMs = nowMs + this.#quarantineMs;
    this.#state = "quarantined";
  }

  #park(): void {
    this.#producer.park();
    this.#state = "offline";
  }

  #finish(nowMs: number): void {
    if (this.#state !== "leaving") return;
    this.#producer.publish();
    this.#park();
    if (this.#sensors !== 0n) this.#producer.loseAtShutdown(this.#random.below(3));
    this.#producer.writeStatus(this.#nowNs(nowMs), this.#sensors);
    this.#state = "gone";
  }

  #sayHello(nowMs: number): void {
    const times = this.#helloTimes.filter((time) => nowMs - time < 3_600_000);
    if (nowMs - (times.at(-1) ?? -HELLO_GAP_MS) < HELLO_GAP_MS) return;
    if (times.length >= HELLOS_PER_HOUR) return;
    if (this.#readWord(0) === 0n) return;
    this.region.copyOut(0, this.#page);
    const superblock = decodeSuperblock(this.#page, this.region.bytes);
    this.#producer.place(superblock.layout);
    this.#commands.place(this.region, superblock.layout);
    this.#epoch = superblock.serverEpoch;
    this.#helloSeq = this.#readWord(HELLO_OFFSET) + 1n;
    this.#helloTimes = [...times, nowMs];
    const page = encodeHello({
      helloSeq: this.#helloSeq,
      protocol: 1,
      featuresAccepted: 0n,
      bootId: this.#boot,
      attachNs: this.#attachNs,
      serverEpoch: this.#epoch,
      clockBoottimeNs: this.#nowNs(nowMs),
      clockRealtimeNs: 0n,
      sequence: BigInt(this.#producer.sequence),
      driver: { ...DRIVER, capabilities: 0n, wireHash: WIRE_HASH },
    });
    this.region.copyIn(HELLO_OFFSET + 8, page.subarray(8));
    this.region.storeU64(HELLO_OFFSET, this.#helloSeq);
    this.#producer.tell();
    this.#state = "waiting";
  }

  #start(sessionId: number): void {
    this.#session = sessionId;
    this.#producer.start(sessionId);
    this.#commands.start(sessionId);
    this.#quarantineMs = 0;
    this.#state = "ready";
  }

  #runCommands(nowMs: number): void {
    this.#commands.run(this.#nowNs(nowMs), {
      execute: (command) => this.#execute(nowMs, command),
      answer: (command, result) => {
        this.#answer(nowMs, command, result);
        if (command.kind === COMMAND_UNREGISTER_ACK) this.#finish(nowMs);
      },
    });
  }

  #execute(nowMs: number, command: ReceivedCommand): number {
    const { executed } = this.truth;
    executed.set(command.id, (executed.get(command.id) ?? 0) + 1);
    const view = new DataView(command.body.buffer, command.body.byteOffset);
    if (command.kind === COMMAND_START_MONITORING) this.#sensors = view.getBigUint64(0, true);
    if (command.kind === COMMAND_STOP_MONITORING) this.#sensors = 0n;
    if (command.kind !== COMMAND_KILL_PROCESS) return RESULT_DONE;
    const pid = view.getUint32(COMMAND_KILL_PROCESS_LAYOUT.pid, true);
    const place = this.#processes.findIndex((process) => process.pid === pid);
    if (place < 0) return RESULT_NOT_FOUND;
    this.#exit(nowMs, 9, place);
    return RESULT_DONE;
  }

  #answer(nowMs: number, command: ReceivedCommand, result: number): void {
    const body = { commandId: command.id, kind: command.kind, result };
    const payload = encodeRecord(RECORD_COMMAND_RESULT, this.#header(nowMs), body);
    this.#producer.send(RECORD_COMMAND_RESULT, payload);
  }

  #exit(nowMs: number, signal: number, place: number): void {
    const [process] = this.#processes.splice(place, 1);
    if (process === undefined || this.#sensors === 0n) return;
    const header = { ...this.#header(nowMs), ...identityOf(process) };
    const payload = encodeRecord(RECORD_PROCESS_EXIT, header, { signal });
    this.#producer.send(RECORD_PROCESS_EXIT, payload);
  }

  // The bulk of all records: one template, of which only what differs is written anew.
  #open(nowMs: number): void {
    const view = this.#openView;
    const { pid, processStartNs } = identityOf(this.#processes.at(-1));
    const sequence = BigInt(this.#producer.sequence + 1);
    view.setBigUint64(EVENT_HEADER_LAYOUT.sequence, sequence, true);
    view.setBigUint64(EVENT_HEADER_LAYOUT.boottimeNs, this.#nowNs(nowMs), true);
    view.setBigUint64(EVENT_HEADER_LAYOUT.cgroupId, BigInt(this.truth.number), true);
    view.setUint32(EVENT_HEADER_LAYOUT.tid, this.index, true);
    view.setUint32(EVENT_HEADER_LAYOUT.pid, pid, true);
    view.setBigUint64(EVENT_HEADER_LAYOUT.processStartNs, processStartNs, true);
    this.#producer.send(RECORD_FILE_OPEN, this.#openRecord);
  }

  #header(nowMs: number): Record<string, number | bigint> {
    return {
      sequence: this.#producer.sequence + 1,
      boottimeNs: this.#nowNs(nowMs),
      cgroupId: this.truth.number,
      tid: this.index,
    };
  }

  #readWord(offset: number): bigint {
    this.region.copyOut(offset, this.#page.subarray(0, 8));
    return this.#pageView.getBigUint64(0, true);
  }

  #nowNs(nowMs: number): bigint {
    return BigInt(Math.round((nowMs - this.#bootMs + this.#skewMs) * 1e6));
  }
}

const hex32 = (value: number): string => value.toString(16).padStart(8, "0");
