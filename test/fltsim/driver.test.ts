// SPDX-License-Identifier: Apache-2.0
// The driver's life in the simulator, under sanitizers: what is seen before the device is there,
// commands, devices that come and go, older Windows, every call that can fail, random operations.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { parseIndicators } from "../../lib/detect/detect.ts";
import type { ServerOptions } from "../../lib/server/server.ts";
import { buildSimulator, removeBuilt } from "./programs.ts";
import { until, WindowsGuest } from "./rig.ts";

const C = "\\Device\\HarddiskVolume3";
const USER = "S-1-5-21-1-2-3-1001";
const start = (pid: number, path = `${C}\\Windows\\notepad.exe`): readonly [string, ...unknown[]] =>
  ["start", pid, 4, USER, 0x2000, path, `${path} -x`] as const;
type Word = string | number;

let program = "";
let guest: WindowsGuest;

beforeAll(() => {
  program = buildSimulator();
});
afterEach(async () => {
  await guest.close();
});
afterAll(removeBuilt);

function make(options: ServerOptions = {}, env: NodeJS.ProcessEnv = {}, bytes?: number): void {
  guest = new WindowsGuest(options, bytes);
  guest.start(program, env);
}

const run = (words: readonly unknown[]): Promise<string> => guest.do(...(words as Word[]));

/** Ends the guest: no rule was broken, and everything is accounted for. */
async function endWell(): Promise<void> {
  const result = await guest.end();
  expect(result).toMatchObject({ violations: 0, status: 0, broken: [] });
  await guest.accounted(result.attempted);
  expect(guest.stats.loss).toMatchObject({ unaccounted: 0, mismatches: 0 });
}

describe("early", () => {
  test("what starts before the device is there is told, with its drive, and once", async () => {
    make();
    await run(["exists", 600, 4, "S-1-5-18", 0x4000, `${C}\\old.exe`, "old -k"]);
    await run(["volume", C, "C:"]);
    expect(await run(["load"])).toBe("ok");
    await run(start(1000, `${C}\\early.exe`));
    await run(["exit", 1000, 7]);
    await run(["image", 0, "\\SystemRoot\\early.sys", 0, 4096]);
    await run(["image", 600, `${C}\\not wanted early.dll`, 4096, 4096]);
    expect(await run(["device", "start"])).toBe("ok");
    await guest.monitored();
    const old = await guest.event("process.existing", ({ pid }) => pid === 600);
    expect(old).toMatchObject({ path: "C:\\old.exe", user: "NT AUTHORITY\\SYSTEM" });
    expect(old.arguments).toEqual(["old -k"]);
    await endWell();
    const kinds = guest.events.map(({ kind, pid }) => `${kind} ${pid}`);
    expect(kinds.filter((kind) => !kind.startsWith("process.existing"))).toEqual([
      ...["process.exec 1000", "process.exit 1000", "module.load 4"],
    ]);
    expect(guest.events[0]).toMatchObject({
      path: "C:\\early.exe",
      arguments: [`${C}\\early.exe -x`],
    });
  });

  test("what does not fit is counted", async () => {
    make();
    await run(["load"]);
    const line = "x".repeat(20_000);
    for (let i = 0; i < 10; i++) await run(["start", 1000 + 4 * i, 4, USER, 0x2000, "\\a", line]);
    await run(["device", "start"]);
    await guest.monitored();
    await endWell();
    expect(guest.events.filter(({ kind }) => kind === "process.exec")).toHaveLength(6);
    expect(guest.losses).toMatchObject([{ recordClass: "process", reason: "not-ready", count: 4 }]);
  });
});

