// SPDX-License-Identifier: Apache-2.0
// Small whole events, findings and commands for the tests of the cli room.
import type {
  CommandRecord,
  Finding,
  ProcessExecEvent,
  ProcessExitEvent,
  VerdictEvent,
} from "../../../lib/model/model.ts";

const base = {
  guest: "demo",
  boot: "00".repeat(16),
  pid: 100,
  processStartNs: 5n,
  execGeneration: 1,
  sequence: 1,
  timeMs: 1_000,
  tid: 100,
  parentPid: 1,
  uid: 0,
  gid: 0,
  cgroupId: 1,
  mountNamespace: 1,
  cpu: 0,
  truncated: false,
};

export function exec(
  pid: number,
  parentPid: number,
  path: string,
  args: string[],
): ProcessExecEvent {
  return {
    ...base,
    kind: "process.exec",
    pid,
    parentPid,
    path,
    requestedPath: path,
    arguments: args,
    argumentCount: args.length,
    argumentBytes: 0,
    workingDirectory: "/",
    cgroup: "/",
    user: "",
    commandName: path.split("/").at(-1) ?? "",
    effectiveUid: 0,
    inode: 1,
    device: 1,
    mode: 0o755,
    parentStartNs: 1n,
    parentExecGeneration: 1,
    uncovered: false,
  };
}

export function exit(pid: number, signal: number): ProcessExitEvent {
  return { ...base, kind: "process.exit", pid, exitCode: 0, signal };
}

export function verdict(pid: number, operation: "open" | "exec", path: string): VerdictEvent {
  return {
    ...{ ...base, kind: "verdict", pid, operation, path },
    ...{ ruleId: 1, verdict: "deny", inode: 1, device: 1 },
  };
}

export function finding(
  id: string,
  pid: number,
  value: string,
  end: Finding["disposition"],
): Finding {
  return {
    ...{ id, guest: "demo", rule: `rule-${id}`, title: "Listed thing", severity: "high" },
    ...{ firstMs: 0, lastMs: 0, count: 1, field: "path", value, evidence: [], tags: [] },
    process: { guest: "demo", boot: base.boot, pid, processStartNs: 5n, execGeneration: 1 },
    commands: [],
    disposition: end,
  };
}

export function kill(id: bigint, pid: number, forFinding: string): CommandRecord {
  return {
    ...{ id, guest: "demo", requestedBy: "policy:default", finding: forFinding },
    ...{ createdMs: 0, deadlineMs: 1000, outcome: "confirmed", endedMs: 40, detail: 0 },
    command: { kind: "kill-process", pid, processStartNs: 5n, execGeneration: 1 },
  };
}
