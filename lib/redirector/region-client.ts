// SPDX-License-Identifier: Apache-2.0
// The redirector's side of its region: hello, session, heartbeat, commands in, records out. Turned
// by redirector.ts; what a command does is its caller's. Must not touch pages that the server owns.
import { isUndercroftError } from "../errors/errors.ts";
import { RECORD_STRIDE, type RingConsumer, type RingProducer } from "../model/model.ts";
import {
  boottimeNs,
  type Mapping,
  NativeRingConsumer,
  NativeRingProducer,
} from "../native/native.ts";
import type { FixedValues, ReceivedCommand, Superblock } from "../wire/wire.ts";
import * as w from "../wire/wire.ts";

/** Where packets go while a session lasts. */
interface ClientSession {
  readonly sessionId: number;
  readonly features: bigint;
}

/** What became of a command. */
export interface CommandAnswer {
  readonly result: number;
  /** Positive errno, 0 when none. */
  readonly detail?: number;
  readonly value?: number;
}

interface ClientHooks {
  /** The rings of a server were found; before the first session with it. */
  placed(superblock: Superblock): void;
  started(session: ClientSession): void;
  ended(): void;
  /** Runs once for each id. Records that it sends come before the answer. */
  execute(command: ReceivedCommand): CommandAnswer;
}

interface ClientOptions {
  readonly mapping: Mapping;
  /** 32 hex digits of this boot of the machine. */
  readonly bootId: string;
  readonly version: string;
  readonly osVersion: string;
  readonly cpuCount: number;
  readonly capabilities: bigint;
  readonly hooks: ClientHooks;
  readonly log: (line: string) => void;
}

type State = "offline" | "waiting" | "ready" | "refused";

const HELLO_GAP_NS = 1_000_000_000n;
const REFUSED_NS_MAX = 60_000_000_000n;
const HEARTBEAT_NS = 250_000_000n;
/** Results remembered for commands that come again. */
const WINDOW = 256;
const COMMAND_BATCH_BYTES = 128 * 1024;
const COMMANDS_MAX = 64;

interface Outgoing {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** A guest's side of one region. Polls: turn() is to be called many times a second. */
export class RegionClient {
  readonly #options: ClientOptions;
  readonly #page = new Uint8Array(w.PAGE_BYTES);
  readonly #attachNs: bigint = boottimeNs();
  readonly #results = new Map<bigint, CommandAnswer>();
  #state: State = "offline";
  #superblock: Superblock | undefined;
  #commands: RingConsumer | undefined;
  #answers: RingProducer | undefined;
  #queue: Outgoing[] = [];
  #helloSeq = 0n;
  #helloNs = 0n;
  #waitNs: bigint = HELLO_GAP_NS;
  #session = 0;
  #sequence = 0n;
  #heartbeat = 0n;
  #heartbeatNs = 0n;
  #doneCount = 0n;
  #failedCount = 0n;
  #complaint = "";

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  get isReady(): boolean {
    return this.#state === "ready";
  }

  /** True while records wait for space in the ring. */
  get isBehind(): boolean {
    return this.#queue.length > 0;
  }

