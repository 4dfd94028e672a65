// SPDX-License-Identifier: Apache-2.0
// The server: composes registry, channels, detection and response over the regions of one
// hypervisor host. Callers attach guests and listen; the simulator turns it by itself.
import { createHash, randomBytes } from "node:crypto";
import { type CommandOrigin, DataChannel, DrainLoop } from "../channel/channel.ts";
import type {
  CorrelatorState,
  IndicatorChange,
  IndicatorStore,
  SigmaRuleSet,
} from "../detect/detect.ts";
import { UndercroftError } from "../errors/errors.ts";
import type { BlockRule, Command, CommandRecord, Finding, Indicator } from "../model/model.ts";
import type { EarlierAttach, GuestLiveness, GuestRecord } from "../registry/registry.ts";
import { DEFAULT_POLICY, type ResponsePolicy, type TapRule } from "../response/response.ts";
import { type Clock, systemClock } from "../time/time.ts";
import type { Region } from "../transport/transport.ts";
import {
  FEATURE_CRC32C,
  FEATURE_DOORBELL,
  planRegion,
  RECORD_BYTES_MAX as RECORD_BYTES_LIMIT,
  toHex,
} from "../wire/wire.ts";
import type { PendingApproval } from "./approvals.ts";
import { CaseDesk } from "./case-desk.ts";
import { Emitter, type Listener } from "./emitter.ts";
import { FindingStore } from "./finding-store.ts";
import { GuestService } from "./guest-service.ts";
import { NetworkDesk } from "./network-desk.ts";
import type {
  GuestAttachment,
  IsolationOptions,
  RedirectorAttachment,
  ServerOptions,
} from "./options.ts";
import type { ProcessEntry } from "./process-table.ts";
import { RedirectorService } from "./redirector-service.ts";
import type { ServerEvents, ServerStats } from "./reports.ts";
import { type HypervisorRequest, Responder } from "./responder.ts";
import { RuleBook, storeOf } from "./rule-book.ts";
import { type GuestInterface, TapControl, type TapRuleState } from "./tap-control.ts";

const RECORD_BYTES_MAX = 32 * 1024;
const BATCH_BYTES = 64 * 1024;
const RECORDS_MAX = 1024;
const PACKET_RINGS = 16;
const EARLIER_MAX = 4096;

/** Makes a server. It does nothing before guests are attached and {@link Server.start}. */
export function createServer(options: ServerOptions = {}): Server {
  return new Server(options);
}

