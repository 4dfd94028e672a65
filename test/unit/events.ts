// SPDX-License-Identifier: Apache-2.0
// Events with nothing special in them, for tests that care about a field or two.
import type {
  EventBase,
  FileEvent,
  ProcessExecEvent,
  ProcessExitEvent,
  ProcessForkEvent,
  ProcessHashEvent,
} from "../../lib/model/model.ts";

export const BASE: EventBase = {
  guest: "g",
  boot: "b",
  pid: 500,
  processStartNs: 7n,
  execGeneration: 1,
  sequence: 1,
  timeMs: 0,
  tid: 500,
  parentPid: 1,
  uid: 0,
  gid: 0,
  cgroupId: 0,
  mountNamespace: 0,
  cpu: 0,
  truncated: false,
};

export function exec(fields: Partial<ProcessExecEvent> = {}): ProcessExecEvent {
  return {
    kind: "process.exec",
    ...BASE,
    path: "/usr/bin/true",
    requestedPath: "/usr/bin/true",
    arguments: ["true"],
    argumentCount: 1,
    argumentBytes: 5,
    workingDirectory: "/",
    cgroup: "/",
    commandName: "true",
    user: "",
    effectiveUid: 0,
    inode: 1,
    device: 1,
    mode: 0o755,
    parentStartNs: 1n,
    parentExecGeneration: 1,
    uncovered: false,
    ...fields,
  };
}

export function file(fields: Partial<FileEvent> = {}): FileEvent {
  return {
    kind: "file.open",
    ...BASE,
    path: "/etc/hosts",
    oldPath: "",
    inode: 1,
    device: 1,
    sizeBytes: 1,
    mode: 0o644,
    written: false,
    directory: false,
    forExecution: false,
    ...fields,
  };
}

export function hash(sha256: string, fields: Partial<ProcessHashEvent> = {}): ProcessHashEvent {
  return {
    kind: "process.hash",
    ...BASE,
    path: "/usr/bin/true",
    execSequence: 1,
    inode: 1,
    device: 1,
    sizeBytes: 1,
    result: "ok",
    sha256,
    ...fields,
  };
}

export function exit(fields: Partial<ProcessExitEvent> = {}): ProcessExitEvent {
  return { kind: "process.exit", ...BASE, exitCode: 0, signal: 9, ...fields };
}

export function fork(fields: Partial<ProcessForkEvent> = {}): ProcessForkEvent {
  return {
    kind: "process.fork",
    ...BASE,
    childPid: 501,
    childStartNs: 8n,
    childExecGeneration: 1,
    ...fields,
  };
}
