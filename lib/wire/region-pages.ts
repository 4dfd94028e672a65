// SPDX-License-Identifier: Apache-2.0
// The pages at the start of a region: what the server writes (superblock, directory, session) and
// what the guest writes (hello, status). Readers get a private copy of the page, never the region.
import { UndercroftError } from "../errors/errors.ts";
import type { GuestDriver } from "../model/model.ts";
import { crc32c } from "./crc32c.ts";
import {
  CLASS_COUNT,
  DIRECTORY_MAX,
  DIRECTORY_OFFSET,
  DIRECTORY_ENTRY_LAYOUT as ENTRY,
  FEATURES_KNOWN,
  HELLO_LAYOUT as HELLO,
  LOSS_COUNT,
  MAGIC,
  PAGE_BYTES,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  RECORD_BYTES_MAX,
  RING_CAPACITY_LOG2_MAX,
  RING_CAPACITY_LOG2_MIN,
  RING_COMMAND,
  RING_PACKET,
  SESSION_LAYOUT as SESSION,
  STATUS_LAYOUT as STATUS,
  SUPERBLOCK_LAYOUT as SUPERBLOCK,
  WIRE_HASH,
  WIRE_MAJOR,
} from "./layout.gen.ts";
import { checkRegionBytes, type PlacedRing, type RegionLayout } from "./region-layout.ts";
import { decodeFixedText, encodeText, fromHex, toHex } from "./text.ts";

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export interface Superblock {
  readonly layout: RegionLayout;
  /** 32 hex digits, new at every start of a server. */
  readonly serverInstance: string;
  readonly serverEpoch: bigint;
  readonly featuresOffered: bigint;
  readonly featuresRequired: bigint;
  readonly recordBytesMax: number;
}

/** Page 0 with its directory, sealed by its CRC. */
export function encodeSuperblock(superblock: Superblock): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  const view = viewOf(page);
  const { rings, regionBytes } = superblock.layout;
  view.setBigUint64(SUPERBLOCK.magic, MAGIC, true);
  view.setUint32(SUPERBLOCK.layoutVersion, WIRE_MAJOR, true);
  view.setUint32(SUPERBLOCK.protocolMin, PROTOCOL_MIN, true);
  view.setUint32(SUPERBLOCK.protocolMax, PROTOCOL_MAX, true);
  view.setBigUint64(SUPERBLOCK.regionBytes, BigInt(regionBytes), true);
  page.set(fromHex(superblock.serverInstance), SUPERBLOCK.serverInstance);
  view.setBigUint64(SUPERBLOCK.serverEpoch, superblock.serverEpoch, true);
  view.setBigUint64(SUPERBLOCK.featuresOffered, superblock.featuresOffered, true);
  view.setBigUint64(SUPERBLOCK.featuresRequired, superblock.featuresRequired, true);
  view.setUint32(SUPERBLOCK.wireHash, WIRE_HASH, true);
  view.setUint32(SUPERBLOCK.recordBytesMax, superblock.recordBytesMax, true);
  view.setUint32(SUPERBLOCK.directoryCount, rings.length, true);
  for (const [index, ring] of rings.entries()) {
    const at = DIRECTORY_OFFSET + index * ENTRY.size;
    view.setUint32(at + ENTRY.kind, ring.kind, true);
    view.setUint32(at + ENTRY.lane, ring.lane, true);
    view.setUint32(at + ENTRY.capacityLog2, ring.capacityLog2, true);
    view.setBigUint64(at + ENTRY.producerOffset, BigInt(ring.producerOffset), true);
    view.setBigUint64(at + ENTRY.consumerOffset, BigInt(ring.consumerOffset), true);
    view.setBigUint64(at + ENTRY.ringOffset, BigInt(ring.ringOffset), true);
  }
  view.setUint32(SUPERBLOCK.headerCrc32c, crc32c(page), true);
  return page;
}

/**
 * Reads a copy of page 0: for `region dump`, the server's recovery of an old region, and tests.
 * A server that owns the region decides by its private copy instead.
 * @throws {UndercroftError} ERR_UC_REGION_MAGIC, ERR_UC_REGION_VERSION, ERR_UC_REGION_CORRUPT,
 * ERR_UC_REGION_SIZE
 */
