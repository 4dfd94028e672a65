// SPDX-License-Identifier: Apache-2.0
// The rules that the package ships: each is right, has an id of its own, an author and an ATT&CK
// tag, and does with the events beside it what it must.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadRules } from "../../../lib/detect/detect.ts";

const root = join(import.meta.dirname, "../../..");
const folder = join(root, "rules/linux");
const names = readdirSync(folder).filter((name) => name.endsWith(".yml"));

function run(command: string): { readonly status: number | null; readonly stdout: string } {
  const args = [join(root, "lib/cli/cli.ts"), "rules", command, join(root, "rules")];
  return spawnSync(process.execPath, args, { encoding: "utf8" });
}

test("have nothing that is wrong", () => {
  expect(run("check").status).toBe(0);
  const files = names.map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }));
  const { problems, rules, correlations } = loadRules(files);
  expect(problems).toEqual([]);
  const all = [...rules, ...correlations.map(({ correlation }) => correlation)];
  expect(rules.length).toBe(names.length);
  expect(new Set(all.map(({ key }) => key)).size).toBe(all.length);
  for (const { tags, author } of all) {
    expect(author).toBe("Undercroft");
    expect(tags.some((tag) => tag.startsWith("attack."))).toBe(true);
  }
});

test("each does with the events beside it what it must", () => {
  const { status, stdout } = run("test");
  expect(stdout).toContain(`${names.length} rule files passed, 0 failed, 0 have no events`);
  expect(status).toBe(0);
  for (const name of names) {
    for (const kind of ["match", "nomatch"]) {
      const events = readFileSync(join(folder, name.replace(/\.yml$/, `.${kind}.json`)), "utf8");
      expect(events.trim(), `${name} ${kind}`).not.toBe("");
    }
  }
});
