// SPDX-License-Identifier: Apache-2.0
// What the native addon exports, and how it is found and loaded. The only place in the project
// that loads it. Arguments are checked by the classes of this room before they come here.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { UndercroftError } from "../errors/errors.ts";

/** An object of the addon that JavaScript can only hand back to it. */
export interface NativeHandle {
  readonly nativeHandle: unique symbol;
}

/** The addon's functions. File descriptors and handles: a negative number is -errno. */
export interface Addon {
  readonly externalSharedArrayBuffer: boolean;
  memfdCreate(name: string, bytes: number): number;
  fdSealed(fd: number): boolean;
  regionOpen(fd: number, bytes: number): NativeHandle | number;
  regionClose(region: NativeHandle): void;
  regionFailed(region: NativeHandle): boolean;
  copyOut(region: NativeHandle, offset: number, target: Uint8Array): boolean;
  copyIn(region: NativeHandle, offset: number, source: Uint8Array): boolean;
  zero(region: NativeHandle, offset: number, length: number): boolean;
  loadU64(region: NativeHandle, offset: number): bigint;
  storeU64(region: NativeHandle, offset: number, value: bigint): boolean;
  sharedArrayBuffer(region: NativeHandle): SharedArrayBuffer | undefined;
  consumerOpen(
    region: NativeHandle,
    ringOffset: number,
    producerOffset: number,
    consumerOffset: number,
    capacityLog2: number,
    recordBytesMax: number,
    batch: Uint8Array,
    records: Uint32Array,
    stats: BigUint64Array,
  ): NativeHandle | undefined;
  consumerStart(
    consumer: NativeHandle,
    sessionId: number,
    previousSessionId: number,
    features: bigint,
    head: bigint,
  ): void;
  consumerDrain(consumer: NativeHandle): number;
  consumerEvidence(consumer: NativeHandle): Uint8Array;
  consumerClose(consumer: NativeHandle): void;
  producerOpen(
    region: NativeHandle,
    ringOffset: number,
    producerOffset: number,
    consumerOffset: number,
    capacityLog2: number,
    recordBytesMax: number,
    stats: BigUint64Array,
  ): NativeHandle | undefined;
  producerStart(producer: NativeHandle, sessionId: number, features: bigint): void;
  producerWrite(producer: NativeHandle, type: number, flags: number, payload: Uint8Array): number;
  producerPublish(producer: NativeHandle): void;
  producerClose(producer: NativeHandle): void;
  eventFdCreate(): number;
  eventFdRing(fd: number): number;
  watchStart(fd: number, callback: (rings: number) => void): NativeHandle | number;
  watchStop(watch: NativeHandle): void;
  /** Bytes of the answer. Places of `fds` that got no descriptor hold -1. */
  holderAsk(path: string, line: string, answer: Uint8Array, fds: Int32Array): number;
  packetEngineOpen(
    region: NativeHandle,
    placements: BigUint64Array,
    recordBytesMax: number,
  ): NativeHandle | number | undefined;
  packetEngineFd(engine: NativeHandle): number;
  packetEngineClose(engine: NativeHandle): void;
  packetSessionStart(engine: NativeHandle, sessionId: number, features: bigint): void;
  packetSessionEnd(engine: NativeHandle): void;
  packetAdd(
    engine: NativeHandle,
    slot: number,
    lane: number,
    mode: number,
    interfaceName: string,
    uplinkName: string,
    snapBytes: number,
  ): number;
  packetRules(engine: NativeHandle, slot: number, rules: Uint8Array): number;
  packetRemove(engine: NativeHandle, slot: number, words: BigUint64Array): boolean;
  packetStatus(engine: NativeHandle, slot: number, words: BigUint64Array): boolean;
  boottimeNs(): bigint;
}

/** glibc reports its version in the process report; musl has none. */
function libcName(): "glibc" | "musl" {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined ? "musl" : "glibc";
}

/** Where an addon may lie, the shipped one first: a local build must not shadow it unseen. */
function candidates(): string[] {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const shipped = existsSync(`${root}prebuilds`)
    ? [`${root}prebuilds/${process.platform}-${process.arch}-${libcName()}/undercroft.node`]
    : [];
  return [...shipped, `${root}build/undercroft.node`, `${root}build/Release/undercroft.node`];
}

/**
 * Loads the first addon there is.
 * @throws {UndercroftError} ERR_UC_NATIVE_MISSING
 */
export function loadAddon(paths: readonly string[] = candidates()): Addon {
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  for (const path of paths) {
    if (!existsSync(path)) {
      tried.push(`${path}: not there`);
      continue;
    }
    try {
      return require(path) as Addon;
    } catch (cause) {
      tried.push(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }
  throw new UndercroftError(
    "ERR_UC_NATIVE_MISSING",
    `no native addon can be loaded; run \`npm run build:native\`. Tried:\n  ${tried.join("\n  ")}`,
    { platform: process.platform, arch: process.arch },
  );
}

let loaded: Addon | undefined;

/**
 * The addon, loaded at its first use, so that what needs none of it runs without one.
 * @throws {UndercroftError} ERR_UC_NATIVE_MISSING
 */
export function addon(): Addon {
  loaded ??= loadAddon();
  return loaded;
}
