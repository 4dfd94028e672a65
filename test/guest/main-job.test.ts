// SPDX-License-Identifier: Apache-2.0
// The main job for real: a guest in QEMU with the driver, watched and answered. The canaries must
// fail: without indicators nothing may pass for success.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { networkProblem } from "../../lib/cli/demo-network.ts";
import { cacheDirectory } from "../../lib/hypervisor/hypervisor.ts";
import { type CliResult, runCli, startCli } from "./run-cli.ts";

const limitMs = 8 * 60_000;
const intrusionOutcomes = [
  "guest registered and monitored",
  "program with a listed SHA-256 found and killed",
  "opening a listed path refused",
  "running a listed name refused",
  "process with a listed command line found and killed",
];
const networkOutcomes = [
  "a flow seen at the tap and joined to its process",
  "a listed domain found, its address dropped at the tap",
  "nothing more passed to the dropped address",
  "every packet accounted for",
];
const endOutcomes = [
  "manager knows guest, findings and events",
  "ordinary work not disturbed",
  "every event accounted for",
  "driver unloaded and guest unregistered",
];
/** Where nobody may make a namespace, the demo does without a network. */
const hasNetwork = networkProblem() === undefined;
const outcomes = [...intrusionOutcomes, ...(hasNetwork ? networkOutcomes : []), ...endOutcomes];

const nobody = "65534";
const asNobody = ["setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups"];
/** We are root and the user nobody may read the project's files. */
const canBeNobody =
  process.geteuid?.() === 0 &&
  spawnSync("setpriv", [...asNobody.slice(1), "test", "-x", process.execPath]).status === 0;

interface MainJobResult {
  readonly guest: { readonly state: string; readonly kernel: string; readonly id: string };
  readonly events: number;
  readonly findings: ReadonlyArray<{ readonly disposition: string; readonly rule: string }>;
  readonly commands: ReadonlyArray<{
    readonly command: { readonly kind: string };
    readonly outcome: string;
  }>;
  readonly loss: { readonly unaccounted: number };
  readonly manager: { readonly guests: readonly object[] };
  readonly expected: ReadonlyArray<{ readonly what: string; readonly observed: boolean }>;
  readonly console?: string;
}

let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "undercroft-main-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** The last line of standard output. */
function resultOf(run: CliResult): MainJobResult {
  return JSON.parse(run.stdout.trimEnd().split("\n").at(-1) ?? "") as MainJobResult;
}

function observed({ expected }: MainJobResult): string[] {
  return expected.filter((outcome) => outcome.observed).map(({ what }) => what);
}

/** Regions that a run told about; none may be left. */
function regionsLeft(run: CliResult): string[] {
  const paths = (run.stdout + run.stderr).match(/\/dev\/shm\/undercroft-\S+/g);
  expect(paths).not.toBeNull();
  return (paths ?? []).filter((path) => existsSync(path));
}

describe("npm start -- --once --json", () => {
  test.each(["6.1", "6.12"])("observes every outcome on kernel %s", async (kernel) => {
    const run = await runCli(["start", "--once", "--json", "--kernel", kernel], limitMs);
    expect(run.status, run.stderr).toBe(0);
    const result = resultOf(run);
    expect(observed(result)).toEqual(outcomes);
    expect(result.guest).toMatchObject({ name: "demo", state: "monitored" });
    expect(result.guest.kernel.startsWith(`${kernel}.`)).toBe(true);
    expect(result.guest.id).toMatch(/^[0-9a-f]{32}$/);
    expect(result.events).toBeGreaterThan(50);
    expect(result.loss.unaccounted).toBe(0);
    const kills = result.commands.filter(({ command }) => command.kind === "kill-process");
    expect(kills.map(({ outcome }) => outcome)).toEqual(["confirmed", "confirmed"]);
    const dispositions = result.findings.map(({ disposition }) => disposition).sort();
    const dropped = hasNetwork ? ["blocked"] : [];
    expect(dispositions).toEqual([...dropped, "blocked", "blocked", "killed", "killed", "none"]);
    expect(result.manager.guests).toEqual([
      { name: "demo", state: "monitored", serverName: "demo-server", isCurrent: true },
    ]);
    expect(regionsLeft(run)).toEqual([]);
  });

  test.runIf(canBeNobody && hasNetwork)(
    "observes every outcome without root, its network in a user namespace",
    async () => {
      const cache = join(directory, "cache");
      mkdirSync(cache);
      // Unpacked kernel headers name the place that they were unpacked to: no building from a copy.
      for (const part of ["kernels", "drivers"]) {
        execFileSync("cp", ["-a", join(cacheDirectory(), part), cache]);
      }
      execFileSync("chown", ["-R", nobody, directory]);
      const env = { ...process.env, UC_CACHE: cache, HOME: directory };
      const run = await runCli(["start", "--once", "--json"], limitMs, { through: asNobody, env });
      expect(run.status, run.stderr).toBe(0);
      expect(observed(resultOf(run))).toEqual(outcomes);
      expect(run.stderr).toContain("in a user namespace, as we are not root");
      expect(regionsLeft(run)).toEqual([]);
    },
  );

  test("observes every outcome on the simulated guest, which is asked for by name", async () => {
    const run = await runCli(["start", "--once", "--json", "--guest", "simulated"], limitMs);
    expect(run.status, run.stderr).toBe(0);
    const result = resultOf(run);
    expect(observed(result)).toEqual([...intrusionOutcomes, ...endOutcomes]);
    expect(result.guest).toMatchObject({ accelerator: "simulated", state: "monitored" });
    expect(regionsLeft(run)).toEqual([]);
  });

  test("canary: fails when no indicator is known, and says what was missing", async () => {
    const indicators = join(directory, "none.txt");
    writeFileSync(indicators, "# nothing is known to be bad\n");
    const run = await runCli(["start", "--once", "--json", "--indicators", indicators], limitMs);
    expect(run.status, run.stderr).toBe(1);
    const result = resultOf(run);
    expect(observed(result)).toEqual([
      "guest registered and monitored",
      ...(hasNetwork
        ? ["a flow seen at the tap and joined to its process", "every packet accounted for"]
        : []),
      ...endOutcomes,
    ]);
    expect(run.stderr).toContain("MISSING: opening a listed path refused");
    expect(existsSync(result.console ?? "")).toBe(true);
    rmSync(result.console ?? "");
    expect(regionsLeft(run)).toEqual([]);
  });
});

describe("npm start", () => {
  test("runs until it is interrupted, then unloads the driver and leaves nothing", async () => {
    const run = startCli(["start"], limitMs);
    await run.said("ordinary work went on undisturbed");
    run.child.kill("SIGINT");
    const result = await run.ended;
    expect(result.status, result.stdout).toBe(0);
    expect(result.stdout).toContain("ok, the driver unloaded while the guest worked");
    for (const what of outcomes) expect(result.stdout).toContain(`observed: ${what}`);
    expect(regionsLeft(result)).toEqual([]);
    const [console] = result.stdout.match(/\/tmp\/undercroft-console-\d+\.log/) ?? [];
    expect(existsSync(console ?? "/")).toBe(false);
  });

  test("ends at once when it is interrupted before the guest runs", async () => {
    const run = startCli(["start"], limitMs);
    await run.said("guest: booting");
    run.child.kill("SIGINT");
    const result = await run.ended;
    expect(result.status, result.stdout).toBe(0);
    expect(regionsLeft(result)).toEqual([]);
  });
});