  /** One look at the region. */
  turn(): void {
    const nowNs = boottimeNs();
    this.#follow(nowNs);
    if (this.#state === "ready") {
      // What has no space yet goes first; a server that does not read gets no more work done.
      if (!this.isBehind) this.#runCommands(nowNs);
      this.#flush();
    }
    if (this.#state !== "offline" && nowNs - this.#heartbeatNs >= HEARTBEAT_NS) this.#beat(nowNs);
  }

  /** Sends a record of the session; without one it has no reader and is forgotten. */
  send(type: number, body: FixedValues | Uint8Array): void {
    if (this.#state !== "ready") return;
    this.#sequence++;
    const header = { sequence: this.#sequence, boottimeNs: boottimeNs() };
    const isCoded = body instanceof Uint8Array;
    const payload = w.encodeRecord(type, header, isCoded ? {} : body);
    if (isCoded) payload.set(body, w.EVENT_HEADER_LAYOUT.size);
    this.#queue.push({ type, payload });
  }

  /** Says that the program ends, as far as there is space to say it. */
  unregister(): void {
    this.send(w.RECORD_UNREGISTER, { reason: w.UNREGISTER_UNLOAD });
    this.#flush();
    if (this.#state !== "offline") this.#beat(boottimeNs());
  }

  close(): void {
    this.#park();
    this.#commands?.close();
    this.#answers?.close();
  }

  #follow(nowNs: bigint): void {
    const epoch = this.#options.mapping.loadU64(w.SUPERBLOCK_LAYOUT.serverEpoch);
    if (this.#state !== "offline" && epoch !== this.#superblock?.serverEpoch) {
      this.#waitNs = HELLO_GAP_NS;
      this.#park();
    }
    if (this.#state === "offline") this.#sayHello(nowNs);
    else if (this.#state === "refused") {
      if (nowNs - this.#helloNs >= this.#waitNs) this.#state = "offline";
    } else this.#readAnswer(nowNs);
  }

  #sayHello(nowNs: bigint): void {
    if (this.#helloNs !== 0n && nowNs - this.#helloNs < HELLO_GAP_NS) return;
    const superblock = this.#readSuperblock();
    if (superblock === undefined) return;
    const { mapping, hooks, bootId } = this.#options;
    try {
      if (!this.#place(superblock)) return;
      hooks.placed(superblock);
    } catch (cause) {
      if (!isUndercroftError(cause)) throw cause;
      this.#complain(cause.message);
      return;
    }
    this.#helloSeq = mapping.loadU64(w.HELLO_OFFSET) + 1n;
    this.#helloNs = nowNs;
    const page = w.encodeHello({
      helloSeq: this.#helloSeq,
      protocol: w.PROTOCOL_MAX,
      featuresAccepted: superblock.featuresRequired,
      bootId,
      attachNs: this.#attachNs,
      serverEpoch: superblock.serverEpoch,
      clockBoottimeNs: nowNs,
      clockRealtimeNs: BigInt(Date.now()) * 1_000_000n,
      sequence: this.#sequence,
      driver: {
        version: this.#options.version,
        os: "unknown",
        osVersion: this.#options.osVersion,
        cpuCount: this.#options.cpuCount,
        mapKind: "write-back",
        capabilities: this.#options.capabilities,
        wireHash: w.WIRE_HASH,
      },
    });
    new DataView(page.buffer).setUint32(w.HELLO_LAYOUT.os, w.OS_REDIRECTOR, true);
    mapping.copyIn(w.HELLO_OFFSET + 8, page.subarray(8));
    // ORDER: the number that the server waits for comes after the page that it stands for.
    mapping.storeU64(w.HELLO_OFFSET, this.#helloSeq);
    this.#state = "waiting";
  }

  #readSuperblock(): Superblock | undefined {
    const { mapping } = this.#options;
    if (mapping.loadU64(w.SUPERBLOCK_LAYOUT.magic) === 0n) return undefined;
    if (!mapping.copyOut(0, this.#page)) return undefined;
    try {
      const superblock = w.decodeSuperblock(this.#page, mapping.bytes);
      const view = new DataView(this.#page.buffer);
      const wireHash = view.getUint32(w.SUPERBLOCK_LAYOUT.wireHash, true);
      if (wireHash === w.WIRE_HASH) return superblock;
      this.#complain("the server is of another version; run the same one here");
    } catch (cause) {
      // A server may just be writing it; what stays wrong is told once.
      if (!isUndercroftError(cause)) throw cause;
      this.#complain(cause.message);
    }
    return undefined;
  }

  #complain(text: string): void {
    if (text !== this.#complaint) this.#options.log(`waiting for the server: ${text}`);
    this.#complaint = text;
  }

  #place(superblock: Superblock): boolean {
    const { mapping } = this.#options;
    const { rings } = superblock.layout;
    const command = rings.find(({ kind }) => kind === w.RING_COMMAND);
    const priority = rings.find(({ kind }) => kind === w.RING_PRIORITY);
    const hasPackets = rings.some(({ kind }) => kind === w.RING_PACKET);
    if (command === undefined || priority === undefined || !hasPackets) {
      this.#complain("its region is a guest's, not a redirector's; name the other file");
      return false;
    }
    const { recordBytesMax } = superblock;
    this.#commands?.close();
    this.#answers?.close();
    const batchBytes = COMMAND_BATCH_BYTES;
    const limits = { recordBytesMax, batchBytes, recordsMax: COMMANDS_MAX };
    this.#commands = new NativeRingConsumer(mapping, command, limits);
    this.#answers = new NativeRingProducer(mapping, priority, { recordBytesMax });
    this.#superblock = superblock;
    return true;
  }

  #readAnswer(nowNs: bigint): void {
    const ready = BigInt(w.SESSION_READY) | (BigInt(this.#session) << 32n);
    const { mapping } = this.#options;
    if (this.#state === "ready" && mapping.loadU64(w.SESSION_OFFSET) === ready) return;
    if (!mapping.copyOut(w.SESSION_OFFSET, this.#page)) return;
    const session = w.decodeSession(this.#page);
    const isOurs =
      session.helloSeq === this.#helloSeq &&
      session.bootId === this.#options.bootId &&
      session.serverEpoch === this.#superblock?.serverEpoch;
    if (isOurs && session.state === w.SESSION_QUARANTINED) this.#refuse(nowNs);
    else if (this.#state === "ready") this.#park();
    else if (isOurs && session.state === w.SESSION_READY) this.#start(session);
    else if (isOurs && session.state === w.SESSION_CLOSED) this.#park();
  }

  #refuse(nowNs: bigint): void {
    this.#options.log("the server refused this redirector; trying again later");
    this.#park();
    const twice = this.#waitNs * 2n;
    this.#waitNs = twice < REFUSED_NS_MAX ? twice : REFUSED_NS_MAX;
    this.#helloNs = nowNs;
    this.#state = "refused";
  }

  #start(session: ClientSession): void {
    this.#session = session.sessionId;
    this.#commands?.startSession(session.sessionId, 0, session.features);
    this.#answers?.startSession(session.sessionId, session.features);
    this.#waitNs = HELLO_GAP_NS;
    this.#complaint = "";
    this.#state = "ready";
    this.#options.hooks.started(session);
  }

  #park(): void {
    if (this.#state === "ready") this.#options.hooks.ended();
    this.#queue = [];
    this.#state = "offline";
  }

  #runCommands(nowNs: bigint): void {
    const reader = this.#commands;
    if (reader === undefined) return;
    const count = reader.drain();
    for (let at = 0; at < count * RECORD_STRIDE; at += RECORD_STRIDE) {
      const offset = reader.records[at] ?? 0;
      const length = reader.records[at + 1] ?? 0;
      const command = w.decodeCommandPayload(reader.batch.slice(offset, offset + length));
      if (command !== undefined) this.#runOne(nowNs, command);
    }
  }

  #runOne(nowNs: bigint, command: ReceivedCommand): void {
    let answer = this.#results.get(command.id);
    if (answer === undefined) {
      const isLate = command.deadlineNs !== 0n && command.deadlineNs < nowNs;
      answer = isLate ? { result: w.RESULT_EXPIRED } : this.#options.hooks.execute(command);
      this.#results.set(command.id, answer);
      const [oldest] = this.#results.keys();
      if (this.#results.size > WINDOW && oldest !== undefined) this.#results.delete(oldest);
      if (answer.result === w.RESULT_DONE) this.#doneCount++;
      else this.#failedCount++;
    }
    this.send(w.RECORD_COMMAND_RESULT, {
      commandId: command.id,
      kind: command.kind,
      result: answer.result,
      detail: answer.detail ?? 0,
      value: answer.value ?? 0,
    });
  }

  #flush(): void {
    const writer = this.#answers;
    if (writer === undefined || this.#queue.length === 0) return;
    let written = 0;
    for (const { type, payload } of this.#queue) {
      if (writer.write(type, 0, payload) <= 0) break;
      written++;
    }
    this.#queue.splice(0, written);
    writer.publish();
  }

  #beat(nowNs: bigint): void {
    this.#heartbeatNs = nowNs;
    const bytes = new Uint8Array(w.STATUS_LAYOUT.size);
    const view = new DataView(bytes.buffer);
    const put = (offset: number, value: bigint): void => view.setBigUint64(offset, value, true);
    put(w.STATUS_LAYOUT.heartbeat, ++this.#heartbeat);
    put(w.STATUS_LAYOUT.boottimeNs, nowNs);
    put(w.STATUS_LAYOUT.sequence, this.#sequence);
    put(w.STATUS_LAYOUT.commandsDone, this.#doneCount);
    put(w.STATUS_LAYOUT.commandsFailed, this.#failedCount);
    this.#options.mapping.copyIn(w.STATUS_OFFSET, bytes);
  }
}
