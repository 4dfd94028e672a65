// SPDX-License-Identifier: Apache-2.0
// `undercroft intel` as its user meets it: what it says of good and bad input, what it writes, and
// what it finds again.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const program = join(import.meta.dirname, "../../../lib/cli/cli.ts");
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "undercroft-intel-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [program, ...args], {
    encoding: "utf8",
    timeout: 60_000,
    cwd: directory,
  });
}

function write(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return name;
}

const BUNDLE = JSON.stringify({
  type: "bundle",
  objects: [
    {
      ...{ type: "indicator", id: "indicator--1", pattern_type: "stix", confidence: 90 },
      ...{ name: "Loader", object_marking_refs: [] },
      pattern: "[domain-name:value = 'evil.example' OR ipv4-addr:value = '198.18.0.1']",
      valid_until: "2099-01-01T00:00:00Z",
    },
    { type: "indicator", id: "indicator--2", pattern: "[broken" },
    { type: "malware", id: "malware--1" },
  ],
});

test("import reads several formats, tells the bad and writes the good", () => {
  const stix = write("feed.json", BUNDLE);
  const list = write("list.txt", "8.8.8.0/24\nnonsense\n\u001b[31mred\nevil[.]example\n");
  const result = run("intel", "import", stix, list, "--out", "all.lines");
  expect(result.stdout).toBe(
    '1 left out: on the list "reserved addresses"\n3 indicators: 1 address, 2 domain\n',
  );
  expect(result.stderr).toContain("undercroft: feed.json: $.objects[1]: STIX pattern, column 8:");
  expect(result.stderr).toContain("undercroft: feed.json: 1 not used: STIX object of type malware");
  expect(result.stderr).toContain("undercroft: list.txt: line 2: ");
  expect(result.stderr).not.toContain("\u001b");
  expect(result.status).toBe(0);
  expect(readFileSync(join(directory, "all.lines"), "utf8").split("\n")).toHaveLength(5);
  expect(readdirSync(directory).filter((name) => name.endsWith(".new"))).toEqual([]);
});

test("stats and lookup read what import wrote", () => {
  const stats = run("intel", "stats", "all.lines");
  expect(stats.stdout).toContain("3 indicators: 1 address, 2 domain\n");
  expect(stats.stdout).toContain("sources: 2 list.txt, 1 feed.json\n");
  const json = JSON.parse(run("intel", "stats", "all.lines", "--json").stdout);
  expect(json).toMatchObject({ indicators: 3, kinds: { address: 1, domain: 2 }, expired: 0 });
  const found = run("intel", "lookup", "all.lines", "www.evil.example", "8.8.8.8", "9.9.9.9");
  expect(found.status).toBe(0);
  expect(found.stdout.split("\n")).toEqual([
    expect.stringContaining("www.evil.example: domain evil.example: "),
    expect.stringContaining("www.evil.example: domain evil.example: "),
    "8.8.8.8: address 8.8.8.0/24: Known bad address (high, list.txt)",
    "9.9.9.9: not listed",
    "",
  ]);
  expect(found.stdout).toContain(
    "Loader (high, feed.json, confidence 90, until 2099-01-01T00:00:00.000Z)",
  );
  expect(run("intel", "lookup", "all.lines", "name:8.8.8.8").status).toBe(1);
  const one = run("intel", "lookup", "all.lines", "ip:8.8.8.8", "--json");
  expect(JSON.parse(one.stdout)).toMatchObject({ indicators: [{ value: "8.8.8.0/24" }] });
});

test("warning lists and a mapping are honoured", () => {
  const text = JSON.stringify({ name: "Resolvers", type: "cidr", list: ["8.8.8.8/32"] });
  write("warn.json", text);
  write("feed.csv", "x,8.8.8.8\ny,9.9.9.9\nz,192.168.0.1\n");
  const options = ["--map", "value=2", "--warnings", "warn.json", "--keep-reserved"];
  const result = run("intel", "import", "feed.csv", ...options);
  expect(result).toMatchObject({
    status: 0,
    stdout: '1 left out: on the list "Resolvers"\n2 indicators: 2 address\n',
    stderr: "",
  });
});

test("what cannot be used is said, and nothing is written", () => {
  write("bad.txt", "nonsense\n");
  const bad = run("intel", "import", "bad.txt", "--out", "bad.lines");
  expect(bad.status).toBe(1);
  expect(bad.stderr).toContain("no indicator was read");
  const cases: ReadonlyArray<readonly [readonly string[], number, string]> = [
    [["import", "none.txt"], 1, "cannot read none.txt"],
    [["import"], 2, "FILE is missing"],
    [["import", "list.txt", "--format", "yaml"], 2, "must be one of stix, misp"],
    [["import", "list.txt", "--map", "x=1"], 2, "no part of a mapping"],
    [["import", "list.txt", "--warnings", "list.txt"], 1, "warning list list.txt cannot be used"],
    [["import", "list.txt", "--out", "no/where"], 1, "cannot use no/where"],
    [["lookup", "all.lines"], 2, "VALUE is missing"],
    [["stats", "a", "b"], 2, "one argument too many"],
  ];
  for (const [args, status, message] of cases) {
    const result = run("intel", ...args);
    expect(result.stderr).toContain(message);
    expect(result.status, args.join(" ")).toBe(status);
  }
  expect(existsSync(join(directory, "no"))).toBe(false);
});

test("indicators check takes a list whole or not at all, and other formats too", () => {
  expect(run("indicators", "check", "list.txt")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("nothing of the file is used"),
  });
  const stix = run("indicators", "check", "feed.json");
  expect(stix).toMatchObject({ status: 0, stdout: "2 indicators: 1 domain, 1 address\n" });
  expect(stix.stderr).toContain("$.objects[1]");
  write("empty.json", '{"objects": [{"type": "indicator"}]}');
  expect(run("indicators", "check", "empty.json").stderr).toContain("no entry of it is");
});
