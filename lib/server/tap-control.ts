// SPDX-License-Identifier: Apache-2.0
// Which interfaces of which guests a redirector watches, and which rules hold at their taps. The
// server's word on both: after a redirector came back everything is asked for again.
import type { CommandOrigin } from "../channel/channel.ts";
import { UndercroftError } from "../errors/errors.ts";
import type {
  BlockRule,
  Command,
  CommandRecord,
  RedirectCounts,
  RedirectStatus,
} from "../model/model.ts";
import type { TapRule } from "../response/response.ts";
import type { Clock } from "../time/time.ts";
import type { RedirectorService } from "./redirector-service.ts";

/** One network interface of a guest, as the hypervisor host has it. */
export interface GuestInterface {
  /** Name of the tap on the hypervisor host. */
  readonly name: string;
  /** Default mirror. */
  readonly mode?: "mirror" | "inline";
  /** Inline: name for the tap that the redirector makes. Default: derived from the slot. */
  readonly uplinkName?: string;
  /** Inline: traffic goes on when the redirector dies. Default true. */
  readonly failOpen?: boolean;
}

/** How the watching of one interface stands. */
export interface InterfaceStats {
  readonly slot: number;
  readonly name: string;
  /** starting: the redirector was asked, or is not there. failed: it could not. */
  readonly state: "starting" | "running" | "stopped" | "gone" | "failed";
  /** errno of a failure, 0 when none. */
  readonly detail: number;
  readonly counts: RedirectCounts;
  /** Packets that reached the server. */
  readonly delivered: number;
}

/** A rule at a tap as the server knows it. */
export interface TapRuleState {
  readonly guest: string;
  readonly rule: BlockRule;
  /** Wall clock; absent: until removed. */
  readonly expiresAtMs?: number;
  /** requested: not acknowledged yet. */
  readonly state: "requested" | "in-force" | "failed";
}

interface Slot {
  readonly slot: number;
  readonly guest: string;
  readonly guestId: string;
  readonly lane: number;
  readonly watched: GuestInterface;
  state: InterfaceStats["state"];
  detail: number;
  counts: RedirectCounts;
  startId: bigint | undefined;
}

export interface TapControlOptions {
  readonly clock: Clock;
  readonly takeIds: (count: number) => bigint;
  /** Packets of a guest were lost before they could be looked at. */
  readonly lost: (guest: string) => void;
}

const SNAP_BYTES = 65_000;
const RULES_MAX = 4096;
const NO_COUNTS: RedirectCounts = {
  seen: 0,
  kept: 0,
  shortened: 0,
  lostKernel: 0,
  lostRing: 0,
  dropped: 0,
  forwarded: 0,
  seenBytes: 0,
  keptBytes: 0,
};
const SERVER: CommandOrigin = { requestedBy: "server" };

/** Keeps slots and rules of one redirector. */
export class TapControl {
  readonly #options: TapControlOptions;
  readonly #slots = new Map<number, Slot>();
  readonly #lanes = new Map<number, Slot>();
  readonly #rules = new Map<bigint, TapRuleState>();
  /** Rules that a command is about, until it ends. */
  readonly #pending = new Map<bigint, readonly bigint[]>();
  #redirector: RedirectorService | undefined;

  constructor(options: TapControlOptions) {
    this.#options = options;
  }

  get redirector(): RedirectorService | undefined {
    return this.#redirector;
  }

  /** @throws {UndercroftError} ERR_UC_GUEST_EXISTS when there is one already. */
  use(redirector: RedirectorService): void {
    if (this.#redirector !== undefined) {
      const message = `redirector "${this.#redirector.record.name}" is attached already`;
      throw new UndercroftError("ERR_UC_GUEST_EXISTS", message);
    }
    this.#redirector = redirector;
  }

  drop(): void {
    this.#redirector = undefined;
  }

