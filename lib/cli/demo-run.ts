// SPDX-License-Identifier: Apache-2.0
// One run of the demo from an empty region to none: server, guest, intrusion, unloading, judgement.
// Called by start.ts, which owns the options, the display and the output. Whatever happens, close()
// leaves no process, region or session behind.
import { UndercroftError } from "../errors/errors.ts";
import { makeRegionFile, type RegionFile } from "../hypervisor/hypervisor.ts";
import type { Indicator } from "../model/model.ts";
import type { ResponsePolicy } from "../response/response.ts";
import { createServer, type GuestStats, type Server } from "../server/server.ts";
import { type IvshmemRegion, openIvshmemRegion } from "../transport/transport.ts";
import { planRegion, printable, type RegionLayout } from "../wire/wire.ts";
import { GUEST_POINTS, NETWORK_POINTS } from "./demo-guest.ts";
import { DemoManager, type ManagerKnowledge } from "./demo-manager.ts";
import { DEMO_NET, DemoNetwork, networkProblem } from "./demo-network.ts";
import {
  type ContactCounts,
  type ExpectedOutcome,
  type IntrusionValues,
  isIntrusionSeen,
  judgeDemo,
  type Observations,
} from "./expected.ts";
import type { GuestRequest, ProtectedGuest } from "./protected-guest.ts";
import { ringUse } from "./ring-use.ts";
import type { ViewState } from "./view.ts";
import { GuestWatch } from "./watch.ts";

/** What a run is made of. */
export interface DemoOptions {
  readonly regionBytes: number;
  readonly kernelSeries: string;
  readonly indicators: readonly Indicator[];
  readonly policy: ResponsePolicy;
  readonly startGuest: (request: GuestRequest) => Promise<ProtectedGuest>;
  /** Give the guest a network with a redirector, where this machine can. */
  readonly wantsNetwork: boolean;
  readonly values: IntrusionValues;
  readonly log: (line: string) => void;
}

const name = "demo";
const dataRings = 2;
// A translated guest on a busy machine may stand still for seconds without being silent.
const silenceMs = 10_000;
// The translator on a loaded machine takes minutes where KVM takes seconds.
const bootMsMax = 600_000;
const intrusionMsMax = 300_000;
const settleMsMax = 15_000;
const unloadMsMax = 120_000;
const stopMsMax = 1000;
const lookEveryMs = 50;
const patienceEveryMs = 10_000;

/** A network for the guest, or a line that says why there is none. */
async function openNetwork(options: DemoOptions): Promise<DemoNetwork | undefined> {
  if (!options.wantsNetwork) return undefined;
  const problem = networkProblem();
  if (problem === undefined) return DemoNetwork.open(options.log);
  options.log(`network: none, because ${problem}; the rest of the demo goes on`);
  return undefined;
}

/** The demo's server with its one guest. */
export class DemoRun {
  readonly watch: GuestWatch;
  /** The guest's numbers when it was last monitored, and at the end. */
  statsMonitored: GuestStats | undefined;
  guest: ProtectedGuest | undefined;
  /** What the manager knew when the intrusion had been seen. */
  managerKnows: ManagerKnowledge | undefined;
  readonly #options: DemoOptions;
  readonly #file: RegionFile;
  readonly #region: IvshmemRegion;
  readonly #layout: RegionLayout;
  readonly #server: Server;
  readonly #network: DemoNetwork | undefined;
  #manager: DemoManager | undefined;
  #contact: ContactCounts | undefined;
  #statsLast: GuestStats | undefined;
  #exitReason: string | undefined;
  #ending: Promise<void> | undefined;

