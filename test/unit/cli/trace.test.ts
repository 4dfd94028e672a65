// SPDX-License-Identifier: Apache-2.0
// `undercroft trace` as a person runs it: from a dropped program back to the login, and from the
// login on to the peer, with what is missing said.
import { spawnSync } from "node:child_process";
import { createSecretKey, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { GuestEvent, StoredEvent } from "../../../lib/model/model.ts";
import type { ProvenanceDocument } from "../../../lib/provenance/provenance.ts";
import { openEventStore } from "../../../lib/store/store.ts";
import { exec, exit, file, fork } from "../events.ts";

const CLI = fileURLToPath(new URL("../../../lib/cli/cli.ts", import.meta.url));
const key = randomBytes(32);
const beganMs = Date.now() - 60_000;
let folder = "";
let clock = 0;

const at = () => ({ sequence: ++clock, timeMs: beganMs + clock });
const by = (pid: number) => ({ pid, processStartNs: BigInt(pid * 10), execGeneration: pid });
const starts = (parentPid: number, pid: number, path: string, ...words: string[]): GuestEvent[] => {
  const child = { childPid: pid, childStartNs: BigInt(pid * 10), childExecGeneration: parentPid };
  const parent = { parentPid, parentStartNs: BigInt(parentPid * 10) };
  return [
    fork({ ...by(parentPid), ...at(), ...child }),
    exec({ ...by(pid), ...at(), ...parent, path, arguments: [path, ...words] }),
  ];
};

/** A login, a download by it, the program that was downloaded, and others' work beside it. */
const story = (): StoredEvent[] => [
  exec({
    ...by(1),
    ...at(),
    path: "/sbin/init",
    arguments: ["init"],
    parentPid: 0,
    parentStartNs: 0n,
  }),
  ...starts(1, 20, "/usr/sbin/sshd", "-D"),
  ...starts(20, 30, "/bin/bash", "-l"),
  ...starts(1, 25, "/usr/sbin/cron"),
  file({ ...by(25), ...at(), path: "/var/spool/cron/root" }),
  ...starts(30, 40, "/usr/bin/wget", "http://x/payload"),
  file({ ...by(40), ...at(), kind: "file.create", path: "/tmp/payload" }),
  exit({ ...by(40), ...at() }),
  {
    kind: "loss",
    guest: "g",
    boot: "b",
    ring: 0,
    recordClass: "process",
    reason: "full",
    count: 3,
    firstSequence: 90,
    lastSequence: 92,
    timeMs: beganMs + clock,
  },
  ...starts(30, 50, "/tmp/payload", "--mine"),
  file({ ...by(50), ...at(), kind: "file.create", path: "/tmp/\u001b[2Jresult" }),
];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "uc-trace-cli-"));
  const store = await openEventStore({ folder: join(folder, "s"), key: createSecretKey(key) });
  await store.append(story());
  await store.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

function trace(...words: string[]) {
  const args = [CLI, "trace", ...words, "--store", join(folder, "s")];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    env: { ...process.env, UNDERCROFT_STORE_KEY: key.toString("hex") },
  });
  return { status, stdout, stderr };
}

test("a program is traced back to the login and to who downloaded it", () => {
  const { status, stdout, stderr } = trace("image:/tmp/payload kind:process.exec");
  expect([status, stderr]).toEqual([0, ""]);
  const lines = stdout.split("\n");
  expect(lines.slice(0, 4)).toEqual([
    "/sbin/init[1] init",
    "  /usr/sbin/sshd[20] /usr/sbin/sshd -D",
    "    /bin/bash[30] /bin/bash -l",
    "      /tmp/payload[50] /tmp/payload --mine",
  ]);
  expect(stdout).toMatch(/write {2}\/usr\/bin\/wget \[40\] -> \/tmp\/payload/);
  expect(stdout).toMatch(/execute {2}\/tmp\/payload -> \/tmp\/payload \[50\]/);
  expect(stdout).toContain("3 records of g are missing (full)");
  expect(stdout).not.toContain("cron");
});

test("what came of a login is told forward, as a document that steers no terminal", () => {
  const { stdout } = trace("image:/usr/sbin/sshd", "--direction", "forward", "--json");
  const { nodes, direction } = JSON.parse(stdout) as ProvenanceDocument;
  expect(direction).toBe("forward");
  const labels = nodes.map(({ label }) => label);
  expect(labels).toEqual(expect.arrayContaining(["/tmp/payload [50]", "/tmp/payload"]));
  expect(labels.join()).not.toContain("cron");
  const dot = trace("image:/usr/sbin/sshd", "--direction", "forward", "--dot").stdout;
  expect(dot).toMatch(/^digraph provenance \{\n/);
  expect(dot).not.toContain("\u001b");
});

test("what cannot be traced is said", () => {
  expect(trace("image:/never").stderr).toContain("no process of the store has an event");
  expect(trace("imge:x").stderr).toContain("ERR_UC_SEARCH");
  expect(trace("image:x", "--hours", "0").stderr).toContain("--hours: must be a number above 0");
});