describe("commands", () => {
  const kill = async (pid: number, processStartNs: bigint): Promise<string> => {
    const command = { kind: "kill-process", pid, processStartNs } as const;
    const { id } = guest.server.send("windows", command, { requestedBy: "test" });
    const outcome = (): string | undefined =>
      guest.server.commandsOf("windows").find((record) => record.id === id)?.outcome;
    await until("the kill's end", () => outcome() !== "pending");
    return outcome() ?? "";
  };

  test("a kill takes the process that was meant, and nothing that Windows needs", async () => {
    make();
    await guest.boot();
    await run(start(1000));
    await run(start(1004, `${C}\\Windows\\System32\\csrss.exe`));
    const { processStartNs } = await guest.event("process.exec", ({ pid }) => pid === 1000);
    const csrss = await guest.event("process.exec", ({ pid }) => pid === 1004);
    expect(await kill(1000, processStartNs + 1n)).toBe("not-found");
    expect(await kill(1000, processStartNs)).toMatch(/done|confirmed/);
    expect(await run(["alive", 1000])).toBe("dead");
    expect(await kill(1000, processStartNs)).toBe("not-found");
    expect(await kill(1004, csrss.processStartNs)).toBe("refused");
    expect(await kill(4, 1n)).toBe("refused");
    expect(await run(["alive", 1004])).toBe("alive");
    const exit = await guest.event("process.exit", ({ pid }) => pid === 1000);
    expect(exit.exitCode).toBe(0xc0000022);
    await endWell();
  });

  test("deny rules hold in any case, for starts and for opens", async () => {
    const indicators = parseIndicators(
      `path:C:\\Temp\\Evil.exe | dropped | high
path:C:\\secret.TXT | secret | high
name:miner.exe | miner | high
`,
      "test",
    );
    make({ indicators });
    await guest.boot();
    expect(await run(start(1000, `${C}\\Temp\\EVIL.EXE`))).toBe("denied");
    expect(await run(start(1004, `${C}\\Users\\Ä\\miner.exe`))).toBe("denied");
    expect(await run(start(1008, `${C}\\Temp\\evil.exe.txt`))).toBe("ok");
    expect(await run(["file", 1008, "open", `${C}\\SECRET.txt`, ""])).toBe("denied");
    expect(await run(["file", 1008, "open", `${C}\\other.txt`, ""])).toBe("ok");
    expect(await run(["kfile", 4, "open", `${C}\\secret.txt`, ""])).toBe("ok");
    await run(["fail", "name", 1]);
    expect(await run(["file", 1008, "open", `${C}\\secret.txt`, ""])).toBe("ok");
    await guest.event("verdict", ({ operation }) => operation === "open");
    await endWell();
    const verdicts = guest.events.filter(({ kind }) => kind === "verdict");
    expect(verdicts).toMatchObject([
      { pid: 1000, operation: "exec", verdict: "deny", path: "C:\\Temp\\EVIL.EXE" },
      { pid: 1004, operation: "exec", verdict: "deny" },
      { pid: 1008, operation: "open", verdict: "deny", path: "C:\\SECRET.txt" },
    ]);
    expect([...guest.findings.values()].map(({ disposition }) => disposition)).toEqual(
      expect.arrayContaining(["blocked", "blocked", "blocked"]),
    );
    expect(guest.events.some(({ kind, pid }) => kind === "process.exec" && pid === 1000)).toBe(
      false,
    );
  });

  test("sensors are switched, and stop", async () => {
    make();
    await guest.boot();
    await run(start(1000));
    guest.server.send("windows", { kind: "stop-monitoring" }, { requestedBy: "test" });
    await until("the stop", () => guest.states.at(-1) === "paused");
    await run(start(1004));
    await run(["file", 1000, "create", `${C}\\x`, ""]);
    const command = { kind: "start-monitoring", sensors: 0x2n } as const;
    guest.server.send("windows", command, { requestedBy: "test" });
    await guest.monitored();
    await run(start(1008));
    await run(["file", 1000, "create", `${C}\\y`, ""]);
    await endWell();
    const told = guest.events.filter(({ kind }) => kind !== "process.existing");
    expect(told.map(({ kind, pid }) => [kind, pid])).toEqual([
      ...[
        ["process.exec", 1000],
        ["file.create", 1000],
      ],
    ]);
  });
});

describe("the device", () => {
  test("is mapped write-back above 4 GiB and write-combined below", async () => {
    make();
    await run(["device", "place", "0xfe000000"]);
    await run(["load"]);
    await run(["device", "start"]);
    await guest.monitored();
    expect(await run(["protection"])).toBe("0x404");
    expect(guest.stats.guest.driver?.mapKind).toBe("write-combining");
    expect(await run(["device", "stop"])).toBe("ok");
    await run(["device", "place", "0x100000000"]);
    expect(await run(["device", "start"])).toBe("ok");
    await until("another session", () => guest.states.at(-1) === "monitored");
    expect(await run(["protection"])).toBe("0x4");
    expect(guest.stats.guest.driver?.mapKind).toBe("write-back");
    await endWell();
  });

  test("holds the driver, which goes with it and comes back in the same boot", async () => {
    make();
    await guest.boot();
    await run(start(1000));
    const { boot } = await guest.event("process.exec");
    expect(await run(["unload"])).toBe("0xc01c0010");
    expect(await run(["device", "query"])).toBe("ok");
    await run(["device", "power"]);
    expect(await run(["device", "surprise"])).toBe("ok");
    expect(await run(["device", "remove"])).toBe("ok");
    await until("the leave", () => guest.states.at(-1) === "left");
    expect(await run(["unload"])).toBe("ok");
    expect(await run(["load"])).toBe("ok");
    expect(await run(["device", "start"])).toBe("ok");
    await guest.monitored();
    await run(start(1004));
    const again = await guest.event("process.exec", ({ pid }) => pid === 1004);
    expect(again.boot).toBe(boot);
    await endWell();
  });

  test("says goodbye when the guest shuts down", async () => {
    make();
    await guest.boot();
    expect(await run(["device", "shutdown"])).toBe("ok");
    await until("the finding", () =>
      [...guest.findings.values()].some(({ rule }) => rule === "guest_shut_down"),
    );
    await endWell();
  });

  test("outlives its server", async () => {
    make();
    await guest.boot();
    await run(start(1000));
    await guest.event("process.exec", ({ pid }) => pid === 1000);
    guest.restartServer();
    await guest.monitored();
    await run(start(1004));
    await guest.event("process.exec", ({ pid }) => pid === 1004);
    const result = await guest.end();
    expect(result).toMatchObject({ violations: 0, status: 0 });
  });
});

