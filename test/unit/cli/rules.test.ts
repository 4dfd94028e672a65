// SPDX-License-Identifier: Apache-2.0
// The commands with Sigma rules as their users meet them: right rules, wrong ones, events in the
// shapes that tools write.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const program = join(import.meta.dirname, "../../../lib/cli/cli.ts");
let directory = "";

const whoami = `title: Whoami
id: 11111111-1111-4111-8111-111111111111
author: A. Uthor
level: high
tags: [attack.t1033]
logsource: {category: process_creation, product: windows}
detection:
    selection: {Image|endswith: '\\whoami.exe'}
    filter: {User: 'SYSTEM'}
    condition: selection and not filter
`;
const many = `title: Many whoamis
correlation:
    type: event_count
    rules: [11111111-1111-4111-8111-111111111111]
    group-by: [User]
    timespan: 1m
    condition: {gte: 2}
`;

const started = (Image: string, User: string, second = 0) => ({
  Event: {
    System: {
      Provider: { "#attributes": { Name: "Microsoft-Windows-Sysmon" } },
      EventID: 1,
      Channel: "Microsoft-Windows-Sysmon/Operational",
    },
    EventData: { UtcTime: `2024-02-29 01:02:0${second}.000`, Image, User },
  },
});
const bad = "C:\\Windows\\System32\\whoami.exe";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "undercroft-rules-"));
  for (const name of ["rules", "broken", "tested"]) mkdirSync(join(directory, name));
  write("rules/whoami.yml", whoami);
  write("rules/notes.txt", "no rule");
  write("broken/whoami.yml", whoami);
  write(
    "broken/bad.yml",
    whoami.replace("and not filter", "and not filters").replace("1111-4", "2-4"),
  );
  write(
    "events.json",
    `${JSON.stringify(started(bad, "SYSTEM"))}\n${JSON.stringify(started(bad, "joe"), null, 2)}`,
  );
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const options = { encoding: "utf8", timeout: 60_000, cwd: directory } as const;
  return spawnSync(process.execPath, [program, ...args], options);
}

describe("rules check", () => {
  test("counts what is usable", () => {
    expect(run("rules", "check", "rules")).toMatchObject({
      ...{ status: 0, stderr: "" },
      stdout: "1 rules, 0 correlations, 0 filters; 0 errors, 0 warnings\n",
    });
  });

  test("names file, line and column of what is not", () => {
    const { status, stdout } = run("rules", "check", "broken");
    expect(status).toBe(1);
    expect(stdout).toContain(
      'broken/bad.yml:10:34: error: no search identifier "filters" (Whoami)\n',
    );
    expect(stdout).toContain("1 rules, 0 correlations, 0 filters; 1 errors,");
    const json = run("rules", "check", "--json", "broken").stdout.split("\n");
    expect(JSON.parse(json.find((line) => line.includes("error")) ?? "")).toMatchObject({
      ...{ file: "broken/bad.yml", line: 10, severity: "error" },
    });
  });

  test("takes values for placeholders", () => {
    const path = write(
      "expand.yml",
      whoami.replace("User: ", "User|expand: ").replace("SYSTEM", "%who%"),
    );
    expect(run("rules", "check", path).stdout).toContain("the placeholder %who% has no value here");
    expect(run("rules", "check", path, "--placeholder", "who=x").status).toBe(0);
    expect(run("rules", "check", path, "--placeholder", "who").status).toBe(2);
  });

  test("of a path that is not there", () => {
    expect(run("rules", "check", "nowhere").stderr).toContain("ERR_UC_CONFIG");
  });
});