export function decodeSuperblock(page: Uint8Array, actualBytes: number): Superblock {
  const view = viewOf(page);
  const fail = (code: "ERR_UC_REGION_VERSION" | "ERR_UC_REGION_CORRUPT", why: string): never => {
    throw new UndercroftError(code, `region superblock: ${why}`);
  };
  const magic = view.getBigUint64(SUPERBLOCK.magic, true);
  if (magic !== MAGIC) {
    throw new UndercroftError(
      "ERR_UC_REGION_MAGIC",
      `not an Undercroft region: it starts with 0x${magic.toString(16).padStart(16, "0")}`,
    );
  }
  const version = view.getUint32(SUPERBLOCK.layoutVersion, true);
  if (version !== WIRE_MAJOR) {
    fail("ERR_UC_REGION_VERSION", `layout version ${version}; this program speaks ${WIRE_MAJOR}`);
  }
  const copy = page.slice(0, PAGE_BYTES);
  viewOf(copy).setUint32(SUPERBLOCK.headerCrc32c, 0, true);
  if (crc32c(copy) !== view.getUint32(SUPERBLOCK.headerCrc32c, true)) {
    fail("ERR_UC_REGION_CORRUPT", "checksum does not fit");
  }
  const regionBytes = Number(view.getBigUint64(SUPERBLOCK.regionBytes, true));
  checkRegionBytes(regionBytes);
  if (regionBytes !== actualBytes) {
    fail("ERR_UC_REGION_CORRUPT", `says ${regionBytes} bytes, the file has ${actualBytes}`);
  }
  const count = view.getUint32(SUPERBLOCK.directoryCount, true);
  if (count > DIRECTORY_MAX) fail("ERR_UC_REGION_CORRUPT", `${count} directory entries`);
  const rings: PlacedRing[] = [];
  for (let index = 0; index < count; index++) {
    rings.push(decodeEntry(view, DIRECTORY_OFFSET + index * ENTRY.size, regionBytes, index));
  }
  return {
    layout: { regionBytes, rings },
    serverInstance: toHex(page, SUPERBLOCK.serverInstance, 16),
    serverEpoch: view.getBigUint64(SUPERBLOCK.serverEpoch, true),
    featuresOffered: view.getBigUint64(SUPERBLOCK.featuresOffered, true),
    featuresRequired: view.getBigUint64(SUPERBLOCK.featuresRequired, true),
    recordBytesMax: Math.min(view.getUint32(SUPERBLOCK.recordBytesMax, true), RECORD_BYTES_MAX),
  };
}

function decodeEntry(view: DataView, at: number, regionBytes: number, index: number): PlacedRing {
  const ring: PlacedRing = {
    kind: view.getUint32(at + ENTRY.kind, true),
    lane: view.getUint32(at + ENTRY.lane, true),
    capacityLog2: view.getUint32(at + ENTRY.capacityLog2, true),
    producerOffset: Number(view.getBigUint64(at + ENTRY.producerOffset, true)),
    consumerOffset: Number(view.getBigUint64(at + ENTRY.consumerOffset, true)),
    ringOffset: Number(view.getBigUint64(at + ENTRY.ringOffset, true)),
  };
  const fits = (offset: number, bytes: number): boolean =>
    Number.isSafeInteger(offset) && offset % PAGE_BYTES === 0 && offset + bytes <= regionBytes;
  const sane =
    ring.kind >= RING_COMMAND &&
    ring.kind <= RING_PACKET &&
    ring.capacityLog2 >= RING_CAPACITY_LOG2_MIN &&
    ring.capacityLog2 <= RING_CAPACITY_LOG2_MAX &&
    fits(ring.producerOffset, PAGE_BYTES) &&
    fits(ring.consumerOffset, PAGE_BYTES) &&
    fits(ring.ringOffset, 2 ** ring.capacityLog2);
  if (!sane) {
    throw new UndercroftError(
      "ERR_UC_REGION_CORRUPT",
      `region superblock: directory entry ${index} does not fit the region`,
      { entry: index },
    );
  }
  return ring;
}

