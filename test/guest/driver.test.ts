// SPDX-License-Identifier: Apache-2.0
// The Linux guest driver in real guests, seen from both sides: what the guest's own cases find,
// and what a real server receives through the region.
import { describe, expect, test } from "vitest";
import { kernelSeries } from "../../lib/hypervisor/hypervisor.ts";
import type { FileEvent, GuestEvent, ProcessExecEvent } from "../../lib/model/model.ts";
import { runDriver } from "./driver-run.ts";
import type { ServerSide } from "./server-side.ts";

const place = "/tmp/uc-events";

function execs(events: readonly GuestEvent[]): ProcessExecEvent[] {
  return events.filter((event): event is ProcessExecEvent => event.kind === "process.exec");
}

function execWith(events: readonly GuestEvent[], argument: string): ProcessExecEvent {
  const found = execs(events).find((event) => event.arguments.includes(argument));
  if (found === undefined) throw new Error(`no exec with the argument ${argument} was reported`);
  return found;
}

function fileEvents(events: readonly GuestEvent[], path: string): FileEvent[] {
  return events.filter(
    (event): event is FileEvent =>
      event.kind.startsWith("file.") && "path" in event && event.path === path,
  );
}

function exitsOf(events: readonly GuestEvent[], pid: number): GuestEvent[] {
  return events.filter((event) => event.kind === "process.exit" && event.pid === pid);
}

describe.each(kernelSeries)("the driver on kernel %s", (series) => {
  test("reports, refuses, kills and unloads under load", async () => {
    const placement = series === "6.1" ? "high" : "low";
    const side = await runDriver(series, {
      ...{ placement, cpus: 2, modules: ["lib/crc7"] },
      cases: [["events"], ["verdicts"], ["unload"]],
    });
    checkProcesses(side.events);
    checkArguments(side.events);
    checkFiles(side.events);
    checkHashes(side);
    checkVerdicts(side.events);
    expect(side.stats.guest).toMatchObject({
      driver: { mapKind: placement === "high" ? "write-back" : "write-combining" },
    });
    expect(side.states.slice(0, 2)).toEqual(["registered", "monitored"]);
    expect(side.losses).toEqual([]);
    expect(side.stats.loss).toMatchObject({ unaccounted: 0, mismatches: 0 });
    checkOrder(side.events);
  });

  test("reports what the kernel itself saw, no more and no less", async () => {
    // One ring for two CPUs on one of the kernels, so that the shared path is held to it too.
    const side = await runDriver(series, {
      ...{ cpus: 2, dataRings: series === "6.1" ? 2 : 1 },
      cases: [["truth", "200"]],
    });
    checkTruth(side);
  });

  test("names every loss and keeps execs and exits when nobody reads", async () => {
    const side = await runDriver(series, {
      ...{ cpus: 2, dataRings: 2, dataCapacityLog2: 14 },
      cases: [["overload"]],
    });
    const { loss } = side.stats;
    expect(loss.named).toBeGreaterThan(100);
    expect(loss).toMatchObject({ unaccounted: 0, mismatches: 0 });
    expect(new Set(side.losses.map(({ reason }) => reason))).toEqual(new Set(["full"]));
    const children = execs(side.events).filter((event) => event.arguments[1] === "nothing");
    expect(children).toHaveLength(100);
    for (const { pid } of children) expect(exitsOf(side.events, pid)).toHaveLength(1);
  });

  test("survives a server that writes noise", async () => {
    const side = await runDriver(series, { cpus: 2, dataRings: 2, cases: [["chaos"]] });
    expect(side.states).toContain("monitored");
  });

  test("can be loaded again and again", async () => {
    const priority = series === "6.1" ? [] : [["priority"] as const];
    await runDriver(series, { cpus: 1, cases: [["reload", "8"], ...priority] });
  });
});

