// SPDX-License-Identifier: Apache-2.0
// One guest's registration: watches its hello, opens and closes sessions, keeps its state. The
// server polls it and does the reading and commanding through the hooks, called in a fixed order.
import {
  FAULT_NAMES,
  type FaultName,
  type GuestDriver,
  type GuestState,
  type GuestStateChange,
} from "../model/model.ts";
import type { Clock } from "../time/time.ts";
import type { Region } from "../transport/transport.ts";
import {
  type GuestStatus,
  type Hello,
  helloProblem,
  SESSION_CLOSED,
  SESSION_OFFER,
  SESSION_QUARANTINED,
  SESSION_READY,
  type Superblock,
} from "../wire/wire.ts";
import { type GuestTrigger, nextState } from "./guest-states.ts";
import { HelloLimit } from "./hello-limit.ts";
import { RegionPages } from "./region-pages.ts";

/** What the hypervisor says of a guest. unknown: nobody watches it. */
export type GuestLiveness = "unknown" | "running" | "paused" | "off";

/** One session as the channels need it. Clock, sequence and attach time are the guest's claims. */
export interface GuestSession {
  readonly sessionId: number;
  readonly previousSessionId: number;
  readonly features: bigint;
  readonly bootId: string;
  readonly attachNs: bigint;
  /** Same boot and attach as the session before it in this server. */
  readonly sameAttach: boolean;
  /** Begun under an earlier server; read from where that one stopped. */
  readonly recovered: boolean;
  readonly heads: readonly bigint[];
  /** Last global sequence that the guest had given out before. */
  readonly sequence: number;
  readonly boottimeNs: bigint;
  /** The guest's loss counters when this server first met the attach; empty: it began with us. */
  readonly lostBefore: readonly number[];
}

/** Why a session ends. */
export type SessionEnd = "hello" | "faulted" | "closed" | "powered-off";

/** What the server does at each step. sessionEnding comes before the control pages are zeroed. */
export interface RegistrationHooks {
  sessionEnding(end: SessionEnd): void;
  /** Consumers and producers start here; the guest does not see READY before it returns. */
  sessionStarting(session: GuestSession): void;
  /** The guest may see READY now. */
  sessionReady(session: GuestSession): void;
  stateChanged(change: GuestStateChange): void;
  faulted(fault: FaultName, reason: string): void;
  rolledBack(reason: string): void;
  /** The guest refreshed its status page; claims. */
  statusRead(status: GuestStatus): void;
  /** Highest global sequence that this attach delivered, to find a guest that went back. */
  highestSequence(): number;
}

/** A driver's attach as an earlier registration of the same guest left it. */
export interface EarlierAttach {
  /** 32 hex digits. */
  readonly bootId: string;
  readonly attachNs: bigint;
  /** Highest sequence that it delivered. */
  readonly sequence: number;
}

export interface RegistrationOptions {
  readonly guest: string;
  /** 32 hex digits, from configuration; never from the guest. */
  readonly guestId: string;
  readonly region: Region;
  readonly superblock: Superblock;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
  /** A heartbeat that stands still this long makes a running guest silent. */
  readonly silenceMs: number;
  /** A machine that was set back comes in a region made anew, and is known by this. */
  readonly earlier?: EarlierAttach;
  readonly hooks: RegistrationHooks;
}

/** Facts of one guest for inventory and live view. */
export interface GuestRecord {
  readonly name: string;
  readonly id: string;
  readonly state: GuestState;
  readonly stateReason: string;
  readonly stateSinceMs: number;
  readonly liveness: GuestLiveness;
  readonly boot: string;
  readonly driver: GuestDriver | undefined;
  readonly sessions: number;
  /** Milliseconds since its heartbeat last moved; 0 where no session is open. */
  readonly beatAgeMs: number;
}

const NO_BOOT = "0".repeat(32);
/** A longer pause between two polls is the server's own: no guest is blamed for it. */
const STALL_MS = 1000;

