// SPDX-License-Identifier: Apache-2.0
// Bad input at the server's door, through the program: each unusable region gets its own code, each
// broken guest its own fault, and the other guests are served all the while.
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DEMO_INDICATORS } from "../../lib/cli/demo-indicators.ts";
import { encodeSuperblock, planRegion, SUPERBLOCK_LAYOUT } from "../../lib/wire/wire.ts";
import { type CliRun, runCli, startCli } from "../guest/run-cli.ts";
import { type GuestProcess, regionBytes, startGuestProcess } from "./guest-process.ts";

const limitMs = 5 * 60_000;
let directory = "";
let guests: GuestProcess[] = [];
let server: CliRun | undefined;

beforeEach(() => {
  directory = mkdtempSync("/dev/shm/undercroft-e2e-");
  writeFileSync(join(directory, "indicators"), DEMO_INDICATORS);
});
afterEach(async () => {
  server?.child.kill("SIGKILL");
  for (const guest of guests) await guest.stop();
  guests = [];
  server = undefined;
  rmSync(directory, { recursive: true });
});

async function addGuest(name: string): Promise<GuestProcess> {
  const guest = await startGuestProcess(directory, name);
  guests.push(guest);
  return guest;
}

function serveAll(names: readonly string[]): CliRun {
  const regions = names.flatMap((name) => ["--region", `${name}=${join(directory, name)}`]);
  const indicators = ["--indicators", join(directory, "indicators")];
  server = startCli(["serve", "--json", ...indicators, ...regions], limitMs);
  return server;
}

function became(name: string, state: string): RegExp {
  return new RegExp(`"kind":"state","guest":"${name}",[^\\n]*"to":"${state}"`);
}

function foundIn(name: string, disposition: string): RegExp {
  return new RegExp(
    `"kind":"finding"[^\\n]*"disposition":"${disposition}"[^\\n]*"guest":"${name}"`,
  );
}

function superblockWith(at: number, value: number): Uint8Array {
  const image = new Uint8Array(regionBytes);
  const superblock = {
    layout: planRegion({ regionBytes, dataRings: 1 }),
    ...{ serverInstance: "ab".repeat(16), serverEpoch: 7n, recordBytesMax: 32768 },
    ...{ featuresOffered: 0n, featuresRequired: 0n },
  };
  image.set(encodeSuperblock(superblock));
  new DataView(image.buffer).setUint32(at, value, true);
  return image;
}

test("each unusable region is refused with its code, and the good guest is served", async () => {
  const foreign = new Uint8Array(regionBytes).fill(0x41);
  const bad: ReadonlyArray<readonly [name: string, code: string, content?: Uint8Array]> = [
    ["absent", "ERR_UC_REGION_OPEN"],
    ["odd", "ERR_UC_REGION_SIZE", new Uint8Array(regionBytes + 4096)],
    ["small", "ERR_UC_REGION_SIZE", new Uint8Array(4096)],
    ["foreign", "ERR_UC_REGION_MAGIC", foreign],
    ["major", "ERR_UC_REGION_VERSION", superblockWith(SUPERBLOCK_LAYOUT.layoutVersion, 99)],
  ];
  for (const [name, , content] of bad) {
    if (content !== undefined) writeFileSync(join(directory, name), content, { mode: 0o600 });
  }
  const good = await addGuest("good");
  const run = serveAll([...bad.map(([name]) => name), "good"]);
  await run.said(became("good", "monitored"));
  good.child.stdin?.write("begin\n");
  await run.said(foundIn("good", "killed"));
  run.child.kill("SIGINT");
  const { status, stderr } = await run.ended;
  expect(status).toBe(1);
  const lines = stderr.trimEnd().split("\n");
  expect(lines).toHaveLength(bad.length);
  for (const [index, [name, code]] of bad.entries()) {
    expect(lines[index]).toContain(`undercroft: guest ${name}: `);
    expect(lines[index]).toContain(join(directory, name));
    expect(lines[index]).toContain(`(${code})`);
  }
  // What is not ours stays as it was.
  expect(readFileSync(join(directory, "foreign")).equals(foreign)).toBe(true);
});

test("a dead, a cut and a lying guest are told, and the good guest is served", async () => {
  const names = ["dead", "cut", "liar", "good"];
  const [dead, cut, liar, good] = await Promise.all(names.map(addGuest));
  if (!dead || !cut || !liar || !good) throw new Error("four guests");
  const run = serveAll(names);
  for (const name of names) await run.said(became(name, "monitored"));

  dead.child.kill("SIGKILL");
  await run.said(became("dead", "silent"));
  await run.said(/"kind":"finding","rule":"sensor_silent"/);

  truncateSync(cut.path, 0);
  await run.said(became("cut", "quarantined"));
  await run.said(/"kind":"fault","guest":"cut","fault":"E_MAPPING"/);

  const { rings } = planRegion({ regionBytes });
  const file = openSync(liar.path, "r+");
  const lie = new BigUint64Array([1n << 60n]);
  for (const { producerOffset } of rings.slice(1)) writeSync(file, lie, 0, 8, producerOffset);
  closeSync(file);
  await run.said(became("liar", "quarantined"));
  await run.said(/"kind":"fault","guest":"liar","fault":"E_TAIL_RANGE"/);

  good.child.stdin?.write("begin\n");
  await run.said(foundIn("good", "blocked"));
  await run.said(foundIn("good", "killed"));
  const dump = await runCli(["region", "dump", good.path], limitMs);
  expect(dump).toMatchObject({ status: 0, stderr: "" });
  expect(dump.stdout).toContain("session  ready");
  expect(dump.stdout).toContain("sensors on: process file");

  run.child.kill("SIGINT");
  const { status, stdout, stderr } = await run.ended;
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(stdout).not.toMatch(became("good", "quarantined"));
});