describe("detect", () => {
  test("prints what matches, where, why, and whose rule it is", () => {
    const { status, stdout, stderr } = run("detect", "events.json", "--rules", "rules");
    expect(stdout).toBe(
      `2024-02-29T01:02:00.000Z high          Whoami: Image=${bad.replaceAll("\\", "\\")} ` +
        "at events.json:2 (rule by A. Uthor)\n",
    );
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^2 events, 1 matches, /)]);
  });

  test("prints JSON for programs", () => {
    const { stdout } = run("detect", "events.json", "--rules", "rules", "--json");
    expect(JSON.parse(stdout)).toEqual({
      ...{ time: "2024-02-29T01:02:00.000Z", kind: "rule", level: "high", title: "Whoami" },
      ...{ rule: "11111111-1111-4111-8111-111111111111", author: "A. Uthor" },
      ...{ tags: ["attack.t1033"], place: "events.json:2", field: "Image", value: bad },
    });
  });

  test("goes on behind what is no JSON, and rules that are wrong", () => {
    const good = JSON.stringify(started(bad, "joe"));
    const path = write("damaged.json", `${good}\nrubbish\n{"a": \n${good}`);
    const { status, stdout, stderr } = run("detect", path, "--rules", "broken");
    expect(status).toBe(1);
    expect(stdout.split("\n")).toHaveLength(2);
    expect(stderr).toContain("1 errors in rules, which are left out");
    expect(stderr).toContain(`${path}:2: is no JSON object`);
    expect(stderr).toContain(`${path}:3: is no JSON object`);
  });

  test("tells correlations, and no terminal is written to", () => {
    const rules = write("many.yml", `${whoami}---\n${many}`);
    const name = "joe\u001b[2J";
    const lines = [0, 1, 2].map((second) => JSON.stringify(started(bad, name, second)));
    const { stdout } = run("detect", write("many.json", lines.join("\n")), "--rules", rules);
    expect(stdout).toMatch(/^2024-02-29T01:02:01\.000Z medium {8}Many whoamis: User=joe/);
    expect(stdout).toContain("figure 2 at ");
    expect(stdout).not.toContain("\u001b");
  });

  test("takes records of other makers, and their log source from options", () => {
    const rules = write(
      "web.yml",
      [
        "title: Web",
        "logsource: {category: webserver}",
        "detection: {s: {req.uri: '*passwd*'}, condition: s}",
      ].join("\n"),
    );
    const log = write("web.json", '[\n{"time": 1700000000, "req": {"uri": "/etc/passwd"}},\n]\n');
    expect(run("detect", log, "--rules", rules).stdout).toBe("");
    const { stdout } = run("detect", log, "--rules", rules, "--category", "WebServer");
    expect(stdout).toContain("2023-11-14T22:13:20.000Z medium        Web: req.uri=/etc/passwd at");
  });

  test.each([
    [["detect", "--rules", "rules"], 2, "FILE is missing"],
    [["detect", "events.json"], 2, "--rules PATH is missing"],
    [["detect", "events.json", "--rules", "events.json"], 1, "ERR_UC_RULES"],
    [["detect", "none.json", "--rules", "rules"], 1, "ERR_UC_CONFIG"],
    [["explain", "rules/whoami.yml"], 2, "EVENT is missing"],
    [["rules", "test"], 2, "PATH is missing"],
  ])("%j fails", (args, wanted, message) => {
    const { status, stderr } = run(...args);
    expect([status, stderr]).toEqual([wanted, expect.stringContaining(message)]);
  });
});

test("explain shows every part with what the field holds", () => {
  const event = write("one.json", JSON.stringify(started(bad, "SYSTEM")));
  const { status, stdout } = run("explain", "rules/whoami.yml", event);
  expect(status).toBe(0);
  expect(stdout).toBe(`no match: Whoami
  no  all of:
    yes selection, all of:
      yes Image|endswith: \\whoami.exe; Image is "C:\\\\Windows\\\\System32\\\\whoami.exe"
    no  not:
      yes filter, all of:
        yes User: SYSTEM; User is "SYSTEM"
`);
  const [line = ""] = run("explain", "rules/whoami.yml", event, "--json").stdout.split("\n");
  expect(JSON.parse(line)).toMatchObject({ matched: false, sourceMatched: true });
});

describe("rules test", () => {
  test("passes, fails and says why", () => {
    write("tested/whoami.yml", whoami);
    write("tested/whoami.match.json", JSON.stringify(started(bad, "joe")));
    write("tested/whoami.nomatch.json", JSON.stringify(started(bad, "SYSTEM")));
    const sequence = [0, 1].map((second) => JSON.stringify(started(bad, "joe", second)));
    write(
      "tested/many.yml",
      `${whoami.replaceAll("1111-4", "2222-4")}---\n${many.replace("1111-4", "2222-4")}`,
    );
    write("tested/many.match.json", sequence.join("\n"));
    write("tested/many.nomatch.json", JSON.stringify(started(bad, "joe")));
    write("tested/other.yml", whoami.replace("1111-4", "3333-4"));
    const { status, stdout } = run("rules", "test", "tested");
    expect(stdout).toBe(`ok      tested/many.yml: 3 events
ok      tested/whoami.yml: 2 events
2 rule files passed, 0 failed, 1 have no events beside them
`);
    expect(status).toBe(0);
    write("tested/whoami.match.json", JSON.stringify(started("C:\\x.exe", "joe")));
    const failed = run("rules", "test", "tested");
    expect(failed.status).toBe(1);
    expect(failed.stdout).toContain(
      "FAILED  tested/whoami.yml: tested/whoami.match.json:1 does not match:\n" +
        "        no match: Whoami",
    );
    expect(failed.stdout).toContain("1 rule files passed, 1 failed, 1 have no events beside them");
  });
});
