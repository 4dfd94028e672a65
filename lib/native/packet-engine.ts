// SPDX-License-Identifier: Apache-2.0
// Packets of guest interfaces into packet rings: one native thread that mirrors, forwards and
// judges, so that a pause of JavaScript loses nothing. Opened by lib/redirector, which holds the
// session, the commands and the kernel's tables; no packet comes through this file.
import { getSystemErrorName } from "node:util";
import { UndercroftError } from "../errors/errors.ts";
import type { RedirectCounts, RedirectMode, RingPlacement } from "../model/model.ts";
import { type Addon, addon, type NativeHandle } from "./addon.ts";
import { checkSession, layoutError } from "./consumer.ts";
import { type Mapping, mappedRegion } from "./mapping.ts";

/** Mark (SO_MARK) of the packets that inline mode sends to the guest: not ours to drop. */
export const PACKET_MARK = 0x756e6463;

/**
 * The boot-time clock of this machine (CLOCK_BOOTTIME), by which rules at the tap end.
 * @throws {UndercroftError} ERR_UC_NATIVE_MISSING
 */
export function boottimeNs(): bigint {
  return addon().boottimeNs();
}

/** Which interface of which slot, and into which packet ring. */
export interface MirrorOptions {
  readonly slot: number;
  /** Index into the engine's rings. A ring serves one running slot. */
  readonly lane: number;
  readonly interfaceName: string;
  /** Longest part of a packet to keep, tag and link layer included. */
  readonly snapBytes: number;
}

export interface InlineOptions extends MirrorOptions {
  /** The tap that the engine makes; it is gone when the slot ends. Left down and unbridged. */
  readonly uplinkName: string;
}

/** How a slot stands: seen = kept + lostKernel + lostRing, whenever it is asked for. */
export interface PacketStatus extends RedirectCounts {
  /** gone: the interface went away; the lane is free, the counts are final. */
  readonly state: "running" | "stopped" | "gone";
  readonly mode: RedirectMode;
  readonly interfaceIndex: number;
  /** Positive errno that led to the state, 0 when none. */
  readonly errno: number;
}

/** Told of slots whose interface went away, in the loop of the thread that opened the engine. */
export type GoneListener = (slot: number, status: PacketStatus) => void;

// Order of the words that the addon fills; struct uc_packet_counts of addon/packet-engine.h.
const WORDS = 13;
const STATES = ["stopped", "running", "stopped", "gone"] as const;
const MIRROR = 1;
const INLINE = 2;
/** IFNAMSIZ of Linux, its NUL not counted. */
const NAME_BYTES_MAX = 15;

/** Owns the packet thread of one region. */
export class PacketEngine {
  readonly #native: Addon;
  readonly #words: BigUint64Array = new BigUint64Array(WORDS);
  readonly #running: Set<number> = new Set();
  #handle: NativeHandle | undefined;
  #watch: NativeHandle | undefined;
  #onGone: GoneListener | undefined;

