// SPDX-License-Identifier: Apache-2.0
// Events for bench/store.ts: guests whose shells start programs that open files and connect. Made
// by a fixed rule, so that two runs see the same; names repeat as they do on real machines.
import type { EventBase, StoredEvent } from "../lib/model/model.ts";

const GUESTS = 20;
const PROGRAMS = 180;
const FOLDERS = 400;
const FILES = 30_000;
const EVENT_MS = 0.7;
/** Events of one program, from its fork to its exit. */
const LIFE = 12;

/** The event with this number. */
export function benchEvent(number: number, beginMs: number): StoredEvent {
  const life = Math.floor(number / LIFE);
  const step = number % LIFE;
  const random = scatter(number);
  const guest = life % GUESTS;
  const program = scatter(life) % PROGRAMS;
  const pid = 300 + (Math.floor(life / GUESTS) % 32_000);
  const base: EventBase = {
    guest: `web${guest}`,
    boot: `${guest}`.padStart(32, "b"),
    pid,
    processStartNs: BigInt(life) * 8_400_000n,
    execGeneration: 3,
    sequence: number,
    timeMs: beginMs + number * EVENT_MS,
    tid: pid,
    parentPid: 200 + (program % 40),
    uid: program % 5 === 0 ? 0 : 1000 + (program % 7),
    gid: 1000,
    cgroupId: 4000 + (program % 30),
    mountNamespace: 4_026_531_840,
    cpu: random % 4,
    truncated: false,
  };
  const path = `/usr/bin/program-${program}`;
  const place = { inode: 1000 + (random % FILES), device: 64_769 };
  if (step === 0) return execOf(base, path, life, program);
  if (step === 1) return hashOf(base, path, program);
  if (step === LIFE - 1) {
    return { ...base, kind: "process.exit", exitCode: program % 9 === 0 ? 1 : 0, signal: 0 };
  }
  if (step === LIFE - 2) return socketOf(base, random);
  return {
    ...base,
    ...place,
    kind: step % 3 === 0 ? "file.close" : "file.open",
    path: `/srv/data/folder-${random % FOLDERS}/file-${random % FILES}.dat`,
    oldPath: "",
    sizeBytes: random % 100_000,
    mode: 0o100_644,
    written: step % 3 === 0,
    directory: false,
    forExecution: false,
  };
}

function execOf(base: EventBase, path: string, life: number, program: number): StoredEvent {
  const list = [path, "--job", String(life), "--mode", program % 2 === 0 ? "fast" : "whole"];
  return {
    ...base,
    kind: "process.exec",
    path,
    requestedPath: path,
    arguments: list,
    argumentCount: list.length,
    argumentBytes: list.join(" ").length + 1,
    workingDirectory: `/srv/work-${program % 20}`,
    cgroup: `/system.slice/service-${program % 30}.service`,
    commandName: `program-${program}`.slice(0, 15),
    user: "",
    effectiveUid: base.uid,
    inode: 90_000 + program,
    device: 64_769,
    mode: 0o100_755,
    parentStartNs: BigInt(program % 40) * 1_000_000n,
    parentExecGeneration: 2,
    uncovered: false,
  };
}

function hashOf(base: EventBase, path: string, program: number): StoredEvent {
  return {
    ...base,
    kind: "process.hash",
    path,
    execSequence: base.sequence - 1,
    inode: 90_000 + program,
    device: 64_769,
    sizeBytes: 50_000 + program,
    result: "ok",
    sha256: scatter(program).toString(16).padStart(8, "0").repeat(8),
  };
}

function socketOf(base: EventBase, random: number): StoredEvent {
  return {
    ...base,
    kind: "socket.connect",
    socketCookie: BigInt(base.sequence),
    family: 4,
    protocol: 6,
    localAddress: "10.0.0.7",
    localPort: 32_768 + (random % 28_000),
    remoteAddress: `10.${random % 4}.${(random >> 3) % 30}.${(random >> 9) % 200}`,
    remotePort: random % 3 === 0 ? 443 : 5432,
    networkNamespace: 4_026_531_992,
    result: 0,
  };
}

/** Spreads a number over 31 bits (the finalizer of MurmurHash3). */
function scatter(number: number): number {
  let value = Math.imul(number ^ (number >>> 16), 0x85eb_ca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2_ae35);
  return (value ^ (value >>> 16)) & 0x7fff_ffff;
}
