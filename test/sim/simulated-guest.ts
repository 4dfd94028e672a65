// SPDX-License-Identifier: Apache-2.0
// A guest with its driver, in TypeScript over a region in memory: registers, writes records, runs
// commands, and keeps the truth that the oracles compare with. Stepped by world.ts.
import { RECORD_STRIDE, type RingConsumer } from "../../lib/model/model.ts";
import { type MemoryRegion, openMemoryRegion } from "../../lib/transport/transport.ts";
import {
  CLASS_CONTROL,
  CLASS_COUNT,
  COMMAND_KILL_PROCESS,
  COMMAND_KILL_PROCESS_LAYOUT,
  COMMAND_START_MONITORING,
  COMMAND_STOP_MONITORING,
  COMMAND_UNREGISTER_ACK,
  decodeCommandPayload,
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
  LOSS_COUNT,
  LOSS_FULL,
  LOSS_NOT_READY,
  LOSS_SHUTDOWN,
  PAGE_BYTES,
  RECORD_COMMAND_RESULT,
  RECORD_FILE_OPEN,
  RECORD_PROCESS_EXEC,
  RECORD_PROCESS_EXIT,
  RECORD_UNREGISTER,
  RESULT_DONE,
  RESULT_EXPIRED,
  RESULT_NOT_FOUND,
  type ReceivedCommand,
  type RegionLayout,
  RING_COMMAND,
  RING_DATA,
  RING_PRIORITY,
  SESSION_CLOSED,
  SESSION_OFFSET,
  SESSION_QUARANTINED,
  SESSION_READY,
  STATUS_LAYOUT,
  STATUS_OFFSET,
  SUPERBLOCK_LAYOUT,
  UNREGISTER_UNLOAD,
  WIRE_HASH,
} from "../../lib/wire/wire.ts";
import { DataRing } from "./data-ring.ts";
import { DRIVER, type GuestPlan, identityOf, type Process } from "./guest-plan.ts";
import type { Random } from "./random.ts";
import { AttachTruth } from "./truth.ts";

type LinkState = "offline" | "waiting" | "ready" | "quarantined" | "leaving" | "gone";

