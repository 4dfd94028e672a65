// SPDX-License-Identifier: Apache-2.0
// A seeded world: guests, the real server and faults on a virtual clock. Run by sim.ts and the
// tests; the same options give the same run. Must not read the machine's clock or randomness.
import { parseIndicators } from "../../lib/detect/detect.ts";
import { createServer, type Server } from "../../lib/server/server.ts";
import { ManualClock } from "../../lib/time/time.ts";
import { brokenRegion } from "./canary.ts";
import { CommandOracle, type CommandOracleTotals } from "./oracle-command.ts";
import { ConservationOracle, type ConservationTotals } from "./oracle-conservation.ts";
import { IsolationOracle } from "./oracle-isolation.ts";
import { Random } from "./random.ts";
import { SimulatedGuest } from "./simulated-guest.ts";

/** A bug planted on purpose: the oracles must find it. */
export type Canary = "dropped-record" | "command-run-twice";

export interface WorldOptions {
  readonly seed: number;
  readonly guests: number;
  /** Simulated hours of the whole world; guest-hours are this times the guests. */
  readonly hours: number;
  readonly canary?: Canary;
}

export interface WorldResult {
  readonly seed: number;
  readonly guestHours: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly conservation: ConservationTotals;
  readonly commands: CommandOracleTotals;
  readonly findings: Readonly<Record<string, number>>;
  /** What any oracle found; a good server leaves it empty. */
  readonly problems: readonly string[];
}

const REGION_BYTES = 1 << 20;
const PLAN = {
  dataRings: 2,
  dataCapacityLog2: 14,
  priorityCapacityLog2: 13,
  commandCapacityLog2: 12,
};
const INDICATORS = `
cmdline:--drop-the-database | Simulated intruder | high
path:/etc/forbidden
`;
/** Findings that an honest guest must never get. */
const ACCUSATIONS = ["accounting_mismatch", "rollback"];
const FAULTS_PER_GUEST_HOUR = 6;
const QUIET_MS = 2000;
const BUSY_MS = 100;