  private constructor(
    options: DemoOptions,
    file: RegionFile,
    region: IvshmemRegion,
    network: DemoNetwork | undefined,
  ) {
    this.#network = network;
    this.#options = options;
    this.#file = file;
    this.#region = region;
    this.#layout = planRegion({ regionBytes: region.bytes, dataRings });
    const { indicators, policy } = options;
    this.#server = createServer({ indicators, policy, silenceMs });
    this.watch = new GuestWatch(this.#server, name, options.log);
    if (network !== undefined) {
      this.#server.attachRedirector({ name: "taps", region: network.region, packetRings: 2 });
    }
    const interfaces = network === undefined ? [] : [{ name: DEMO_NET.tap }];
    this.#server.attachGuest({ name, region, plan: { dataRings }, interfaces });
    this.#server.start();
  }

  /**
   * Makes the region, a server that waits for the guest, and a manager that the server has joined.
   * @throws {UndercroftError} ERR_UC_REGION_SIZE, ERR_UC_REGION_OPEN, ERR_UC_NATIVE_MISSING and
   * what opening a manager throws
   */
  static async open(options: DemoOptions): Promise<DemoRun> {
    const file = makeRegionFile(options.regionBytes);
    let network: DemoNetwork | undefined;
    let run: DemoRun | undefined;
    try {
      network = await openNetwork(options);
      const region = openIvshmemRegion({ path: file.path, bytes: file.bytes });
      options.log(`region: ${file.bytes / 2 ** 20} MiB in ${file.path}`);
      run = new DemoRun(options, file, region, network);
      run.#manager = await DemoManager.open(run.#server, options.log);
      return run;
    } catch (cause) {
      if (run !== undefined) await run.close(false);
      else {
        await network?.close();
        await file.remove();
      }
      throw cause;
    }
  }

  /**
   * Starts the guest and waits until it is monitored under the deny rules.
   * @throws {UndercroftError} ERR_UC_GUEST_BOOT and what starting a guest throws
   */
  async boot(): Promise<void> {
    const { kernelSeries, log, startGuest } = this.#options;
    const network = this.#network;
    await network?.start();
    const guest = await startGuest({
      ...{ name, region: this.#file, kernelSeries, report: log },
      ...(network === undefined
        ? {}
        : {
            network: { enter: network.enter, tap: DEMO_NET.tap, mac: DEMO_NET.mac },
          }),
    });
    this.guest = guest;
    this.#server.setLiveness(name, "running");
    guest.report.onLine = (text) => log(printable(`guest says: ${text}`));
    this.#ending = guest.exited.then((reason) => {
      this.#exitReason = reason;
      this.#server.setLiveness(name, "off");
    });
    const isWatched = (): boolean =>
      network === undefined || this.#stats().interfaces[0]?.state === "running";
    const isReady = (): boolean =>
      this.#state() === "monitored" && this.watch.isDone("set-rules") && isWatched();
    await this.#until("ERR_UC_GUEST_BOOT", "the guest to be monitored", isReady, bootMsMax);
  }

  /**
   * Lets the intrusion run and waits until both sides have told about it.
   * @throws {UndercroftError} ERR_UC_SCENARIO when the guest does not come to its end
   */
  async intrude(): Promise<void> {
    this.guest?.begin();
    const { values, log } = this.#options;
    await this.#contactListed();
    const hasEnded = (): boolean =>
      this.guest?.report.points.has(GUEST_POINTS.undisturbed) === true;
    await this.#until("ERR_UC_SCENARIO", "the intrusion to end", hasEnded, intrusionMsMax);
    const isSeen = (): boolean => isIntrusionSeen(this.#observations(), values);
    await this.#until("ERR_UC_SCENARIO", "its findings", isSeen, settleMsMax).catch(() =>
      log("not all that was expected has been observed"),
    );
    this.statsMonitored = this.#stats();
    this.managerKnows = await this.#manager?.learn(this.watch.findings.size, settleMsMax);
  }

  /**
   * Has the driver unloaded and waits for the guest's end.
   * @throws {UndercroftError} ERR_UC_SCENARIO
   */
  async unload(): Promise<void> {
    if (this.guest === undefined) return;
    this.statsMonitored ??= this.#stats();
    this.guest.unload();
    const isGone = (): boolean => this.#exitReason !== undefined;
    await this.#until("ERR_UC_SCENARIO", "the guest to unload and end", isGone, unloadMsMax);
    this.#statsLast = this.#stats();
  }