/** A guest's hello, as copied once from page 1. Every value is a claim. */
export interface Hello {
  readonly helloSeq: bigint;
  readonly protocol: number;
  readonly featuresAccepted: bigint;
  readonly bootId: string;
  readonly attachNs: bigint;
  readonly serverEpoch: bigint;
  readonly clockBoottimeNs: bigint;
  readonly clockRealtimeNs: bigint;
  readonly sequence: bigint;
  readonly driver: GuestDriver;
}

const OS_NAMES = ["unknown", "linux", "windows", "simulated"] as const;
const MAP_NAMES = ["unknown", "write-back", "write-combining", "uncached"] as const;

/** Decodes page 1 without judging it; {@link helloProblem} judges. */
export function decodeHello(page: Uint8Array): Hello {
  const view = viewOf(page);
  return {
    helloSeq: view.getBigUint64(HELLO.helloSeq, true),
    protocol: view.getUint32(HELLO.protocol, true),
    featuresAccepted: view.getBigUint64(HELLO.featuresAccepted, true),
    bootId: toHex(page, HELLO.bootId, 16),
    attachNs: view.getBigUint64(HELLO.attachNs, true),
    serverEpoch: view.getBigUint64(HELLO.serverEpoch, true),
    clockBoottimeNs: view.getBigUint64(HELLO.clockBoottimeNs, true),
    clockRealtimeNs: view.getBigUint64(HELLO.clockRealtimeNs, true),
    sequence: view.getBigUint64(HELLO.sequence, true),
    driver: {
      version: decodeFixedText(page, HELLO.driverVersion, 64),
      os: OS_NAMES[view.getUint32(HELLO.os, true)] ?? "unknown",
      osVersion: decodeFixedText(page, HELLO.osVersion, 128),
      cpuCount: view.getUint32(HELLO.cpuCount, true),
      mapKind: MAP_NAMES[view.getUint32(HELLO.mapKind, true)] ?? "unknown",
      capabilities: view.getBigUint64(HELLO.capabilities, true),
      wireHash: view.getUint32(HELLO.wireHash, true),
    },
  };
}

/** Says why a hello cannot be accepted, or undefined when it can (fault E_HELLO). */
export function helloProblem(hello: Hello, superblock: Superblock): string | undefined {
  if (hello.serverEpoch !== superblock.serverEpoch) return "answers another server epoch";
  if (hello.protocol < PROTOCOL_MIN || hello.protocol > PROTOCOL_MAX) {
    return `protocol ${hello.protocol} is not spoken here`;
  }
  const features = hello.featuresAccepted;
  if ((features & ~(superblock.featuresOffered & FEATURES_KNOWN)) !== 0n) {
    return "accepts features that were not offered";
  }
  if ((superblock.featuresRequired & ~features) !== 0n) return "leaves out a required feature";
  if (/^0+$/.test(hello.bootId)) return "has no boot id";
  return undefined;
}

/** Builds page 1; used by simulated guests and tests. */
export function encodeHello(hello: Hello): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  const view = viewOf(page);
  view.setBigUint64(HELLO.helloSeq, hello.helloSeq, true);
  view.setUint32(HELLO.protocol, hello.protocol, true);
  view.setUint32(HELLO.wireHash, hello.driver.wireHash, true);
  view.setBigUint64(HELLO.featuresAccepted, hello.featuresAccepted, true);
  view.setBigUint64(HELLO.capabilities, hello.driver.capabilities, true);
  page.set(fromHex(hello.bootId), HELLO.bootId);
  view.setBigUint64(HELLO.attachNs, hello.attachNs, true);
  view.setBigUint64(HELLO.serverEpoch, hello.serverEpoch, true);
  view.setUint32(HELLO.mapKind, MAP_NAMES.indexOf(hello.driver.mapKind), true);
  view.setUint32(HELLO.cpuCount, hello.driver.cpuCount, true);
  view.setUint32(HELLO.os, OS_NAMES.indexOf(hello.driver.os), true);
  view.setBigUint64(HELLO.clockBoottimeNs, hello.clockBoottimeNs, true);
  view.setBigUint64(HELLO.clockRealtimeNs, hello.clockRealtimeNs, true);
  view.setBigUint64(HELLO.sequence, hello.sequence, true);
  page.set(encodeText(hello.driver.version).subarray(0, 63), HELLO.driverVersion);
  page.set(encodeText(hello.driver.osVersion).subarray(0, 127), HELLO.osVersion);
  return page;
}