  /**
   * rings: by lane.
   * @throws {UndercroftError} ERR_UC_LAYOUT, ERR_UC_REGION_CLOSED, ERR_UC_INTERFACE
   */
  constructor(mapping: Mapping, rings: readonly RingPlacement[], recordBytesMax: number) {
    this.#native = addon();
    const places = rings.flatMap((ring) => [
      BigInt(ring.ringOffset),
      BigInt(ring.producerOffset),
      BigInt(ring.consumerOffset),
      BigInt(ring.capacityLog2),
    ]);
    const handle = this.#native.packetEngineOpen(
      mappedRegion(mapping).handle,
      BigUint64Array.from(places),
      recordBytesMax,
    );
    if (typeof handle === "number") throw engineError("open", handle);
    if (handle === undefined) {
      throw layoutError(mapping, rings[0] ?? { ...NO_RING, ringOffset: mapping.bytes });
    }
    this.#handle = handle;
    const fd = this.#native.packetEngineFd(handle);
    const watch = this.#native.watchStart(fd, () => this.#tellGone());
    if (typeof watch === "number") {
      this.#native.packetEngineClose(handle);
      throw engineError("watch", watch);
    }
    this.#watch = watch;
  }

  /** Called for each slot whose interface goes away. One listener. */
  onGone(listener: GoneListener): void {
    this.#onGone = listener;
  }

  /**
   * Starts all rings at position 0. Without a session packets are counted as lost. Of the
   * features the doorbell is not served: do not accept it.
   * @throws {UndercroftError} ERR_UC_ARGUMENT, ERR_UC_REGION_CLOSED
   */
  startSession(sessionId: number, features: bigint): void {
    checkSession(sessionId);
    this.#native.packetSessionStart(this.#open(), sessionId, features);
  }

  /** @throws {UndercroftError} ERR_UC_REGION_CLOSED */
  endSession(): void {
    this.#native.packetSessionEnd(this.#open());
  }

  /** @throws {UndercroftError} ERR_UC_INTERFACE, ERR_UC_ARGUMENT, ERR_UC_REGION_CLOSED */
  addMirror(options: MirrorOptions): void {
    this.#add(options, MIRROR, "");
  }

  /**
   * Takes over the path between a guest's tap and its bridge. Then stop the kernel's own path
   * (but for {@link PACKET_MARK}), and only then join the uplink to the bridge.
   * @throws {UndercroftError} ERR_UC_INTERFACE, ERR_UC_ARGUMENT, ERR_UC_REGION_CLOSED
   */
  addInline(options: InlineOptions): void {
    checkName(options.uplinkName);
    this.#add(options, INLINE, options.uplinkName);
  }

  /**
   * Replaces the rules by which an inline slot judges, in one step. rules: `struct uc_block_rule`
   * one after the other; those of other slots and expired ones have no effect.
   * @throws {UndercroftError} ERR_UC_INTERFACE, ERR_UC_ARGUMENT, ERR_UC_REGION_CLOSED
   */
  setRules(slot: number, rules: Uint8Array): void {
    const result = this.#native.packetRules(this.#open(), slot, rules);
    if (result < 0) throw engineError(`rules of slot ${slot}`, result);
  }

  /** Ends a slot after reading what the kernel still holds: its last counts, if it was known. */
  remove(slot: number): PacketStatus | undefined {
    const isKnown = this.#native.packetRemove(this.#open(), slot, this.#words);
    this.#running.delete(slot);
    return isKnown ? this.#status() : undefined;
  }

  /** Counts of a slot, also of one that is gone; undefined when it was never there, or removed. */
  status(slot: number): PacketStatus | undefined {
    const isKnown = this.#native.packetStatus(this.#open(), slot, this.#words);
    return isKnown ? this.#status() : undefined;
  }

  /** Ends the thread, every slot and every uplink. */
  close(): void {
    if (this.#watch !== undefined) this.#native.watchStop(this.#watch);
    if (this.#handle !== undefined) this.#native.packetEngineClose(this.#handle);
    this.#watch = undefined;
    this.#handle = undefined;
    this.#running.clear();
  }

  #add(options: MirrorOptions, mode: number, uplinkName: string): void {
    checkName(options.interfaceName);
    const result = this.#native.packetAdd(
      this.#open(),
      options.slot,
      options.lane,
      mode,
      options.interfaceName,
      uplinkName,
      options.snapBytes,
    );
    if (result < 0) throw interfaceError(options.interfaceName, uplinkName, result);
    this.#running.add(options.slot);
  }

  #tellGone(): void {
    for (const slot of this.#running) {
      const status = this.#handle === undefined ? undefined : this.status(slot);
      if (status === undefined || status.state !== "gone") continue;
      this.#running.delete(slot);
      this.#onGone?.(slot, status);
    }
  }

  #status(): PacketStatus {
    const word = (index: number): number => Number(this.#words[index]);
    return {
      state: STATES[word(0)] ?? "stopped",
      mode: word(1) === INLINE ? "inline" : "mirror",
      interfaceIndex: word(2),
      errno: word(3),
      seen: word(4),
      kept: word(5),
      shortened: word(6),
      lostKernel: word(7),
      lostRing: word(8),
      dropped: word(9),
      forwarded: word(10),
      seenBytes: word(11),
      keptBytes: word(12),
    };
  }

  #open(): NativeHandle {
    if (this.#handle !== undefined) return this.#handle;
    throw new UndercroftError("ERR_UC_REGION_CLOSED", "packets after the engine's close()");
  }
}

const NO_RING: RingPlacement = {
  ringOffset: 0,
  producerOffset: 0,
  consumerOffset: 0,
  capacityLog2: 0,
};

function checkName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes > 0 && bytes <= NAME_BYTES_MAX && !/[\s/\0]/u.test(name)) return;
  throw new UndercroftError("ERR_UC_ARGUMENT", `"${name}" is no name of a network interface`);
}

const ADVICE: Readonly<Record<string, string>> = {
  ENODEV: "there is no such interface in this network namespace; see `ip link`",
  EPERM: "run as root, or with CAP_NET_RAW and, for inline mode, CAP_NET_ADMIN",
  EACCES: "run as root, or with CAP_NET_RAW and, for inline mode, CAP_NET_ADMIN",
  EBUSY: "the slot, its lane or the uplink's name is in use already",
  ENOENT: "there is no such lane in this region, or no /dev/net/tun",
  EINVAL: "only Ethernet interfaces can be watched, and the snap length must be 64 at least",
  ENOMEM: "lower the number of interfaces: the kernel has no memory for a capture ring",
  ENOSPC: "lower the number of interfaces",
};

function interfaceError(name: string, uplinkName: string, errno: number): UndercroftError {
  const reason = getSystemErrorName(errno);
  const between = uplinkName === "" ? "" : ` (uplink ${uplinkName})`;
  const advice = ADVICE[reason] ?? "see `ip link`";
  return new UndercroftError(
    "ERR_UC_INTERFACE",
    `interface ${name}${between} cannot be watched: ${reason}; ${advice}`,
    { interface: name, errno: -errno },
  );
}

function engineError(call: string, errno: number): UndercroftError {
  const reason = getSystemErrorName(errno);
  return new UndercroftError("ERR_UC_INTERFACE", `the packet thread failed in ${call}: ${reason}`, {
    errno: -errno,
  });
}