  /** Ends everything that still runs; harmless when nothing does. */
  async close(keepLog: boolean): Promise<void> {
    await this.guest?.stop(keepLog);
    await this.#ending;
    this.#statsLast ??= this.#stats();
    this.#server.detachGuest(name);
    const isStopped = (): boolean => this.watch.isDone("redirect-stop");
    const endMs = performance.now() + stopMsMax;
    while (this.#network !== undefined && !isStopped() && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    }
    this.#server.detachRedirector();
    await this.#manager?.close();
    this.#server.close();
    await this.#network?.close();
    this.#region.close();
    await this.#file.remove();
  }

  /** Resolves when the guest has ended by itself, with the reason. */
  async ended(): Promise<string> {
    return (await this.guest?.exited) ?? "it never started";
  }

  /** What was expected and whether it was observed, as of now. */
  judge(): ExpectedOutcome[] {
    return judgeDemo(this.#observations(), this.#options.values);
  }

  /** Loss as of now, or as of the end. */
  get loss(): GuestStats["loss"] {
    return this.#stats().loss;
  }

  /** What the tap showed, for the result; undefined where the guest had no network. */
  get network(): object | undefined {
    const { network } = this.#observations();
    if (network === undefined) return undefined;
    const { contact, interfaces } = network;
    return { interfaces, contact, events: network.events, rules: this.#server.tapRules };
  }

  /** State for the live view. */
  view(heading: string, elapsedMs: number, hint: string): ViewState {
    this.watch.refreshRates();
    const { guest, loss } = this.#stats();
    return {
      ...{ heading, elapsedMs, hint, guest: name, state: guest.state, events: this.watch.events },
      ...(guest.driver === undefined ? {} : { driver: guest.driver }),
      rates: this.watch.rates,
      rings: ringUse(this.#region, this.#layout),
      loss: { named: loss.named, unaccounted: loss.unaccounted },
      findings: [...this.watch.findings.values()],
      commands: [...this.watch.commands.values()],
      recent: this.watch.recent,
    };
  }

  // Once the name is answered its address is to be cut off; only then the guest tries it.
  async #contactListed(): Promise<void> {
    const network = this.#network;
    if (network === undefined) return;
    const isNamed = (): boolean => this.guest?.report.points.has(NETWORK_POINTS.resolved) === true;
    await this.#until("ERR_UC_SCENARIO", "the guest to ask for the name", isNamed, intrusionMsMax);
    const isCut = (): boolean => this.watch.isDone("block-add");
    await this.#until("ERR_UC_SCENARIO", "the address to be cut off", isCut, settleMsMax).catch(
      () => this.#options.log("the listed address was not cut off"),
    );
    const before = await network.listedPackets();
    this.guest?.contact();
    const hasTried = (): boolean =>
      this.guest?.report.points.has(NETWORK_POINTS.stillUnlisted) === true;
    await this.#until("ERR_UC_SCENARIO", "the guest to try the address", hasTried, intrusionMsMax);
    this.#contact = { before, after: await network.listedPackets() };
  }

  #observations(): Observations {
    const { watch } = this;
    return {
      ...(this.#network === undefined
        ? {}
        : {
            network: {
              events: watch.network,
              contact: this.#contact,
              interfaces: this.#stats().interfaces,
            },
          }),
      wasMonitored: watch.hasBeen("monitored"),
      hasLeft: watch.hasBeen("left"),
      events: watch.events,
      exits: watch.exits,
      verdicts: watch.verdicts,
      findings: [...watch.findings.values()],
      commands: [...watch.commands.values()],
      loss: this.#stats().loss,
      points: this.guest?.report.points ?? new Map(),
      ...(this.managerKnows === undefined ? {} : { manager: this.managerKnows }),
    };
  }

  #state(): string {
    return this.#stats().guest.state;
  }

  #stats(): GuestStats {
    if (this.#statsLast !== undefined) return this.#statsLast;
    const [stats] = this.#server.stats.guests;
    if (stats === undefined) throw new Error("the demo's guest is not attached");
    return stats;
  }

  /** Waits for something of the guest; says now and then that it still waits. */
  async #until(
    code: "ERR_UC_GUEST_BOOT" | "ERR_UC_SCENARIO",
    what: string,
    isSo: () => boolean,
    msMax: number,
  ): Promise<void> {
    const startMs = performance.now();
    let toldMs = startMs;
    for (;;) {
      if (isSo()) return;
      const nowMs = performance.now();
      const problem = this.#problem() ?? (nowMs - startMs > msMax ? "it took too long" : undefined);
      if (problem !== undefined) {
        const seconds = Math.round((nowMs - startMs) / 1000);
        const log = this.guest?.logPath ?? "none";
        const message = printable(`waited ${seconds} s for ${what}: ${problem}; see ${log}`);
        throw new UndercroftError(code, message, { log });
      }
      if (nowMs - toldMs >= patienceEveryMs) {
        toldMs = nowMs;
        this.#options.log(`still waiting for ${what} (${Math.round((nowMs - startMs) / 1000)} s)`);
      }
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    }
  }

  #problem(): string | undefined {
    const { guest } = this;
    if (guest?.report.bailOut !== undefined) return `the guest gave up: ${guest.report.bailOut}`;
    return this.#exitReason === undefined ? undefined : `the guest ended: ${this.#exitReason}`;
  }
}