test.each([
  ["PsSetCreateProcessNotifyRoutineEx", 0x1n | (1n << 32n) | (4n << 32n)],
  ["CmRegisterCallbackEx", 0x104n],
  ["CmCallbackGetKeyObjectIDEx", 0x104n],
  ["ObRegisterCallbacks", 0n],
  ["MmMapIoSpaceEx,KeQueryInterruptTimePrecise,KeQuerySystemTimePrecise", 0n],
  ["ZwQuerySystemInformation,ZwQueryInformationThread,MmCopyMemory", 0n],
])("a Windows without %s costs a sensor at most", async (missing, lacking) => {
  make({}, { UC_SIM_MISSING: missing });
  await guest.boot();
  const all = 0x3b7n | (1n << 32n) | (2n << 32n) | (4n << 32n);
  expect(guest.stats.guest.driver?.capabilities).toBe(all & ~lacking);
  await run(start(1000));
  await run(["thread", 1000, 4, 77, 4096]);
  await run(["key", 1000, "set", "\\REGISTRY\\MACHINE\\X", "v", 1, "4100"]);
  await endWell();
});

describe("calls that fail, each in its turn", () => {
  const whole: ReadonlyArray<readonly Word[]> = [
    ["volume", C, "C:"],
    ["load"],
    ["device", "start"],
    ["start", 1000, 4, USER, 0x2000, `${C}\\a.exe`, "a"],
    ["file", 1000, "write", `${C}\\x`, 10],
    ["key", 1000, "delete", "\\REGISTRY\\MACHINE\\X"],
    ["device", "remove"],
    ["unload", "mandatory"],
  ];
  test.each(["allocate", "open", "name", "context", "token", "terminate", "image-name"])(
    "%s",
    async (what) => {
      for (let after = 0; after < 14; after++) {
        make();
        await guest.doAll([["fail", what, 1, after], ...whole]);
        const result = await guest.end();
        expect(result, `${what} after ${after}`).toMatchObject({ violations: 0, status: 0 });
        await guest.close();
      }
    },
  );
});

describe("random operations", () => {
  test.each([1, 2, 3, 4, 5, 6])("seed %i", async (seed) => {
    // A small region overflows; an odd seed lets one call in fifteen fail.
    make({ checksums: seed % 3 === 0 }, {}, seed % 2 === 0 ? 2 ** 20 : undefined);
    await guest.boot();
    const command = { kind: "start-monitoring", sensors: 0x3ffn } as const;
    guest.server.send("windows", command, { requestedBy: "test" });
    await until("the sensors", () => guest.stats.commands.outstanding === 0);
    await run(["fuzz", seed, 20_000, 2, seed % 2 === 1 ? 15 : 0]);
    await endWell();
    expect(guest.stats.loss.delivered).toBeGreaterThan(1000);
    expect(guest.stats.faults).toBe(0);
  });
});

describe("the simulator's rules bite", () => {
  test.each([
    ["canary-leak", "pool: 1 left"],
    ["canary-irql", "ExAllocatePoolWithTag called at IRQL 2"],
  ])("%s", async (canary, wanted) => {
    make();
    await guest.boot();
    await run([canary]);
    const result = await guest.end();
    expect(result.violations).toBeGreaterThan(0);
    expect(result.broken.join("\n")).toContain(wanted);
  });

  test.each(["canary-user", "canary-paged"])("%s", async (canary) => {
    make();
    await guest.boot();
    await expect(run([canary])).rejects.toThrow("use-after-poison");
  });
});