function checkProcesses(events: readonly GuestEvent[]): void {
  const run = execWith(events, "an argument");
  expect(run).toMatchObject({
    path: `${place}/program`,
    requestedPath: `${place}/program`,
    arguments: [`${place}/program`, "nothing", "an argument", "last"],
    argumentCount: 4,
    workingDirectory: "/",
    cgroup: "/",
    commandName: "program",
    uid: 0,
    effectiveUid: 0,
    uncovered: false,
    truncated: false,
  });
  expect(run.mode & 0o170777).toBe(0o100755);
  expect(run.inode).toBeGreaterThan(0);
  const fork = events.find((event) => event.kind === "process.fork" && event.childPid === run.pid);
  expect(fork).toMatchObject({
    pid: run.parentPid,
    childStartNs: run.processStartNs,
    processStartNs: run.parentStartNs,
  });
  expect(run.execGeneration).toBe(
    (fork?.kind === "process.fork" ? fork.childExecGeneration : Number.NaN) + 1,
  );
  expect(exitsOf(events, run.pid)).toMatchObject([
    { processStartNs: run.processStartNs, execGeneration: run.execGeneration, exitCode: 0 },
  ]);
  const relative = execWith(events, "relative");
  expect(relative).toMatchObject({
    path: `${place}/program`,
    requestedPath: "./program",
    workingDirectory: place,
  });
  const seven = execWith(events, "uc-exit-seven");
  expect(exitsOf(events, seven.pid)).toMatchObject([{ exitCode: 7, signal: 0 }]);
  const term = execWith(events, "uc-exit-term");
  expect(exitsOf(events, term.pid)).toMatchObject([{ exitCode: 0, signal: 15 }]);
  expect(execWith(events, "uc-grouped").cgroup).toBe("/uc-group");
  const inside = execs(events).find((event) => event.path === "/bin/inside");
  // As the process sees it; the namespace and the inode say where that was.
  expect(inside).toMatchObject({ requestedPath: "/bin/inside", inode: expect.any(Number) });
  expect(events.some((event) => event.kind === "process.existing" && event.pid === 1)).toBe(true);
  const threads = execs(events).find((event) => event.arguments[0] === "many-threads");
  const children = events.filter(
    (event) => event.kind === "process.fork" && event.pid === threads?.pid,
  );
  expect(children).toHaveLength(6);
  for (const child of children) {
    if (child.kind === "process.fork") expect(exitsOf(events, child.childPid)).toHaveLength(1);
  }
  expect(events).toContainEqual(
    expect.objectContaining({ kind: "module.load", name: "crc7", taints: 0 }),
  );
  expect(events).toContainEqual(expect.objectContaining({ kind: "module.unload", name: "crc7" }));
  const image = events.find((event) => event.kind === "image.load");
  expect(image).toMatchObject({ path: "/bin/busybox" });
}

function checkArguments(events: readonly GuestEvent[]): void {
  const long = execWith(events, "uc-long");
  expect(long.truncated).toBe(true);
  expect(long.argumentCount).toBe(4);
  expect(long.argumentBytes).toBe("/bin/busybox true uc-long ".length + 50_001);
  const last = long.arguments.at(-1) ?? "";
  expect(last).toMatch(/^a+$/);
  expect(last.length).toBeGreaterThan(28_000);
  expect(last.length).toBeLessThan(32_768);
}

function checkFiles(events: readonly GuestEvent[]): void {
  const kinds = (name: string): string[] =>
    fileEvents(events, `${place}/${name}`).map((event) => event.kind);
  expect(kinds("first")).toEqual(["file.create", "file.open", "file.write", "file.close"]);
  const second = fileEvents(events, `${place}/second`);
  expect(second.map((event) => event.kind)).toEqual([
    "file.rename",
    "file.attributes",
    "file.open",
    "file.delete",
  ]);
  expect(second[0]?.oldPath).toBe(`${place}/first`);
  expect((second[1]?.mode ?? 0) & 0o777).toBe(0o600);
  expect(second[2]?.sizeBytes).toBe("told\n".length);
  expect(new Set(second.map((event) => event.inode)).size).toBe(1);
  const closed = fileEvents(events, `${place}/first`).at(-1);
  expect(closed?.written).toBe(true);
  const readOnly = fileEvents(events, `${place}/closed`).slice(4);
  expect(readOnly.map((event) => event.kind)).toEqual(["file.open", "file.close", "file.open"]);
  expect(readOnly[1]?.written).toBe(false);
  expect(kinds("folder")).toEqual(["file.create", "file.delete"]);
  expect(fileEvents(events, place).some((event) => event.directory)).toBe(true);
  const run = fileEvents(events, `${place}/program`).filter((event) => event.forExecution);
  expect(run).toHaveLength(2);
  expect(kinds("bound/bin/inside")).toEqual(["file.open"]);
  expect(kinds("jail/bin/inside").filter((kind) => kind === "file.open")).toHaveLength(2);
  expect(kinds("mount/late")).toEqual(["file.create", "file.open", "file.write", "file.close"]);
}

