// SPDX-License-Identifier: Apache-2.0
// `undercroft search` as a person runs it: over two stores, with stages, with mistakes.
import { spawnSync } from "node:child_process";
import { createSecretKey, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openEventStore } from "../../../lib/store/store.ts";
import { exec, file } from "../events.ts";

const CLI = fileURLToPath(new URL("../../../lib/cli/cli.ts", import.meta.url));
const key = randomBytes(32);
/** An hour ago, so that no store finds them too old to keep; a whole minute. */
const beganMs = Math.floor(Date.now() / 60_000) * 60_000 - 3_600_000;
let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "uc-search-cli-"));
  for (const [at, name] of ["one", "two"].entries()) {
    const store = await openEventStore({
      folder: join(folder, name),
      key: createSecretKey(key),
      repeatMs: 0,
    });
    const guest = `g${at}`;
    const events = Array.from({ length: 60 }, (_none, index) => {
      const timeMs = beganMs + index * 1000 + at;
      return index % 2 === 0
        ? exec({ guest, pid: index, timeMs, path: "/usr/bin/nc", arguments: ["nc", "-l"] })
        : file({ guest, pid: index, timeMs, path: `/tmp/\u001b[31mred ${index}` });
    });
    await store.append(events);
    await store.close();
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

function search(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, "search", ...words], {
    encoding: "utf8",
    env: { ...process.env, UNDERCROFT_STORE_KEY: key.toString("hex") },
  });
  return { status, stderr, lines: stdout.split("\n").slice(0, -1) };
}

const one = (): string[] => ["--store", join(folder, "one")];
const both = (): string[] => [...one(), "--store", join(folder, "two")];

describe("undercroft search", () => {
  test("merges stores, the newest first, and says that there is more", () => {
    const { status, lines, stderr } = search("kind:* ", ...both(), "--json");
    const rows = lines.map((line) => JSON.parse(line) as { time: number; guest: string });
    expect([status, rows.length]).toEqual([0, 100]);
    expect(rows.slice(0, 3).map(({ guest }) => guest)).toEqual(["g1", "g0", "g1"]);
    expect(rows.every(({ time }, at) => at === 0 || time <= (rows[at - 1]?.time ?? 0))).toBe(true);
    expect(stderr).toContain('the newest 100 are shown; "| limit N" shows more');
  });

  test("shows what a person needs, and lets no guest steer the terminal", () => {
    const { status, lines, stderr } = search("pid:59 kind:file.open", ...one());
    expect([status, stderr, lines.length]).toEqual([0, "", 1]);
    const time = new Date(beganMs + 59_000).toISOString();
    expect(lines[0]?.startsWith(`${time}  g0  file.open  `)).toBe(true);
    expect(lines[0]).toContain("pid=59");
    expect(lines[0]).not.toContain("\u001b");
  });

  test("counts by group over all stores", () => {
    const stages = "image:*/nc | stats count() by guest | sort -guest";
    expect(search(stages, ...both()).lines).toEqual([
      "guest=g1  count()=30",
      "guest=g0  count()=30",
    ]);
    const period = `time:>=${new Date(beganMs + 40_000).toISOString()} | stats count()`;
    expect(search(period, ...one()).lines).toEqual(["count()=20"]);
    expect(search("pid:5 | fields pid, path | limit 1", ...one()).lines).toHaveLength(1);
  });

  test("says what is wrong, where and what may be meant", () => {
    const wrong = search("gest:web", ...one());
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toMatch(/guest.*ERR_UC_SEARCH/s);
    expect(search("x").stderr).toContain("--store DIR is missing");
    expect(search(...one()).stderr).toContain("QUERY is missing");
    const none = search("x", "--store", join(folder, "none"));
    expect([none.status, none.lines]).toEqual([1, []]);
    expect(none.stderr).toContain("there is no event store");
    expect(existsSync(join(folder, "none"))).toBe(false);
  });
});
