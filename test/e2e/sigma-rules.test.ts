// SPDX-License-Identifier: Apache-2.0
// Sigma rules at the server, through the program: what a guest does becomes findings by rules from
// a folder; a wrong rule is told and left out.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DEMO } from "../../lib/cli/demo-guest.ts";
import { type CliRun, runCli, startCli } from "../guest/run-cli.ts";
import { type GuestProcess, startGuestProcess } from "./guest-process.ts";

const limitMs = 5 * 60_000;
let directory = "";
let guest: GuestProcess | undefined;
let server: CliRun | undefined;

const rule = (title: string, image: string): string => `title: ${title}
level: high
tags: [attack.execution, attack.t1059]
logsource: {product: linux, category: process_creation}
detection:
  selection: {Image|endswith: '${image}'}
  condition: selection
`;

beforeEach(() => {
  directory = mkdtempSync("/dev/shm/undercroft-e2e-");
  mkdirSync(join(directory, "rules"));
});
afterEach(async () => {
  server?.child.kill("SIGKILL");
  await guest?.stop();
  server = undefined;
  guest = undefined;
  rmSync(directory, { recursive: true });
});

test("a rule that a guest's program meets becomes a finding, another one none", async () => {
  const rules = join(directory, "rules");
  writeFileSync(join(rules, "met.yml"), rule("Payload started", DEMO.payloadPath));
  writeFileSync(join(rules, "unmet.yml"), rule("Never started", "/never-started"));
  writeFileSync(join(rules, "wrong.yml"), "title: Wrong\n");
  guest = await startGuestProcess(directory, "web1");
  const run = startCli(
    ["serve", "--json", "--rules", rules, "--region", `web1=${guest.path}`],
    limitMs,
  );
  server = run;
  await run.said(/"kind":"state","guest":"web1",[^\n]*"to":"monitored"/);
  guest.child.stdin?.write("begin\n");
  await run.said(/"kind":"finding"[^\n]*"title":"Payload started"/);
  run.child.kill("SIGINT");
  const { status, stdout, stderr } = await run.ended;
  expect(status).toBe(0);
  expect(stderr).toMatch(/^undercroft: [1-9]\d* errors in rules, which are left out; [^\n]*\n$/);
  const findings = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ kind }) => kind === "finding");
  const found = findings.find(({ title }) => title === "Payload started");
  expect(found).toMatchObject({ severity: "high", field: "CommandLine" });
  expect(found?.tags).toEqual(["sigma", "attack.execution", "attack.t1059"]);
  expect(stdout).not.toContain("Never started");
});

test("rules that are all wrong stop the server before it serves", async () => {
  const rules = join(directory, "rules");
  writeFileSync(join(rules, "wrong.yml"), "title: Wrong\n");
  const args = ["serve", "--rules", rules, "--region", `web1=${join(directory, "web1")}`];
  const { status, stderr } = await runCli(args, limitMs);
  expect(status).not.toBe(0);
  expect(stderr).toContain("undercroft rules check");
  expect(stderr).toContain("ERR_UC_RULES");
});