function checkHashes(side: ServerSide): void {
  const exec = execWith(side.events, "an argument");
  const hash = side.events.find(
    (event) => event.kind === "process.hash" && event.execSequence === exec.sequence,
  );
  const [sha256] = side.told.get("sha256") ?? [];
  expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(hash).toMatchObject({ result: "ok", sha256, path: `${place}/program`, pid: exec.pid });
}

function checkVerdicts(events: readonly GuestEvent[]): void {
  const verdicts = events.filter((event) => event.kind === "verdict");
  const summary = verdicts.map(
    ({ operation, verdict, path, ruleId }) => `${operation} ${verdict} ${ruleId} ${path}`,
  );
  const at = "/tmp/uc-verdicts";
  expect(summary).toEqual([
    `open deny 100 ${at}/secret`,
    `exec deny 101 ${at}/evil`,
    `open deny 100 ${at}/secret`,
    `exec deny 101 ${at}/evil`,
    `open deny 100 ${at}/jail/secret`,
    `open deny 100 ${at}/some.key`,
    `exec deny 101 ${at}/evil`,
    `exec deny 100 ${at}/hashed`,
    "exec kill 100 /memfd:uc-evil (deleted)",
  ]);
  const uncovered = execs(events).filter((event) => event.uncovered);
  expect(uncovered.map((event) => event.path)).toEqual([
    "/memfd:uc-evil (deleted)",
    "/memfd:friend (deleted)",
  ]);
}

/** Global sequences are unique and, one CPU at a time, in order. */
function checkOrder(events: readonly GuestEvent[]): void {
  const sequences = events.map((event) => event.sequence);
  expect(new Set(sequences).size).toBe(sequences.length);
}

function checkTruth(side: ServerSide): void {
  const begin = side.events.findIndex(isMarker("begin"));
  const first = side.events[begin];
  const last = side.events.find(isMarker("end"));
  if (first === undefined || last === undefined) throw new Error("the markers were not reported");
  const between = side.events.filter(
    ({ sequence }) => sequence >= first.sequence && sequence <= last.sequence,
  );
  const seen = (line: (event: GuestEvent) => string | undefined): string[] =>
    between.flatMap((event) => line(event) ?? []);
  const execLines = seen((event) =>
    event.kind === "process.exec" ? `${event.pid} ${event.requestedPath}` : undefined,
  );
  const exitLines = seen((event) => (event.kind === "process.exit" ? `${event.pid}` : undefined));
  const openLines = seen((event) =>
    event.kind === "file.open" && event.path.startsWith("/tmp/uc-truth/file")
      ? `${event.tid} ${event.path}`
      : undefined,
  );
  expect(execLines.length).toBeGreaterThan(400);
  expect(openLines.length).toBeGreaterThan(400);
  expect(multiset(execLines)).toEqual(multiset(side.told.get("exec") ?? []));
  expect(multiset(exitLines)).toEqual(multiset(side.told.get("exit") ?? []));
  expect(multiset(openLines)).toEqual(multiset(side.told.get("open") ?? []));
  // Canary: one missing exec of hundreds must not go unseen.
  expect(multiset(execLines.slice(1))).not.toEqual(multiset(side.told.get("exec") ?? []));
  expect(side.losses).toEqual([]);
  expect(side.stats.loss).toMatchObject({ unaccounted: 0, mismatches: 0 });
}

function multiset(lines: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of [...lines].sort()) counts[line] = (counts[line] ?? 0) + 1;
  return counts;
}

function isMarker(name: string): (event: GuestEvent) => boolean {
  return (event) =>
    event.kind === "process.exec" && event.requestedPath === `/tmp/uc-truth/${name}`;
}