/** The server's answer on page 2. */
export interface Session {
  readonly state: number;
  readonly sessionId: number;
  readonly helloSeq: bigint;
  readonly bootId: string;
  readonly features: bigint;
  /** 32 hex digits. */
  readonly guestId: string;
  readonly serverEpoch: bigint;
  readonly heartbeat: bigint;
  readonly reason: number;
  readonly serverRealtimeNs: bigint;
}

/** Bytes of page 2. The caller writes them with `state` (the first 8 bytes) last. */
export function encodeSession(session: Session): Uint8Array {
  const bytes = new Uint8Array(SESSION.size);
  const view = viewOf(bytes);
  view.setUint32(SESSION.state, session.state, true);
  view.setUint32(SESSION.sessionId, session.sessionId, true);
  view.setBigUint64(SESSION.helloSeq, session.helloSeq, true);
  bytes.set(fromHex(session.bootId), SESSION.bootId);
  view.setBigUint64(SESSION.features, session.features, true);
  bytes.set(fromHex(session.guestId), SESSION.guestId);
  view.setBigUint64(SESSION.serverEpoch, session.serverEpoch, true);
  view.setBigUint64(SESSION.heartbeat, session.heartbeat, true);
  view.setUint32(SESSION.reason, session.reason, true);
  view.setBigUint64(SESSION.serverRealtimeNs, session.serverRealtimeNs, true);
  return bytes;
}

/** Decodes a copy of page 2: simulated guests, `region dump`, a restarted server's hints. */
export function decodeSession(page: Uint8Array): Session {
  const view = viewOf(page);
  return {
    state: view.getUint32(SESSION.state, true),
    sessionId: view.getUint32(SESSION.sessionId, true),
    helloSeq: view.getBigUint64(SESSION.helloSeq, true),
    bootId: toHex(page, SESSION.bootId, 16),
    features: view.getBigUint64(SESSION.features, true),
    guestId: toHex(page, SESSION.guestId, 16),
    serverEpoch: view.getBigUint64(SESSION.serverEpoch, true),
    heartbeat: view.getBigUint64(SESSION.heartbeat, true),
    reason: view.getUint32(SESSION.reason, true),
    serverRealtimeNs: view.getBigUint64(SESSION.serverRealtimeNs, true),
  };
}

/** A guest's cumulative claims, page 3. */
export interface GuestStatus {
  readonly heartbeat: bigint;
  readonly boottimeNs: bigint;
  readonly sequence: bigint;
  readonly sensors: bigint;
  readonly rulesGeneration: bigint;
  readonly verdictsAllowed: bigint;
  readonly verdictsDenied: bigint;
  readonly fieldsTruncated: bigint;
  readonly commandsDone: bigint;
  readonly commandsFailed: bigint;
  readonly hashesDone: bigint;
  readonly hashesSkipped: bigint;
  /** Indexed class * LOSS_COUNT + reason. */
  readonly lost: readonly bigint[];
}

/** Decodes a copy of page 3. */
export function decodeStatus(page: Uint8Array): GuestStatus {
  const view = viewOf(page);
  const word = (offset: number): bigint => view.getBigUint64(offset, true);
  const lost: bigint[] = [];
  for (let at = 0; at < CLASS_COUNT * LOSS_COUNT; at++) lost.push(word(STATUS.lost + at * 8));
  return {
    heartbeat: word(STATUS.heartbeat),
    boottimeNs: word(STATUS.boottimeNs),
    sequence: word(STATUS.sequence),
    sensors: word(STATUS.sensors),
    rulesGeneration: word(STATUS.rulesGeneration),
    verdictsAllowed: word(STATUS.verdictsAllowed),
    verdictsDenied: word(STATUS.verdictsDenied),
    fieldsTruncated: word(STATUS.fieldsTruncated),
    commandsDone: word(STATUS.commandsDone),
    commandsFailed: word(STATUS.commandsFailed),
    hashesDone: word(STATUS.hashesDone),
    hashesSkipped: word(STATUS.hashesSkipped),
    lost,
  };
}
