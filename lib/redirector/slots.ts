// SPDX-License-Identifier: Apache-2.0
// The slots of one redirector: starts and ends watching of interfaces, and keeps the rules at their
// taps, in the kernel and in the packet engine alike. Called by redirector.ts for each command.
import { constants } from "node:os";
import { isUndercroftError } from "../errors/errors.ts";
import type { RedirectorCommand } from "../model/model.ts";
import { boottimeNs, type PacketEngine, type PacketStatus } from "../native/native.ts";
import {
  BLOCK_RULE_LAYOUT,
  REDIRECT_GONE,
  REDIRECT_INLINE,
  REDIRECT_MIRROR,
  REDIRECT_RUNNING,
  REDIRECT_STOPPED,
  RESULT_DONE,
  RESULT_FAILED,
  RESULT_MALFORMED,
  RESULT_NOT_FOUND,
  RESULT_UNSUPPORTED,
} from "../wire/wire.ts";
import { type CutPath, cutPath, joinBridge, links, openPath } from "./links.ts";
import type { CommandAnswer } from "./region-client.ts";
import {
  holds,
  isPlainName,
  readTable,
  runNft,
  type TapRule,
  tableScript,
  tapRule,
} from "./tap-rules.ts";

type Start = Extract<RedirectorCommand, { kind: "redirect-start" }>;

interface SlotsOptions {
  /** Name of the nftables table of this redirector's rules. */
  readonly table: string;
  readonly log: (line: string) => void;
  /** Tells the server how a slot stands: fields of `struct uc_redirect_status`. */
  readonly tell: (status: Record<string, number>) => void;
}

interface Slot {
  readonly start: Start;
  cut: CutPath | undefined;
  told: string;
}

const DONE: CommandAnswer = { result: RESULT_DONE };
const STATES = {
  running: REDIRECT_RUNNING,
  stopped: REDIRECT_STOPPED,
  gone: REDIRECT_GONE,
} as const;

/** What a redirector watches and holds back. */
export class Slots {
  readonly #options: SlotsOptions;
  readonly #slots = new Map<number, Slot>();
  /** Also of slots that an earlier run started, while rules of theirs hold. */
  readonly #interfaces: Map<number, string>;
  #rules: Map<bigint, TapRule>;
  #engine: PacketEngine | undefined;

  /** Takes over the rules that an earlier run left in the kernel. */
  constructor(options: SlotsOptions) {
    this.#options = options;
    const state = readTable(options.table);
    this.#rules = new Map(state.rules.map((rule) => [rule.id, rule]));
    this.#interfaces = new Map(state.interfaces);
  }