const WINDOW = 64;
const HELLO_GAP_MS = 1000;
const HELLOS_PER_HOUR = 20;
/** A driver that is to be unloaded waits no longer for its acknowledgement. */
const LEAVE_MS_MAX = 5000;
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
  readonly #forgetful: boolean;
  readonly #page = new Uint8Array(PAGE_BYTES);
  readonly #statusWords = new BigUint64Array(STATUS_LAYOUT.size / 8);
  #layout: RegionLayout | undefined;
  #data: DataRing[] = [];
  #priority: DataRing | undefined;
  #commandReader: RingConsumer | undefined;
  #state: LinkState = "gone";
  #boot = "";
  #boots = 0;
  #attaches = 0;
  #attachNs = 0n;
  #helloSeq = 0n;
  #epoch = 0n;
  #session = 0;
  #sensors = 0n;
  #bootMs = 0;
  #skewMs = 0;
  #sequence = 0;
  #heartbeat = 0n;
  #lost = new Array<number>(CLASS_COUNT * LOSS_COUNT).fill(0);
  #lostChanged = false;
  #helloTimes: number[] = [];
  #retryMs = 0;
  #quarantineMs = 0;
  #leaveMs = 0;
  #processes: Process[] = [];
  #nextPid = 100;
  #window: Array<{ readonly id: bigint; readonly result: number }> = [];
  #template: Uint8Array | undefined;
  #templateView: DataView | undefined;

  constructor(plan: GuestPlan) {
    this.name = plan.name;
    this.index = plan.index;
    this.#random = plan.random;
    this.#forgetful = plan.forgetful;
    this.region = openMemoryRegion(plan.regionBytes, plan.name);
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
    this.#boot = (this.index + 1).toString(16).padStart(8, "0") + hex32(this.#boots).repeat(3);
    this.#bootMs = nowMs - 1000;
    this.#skewMs = 0;
    this.#processes = [];
    this.loadDriver(nowMs);
  }

  /** A driver begins, in the same boot or a new one. */
  loadDriver(nowMs: number): void {
    this.#attaches++;
    this.history.push(
      new AttachTruth(this.name, this.#boot, this.index * 1_000_000 + this.#attaches),
    );
    this.#attachNs = this.#nowNs(nowMs) + BigInt(this.#attaches);
    this.#sequence = 0;
    this.#sensors = 0n;
    this.#lost.fill(0);
    this.#lostChanged = true;
    this.#window = [];
    this.#helloTimes = [];
    this.#retryMs = 0;
    this.#quarantineMs = 0;
    this.#state = "offline";
    this.deaf = false;
  }

  /** Everything stops between two instructions; memory of the region stays as it is. */
  crash(): void {
    if (this.#state === "gone") return;
    const { truth } = this;
    truth.crashed = true;
    for (const ring of this.#rings()) {
      truth.unpublished += ring.unpublished;
      truth.droppedPending += ring.pendingCount;
      ring.stop();
    }
    this.#controls.clear();
    this.#state = "gone";
  }

  /** One look of the driver at everything it polls. */
  step(nowMs: number): void {
    if (this.#state === "gone") return;
    this.#pollLink(nowMs);
    if (this.#isInSession()) this.#runCommands(nowMs);
    // The acknowledgement of the leave may just have ended it.
    if (this.#isInSession()) this.#publish();
    if (this.state !== "gone") this.#writeStatus(nowMs);
  }

  /** Makes events: `count` file opens, sometimes an exec or an exit among them. */
  work(nowMs: number, count: number): void {
    if (this.#sensors === 0n || this.#state === "gone") return;
    for (let done = 0; done < count; done++) {
      if (this.#random.chance(0.02)) this.exec(nowMs, "/usr/bin/true");
      else if (this.#random.chance(0.01) && this.#processes.length > 4) this.#exit(nowMs, 0);
      else this.#open(nowMs);
    }
  }

  /** A process begins to run that command line. */
  exec(nowMs: number, commandLine: string): void {
    if (this.#sensors === 0n || this.#state === "gone") return;
    const process = { pid: this.#nextPid++, startNs: this.#nowNs(nowMs) };
    this.#processes.push(process);
    if (this.#processes.length > 64) this.#exit(nowMs, 0);
    const header = { ...this.#header(nowMs), ...identityOf(process) };
    const body = { argumentCount: 1, argumentBytes: commandLine.length + 1 };
    const fields = {
      [FIELD_PATH]: commandLine.split(" ")[0] ?? "",
      [FIELD_ARGUMENTS]: commandLine.replaceAll(" ", "\0") + "\0",
    };
    this.#send(RECORD_PROCESS_EXEC, encodeRecord(RECORD_PROCESS_EXEC, header, body, fields));
  }

  /** One record of any kind, by the newest process. */
  record(nowMs: number, type: number, body: FixedValues, fields: FieldValues): void {
    const process = this.#processes.at(-1);
    const header = { ...this.#header(nowMs), ...(process && identityOf(process)) };
    this.#send(type, encodeRecord(type, header, body, fields));
  }

  /** The driver is to be unloaded: says so and waits for the acknowledgement. */
  unload(nowMs: number): void {
    if (this.#state !== "ready") {
      this.crash();
      return;
    }
    const payload = encodeRecord(RECORD_UNREGISTER, this.#header(nowMs), {
      reason: UNREGISTER_UNLOAD,
    });
    // An unregistration that finds no room in its ring goes unheard: the driver just disappears.
    this.#send(RECORD_UNREGISTER, payload);
    this.#publish();
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
    const seq = this.#readWord(HELLO_OFFSET) + 1n;
    this.region.storeU64(HELLO_OFFSET, seq);
  }

  /** A hello that the server never gets to see whole: the guest dies while it writes. */
  loseHello(): void {
    if (this.#state !== "offline" && this.#state !== "waiting") return;
    this.region.zero(HELLO_OFFSET + 8, 64);
    this.crash();
  }

  /** Breaks the rules of a ring in a way that no driver would. */
  attack(): void {
    if (this.#state !== "ready") return;
    this.truth.tainted = true;
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
    this.#state = "gone";
  }

  /** Answers commands that nobody sent, and real ones twice. */
  forgeAnswers(nowMs: number): void {
    if (this.#state !== "ready") return;
    const known = this.#window.at(-1)?.id ?? 1n;
    for (const id of [known, known, known + 1000n]) {
      this.#answer(nowMs, { id, deadlineNs: 0n, kind: 1, body: new Uint8Array(0) }, RESULT_DONE);
    }
  }

  /** Takes a snapshot of the guest's own memory; the function sets the guest back to it. */
  snapshot(): (() => void) | undefined {
    if (this.#state !== "ready") return undefined;
    const rings = this.#rings().map((ring) => ring.save());
    const { truth } = this;
    const sequence = this.#sequence;
    const lost = [...this.#lost];
    const session = this.#session;
    return () => {
      if (this.truth !== truth || this.#state !== "ready") return;
      truth.tainted = true;
      for (const restore of rings) restore();
      this.#sequence = sequence;
      this.#lost = [...lost];
      this.#lostChanged = true;
      this.#session = session;
    };
  }

  #isInSession(): boolean {
    return this.#state === "ready" || this.#state === "leaving";
  }

  #rings(): DataRing[] {
    return this.#priority === undefined ? this.#data : [this.#priority, ...this.#data];
  }

  // The driver looks at the superblock's epoch first: a new server answers no old session.
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
    if (this.#state === "offline") {
      this.#sayHello(nowMs);
      return;
    }
    if (this.#state === "quarantined") {
      if (nowMs >= this.#retryMs) this.#state = "offline";
      return;
    }
    const answer = BigInt(SESSION_READY) | (BigInt(this.#session) << 32n);
    const isSame = this.#state !== "waiting" && this.#readWord(SESSION_OFFSET) === answer;
    if (isSame) {
      if (this.#state === "leaving" && nowMs - this.#leaveMs >= LEAVE_MS_MAX) this.#finish(nowMs);
      return;
    }
    this.region.copyOut(SESSION_OFFSET, this.#page);
    const session = decodeSession(this.#page);
    const ours = session.helloSeq === this.#helloSeq && session.bootId === this.#boot;
    if (this.#state === "waiting") {
      if (!ours) return;
      if (session.state === SESSION_READY) this.#start(session.sessionId);
      else if (session.state === SESSION_QUARANTINED) this.#quarantine(nowMs);
      else if (session.state === SESSION_CLOSED) this.#state = "offline";
      return;
    }
    if (this.#state === "leaving") this.#finish(nowMs);
    else if (ours && session.state === SESSION_QUARANTINED) this.#quarantine(nowMs);
    else this.#park();
  }

  #quarantine(nowMs: number): void {
    this.truth.givenUp = true;
    this.#park();
    this.#quarantineMs = Math.min(Math.max(this.#quarantineMs * 2, HELLO_GAP_MS), 60_000);
    this.#retryMs = nowMs + this.#quarantineMs;
    this.#state = "quarantined";
  }

  // Producers stop; what is written becomes visible, what is unnamed stays in the counters.
  #park(): void {
    for (const ring of this.#rings()) {
      this.#markPublished(ring);
      this.truth.droppedPending += ring.pendingCount;
      ring.stop();
    }
    this.#state = "offline";
  }

  #finish(nowMs: number): void {
    if (this.#state !== "leaving") return;
    this.#publish();
    this.#park();
    // What still happens has nowhere to go; the last status page counts it.
    for (let left = this.#random.below(3); left > 0 && this.#sensors !== 0n; left--) {
      this.#lose(RECORD_FILE_OPEN, LOSS_SHUTDOWN);
    }
    this.#writeStatus(nowMs);
    this.#state = "gone";
  }

  #sayHello(nowMs: number): void {
    const times = this.#helloTimes.filter((time) => nowMs - time < 3_600_000);
    if (nowMs - (times.at(-1) ?? -HELLO_GAP_MS) < HELLO_GAP_MS) return;
    if (times.length >= HELLOS_PER_HOUR) return;
    if (this.#readWord(0) === 0n) return;
    this.region.copyOut(0, this.#page);
    const superblock = decodeSuperblock(this.#page, this.region.bytes);
    this.#place(superblock.layout);
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
      sequence: BigInt(this.#sequence),
      driver: { ...DRIVER, capabilities: 0n, wireHash: WIRE_HASH },
    });
    this.region.copyIn(HELLO_OFFSET + 8, page.subarray(8));
    this.region.storeU64(HELLO_OFFSET, this.#helloSeq);
    this.#tell();
    this.#state = "waiting";
  }

  #place(layout: RegionLayout): void {
    if (this.#layout !== undefined) return;
    this.#layout = layout;
    for (const placed of layout.rings) {
      if (placed.kind === RING_DATA) this.#data.push(new DataRing(this.region.memory, placed));
      if (placed.kind === RING_PRIORITY) this.#priority = new DataRing(this.region.memory, placed);
      if (placed.kind === RING_COMMAND) {
        this.#commandReader = this.region.openConsumer(placed, 1024, {
          batchBytes: 4096,
          recordsMax: 16,
        });
      }
    }
  }

  #start(sessionId: number): void {
    this.#session = sessionId;
    for (const ring of this.#rings()) ring.start(sessionId);
    this.#commandReader?.startSession(sessionId, 0, 0n);
    this.#quarantineMs = 0;
    this.#state = "ready";
  }

  #runCommands(nowMs: number): void {
    const reader = this.#commandReader;
    if (reader === undefined || this.deaf) return;
    for (;;) {
      const count = reader.drain();
      if (count <= 0) return;
      for (let index = 0; index < count && this.#state !== "gone"; index++) {
        const offset = reader.records[index * RECORD_STRIDE] ?? 0;
        const length = reader.records[index * RECORD_STRIDE + 1] ?? 0;
        const command = decodeCommandPayload(reader.batch.slice(offset, offset + length));
        if (command !== undefined) this.#runCommand(nowMs, command);
      }
    }
  }

  #runCommand(nowMs: number, command: ReceivedCommand): void {
    const known = this.#forgetful ? undefined : this.#window.find(({ id }) => id === command.id);
    let result = known?.result;
    if (result === undefined) {
      const isLate = command.deadlineNs !== 0n && command.deadlineNs < this.#nowNs(nowMs);
      result = isLate ? RESULT_EXPIRED : this.#execute(nowMs, command);
      this.#window.push({ id: command.id, result });
      if (this.#window.length > WINDOW) this.#window.shift();
    }
    this.#answer(nowMs, command, result);
    if (command.kind === COMMAND_UNREGISTER_ACK) this.#finish(nowMs);
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
    this.#send(RECORD_COMMAND_RESULT, payload);
  }

  #exit(nowMs: number, signal: number, place = 0): void {
    const [process] = this.#processes.splice(place, 1);
    if (process === undefined || this.#sensors === 0n) return;
    const header = { ...this.#header(nowMs), ...identityOf(process) };
    this.#send(RECORD_PROCESS_EXIT, encodeRecord(RECORD_PROCESS_EXIT, header, { signal }));
  }

  // The bulk of all records: one template, of which only what differs is written anew.
  #open(nowMs: number): void {
    this.#template ??= encodeRecord(RECORD_FILE_OPEN, {}, {}, { [FIELD_PATH]: `/${this.name}/f` });
    this.#templateView ??= new DataView(this.#template.buffer);
    const view = this.#templateView;
    const process = this.#processes.at(-1);
    view.setBigUint64(EVENT_HEADER_LAYOUT.sequence, BigInt(this.#sequence + 1), true);
    view.setBigUint64(EVENT_HEADER_LAYOUT.boottimeNs, this.#nowNs(nowMs), true);
    view.setBigUint64(EVENT_HEADER_LAYOUT.cgroupId, BigInt(this.truth.number), true);
    view.setUint32(EVENT_HEADER_LAYOUT.tid, this.index, true);
    view.setUint32(EVENT_HEADER_LAYOUT.pid, process?.pid ?? 1, true);
    view.setBigUint64(EVENT_HEADER_LAYOUT.processStartNs, process?.startNs ?? 0n, true);
    this.#send(RECORD_FILE_OPEN, this.#template);
  }

  #header(nowMs: number): Record<string, number | bigint> {
    return {
      sequence: this.#sequence + 1,
      boottimeNs: this.#nowNs(nowMs),
      cgroupId: this.truth.number,
      tid: this.index,
    };
  }

  // Expects the next sequence in the payload's header already.
  #send(type: number, payload: Uint8Array): void {
    const { truth } = this;
    const isControl = type >> 8 === CLASS_CONTROL;
    if (!this.#isInSession()) {
      this.#lose(type, LOSS_NOT_READY);
      return;
    }
    this.#sequence++;
    truth.attempted++;
    const isFile = type === RECORD_FILE_OPEN;
    const lane = this.#data[this.#random.below(this.#data.length)];
    const ring = isFile ? lane : this.#priority;
    if (ring === undefined) throw new RangeError("a ready guest has rings");
    if (!ring.write(type, payload, this.#sequence)) {
      const index = (type >> 8) * LOSS_COUNT + LOSS_FULL;
      this.#countLost(index);
      truth.dropped++;
    } else if (isControl) this.#controls.set(ring, (this.#controls.get(ring) ?? 0) + 1);
  }

  // Control records among the unpublished ones of a ring.
  readonly #controls = new Map<DataRing, number>();

  #lose(type: number, reason: number): void {
    this.#sequence++;
    this.truth.attempted++;
    this.truth.dropped++;
    const index = (type >> 8) * LOSS_COUNT + reason;
    this.#countLost(index);
  }

  #countLost(index: number): void {
    this.#lost[index] = (this.#lost[index] ?? 0) + 1;
    this.#lostChanged = true;
  }

  #publish(): void {
    for (const ring of this.#rings()) this.#markPublished(ring);
    this.#tell();
  }

  #markPublished(ring: DataRing): void {
    const controls = this.#controls.get(ring) ?? 0;
    this.truth.publishedControls += controls;
    this.truth.publishedEvents += ring.unpublished - controls;
    this.#controls.delete(ring);
    ring.tick();
  }

  // Every way in which the guest lets the server know how far it has come passes here.
  #tell(): void {
    this.truth.told = Math.max(this.truth.told, this.#sequence);
  }

  #writeStatus(nowMs: number): void {
    const words = this.#statusWords;
    words[STATUS_LAYOUT.heartbeat / 8] = ++this.#heartbeat;
    words[STATUS_LAYOUT.boottimeNs / 8] = this.#nowNs(nowMs);
    words[STATUS_LAYOUT.sequence / 8] = BigInt(this.#sequence);
    words[STATUS_LAYOUT.sensors / 8] = this.#sensors;
    if (this.#lostChanged) {
      this.#lostChanged = false;
      for (const [index, count] of this.#lost.entries()) {
        words[STATUS_LAYOUT.lost / 8 + index] = BigInt(count);
      }
    }
    this.region.copyIn(STATUS_OFFSET, new Uint8Array(words.buffer));
    this.#tell();
  }

  #readWord(offset: number): bigint {
    this.region.copyOut(offset, this.#page.subarray(0, 8));
    return new DataView(this.#page.buffer).getBigUint64(0, true);
  }

  #nowNs(nowMs: number): bigint {
    return BigInt(Math.round((nowMs - this.#bootMs + this.#skewMs) * 1e6));
  }
}

const hex32 = (value: number): string => value.toString(16).padStart(8, "0");