/** One run. */
export class World {
  readonly #options: WorldOptions;
  readonly #random: Random;
  readonly #clock = new ManualClock();
  readonly #guests: readonly SimulatedGuest[];
  readonly #conservation = new ConservationOracle();
  readonly #commands = new CommandOracle();
  readonly #isolation: IsolationOracle;
  readonly #faults: Record<string, number> = {};
  readonly #findings: Record<string, number> = {};
  readonly #accusations: string[] = [];
  readonly #later: Array<{ readonly atMs: number; readonly run: () => void }> = [];
  #server: Server;
  #servers = 0;
  #stalledUntilMs = 0;
  #busySteps = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#guests = Array.from(
      { length: options.guests },
      (_, index) =>
        new SimulatedGuest({
          name: `guest-${index}`,
          index,
          regionBytes: REGION_BYTES,
          random: new Random(options.seed * 1000 + index),
          forgetful: options.canary === "command-run-twice",
        }),
    );
    this.#isolation = new IsolationOracle(this.#guests);
    this.#server = this.#openServer();
  }

  /** Runs to the end, lets everything settle and judges. */
  run(): WorldResult {
    const endMs = this.#options.hours * 3_600_000;
    for (const guest of this.#guests) this.#after(this.#random.below(10_000), guest);
    while (this.#nowMs < endMs) {
      const stepMs = this.#busySteps > 0 ? BUSY_MS : QUIET_MS;
      this.#busySteps = Math.max(0, this.#busySteps - 1);
      this.#step(stepMs, true);
      const chance = (this.#guests.length * FAULTS_PER_GUEST_HOUR * stepMs) / 3_600_000;
      if (this.#random.chance(chance)) this.#injectFault();
    }
    this.#settle();
    return this.#judge();
  }

  get #nowMs(): number {
    return this.#clock.monotonicMs();
  }

  #openServer(): Server {
    const number = ++this.#servers;
    const server = createServer({
      clock: this.#clock,
      indicators: parseIndicators(INDICATORS, "world"),
      controlMs: BUSY_MS,
      silenceMs: 10_000,
      randomBytes: (count) => this.#random.bytes(count),
    });
    server.on("events", (batch) => {
      this.#conservation.take(batch);
      this.#isolation.take(batch);
    });
    server.on("command", (record) => this.#commands.take(number, record));
    server.on("finding", ({ rule, count, guest, process, value }) => {
      if (count === 1) this.#findings[rule] = (this.#findings[rule] ?? 0) + 1;
      const history = this.#guests.find(({ name }) => name === guest)?.history ?? [];
      const isLiar = history.some(({ tainted, boot }) => tainted && boot === process.boot);
      if (ACCUSATIONS.includes(rule) && !isLiar) {
        this.#accusations.push(`${guest} did nothing wrong but is accused: ${rule}, ${value}`);
      }
    });
    const isBroken = this.#options.canary === "dropped-record";
    for (const { name, region } of this.#guests) {
      const attached = isBroken ? brokenRegion(region, this.#random) : region;
      server.attachGuest({ name, region: attached, plan: PLAN });
      server.setLiveness(name, "running");
    }
    return server;
  }

  #step(stepMs: number, withWork: boolean): void {
    this.#clock.advance(stepMs);
    const nowMs = this.#nowMs;
    this.#runLater(nowMs);
    const serverFirst = this.#random.chance(0.5);
    if (serverFirst) this.#turn(nowMs);
    for (const guest of this.#guests) {
      if (withWork && guest.isMonitored) guest.work(nowMs, this.#workload());
      guest.step(nowMs);
    }
    if (!serverFirst) this.#turn(nowMs);
  }

  #turn(nowMs: number): void {
    if (nowMs < this.#stalledUntilMs) return;
    for (let turns = 0; turns < 4 && this.#server.turn() > 0; turns++);
  }

  #workload(): number {
    if (this.#random.chance(0.6)) return 0;
    return this.#random.chance(0.001) ? 1000 : this.#random.below(3);
  }

  #runLater(nowMs: number): void {
    const due = this.#later.filter(({ atMs }) => atMs <= nowMs);
    if (due.length === 0) return;
    const rest = this.#later.filter(({ atMs }) => atMs > nowMs);
    this.#later.splice(0, this.#later.length, ...rest);
    for (const { run } of due) run();
  }

  // A guest powers on some time from now.
  #after(delayMs: number, guest: SimulatedGuest): void {
    const run = (): void => {
      if (guest.state !== "gone") return;
      this.#server.setLiveness(guest.name, "running");
      guest.boot(this.#nowMs);
    };
    this.#later.push({ atMs: this.#nowMs + delayMs, run });
  }

  #crash(guest: SimulatedGuest): void {
    if (guest.state === "gone") return;
    guest.crash();
    // Sometimes the hypervisor tells at once, sometimes the guest is back before anyone noticed.
    const isTold = this.#random.chance(0.7);
    if (isTold) this.#server.setLiveness(guest.name, "off");
    guest.truth.lastStatusRead = isTold;
    this.#after(this.#random.below(60_000), guest);
  }

  #injectFault(): void {
    const guest = this.#random.pick(this.#guests);
    const kind = this.#random.pick(KINDS);
    this.#faults[kind] = (this.#faults[kind] ?? 0) + 1;
    this.#busySteps = 10;
    this.#inflict(kind, guest);
  }

  #inflict(kind: FaultKind, guest: SimulatedGuest): void {
    const nowMs = this.#nowMs;
    const { name } = guest;
    switch (kind) {
      case "torn write":
        guest.work(nowMs, 3);
        this.#crash(guest);
        break;
      case "reboot mid-record":
        guest.work(nowMs, 400);
        this.#crash(guest);
        break;
      case "lying region":
        guest.attack();
        this.#after(this.#random.below(60_000), guest);
        break;
      case "stalled reader":
        this.#stalledUntilMs = nowMs + 1000 + this.#random.below(20_000);
        for (const one of this.#guests) one.work(nowMs, this.#random.below(400));
        break;
      case "lost hello":
        guest.loseHello();
        if (guest.state === "gone") this.#after(this.#random.below(10_000), guest);
        break;
      case "hello storm":
        for (let count = 0; count < 6; count++) {
          guest.stormHello();
          this.#turn(nowMs);
          this.#clock.advance(BUSY_MS);
        }
        break;
      case "clock jump":
        guest.jumpClock(this.#random.below(600_000));
        break;
      case "server killed":
        this.#replaceServer();
        break;
      case "command ring full":
        guest.deaf = true;
        for (let count = 0; count < 120; count++) this.#ping(name, 5000);
        this.#later.push({ atMs: nowMs + 3000, run: () => (guest.deaf = false) });
        break;
      case "dies with commands outstanding":
        for (let count = 0; count < 5; count++) this.#ping(name, 10_000);
        this.#turn(nowMs);
        this.#crash(guest);
        break;
      case "driver unload":
        this.#unloadDriver(guest);
        break;
      case "snapshot rollback":
        this.#rollBack(guest);
        break;
      case "intrusion":
        guest.exec(nowMs, "/bin/sh --drop-the-database");
        break;
      case "forged answers":
        guest.forgeAnswers(nowMs);
        break;
      case "monitoring off and on":
        this.#pauseMonitoring(name);
        break;
    }
  }

  #unloadDriver(guest: SimulatedGuest): void {
    guest.unload(this.#nowMs);
    this.#later.push({
      atMs: this.#nowMs + 8000 + this.#random.below(20_000),
      run: () => {
        if (guest.state === "gone") guest.loadDriver(this.#nowMs);
      },
    });
  }

  #pauseMonitoring(name: string): void {
    this.#server.send(name, { kind: "stop-monitoring" }, { requestedBy: "analyst" });
    this.#later.push({
      atMs: this.#nowMs + 10_000,
      run: () =>
        this.#server.send(
          name,
          { kind: "start-monitoring", sensors: 0x7fn },
          { requestedBy: "analyst" },
        ),
    });
  }

  #ping(name: string, deadlineMs: number): void {
    this.#server.send(name, { kind: "ping" }, { requestedBy: "analyst", deadlineMs });
  }

  #rollBack(guest: SimulatedGuest): void {
    const restore = guest.snapshot();
    if (restore === undefined) return;
    guest.work(this.#nowMs, 50);
    guest.step(this.#nowMs);
    this.#turn(this.#nowMs);
    this.#later.push({ atMs: this.#nowMs + 5000, run: restore });
  }

  // kill -9: the old server does nothing more; the new one finds the regions as they are.
  #replaceServer(): void {
    for (const guest of this.#guests) {
      if (guest.history.length > 0) guest.truth.serverReplaced = true;
    }
    this.#clock.advance(1);
    this.#server = this.#openServer();
  }

  // Faults are over: whoever is down comes back, everything is read, then all drivers unload.
  #settle(): void {
    this.#stalledUntilMs = 0;
    for (const guest of this.#guests) {
      guest.deaf = false;
      if (guest.state === "gone") this.#after(0, guest);
    }
    // Longer than the hour in which a guest may have used up its registrations.
    for (let passed = 0; passed < 3_700_000; passed += QUIET_MS) this.#step(QUIET_MS, false);
    for (const guest of this.#guests) guest.unload(this.#nowMs);
    for (let passed = 0; passed < 30_000; passed += BUSY_MS) this.#step(BUSY_MS, false);
    for (const { name } of this.#guests) this.#server.setLiveness(name, "off");
    this.#step(BUSY_MS, false);
  }

  #judge(): WorldResult {
    const conservation: ConservationTotals = {
      attempted: 0,
      delivered: 0,
      named: 0,
      unnamed: 0,
      neverTold: 0,
      attaches: 0,
      untrusted: 0,
    };
    const commands: CommandOracleTotals = { commands: 0, executed: 0, byOutcome: {} };
    const histories = this.#guests.map(({ history }) => history);
    const problems = [
      ...histories.flatMap((history) => this.#conservation.judge(history, conservation)),
      ...this.#commands.judge(histories, this.#servers, commands),
      ...this.#isolation.problems,
      ...this.#accusations,
    ];
    const { seed, guests, hours } = this.#options;
    const faults = this.#faults;
    const findings = this.#findings;
    return { seed, guestHours: guests * hours, faults, conservation, commands, findings, problems };
  }
}

const KINDS = [
  "torn write",
  "reboot mid-record",
  "lying region",
  "stalled reader",
  "lost hello",
  "hello storm",
  "clock jump",
  "server killed",
  "command ring full",
  "dies with commands outstanding",
  "driver unload",
  "snapshot rollback",
  "intrusion",
  "forged answers",
  "monitoring off and on",
] as const;

type FaultKind = (typeof KINDS)[number];