  /**
   * Takes a guest's interfaces under watch from now on.
   * @throws {UndercroftError} ERR_UC_LAYOUT when the redirector has no packet ring left
   */
  watch(guest: string, guestId: string, interfaces: readonly GuestInterface[]): void {
    for (const watched of interfaces) {
      if (this.#find(guest, watched.name) !== undefined) continue;
      const lane = this.#freeLane();
      const slot: Slot = {
        ...{ slot: this.#freeSlot(guestId, watched.name), guest, guestId, lane, watched },
        ...{ state: "starting", detail: 0, counts: NO_COUNTS, startId: undefined },
      };
      this.#slots.set(slot.slot, slot);
      this.#lanes.set(lane, slot);
      this.#start(slot);
    }
  }

  /**
   * Stops watching a guest, except at the interfaces that it still has. Rules at its taps stay
   * until they expire or are removed.
   */
  unwatch(guest: string, still: readonly GuestInterface[] = []): void {
    const names = new Set(still.map(({ name }) => name));
    for (const slot of [...this.#slots.values()]) {
      if (slot.guest !== guest || names.has(slot.watched.name)) continue;
      this.#slots.delete(slot.slot);
      this.#lanes.delete(slot.lane);
      if (this.#isReady) this.#send({ kind: "redirect-stop", slot: slot.slot }, SERVER);
    }
  }

  /** Slots of a guest. */
  slotsOf(guest: string): readonly number[] {
    return [...this.#slots.values()].filter((one) => one.guest === guest).map(({ slot }) => slot);
  }

  statsOf(guest: string): readonly InterfaceStats[] {
    return [...this.#slots.values()]
      .filter((one) => one.guest === guest)
      .map(({ slot, watched, state, detail, counts, lane }) => ({
        ...{ slot, name: watched.name, state, detail, counts },
        delivered: this.#redirector?.counts(lane).delivered ?? 0,
      }));
  }

  /** Guest and interface behind a packet ring. TRUST: assigned here, never read from a record. */
  place(lane: number): { slot: number; guest: string; interfaceName: string } | undefined {
    const found = this.#lanes.get(lane);
    if (found === undefined) return undefined;
    return { slot: found.slot, guest: found.guest, interfaceName: found.watched.name };
  }

  /** Whether a rule that matches the same is asked for or in force already. */
  has(wanted: TapRule): boolean {
    this.#expire();
    for (const { rule, state } of this.#rules.values()) {
      if (state !== "failed" && isSameMatch(rule, wanted)) return true;
    }
    return false;
  }

  get rules(): readonly TapRuleState[] {
    this.#expire();
    return [...this.#rules.values()];
  }

  /**
   * Puts rules into force together. The command's end says whether they are.
   * @throws {UndercroftError} ERR_UC_REDIRECTOR_MISSING, ERR_UC_COMMAND_INVALID, ERR_UC_INTERFACE
   * where no tap of the guest is watched: nothing would be cut off
   */
  block(guest: string, wanted: readonly TapRule[], origin: CommandOrigin): CommandRecord {
    this.#expire();
    if (this.#isReady && wanted.length === 0) {
      const message = `no tap of guest "${guest}" is watched; nothing can be cut off`;
      throw new UndercroftError("ERR_UC_INTERFACE", message, { guest });
    }
    if (this.#rules.size + wanted.length > RULES_MAX) {
      throw new UndercroftError("ERR_UC_COMMAND_INVALID", `more than ${RULES_MAX} rules at taps`);
    }
    const first = this.#options.takeIds(wanted.length);
    const rules = wanted.map((rule, index) => ({ ...rule, id: first + BigInt(index) }));
    const record = this.#send({ kind: "block-add", rules }, origin);
    for (const rule of rules) this.#remember(guest, rule, "requested");
    this.#pending.set(
      record.id,
      rules.map(({ id }) => id),
    );
    return record;
  }

  /** @throws {UndercroftError} ERR_UC_REDIRECTOR_MISSING */
  unblock(ids: readonly bigint[], origin: CommandOrigin): CommandRecord {
    const record = this.#send({ kind: "block-remove", ids }, origin);
    this.#pending.set(record.id, ids);
    return record;
  }

  /** The redirector is there again and knows of nothing: asks for all that should be. */
  ready(): void {
    for (const slot of this.#slots.values()) this.#start(slot);
    this.#send({ kind: "block-list" }, SERVER);
    // Rules that outlived it are replaced by themselves; those that it lost come back.
    this.#expire();
    const nowMs = this.#wallMs();
    const rules = [...this.#rules.values()].map(({ rule, expiresAtMs }) =>
      expiresAtMs === undefined ? rule : { ...rule, expiresInMs: expiresAtMs - nowMs },
    );
    if (rules.length === 0) return;
    const record = this.#send({ kind: "block-add", rules }, SERVER);
    this.#pending.set(
      record.id,
      rules.map(({ id }) => id),
    );
  }

  status(status: RedirectStatus): void {
    const slot = this.#slots.get(status.slot);
    if (slot === undefined) return;
    const { seen, kept, shortened, lostKernel, lostRing } = status;
    const lostBefore = slot.counts.lostKernel + slot.counts.lostRing;
    if (lostKernel + lostRing > lostBefore) this.#options.lost(slot.guest);
    const { dropped, forwarded, seenBytes, keptBytes } = status;
    slot.counts = {
      ...{ seen, kept, shortened, lostKernel, lostRing },
      ...{ dropped, forwarded, seenBytes, keptBytes },
    };
    if (status.state === "unknown") return;
    slot.state = status.state;
    slot.detail = status.detail;
  }

  /** The redirector lists a rule that this server may not know of. */
  listed(rule: BlockRule): void {
    if (this.#rules.has(rule.id)) return;
    this.#remember(this.#slots.get(rule.slot)?.guest ?? "", rule, "in-force");
  }

  command(record: CommandRecord): void {
    if (record.outcome === "pending") return;
    const { command } = record;
    if (command.kind === "redirect-start") this.#started(command.slot, record);
    const ids = this.#pending.get(record.id);
    if (ids === undefined) return;
    this.#pending.delete(record.id);
    for (const id of ids) this.#settle(id, command, record.outcome === "done");
  }

  get #isReady(): boolean {
    return this.#redirector?.isReady === true;
  }

  #settle(id: bigint, command: Command, isDone: boolean): void {
    const known = this.#rules.get(id);
    if (known === undefined) return;
    if (command.kind === "block-remove") {
      if (isDone) this.#rules.delete(id);
      return;
    }
    this.#rules.set(id, { ...known, state: isDone ? "in-force" : "failed" });
  }

  #started(number: number, record: CommandRecord): void {
    const slot = this.#slots.get(number);
    if (slot === undefined || slot.startId !== record.id) return;
    slot.startId = undefined;
    slot.state = record.outcome === "done" ? "running" : "failed";
    slot.detail = record.detail;
  }

  #start(slot: Slot): void {
    if (!this.#isReady) return;
    const { watched, guestId, lane } = slot;
    const mode = watched.mode ?? "mirror";
    const uplinkName = mode === "inline" ? (watched.uplinkName ?? `ucup${lane}`) : "";
    slot.state = "starting";
    slot.startId = this.#send(
      {
        ...{ kind: "redirect-start", slot: slot.slot, lane, mode, snapBytes: SNAP_BYTES },
        ...{ failOpen: watched.failOpen ?? true, guestId, interfaceName: watched.name, uplinkName },
      },
      SERVER,
    ).id;
  }

  #send(command: Command, origin: CommandOrigin): CommandRecord {
    const redirector = this.#redirector;
    if (redirector === undefined || !redirector.isReady) {
      const message = "no redirector is there to act at the tap; start one: undercroft redirector";
      throw new UndercroftError("ERR_UC_REDIRECTOR_MISSING", message);
    }
    return redirector.commands.send(command, origin);
  }

  #remember(guest: string, rule: BlockRule, state: TapRuleState["state"]): void {
    const { expiresInMs } = rule;
    const expiry = expiresInMs === undefined ? {} : { expiresAtMs: this.#wallMs() + expiresInMs };
    this.#rules.set(rule.id, { guest, rule, state, ...expiry });
  }

  #expire(): void {
    const nowMs = this.#wallMs();
    for (const [id, { expiresAtMs }] of this.#rules) {
      if (expiresAtMs !== undefined && expiresAtMs <= nowMs) this.#rules.delete(id);
    }
  }

  #find(guest: string, name: string): Slot | undefined {
    return [...this.#slots.values()].find(
      (slot) => slot.guest === guest && slot.watched.name === name,
    );
  }

  #freeLane(): number {
    const lanes = this.#redirector?.laneCount ?? 0;
    for (let lane = 0; lane < lanes; lane++) if (!this.#lanes.has(lane)) return lane;
    const message = `all ${lanes} packet rings of the redirector are taken; give its region more`;
    throw new UndercroftError("ERR_UC_LAYOUT", message);
  }

  // The same after a restart, so that rules which outlived the server still name their interface.
  #freeSlot(guestId: string, name: string): number {
    let slot = 0x811c9dc5;
    for (const letter of `${guestId}/${name}`) {
      slot = Math.imul(slot ^ (letter.codePointAt(0) ?? 0), 0x01000193) >>> 0;
    }
    while (this.#slots.has(slot) || slot === 0) slot = (slot + 1) >>> 0;
    return slot;
  }

  #wallMs(): number {
    return Number(this.#options.clock.realtimeNs() / 1_000_000n);
  }
}

function isSameMatch(one: TapRule, other: TapRule): boolean {
  return (
    one.slot === other.slot &&
    one.action === other.action &&
    one.remote === other.remote &&
    one.local === other.local &&
    one.protocol === other.protocol &&
    one.remotePort === other.remotePort &&
    one.localPort === other.localPort
  );
}