/** One hypervisor host's server. */
export class Server {
  readonly #clock: Clock;
  readonly #options: ServerOptions;
  readonly #randomBytes: (count: number) => Uint8Array;
  readonly #instance: string;
  readonly #epoch: bigint;
  readonly #rules: RuleBook;
  readonly #findings: FindingStore;
  readonly #desk: CaseDesk;
  readonly #emitter = new Emitter<ServerEvents>();
  readonly #data = new DataChannel();
  readonly #taps: TapControl;
  readonly #responder: Responder;
  readonly #network: NetworkDesk;
  readonly #loop: DrainLoop;
  readonly #guests = new Map<string, GuestService>();
  /** How detached guests were left, by id, so that one set back meanwhile is known. */
  readonly #earlier = new Map<string, EarlierAttach>();
  readonly #controlMs: number;
  #nextCommandId: bigint;
  #controlledMs = Number.NEGATIVE_INFINITY;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock();
    this.#randomBytes = options.randomBytes ?? ((count) => new Uint8Array(randomBytes(count)));
    this.#instance = toHex(this.#randomBytes(16));
    // Microseconds since 1970: no two starts of a server share them or the ids built on them.
    this.#epoch = this.#clock.realtimeNs() / 1000n;
    this.#nextCommandId = (this.#epoch << 12n) + 1n;
    this.#rules = new RuleBook(
      options.policy ?? DEFAULT_POLICY,
      storeOf(options.indicators ?? [], this.#wallMs()),
      options.sigma,
    );
    this.#findings = new FindingStore(this.#randomBytes);
    this.#desk = new CaseDesk(this.#clock, this.#rules, this.#findings, this.#emitter);
    this.#taps = new TapControl({
      clock: this.#clock,
      takeIds: (count) => this.#takeIds(count),
      lost: (guest) => this.#guests.get(guest)?.network.lost(),
    });
    this.#responder = new Responder({
      clock: this.#clock,
      randomBytes: this.#randomBytes,
      rules: this.#rules,
      desk: this.#desk,
      emitter: this.#emitter,
      taps: this.#taps,
      hypervisor: options.hypervisor,
    });
    this.#network = new NetworkDesk({
      taps: this.#taps,
      rules: this.#rules,
      desk: this.#desk,
      responder: this.#responder,
      emitter: this.#emitter,
      guest: (name) => this.#guests.get(name),
    });
    const data = this.#data;
    const rounds = {
      round: (isLook: boolean) => this.#round(isLook),
      get isAsleep() {
        return data.isAsleep;
      },
    };
    this.#loop = new DrainLoop(this.#clock, rounds, options.pauseMsMax ?? 10);
    this.#controlMs = options.controlMs ?? 50;
  }

  /** Listens to one kind of event; the returned function ends it. */
  on<Name extends keyof ServerEvents>(
    name: Name,
    listener: Listener<ServerEvents[Name]>,
  ): () => void {
    return this.#emitter.on(name, listener);
  }

  /**
   * Prepares a region and serves the guest behind it from now on. A session that an earlier
   * server left in the region is read on.
   * @throws {UndercroftError} ERR_UC_GUEST_EXISTS, ERR_UC_ARGUMENT, ERR_UC_LAYOUT
   */
  attachGuest(attachment: GuestAttachment): GuestRecord {
    const { name, region, plan, interfaces = [] } = attachment;
    if (this.#guests.has(name)) {
      throw new UndercroftError("ERR_UC_GUEST_EXISTS", `guest "${name}" is attached already`, {
        guest: name,
      });
    }
    const layout = planRegion({ ...plan, regionBytes: region.bytes });
    const id = guestId(attachment);
    const earlier = this.#earlier.get(id);
    const service: GuestService = new GuestService({
      name,
      id,
      interfaces,
      ...(earlier === undefined ? {} : { earlier }),
      hooks: {
        awake: () => this.#loop.wake(),
        registered: () => this.#watch(name, id, service.interfaces),
        network: (events) => this.#network.events(service, events),
        interfaces: () => this.#taps.statsOf(name),
      },
      region,
      superblock: {
        layout,
        serverInstance: this.#instance,
        serverEpoch: this.#epoch,
        featuresOffered: this.#featuresOf(region),
        featuresRequired: 0n,
        recordBytesMax: RECORD_BYTES_MAX,
      },
      limits: { batchBytes: BATCH_BYTES, recordsMax: RECORDS_MAX },
      clock: this.#clock,
      randomBytes: this.#randomBytes,
      takeIds: (count) => this.#takeIds(count),
      silenceMs: this.#options.silenceMs ?? 2500,
      emitter: this.#emitter,
      rules: this.#rules,
      desk: this.#desk,
      responder: this.#responder,
    });
    this.#guests.set(name, service);
    service.registration.open();
    this.#data.add(service.stream);
    this.#loop.wake();
    this.#emitter.emit("attached", service.registration.record);
    return service.registration.record;
  }

  /**
   * Replaces a guest's network interfaces: one that is new is watched at once where the guest is
   * registered, one that is gone is no longer.
   * @throws {UndercroftError} ERR_UC_GUEST_UNKNOWN, ERR_UC_LAYOUT
   */
  setInterfaces(name: string, interfaces: readonly GuestInterface[]): void {
    const service = this.#guest(name);
    service.interfaces = interfaces;
    this.#taps.unwatch(name, interfaces);
    if (service.registration.session !== undefined) this.#watch(name, service.id, interfaces);
  }

  /**
   * Prepares the region of a redirector and serves it from now on. A server has one.
   * @throws {UndercroftError} ERR_UC_GUEST_EXISTS, ERR_UC_LAYOUT
   */
  attachRedirector({ name, region, packetRings }: RedirectorAttachment): GuestRecord {
    const layout = planRegion({
      regionBytes: region.bytes,
      packetRings: packetRings ?? PACKET_RINGS,
    });
    const service = new RedirectorService({
      name,
      id: guestId({ name }),
      region,
      superblock: {
        layout,
        serverInstance: this.#instance,
        serverEpoch: this.#epoch,
        featuresOffered: 0n,
        featuresRequired: 0n,
        recordBytesMax: RECORD_BYTES_LIMIT,
      },
      clock: this.#clock,
      randomBytes: this.#randomBytes,
      takeIds: (count) => this.#takeIds(count),
      silenceMs: this.#options.silenceMs ?? 2500,
      hooks: {
        ready: () => this.#redirectorReady(),
        packet: (lane, record, batch) => this.#network.packet(lane, record, batch),
        status: (status) => this.#taps.status(status),
        rule: (rule) => this.#taps.listed(rule),
        command: (record) => this.#commandOfRedirector(record),
        state: (change) => this.#emitter.emit("redirector", change),
        faulted: (fault, reason, evidence) =>
          this.#emitter.emit("fault", {
            ...{ guest: name, fault, reason, evidence: evidence.slice(0, 256) },
            timeMs: this.#wallMs(),
          }),
      },
    });
    this.#taps.use(service);
    service.registration.open();
    this.#data.add(service);
    this.#loop.wake();
    return service.record;
  }

  /** Ends the redirector's session in good order and forgets it. Rules at taps stay. */
  detachRedirector(): void {
    const service = this.#taps.redirector;
    if (service === undefined) return;
    service.registration.close();
    this.#data.remove(service);
    this.#taps.drop();
    service.close();
  }

  /** Rules at the taps of all guests that are asked for or in force. */
  get tapRules(): readonly TapRuleState[] {
    return this.#taps.rules;
  }

  /**
   * Drops traffic of a guest, at all its interfaces. The end of the command says whether it does.
   * @throws {UndercroftError} ERR_UC_GUEST_UNKNOWN, ERR_UC_REDIRECTOR_MISSING, ERR_UC_INTERFACE,
   * ERR_UC_COMMAND_INVALID
   */
  block(
    name: string,
    match: Omit<BlockRule, "id" | "slot" | "action">,
    origin: CommandOrigin,
  ): CommandRecord {
    this.#guest(name);
    const rules = this.#taps
      .slotsOf(name)
      .map((slot): TapRule => ({ ...match, slot, action: "drop" }));
    const record = this.#taps.block(name, rules, origin);
    this.#loop.wake();
    return record;
  }

  /**
   * Takes rules back by their ids.
   * @throws {UndercroftError} ERR_UC_REDIRECTOR_MISSING, ERR_UC_COMMAND_INVALID
   */
  unblock(ids: readonly bigint[], origin: CommandOrigin): CommandRecord {
    const record = this.#taps.unblock(ids, origin);
    this.#loop.wake();
    return record;
  }

  /**
   * Cuts a guest off from the network at its taps, whatever its driver does.
   * @throws {UndercroftError} ERR_UC_GUEST_UNKNOWN, ERR_UC_REDIRECTOR_MISSING, ERR_UC_INTERFACE,
   * ERR_UC_COMMAND_INVALID
   */
  isolate(name: string, options: IsolationOptions, origin: CommandOrigin): CommandRecord {
    this.#guest(name);
    const { allow = [], expiresInMs } = options;
    const record = this.#network.isolate(name, allow, expiresInMs, origin);
    this.#loop.wake();
    return record;
  }

  /**
   * Takes back all rules at a guest's taps.
   * @throws {UndercroftError} ERR_UC_GUEST_UNKNOWN, ERR_UC_REDIRECTOR_MISSING
   */
  release(name: string, origin: CommandOrigin): CommandRecord | undefined {
    this.#guest(name);
    const ids = this.tapRules.flatMap(({ guest, rule }) => (guest === name ? [rule.id] : []));
    return ids.length === 0 ? undefined : this.unblock(ids, origin);
  }

  /**
   * Has the hypervisor act on a guest, whatever its driver does; resolves to what was seen of it.
   * @throws {UndercroftError} ERR_UC_GUEST_UNKNOWN, ERR_UC_LIBVIRT
   */
  async actBelow(request: HypervisorRequest): Promise<string> {
    this.#guest(request.guest);
    const { hypervisor } = this.#options;
    if (hypervisor !== undefined) return hypervisor.act(request);
    const message = "this server has no hand on the hypervisor; serve --libvirt gives it one";
    throw new UndercroftError("ERR_UC_LIBVIRT", message);
  }

  /**
   * Ends the guest's session in good order and forgets the guest.
   * @throws {UndercroftError} ERR_UC_GUEST_UNKNOWN
   */
  detachGuest(name: string): void {
    const service = this.#guest(name);
    service.registration.close();
    this.#remember(service);
    this.#taps.unwatch(name);
    this.#forget(name, service);
    this.#emitter.emit("detached", service.registration.record);
  }

  /**
   * Tells what the hypervisor knows of a guest.
   * @throws {UndercroftError} ERR_UC_GUEST_UNKNOWN
   */
  setLiveness(name: string, liveness: GuestLiveness): void {
    this.#guest(name).registration.setLiveness(liveness);
  }

  /**
   * Sends a command to a guest; its end comes as a `command` event.
   * @throws {UndercroftError} ERR_UC_GUEST_UNKNOWN, ERR_UC_COMMAND_INVALID
   */
  send(name: string, command: Command, origin: CommandOrigin): CommandRecord {
    const record = this.#guest(name).commands.send(command, origin);
    this.#loop.wake();
    return record;
  }

  /**
   * Swaps the indicators for all guests at once and sends the new deny rules. A store is best
   * filled beside the running one; it is the server's from then on.
   */
  useIndicators(indicators: IndicatorStore | readonly Indicator[]): void {
    this.#rules.use(storeOf(indicators, this.#wallMs()));
    this.#pushRules();
  }

  /**
   * Takes over what one source of indicators has new and no longer, at once and for all guests.
   * Deny rules are sent where they change. What is large is better loaded into a store of its own
   * for {@link useIndicators}: guests are not served meanwhile.
   * @throws {UndercroftError} ERR_UC_INDICATORS when a limit of the store is met
   */
  changeIndicators(change: IndicatorChange): void {
    if (this.#rules.change(change)) this.#pushRules();
  }

  /** Indicators in use; to be read only. */
  get indicators(): IndicatorStore {
    return this.#rules.indicators;
  }

  /**
   * Swaps the Sigma rules for all guests between two events. Correlations that did not change keep
   * what they have seen.
   */
  useSigma(rules: SigmaRuleSet): void {
    this.#rules.useSigma(rules);
  }

  /** What correlations have seen, as plain data, for {@link importCorrelations} of another run. */
  exportCorrelations(): CorrelatorState | undefined {
    return this.#rules.sigma?.exportState();
  }

  /** Goes on with what an earlier run has seen; returns how many groups fit no correlation. */
  importCorrelations(state: CorrelatorState): number {
    return this.#rules.sigma?.importState(state) ?? state.groups.length;
  }

  /** Swaps the response policy for all guests at once and sends the new deny rules. */
  usePolicy(policy: ResponsePolicy): void {
    this.#rules.usePolicy(policy);
    this.#pushRules();
  }

  /** Responses that wait for a person's word. */
  get approvals(): readonly PendingApproval[] {
    return this.#responder.approvals.all;
  }

  /**
   * Does, or refuses, a response that waits. by: who answers, for the records.
   * @throws {UndercroftError} ERR_UC_ARGUMENT where none of that id waits
   */
  answerApproval(id: string, isApproved: boolean, by: string): void {
    if (!this.#responder.approvals.answer(id, isApproved, by)) {
      throw new UndercroftError("ERR_UC_ARGUMENT", `no response "${id}" waits for approval`);
    }
    this.#loop.wake();
  }

  get findings(): readonly Finding[] {
    return this.#findings.all;
  }

  /**
   * Commands to one guest: open ones and the newest ended ones.
   * @throws {UndercroftError} ERR_UC_GUEST_UNKNOWN
   */
  commandsOf(name: string): readonly CommandRecord[] {
    return this.#guest(name).commands.records;
  }

  /**
   * Processes of a guest that run, as far as records told.
   * @throws {UndercroftError} ERR_UC_GUEST_UNKNOWN
   */
  processesOf(name: string): readonly ProcessEntry[] {
    return this.#guest(name).processes.running;
  }

  get stats(): ServerStats {
    const names = [...this.#guests.keys()];
    const tables = [...new Set(["", ...names].map((name) => this.#rules.tableOf(name)))];
    const { redirector } = this.#taps;
    return {
      serverInstance: this.#instance,
      serverEpoch: this.#epoch,
      findings: this.#findings.size,
      indicators: this.#rules.indicators.size,
      verdictRules: Math.max(...tables.map(({ rules }) => rules.length)),
      verdictRulesLeftOut: Math.max(...tables.map(({ leftOut }) => leftOut)),
      guests: [...this.#guests.values()].map(({ stats }) => stats),
      tapRules: this.#taps.rules.length,
      ...(redirector === undefined ? {} : { redirector: redirector.record }),
    };
  }

  /** Begins to poll, on this thread's event loop. */
  start(): void {
    this.#loop.start();
  }

  /**
   * One round over all guests. Returns what reading cost, 0 when there was nothing. Called by the
   * server's own loop, or by whoever drives it in place of {@link start}.
   */
  turn(): number {
    return this.#round(true);
  }

  #round(isLook: boolean): number {
    const cost = this.#data.round(isLook);
    const nowMs = this.#clock.monotonicMs();
    const isDue = nowMs - this.#controlledMs >= this.#controlMs;
    if (isDue) {
      this.#controlledMs = nowMs;
      this.#responder.turn();
      if (this.#rules.advance(this.#wallMs())) this.#pushRules();
      this.#closeWindows();
    }
    for (const service of this.#guests.values()) {
      if (isDue) service.control(nowMs);
      service.commands.turn();
    }
    const { redirector } = this.#taps;
    if (isDue) redirector?.control(nowMs);
    redirector?.commands.turn();
    return cost;
  }

  /**
   * Stops serving. Sessions stay open in their regions, and what is still in the rings waits there
   * for the next server; detach a guest to read its rings out and end its session.
   */
  close(): void {
    this.#loop.stop();
    for (const [name, service] of [...this.#guests]) this.#forget(name, service);
    const { redirector } = this.#taps;
    this.#taps.drop();
    redirector?.close();
  }

  #featuresOf(region: Region): bigint {
    const crc = this.#options.checksums === true ? FEATURE_CRC32C : 0n;
    return region.doorbell === undefined ? crc : crc | FEATURE_DOORBELL;
  }

  #watch(name: string, id: string, interfaces: readonly GuestInterface[]): void {
    if (interfaces.length > 0 && this.#taps.redirector !== undefined) {
      this.#taps.watch(name, id, interfaces);
    }
  }

  // Guests that registered before it came are to be watched too.
  #redirectorReady(): void {
    for (const [name, service] of this.#guests) {
      if (service.registration.session === undefined) continue;
      this.#watch(name, service.id, service.interfaces);
    }
    this.#taps.ready();
  }

  #commandOfRedirector(record: CommandRecord): void {
    this.#taps.command(record);
    this.#emitter.emit("command", record);
    this.#desk.commandChanged(record);
  }

  // Correlations that ask for what did not happen hold without another event.
  #closeWindows(): void {
    for (const detection of this.#rules.sigma?.advance(this.#wallMs()) ?? []) {
      this.#guests.get(detection.event.guest)?.detected(detection);
    }
  }

  #pushRules(): void {
    for (const service of this.#guests.values()) {
      if (service.registration.session?.recovered === false) service.pushRules();
    }
    this.#loop.wake();
  }

  #remember({ id, registration }: GuestService): void {
    const { attach } = registration;
    if (attach === undefined) return;
    this.#earlier.delete(id);
    this.#earlier.set(id, attach);
    const [oldest = ""] = this.#earlier.keys();
    if (this.#earlier.size > EARLIER_MAX) this.#earlier.delete(oldest);
  }

  #forget(name: string, service: GuestService): void {
    this.#data.remove(service.stream);
    this.#guests.delete(name);
    service.close();
  }

  #wallMs(): number {
    return Number(this.#clock.realtimeNs() / 1_000_000n);
  }

  #takeIds(count: number): bigint {
    const first = this.#nextCommandId;
    this.#nextCommandId += BigInt(count);
    return first;
  }

  #guest(name: string): GuestService {
    const service = this.#guests.get(name);
    if (service !== undefined) return service;
    throw new UndercroftError("ERR_UC_GUEST_UNKNOWN", `no guest "${name}" is attached`, {
      guest: name,
    });
  }
}

// TRUST: an id comes from configuration or from the name in it, never from the guest.
function guestId({ id, name }: { readonly id?: string; readonly name: string }): string {
  if (id === undefined)
    return createHash("sha256").update(`guest\0${name}`).digest("hex").slice(0, 32);
  const digits = id.replaceAll("-", "").toLowerCase();
  if (/^[0-9a-f]{32}$/.test(digits)) return digits;
  throw new UndercroftError("ERR_UC_ARGUMENT", `guest "${name}": ${id} is not a 128-bit id`, {
    guest: name,
  });
}
