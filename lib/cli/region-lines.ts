// SPDX-License-Identifier: Apache-2.0
// A region's description as lines for people. Pure; called by `region dump`. TRUST: every text in
// a region may be a guest's, so each line passes printable() whole.

import type {
  RecordDescription,
  RegionDescription,
  RingDescription,
} from "../transport/transport.ts";
import type { GuestStatus } from "../wire/wire.ts";
import {
  ACTION_DENY_EXEC,
  ACTION_DENY_OPEN,
  ACTION_KILL,
  COMMAND_NAMES,
  LOSS_COUNT,
  printable,
  SENSOR_FILE,
  SENSOR_FILE_CLOSE,
  SENSOR_HASH,
  SENSOR_IMAGE,
  SENSOR_MODULE,
  SENSOR_PROCESS,
  SENSOR_REGISTRY,
  SENSOR_REGISTRY_READ,
  SENSOR_REMOTE_THREAD,
  SENSOR_SOCKET,
} from "../wire/wire.ts";

const CAPABILITIES: ReadonlyArray<readonly [bit: bigint, name: string]> = [
  [SENSOR_PROCESS, "process"],
  [SENSOR_FILE, "file"],
  [SENSOR_FILE_CLOSE, "file-close"],
  [SENSOR_REGISTRY, "registry"],
  [SENSOR_REGISTRY_READ, "registry-read"],
  [SENSOR_REMOTE_THREAD, "remote-thread"],
  [SENSOR_SOCKET, "socket"],
  [SENSOR_MODULE, "module"],
  [SENSOR_IMAGE, "image"],
  [SENSOR_HASH, "hash"],
  [ACTION_KILL, "kill"],
  [ACTION_DENY_OPEN, "deny-open"],
  [ACTION_DENY_EXEC, "deny-exec"],
];
// In the order of the wire's numbers for classes and reasons.
const CLASSES = ["0", "process", "file", "registry", "socket", "verdict", "control", "module"];
const REASONS = [
  "full",
  "too-big",
  "rate-limited",
  "encode-error",
  "not-ready",
  "reentry",
  "shutdown",
];

/** The description as lines. */
export function regionLines(region: RegionDescription): string[] {
  const { superblock, hello, session, status } = region;
  const { driver } = hello;
  const lines = [
    `region   ${region.name}: ${region.bytes} bytes, ${region.rings.length} rings`,
    `server   instance ${superblock.serverInstance}, epoch ${superblock.serverEpoch}, ` +
      `features offered 0x${superblock.featuresOffered.toString(16)}, ` +
      `records to ${superblock.recordBytesMax} bytes`,
    `session  ${region.sessionState}, id 0x${session.sessionId.toString(16)}, ` +
      `answers hello ${session.helloSeq}, guest id ${session.guestId}, ` +
      `heartbeat ${session.heartbeat}, reason ${session.reason}`,
  ];
  if (hello.helloSeq === 0n) lines.push("hello    none: no driver has registered");
  else {
    lines.push(
      `hello    ${hello.helloSeq}: driver ${driver.version} on ${driver.os} ${driver.osVersion}, ` +
        `${driver.cpuCount} CPUs, mapped ${driver.mapKind}, boot ${hello.bootId}`,
      `         can ${names(driver.capabilities)}`,
    );
  }
  lines.push(...statusLines(status), ...region.rings.flatMap(ringLines));
  return lines.map(printable);
}

function statusLines(status: GuestStatus): string[] {
  const lost = status.lost.flatMap((count, at) => {
    if (count === 0n) return [];
    const recordClass = CLASSES[Math.floor(at / LOSS_COUNT)] ?? "?";
    return [`${recordClass} ${REASONS[at % LOSS_COUNT] ?? "?"} ${count}`];
  });
  return [
    `status   heartbeat ${status.heartbeat}, sequence ${status.sequence}, ` +
      `sensors on: ${names(status.sensors)}`,
    `         rules generation ${status.rulesGeneration}, verdicts ${status.verdictsAllowed} ` +
      `allowed ${status.verdictsDenied} denied, commands ${status.commandsDone} done ` +
      `${status.commandsFailed} failed, hashes ${status.hashesDone} done ` +
      `${status.hashesSkipped} skipped`,
    `         lost by the guest's count: ${lost.join(", ") || "nothing"}`,
  ];
}

function ringLines(ring: RingDescription): string[] {
  const lane = ring.kind === "data" ? ` ${ring.lane}` : "";
  const lines = [
    `ring ${ring.index}   ${ring.kind}${lane}: ${ring.usedBytes} of ${ring.capacityBytes} bytes ` +
      `waiting, head ${ring.head}, tail ${ring.tail}, attempted ${ring.attempted}, ` +
      `dropped ${ring.dropped}`,
    ...ring.records.map((record) => `         ${recordText(record)}`),
  ];
  if (ring.fault !== undefined) lines.push(`         then the rules are broken: ${ring.fault}`);
  return lines;
}

function recordText(record: RecordDescription): string {
  const { content } = record;
  const head = `#${record.sequence} ${record.bytes} bytes`;
  const cut = record.truncated ? ", cut" : "";
  if (content === undefined) return `${head} of kind 0x${record.type.toString(16)}${cut}`;
  if (typeof content.kind === "number") {
    return `${head} command ${COMMAND_NAMES[content.kind] ?? content.kind}${cut}`;
  }
  const { path, name, pid } = content as { path?: string; name?: string; pid?: number };
  const about = [pid === undefined ? "" : `pid ${pid}`, path ?? name ?? ""].filter(Boolean);
  return [`${head} ${content.kind}${cut}`, ...about].join(" ");
}

function names(bits: bigint): string {
  const known = CAPABILITIES.filter(([bit]) => (bits & bit) !== 0n).map(([, name]) => name);
  return known.join(" ") || "none";
}
