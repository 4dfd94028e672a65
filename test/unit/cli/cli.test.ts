// SPDX-License-Identifier: Apache-2.0
// The program as its user meets it: help, version, and wrong usage that says what to do.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HELP } from "../../../lib/cli/help.ts";
import { version } from "../../../lib/index.ts";

const program = join(import.meta.dirname, "../../../lib/cli/cli.ts");
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "undercroft-cli-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [program, ...args], { encoding: "utf8", timeout: 60_000 });
}

describe("undercroft", () => {
  test.each(Object.entries(HELP))('prints the help of "%s"', (name, help) => {
    const result = run(...name.split(" ").filter(Boolean), "--help");
    expect(result).toMatchObject({ status: 0, stdout: help, stderr: "" });
  });

  test("prints its version, also through a link as npm makes it", () => {
    expect(run("--version")).toMatchObject({ status: 0, stdout: `${version}\n` });
    const link = join(directory, "undercroft");
    symlinkSync(program, link);
    expect(execFileSync(process.execPath, [link, "--version"], { encoding: "utf8" })).toBe(
      `${version}\n`,
    );
  });

  test("without arguments prints its help and fails", () => {
    expect(run()).toMatchObject({ status: 2, stdout: "", stderr: HELP[""] });
  });

  test.each([
    [["strat"], 'no command "strat"; commands: start, serve, redirector, protect, '],
    [["redirector"], "redirector: --region PATH is missing"],
    [["region"], 'no command "region"'],
    [["start", "--onec"], "start: Unknown option '--onec'"],
    [["start", "--once", "now"], '"now" is one argument too many; see "undercroft start --help"'],
    [["start", "--guest", "vmware"], '--guest "vmware": must be qemu or simulated'],
    [["start", "--kernel", "5.10"], '--kernel "5.10": must be 6.1 or 6.12'],
    [["start", "--region-size", "33"], "--region-size: must be a power of two"],
    [["start", "--region-size", "many"], "--region-size: must be a power of two"],
    [["serve"], "--region NAME=PATH, --doorbell NAME or --libvirt is missing"],
    [["serve", "--libvirt", "--doorbell", "a"], "go with neither"],
    [["serve", "--region", "web1"], '--region "web1": must be NAME=PATH'],
    [["region", "dump"], "PATH is missing"],
    [["indicators", "check"], "FILE is missing"],
    [["indicators", "check", "a", "b"], '"b" is one argument too many'],
  ])("%j is wrong usage", (args, message) => {
    const result = run(...args);
    expect(result.status).toBe(2);
    expect(result.stdout).toBe("");
    expect(result.stderr).toContain(message);
    expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(result.stderr).toMatch(/^undercroft: .*\(ERR_UC_ARGUMENT\)\n$/);
  });

  test("checks an indicator file, naming the wrong line", () => {
    const good = join(directory, "good.txt");
    writeFileSync(good, "path:/etc/shadow\nname:xmrig | Miner | high\n");
    expect(run("indicators", "check", good)).toMatchObject({
      ...{ status: 0, stdout: "2 indicators: 1 path, 1 name\n" },
    });
    const bad = join(directory, "bad.txt");
    writeFileSync(bad, "path:/etc/shadow\nsha256:12\n");
    const result = run("indicators", "check", bad);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(`${bad}:2: sha256 is not 64 hex digits`);
    expect(result.stderr).toContain("ERR_UC_INDICATORS");
    expect(run("indicators", "check", join(directory, "none")).stderr).toContain("ERR_UC_CONFIG");
  });

  test("checks a policy and says what it does, or what is wrong where", () => {
    const policy = join(directory, "policy.yml");
    writeFileSync(
      policy,
      "name: mine\nrules:\n- {name: r, guests: [a], actions: [kill], dryRun: true}\n",
    );
    expect(run("policy", "check", policy)).toMatchObject({
      status: 0,
      stdout: "policy mine: 1 rules\n  r: from informational on, guest a: kill (dry run)\n",
    });
    writeFileSync(policy, "name: mine\nrules:\n- {name: r, actions: [explode]}\n");
    const result = run("policy", "check", policy);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(`policy.yml:3:23: rules[0].actions[0]: "explode"`);
  });

  test("starts nothing with a policy that is not valid", () => {
    const policy = join(directory, "policy.json");
    writeFileSync(policy, '{"name": "mine", "rules": [{"name": "r", "actions": ["explode"]}]}');
    const result = run("start", "--policy", policy);
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
    expect(result.stderr).toContain("ERR_UC_POLICY");
    expect(result.stderr).toContain("rules[0].actions[0]");
  });

  test("dumps a region that is none with a code and a status", () => {
    const file = join(directory, "zeros");
    writeFileSync(file, new Uint8Array(1 << 20));
    const result = run("region", "dump", file);
    expect(result).toMatchObject({ status: 1, stdout: "" });
    expect(result.stderr).toContain(`${file}: not an Undercroft region`);
    expect(result.stderr).toContain("ERR_UC_REGION_MAGIC");
  });
});