  /** Rules in force. */
  get rules(): readonly TapRule[] {
    const nowNs = boottimeNs();
    return [...this.#rules.values()].filter((rule) => holds(rule, nowNs));
  }

  /** The engine that slots run in from now on; ends those of the one before. */
  setEngine(engine: PacketEngine): void {
    this.close();
    this.#engine = engine;
    engine.onGone((slot) => this.#end(slot));
  }

  start(start: Start): CommandAnswer {
    const engine = this.#engine;
    if (engine === undefined || start.mode === "replay") return { result: RESULT_UNSUPPORTED };
    const { interfaceName, uplinkName, slot } = start;
    const isInline = start.mode === "inline";
    if (!isPlainName(interfaceName) || (isInline && !isPlainName(uplinkName))) {
      return { result: RESULT_MALFORMED };
    }
    for (const [other, { start: old }] of [...this.#slots]) {
      const isSame = other === slot || old.lane === start.lane;
      if (isSame || old.interfaceName === interfaceName) this.#end(other);
    }
    const made: Slot = { start, cut: undefined, told: "" };
    const errno = this.#add(engine, made);
    if (errno !== 0) {
      made.cut?.open();
      engine.remove(slot);
      return failed(errno);
    }
    this.#slots.set(slot, made);
    this.#rename(slot, interfaceName);
    const ruleErrno = this.#apply(this.#rules);
    if (ruleErrno !== 0) {
      this.#end(slot);
      return failed(ruleErrno);
    }
    this.#options.log(`${start.mode} of ${interfaceName} as slot ${slot}`);
    this.tell();
    return DONE;
  }

  stop(slot: number): CommandAnswer {
    if (!this.#slots.has(slot)) return { result: RESULT_NOT_FOUND };
    this.#end(slot);
    return DONE;
  }

  /** All of the rules or none. body: `struct uc_block_rule`, one after the other. */
  block(body: Uint8Array): CommandAnswer {
    const rules = new Map(this.#rules);
    for (let at = 0; at < body.length; at += BLOCK_RULE_LAYOUT.size) {
      const rule = tapRule(body.slice(at, at + BLOCK_RULE_LAYOUT.size));
      if (rule === undefined) return { result: RESULT_MALFORMED };
      if (!this.#interfaces.has(rule.slot)) return { result: RESULT_NOT_FOUND };
      rules.set(rule.id, rule);
    }
    const errno = this.#apply(rules);
    return errno === 0 ? DONE : failed(errno);
  }

  unblock(ids: readonly bigint[]): CommandAnswer {
    const rules = new Map(this.#rules);
    const nowNs = boottimeNs();
    let value = 0;
    for (const id of ids) {
      const rule = rules.get(id);
      if (rule !== undefined && rules.delete(id) && holds(rule, nowNs)) value++;
    }
    if (rules.size === this.#rules.size) return { ...DONE, value };
    const errno = this.#apply(rules);
    return errno === 0 ? { ...DONE, value } : failed(errno);
  }

  /** Tells the server of all slots of which something changed. */
  tell(): void {
    for (const number of this.#slots.keys()) {
      const status = this.#engine?.status(number);
      if (status !== undefined) this.#tellOne(number, status, status.state);
    }
  }

  /** A new session has heard nothing yet. */
  forgetTold(): void {
    for (const slot of this.#slots.values()) slot.told = "";
  }

  /** Ends watching. Rules stay in the kernel, and so do cuts that are to fail closed. */
  close(): void {
    for (const slot of [...this.#slots.keys()]) this.#end(slot, true);
  }

  #add(engine: PacketEngine, made: Slot): number {
    const { interfaceName, uplinkName, failOpen, mode } = made.start;
    // By interface, so that a run with other slot numbers finds it too.
    const cutTable = `${this.#options.table}_cut_${Buffer.from(interfaceName).toString("hex")}`;
    const bridge = mode === "inline" ? links()?.get(interfaceName) : "";
    try {
      if (mode === "mirror") {
        engine.addMirror(made.start);
        return openPath(cutTable, this.#options.log);
      }
      if (bridge === undefined || bridge === "") {
        this.#options.log(`${interfaceName} is in no bridge, which inline mode needs`);
        return constants.errno.ENODEV;
      }
      engine.addInline(made.start);
    } catch (cause) {
      if (!isUndercroftError(cause)) throw cause;
      this.#options.log(cause.message);
      return Number(cause.detail.errno ?? constants.errno.EINVAL);
    }
    const cut = cutPath(cutTable, interfaceName, failOpen, {
      log: this.#options.log,
      ended: () => this.#pathOpened(made),
    });
    if (typeof cut === "number") return cut;
    made.cut = cut;
    return joinBridge(uplinkName, bridge);
  }

  // A server that numbers anew must not move one guest's rules to another guest.
  #rename(slot: number, interfaceName: string): void {
    const before = this.#interfaces.get(slot);
    this.#interfaces.set(slot, interfaceName);
    if (before === undefined || before === interfaceName) return;
    const kept = [...this.#rules].filter(([, rule]) => rule.slot !== slot);
    const lost = this.#rules.size - kept.length;
    if (lost > 0) this.#options.log(`slot ${slot} is not ${before} now: ${lost} rules of it end`);
    this.#rules = new Map(kept);
  }

  // Both ways open would bring every packet twice.
  #pathOpened(made: Slot): void {
    const { slot, interfaceName } = made.start;
    if (this.#slots.get(slot) !== made) return;
    this.#options.log(`the path at ${interfaceName} was opened from outside; inline mode ends`);
    this.#end(slot);
  }

  #end(number: number, isClosing = false): void {
    const slot = this.#slots.get(number);
    if (slot === undefined) return;
    const status = this.#engine?.remove(number);
    // Only who asked for it opens what fails closed.
    if (!isClosing || slot.start.failOpen) slot.cut?.open();
    if (status !== undefined) {
      this.#tellOne(number, status, status.state === "gone" ? "gone" : "stopped");
    }
    this.#slots.delete(number);
  }

  #tellOne(number: number, status: PacketStatus, state: PacketStatus["state"]): void {
    const { state: _state, mode, errno, interfaceIndex: _index, ...counts } = status;
    const fields = {
      slot: number,
      state: STATES[state],
      mode: mode === "inline" ? REDIRECT_INLINE : REDIRECT_MIRROR,
      detail: errno,
      ...counts,
    };
    const text = JSON.stringify(fields);
    const slot = this.#slots.get(number);
    if (slot === undefined || slot.told === text) return;
    slot.told = text;
    this.#options.tell(fields);
  }

  #apply(rules: Map<bigint, TapRule>): number {
    const nowNs = boottimeNs();
    const kept = [...rules.values()].filter((rule) => holds(rule, nowNs));
    const present = links();
    if (present === undefined) {
      this.#options.log("ip cannot be run; install iproute2");
      return constants.errno.ENOENT;
    }
    for (const { id, slot } of kept) {
      // What is gone takes its rules along, but a new one would hold nowhere.
      if (!this.#rules.has(id) && !present.has(this.#interfaces.get(slot) ?? "")) {
        return constants.errno.ENODEV;
      }
    }
    const interfaces = new Map([...this.#interfaces].filter(([, name]) => present.has(name)));
    const before = [...this.#rules.values()];
    const errno =
      this.#judgeBy(kept) ||
      runNft(tableScript(this.#options.table, kept, interfaces), this.#options.log);
    if (errno === 0) this.#rules = new Map(kept.map((rule) => [rule.id, rule]));
    else this.#judgeBy(before);
    return errno;
  }

  // The engine's own copy, for inline slots: 0 or a positive errno.
  #judgeBy(rules: readonly TapRule[]): number {
    const bytes = new Uint8Array(rules.length * BLOCK_RULE_LAYOUT.size);
    for (const [at, rule] of rules.entries()) bytes.set(rule.bytes, at * BLOCK_RULE_LAYOUT.size);
    try {
      for (const [number, { start }] of this.#slots) {
        if (start.mode === "inline") this.#engine?.setRules(number, bytes);
      }
    } catch (cause) {
      if (!isUndercroftError(cause)) throw cause;
      this.#options.log(cause.message);
      return Number(cause.detail.errno ?? constants.errno.EINVAL);
    }
    return 0;
  }
}

const failed = (detail: number): CommandAnswer => ({ result: RESULT_FAILED, detail });
