// SPDX-License-Identifier: Apache-2.0
// Policies, indicators and warning lists made to hurt, as the commands meet them in a small heap:
// texts of ten megabytes, nesting, entries twice. What is wrong is told in short lines
// with its place, what is right still loads, and the process neither dies nor hangs.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const program = join(import.meta.dirname, "../../../lib/cli/cli.ts");
const HEAP_MIB = 160;
const OUTPUT_LENGTH_MAX = 20_000;
const LONG = "x".repeat(10_000_000);
const DEPTH = 100_000;
let directory = "";

interface Ran {
  readonly status: number | null;
  readonly signal: string | null;
  readonly text: string;
}

function node(heapMib: number, args: readonly string[]): Ran {
  const heap = `--max-old-space-size=${heapMib}`;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [heap, ...args], {
    encoding: "utf8",
    timeout: 100_000,
  });
  return { status, signal, text: `${stdout}${stderr}` };
}

function undercroft(...args: readonly string[]): Ran {
  const ran = node(HEAP_MIB, [program, ...args]);
  expect(ran.signal, ran.text.slice(0, 2000)).toBe(null);
  expect(ran.text.length, ran.text.slice(0, 2000)).toBeLessThan(OUTPUT_LENGTH_MAX);
  expect(ran.text).not.toMatch(/heap out of memory|Maximum call stack|\n\s+at /);
  return ran;
}

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const nested = (open: string, close: string, inner = ""): string =>
  open.repeat(DEPTH) + inner + close.repeat(DEPTH);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "undercroft-hostile-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("canary: a heap of this size is too small for who keeps everything", () => {
  const hoard = "const kept = []; for (;;) kept.push(new Array(1e5).fill(kept.length + 0.5));";
  expect(node(HEAP_MIB, ["-e", hoard]).status).not.toBe(0);
});

describe("policy", () => {
  const policy = (more: string): string => `{"name": "p", "rules": [], ${more}}`;
  const cases: Readonly<Record<string, string>> = {
    "long-key": policy(`"${LONG}": 1`),
    "long-text": policy(`"dryRun": "${LONG}"`),
    depth: policy(`"dryRun": ${nested("[", "]")}`),
    "object-depth": policy(`"dryRun": ${nested('{"a":', "}", "1")}`),
    "no-end": `{"name": "${LONG}`,
    indentation: `name: p\nrules:\n${"- ".repeat(DEPTH)}a\n`,
    yaml: `name: p\nrules: ${nested("[", "]", "a")}\n`,
    "yaml-long": `name: ${LONG}\nrules: ${LONG}\n`,
  };
  test.for(Object.entries(cases))("%s is refused in words", ([name, text]) => {
    const path = write(`${name}.policy`, text);
    const ran = undercroft("policy", "check", path);
    expect(ran.status).toBe(1);
    expect(ran.text).toContain("ERR_UC_");
  });
});

describe("intelligence", () => {
  const good = { type: "domain", value: "evil.example", uuid: "1", to_ids: true };
  const stix = {
    ...{ type: "indicator", id: "indicator--1", pattern_type: "stix" },
    pattern: "[domain-name:value = 'evil.example']",
  };
  const item = (value: string): string =>
    '<IndicatorItem condition="is"><Context document="Network" search="Network/DNS"/>' +
    `<Content type="string">${value}</Content></IndicatorItem>`;
  const cases: ReadonlyArray<readonly [string, string, string]> = [
    ["list", "list.txt", `${LONG}\nevil.example\nevil.example\n`],
    ["csv", "list.csv", `value,title\n"${LONG}",a\nevil.example,b\nevil.example,b\n`],
    ["stix", "bundle.json", JSON.stringify({ objects: [{ ...stix, id: LONG }, stix, stix] })],
    [
      "stix",
      "deep.json",
      `{"objects": [${nested("[", "]")}, ${JSON.stringify(stix)}], "x": ${nested("[", "]")}}`,
    ],
    ["misp", "event.json", JSON.stringify({ Event: { info: LONG, Attribute: [good, good] } })],
    [
      "misp",
      "deep-event.json",
      `{"Event": {"Attribute": [${nested("[", "]")}, ${JSON.stringify(good)}]}}`,
    ],
    [
      "openioc",
      "one.xml",
      `<ioc id="1"><definition><Indicator operator="OR">${item(LONG)}${item("evil.example")}` +
        "</Indicator></definition></ioc>",
    ],
  ];
  test.for(cases)("%s %s: the good entry loads once", ([format, name, text]) => {
    const ran = undercroft("intel", "import", write(name, text), "--format", format);
    expect(ran.text).toContain("1 indicators: 1 domain");
    expect(ran.status).toBe(0);
  });

  test("warning lists of ten megabytes are used, broken ones refused by name", () => {
    const list = write("short.txt", "evil.example\nother.example\n");
    const entries = ["evil.example", LONG, "evil.example"];
    const lists = { name: "Known good", type: "hostname", list: entries };
    const usable = write("warning.json", JSON.stringify(lists));
    const ran = undercroft("intel", "import", list, "--warnings", usable);
    expect(ran.text).toContain('1 left out: on the list "Known good"');
    for (const text of [`{"list": "${LONG}`, LONG]) {
      const broken = undercroft("intel", "import", list, "--warnings", write("bad.json", text));
      expect(broken.status).toBe(1);
      expect(broken.text).toContain("bad.json");
    }
  });
});