/** Registers one guest over one region. Nothing here throws for what a guest does. */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #pages: RegionPages;
  readonly #limit = new HelloLimit();
  #state: GuestState = "offline";
  #stateReason = "waiting for a driver";
  #stateSinceMs: number;
  #liveness: GuestLiveness = "unknown";
  #session: GuestSession | undefined;
  #sessionId = 0;
  #sessions = 0;
  #hello: Hello | undefined;
  // Until the first hello, which may show that the machine was set back.
  #earlier: EarlierAttach | undefined;
  // Last hello that was answered or set aside; a different one is looked at.
  #helloSeen = 0n;
  #helloRefused = 0n;
  #serverHeartbeat = 0n;
  #guestHeartbeat = 0n;
  #beatMs = 0;
  #polledMs = 0;
  // State to return to when a silent guest is heard again.
  #beforeSilence: GuestTrigger = "heartbeat-returned";
  #failed = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#earlier = options.earlier;
    this.#pages = new RegionPages(options.region, options.superblock.layout);
    this.#stateSinceMs = this.#wallMs();
    this.#polledMs = options.clock.monotonicMs();
  }

  get state(): GuestState {
    return this.#state;
  }

  get session(): GuestSession | undefined {
    return this.#session;
  }

  /** Boot id of the guest as far as known, 32 hex digits. */
  get boot(): string {
    return this.#hello?.bootId ?? NO_BOOT;
  }

  /** What to remember of the driver when the guest is detached. */
  get attach(): EarlierAttach | undefined {
    if (this.#hello === undefined) return undefined;
    const { bootId, attachNs } = this.#hello;
    return { bootId, attachNs, sequence: this.#options.hooks.highestSequence() };
  }

  get record(): GuestRecord {
    return {
      name: this.#options.guest,
      id: this.#options.guestId,
      state: this.#state,
      stateReason: this.#stateReason,
      stateSinceMs: this.#stateSinceMs,
      liveness: this.#liveness,
      boot: this.boot,
      driver: this.#hello?.driver,
      sessions: this.#sessions,
      beatAgeMs: this.#session === undefined ? 0 : this.#beatAgeMs,
    };
  }

  get #beatAgeMs(): number {
    return Math.max(0, this.#options.clock.monotonicMs() - this.#beatMs);
  }

  /**
   * Makes the region ready for a driver. A session that an earlier server left running goes on
   * being read until the guest, which sees the new epoch, says hello again.
   */
  open(): void {
    const { superblock } = this.#options;
    const hint = this.#pages.readResumeHint();
    if (hint === undefined) {
      this.#pages.prepare(superblock);
      this.#writeSession(SESSION_OFFER, 0);
      return;
    }
    this.#hello = hint.hello;
    this.#helloSeen = hint.hello.helloSeq;
    this.#sessionId = hint.sessionId;
    const status = this.#pages.readStatus();
    const session: GuestSession = {
      sessionId: hint.sessionId,
      previousSessionId: 0,
      features: hint.features,
      bootId: hint.hello.bootId,
      attachNs: hint.hello.attachNs,
      sameAttach: false,
      recovered: true,
      heads: hint.heads,
      sequence: Number(hint.hello.sequence),
      boottimeNs: status?.boottimeNs ?? hint.hello.clockBoottimeNs,
      lostBefore: (status?.lost ?? []).map(Number),
    };
    this.#session = session;
    this.#options.hooks.sessionStarting(session);
    this.#pages.writeSuperblock(superblock);
    this.#writeSession(SESSION_OFFER, 0);
  }

  /** One look at the guest's pages. The server calls it several times a second. */
  poll(nowMs: number): void {
    if (this.#failed) return;
    const stalledMs = nowMs - this.#polledMs;
    this.#polledMs = nowMs;
    if (stalledMs > STALL_MS) this.#beatMs += stalledMs;
    this.#pages.writeHeartbeat(++this.#serverHeartbeat);
    const helloSeq = this.#pages.readHelloSeq();
    if (helloSeq === undefined) {
      this.#failed = true;
      this.quarantine("E_MAPPING", "the region's mapping failed");
      return;
    }
    if (helloSeq !== 0n && helloSeq !== this.#helloSeen) this.#considerHello(nowMs, helloSeq);
    if (this.#session !== undefined && !this.#session.recovered) this.#listen(nowMs);
  }

  /** Tells what the hypervisor knows of the guest. */
  setLiveness(liveness: GuestLiveness): void {
    this.#liveness = liveness;
    if (liveness !== "off") return;
    if (this.#state === "offline" && this.#session === undefined) return;
    this.#readLastStatus();
    this.#endSession("powered-off");
    this.#writeSession(SESSION_CLOSED, 0);
    this.#change("powered-off", "the hypervisor says that the guest is off");
  }

  monitoringStarted(): void {
    if (this.#state === "silent") this.#beforeSilence = "monitoring-started";
    else this.#change("monitoring-started", "the driver acknowledged start-monitoring");
  }

  monitoringStopped(): void {
    if (this.#state === "silent") this.#beforeSilence = "monitoring-stopped";
    else this.#change("monitoring-stopped", "the driver acknowledged stop-monitoring");
  }

  /** The driver says that it goes. The session stays readable until {@link close}. */
  unregistered(reason: string): void {
    this.#change("unregistered", reason);
  }

  /** Stops trusting the region until the next good hello. */
  quarantine(fault: FaultName, reason: string): void {
    this.#endSession("faulted");
    this.#writeSession(SESSION_QUARANTINED, FAULT_NAMES.indexOf(fault));
    this.#options.hooks.faulted(fault, reason);
    this.#change("faulted", reason);
  }

  /** Ends the session in good order. */
  close(): void {
    this.#readLastStatus();
    this.#endSession("closed");
    this.#writeSession(SESSION_CLOSED, 0);
  }

  #considerHello(nowMs: number, helloSeq: bigint): void {
    const hello = this.#pages.readHello();
    if (hello === undefined) return;
    if (hello.serverEpoch !== this.#options.superblock.serverEpoch) {
      // Written for an earlier server; a driver that lives will look at the epoch and come again.
      this.#helloSeen = hello.helloSeq;
      return;
    }
    if (!this.#limit.admit(nowMs)) {
      // The hello is looked at again until the limit lets it in, but only one report is made of it.
      if (this.#helloRefused === helloSeq) return;
      this.#helloRefused = helloSeq;
      if (this.#state !== "quarantined") {
        this.quarantine("E_HELLO", "the guest registers too often");
      }
      return;
    }
    this.#helloSeen = hello.helloSeq;
    const problem = helloProblem(hello, this.#options.superblock);
    if (problem === undefined) this.#acceptHello(hello, nowMs);
    else this.quarantine("E_HELLO", `the hello ${problem}`);
  }

  #acceptHello(hello: Hello, nowMs: number): void {
    const { hooks } = this.#options;
    if (this.#noticeSetBack(hello)) {
      this.#pages.prepare(this.#options.superblock);
      this.#writeSession(SESSION_OFFER, 0);
      return;
    }
    const before = this.#hello;
    const sameBoot = before !== undefined && before.bootId === hello.bootId;
    let sameAttach = sameBoot && before.attachNs === hello.attachNs;
    // Drain first: what is still in the rings may hold the highest sequence.
    this.#endSession("hello");
    const highest = hooks.highestSequence();
    if (sameBoot && hello.attachNs < before.attachNs) {
      hooks.rolledBack(
        `the driver's attach time went back by ${before.attachNs - hello.attachNs} ns`,
      );
    } else if (sameAttach && Number(hello.sequence) < highest) {
      hooks.rolledBack(`the record sequence went back from ${highest} to ${hello.sequence}`);
      sameAttach = false;
    }
    this.#pages.zeroRingPages();
    const previousSessionId = this.#sessionId;
    this.#sessionId = this.#newSessionId();
    this.#hello = hello;
    // A driver that has given out no sequence yet may not have written its status page either.
    const isKnown = sameAttach || hello.sequence === 0n;
    const session: GuestSession = {
      sessionId: this.#sessionId,
      previousSessionId,
      features: hello.featuresAccepted & this.#options.superblock.featuresOffered,
      bootId: hello.bootId,
      attachNs: hello.attachNs,
      sameAttach,
      recovered: false,
      heads: [],
      sequence: Number(hello.sequence),
      boottimeNs: hello.clockBoottimeNs,
      lostBefore: isKnown ? [] : (this.#pages.readStatus()?.lost ?? []).map(Number),
    };
    this.#session = session;
    this.#sessions++;
    this.#beatMs = nowMs;
    this.#beforeSilence = "heartbeat-returned";
    hooks.sessionStarting(session);
    this.#writeSession(SESSION_READY, 0);
    this.#change(
      "hello-accepted",
      sameBoot ? "the driver registered again" : "a driver registered",
    );
    hooks.sessionReady(session);
  }

  /**
   * A machine that is set back while its region is made anew brings its old pages along, its hello
   * among them. That one is not answered: nobody waits for it, and the driver says another.
   */
  #noticeSetBack(hello: Hello): boolean {
    const earlier = this.#earlier;
    this.#earlier = undefined;
    if (earlier?.bootId !== hello.bootId) return false;
    const isOlder = hello.attachNs < earlier.attachNs;
    const sequence = Number(hello.sequence);
    const isBack = hello.attachNs === earlier.attachNs && sequence < earlier.sequence;
    if (!isOlder && !isBack) return false;
    const what = isOlder
      ? `the driver's attach time went back by ${earlier.attachNs - hello.attachNs} ns`
      : `the record sequence went back from ${earlier.sequence} to ${sequence}`;
    this.#options.hooks.rolledBack(what);
    return true;
  }

  #listen(nowMs: number): void {
    const heartbeat = this.#pages.readStatusHeartbeat();
    if (heartbeat === undefined) return;
    if (this.#liveness === "paused" || this.#state === "left") this.#beatMs = nowMs;
    if (heartbeat !== this.#guestHeartbeat) {
      this.#guestHeartbeat = heartbeat;
      this.#beatMs = nowMs;
      if (this.#state === "silent") this.#change(this.#beforeSilence, "the heartbeat is back");
      const status = this.#pages.readStatus();
      if (status !== undefined) this.#options.hooks.statusRead(status);
    } else if (nowMs - this.#beatMs >= this.#options.silenceMs && this.#state !== "silent") {
      this.#beforeSilence = RETURN[this.#state] ?? "heartbeat-returned";
      const known = this.#liveness === "running" ? "" : " (nobody says whether the guest runs)";
      const seconds = ((nowMs - this.#beatMs) / 1000).toFixed(1);
      this.#change("heartbeat-stopped", `no heartbeat for ${seconds} s${known}`);
    }
  }

  // The counters that a driver left behind name what it could not put into a ring any more.
  #readLastStatus(): void {
    if (this.#session === undefined || this.#session.recovered) return;
    const status = this.#pages.readStatus();
    if (status !== undefined && status.heartbeat !== this.#guestHeartbeat) {
      this.#options.hooks.statusRead(status);
    }
  }

  #endSession(end: SessionEnd): void {
    if (this.#session === undefined) return;
    this.#options.hooks.sessionEnding(end);
    this.#session = undefined;
  }

  #newSessionId(): number {
    for (;;) {
      const bytes = this.#options.randomBytes(4);
      const id = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
      if (id !== 0 && id !== this.#sessionId) return id;
    }
  }

  #writeSession(state: number, reason: number): void {
    this.#pages.writeSession({
      state,
      // An offer keeps naming the session that is still being recovered, for the next server.
      sessionId: this.#session?.sessionId ?? 0,
      helloSeq: this.#helloSeen,
      bootId: this.boot,
      features: this.#session?.features ?? 0n,
      guestId: this.#options.guestId,
      serverEpoch: this.#options.superblock.serverEpoch,
      heartbeat: ++this.#serverHeartbeat,
      reason,
      serverRealtimeNs: this.#options.clock.realtimeNs(),
    });
  }

  #change(trigger: GuestTrigger, reason: string): void {
    const from = this.#state;
    const to = nextState(from, trigger);
    if (to === undefined || to === from) return;
    this.#state = to;
    this.#stateReason = reason;
    this.#stateSinceMs = this.#wallMs();
    const timeMs = this.#stateSinceMs;
    this.#options.hooks.stateChanged({ guest: this.#options.guest, from, to, reason, timeMs });
  }

  #wallMs(): number {
    return Number(this.#options.clock.realtimeNs() / 1_000_000n);
  }
}

const RETURN: Readonly<Partial<Record<GuestState, GuestTrigger>>> = {
  monitored: "monitoring-started",
  paused: "monitoring-stopped",
};
