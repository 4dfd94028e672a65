// SPDX-License-Identifier: Apache-2.0
// The shipped bpftrace scripts on this machine's kernel: each must notice what the test does.
// Where the kernel lacks a probe, the test is skipped with its name.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it, type TestContext } from "vitest";
import { EventFd, Mapping } from "../../lib/native/native.ts";
import { createRegionFile, openIvshmemRegion } from "../../lib/transport/transport.ts";
import { compileProgram } from "../guest/programs.ts";
import { RunningScript, scriptPath, scriptProblem } from "./bpftrace-run.ts";
import { RedirectorBench } from "./redirector-bench.ts";

const REGION_BYTES = 32 << 20;
const REGION = `/dev/shm/uc-bpftrace-${process.pid}`;
const GUEST = "10.9.0.2";
const CANNOT = 77;
const ROUNDS = [20, 80, 320];

const cleanups: Array<() => unknown> = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(
  context: TestContext,
  path: string,
  ...args: readonly string[]
): Promise<RunningScript> {
  const problem = scriptProblem(path);
  if (problem !== undefined) context.skip(problem);
  const script = await RunningScript.start(path, ...args);
  cleanups.push(() => script.kill());
  return script;
}

/**
 * Runs a script that tells at its end, does something meanwhile, and returns what it told. It may
 * still attach its probes while that is done, so that is done longer until it tells what it must.
 */
async function counted(
  context: TestContext,
  words: readonly [path: string, ...args: string[]],
  wanted: RegExp,
  act: () => unknown,
): Promise<string> {
  let output = "";
  for (const rounds of ROUNDS) {
    const script = await start(context, ...words);
    for (let round = 0; round < rounds; round++) {
      await act();
      await sleep(100);
    }
    output = await script.end();
    if (wanted.test(output)) break;
  }
  expect(output).toMatch(wanted);
  return output;
}

function makeRegion(): void {
  createRegionFile(REGION, REGION_BYTES);
  cleanups.push(() => rmSync(REGION, { force: true }));
}

function mapOnce(): void {
  openIvshmemRegion({ path: REGION, bytes: REGION_BYTES }).close();
}

it("region-maps.bt names who maps a region, and who could not open one", async (context) => {
  const script = await start(context, scriptPath("region-maps.bt"));
  makeRegion();
  const line = (what: string): RegExp => new RegExp(` ${process.pid} +\\S+ +${what} +${REGION}`);
  await script.notices(line("unmap"), mapOnce);
  for (const what of ["open", "map rw"]) expect(script.output).toMatch(line(what));
  await script.notices(/refused \/dev\/shm\/uc-nowhere, error 2/, () =>
    spawnSync("cat", ["/dev/shm/uc-nowhere"]),
  );
});

it("a script that looks elsewhere does not notice", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "undercroft-bpftrace-"));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const text = readFileSync(scriptPath("region-maps.bt"), "utf8");
  const broken = join(folder, "broken.bt");
  writeFileSync(broken, text.replaceAll("/dev/shm/", "/dev/xxx/"));
  const blind = await start(context, broken);
  const script = await start(context, scriptPath("region-maps.bt"));
  makeRegion();
  await script.notices(/ unmap /, mapOnce);
  expect(await blind.end()).not.toContain(REGION);
});

it("doorbells.bt counts rings on both sides", async (context) => {
  const doorbell = new EventFd();
  cleanups.push(() => doorbell.close());
  let heard = 0;
  const onRing = (rings: number): boolean => {
    heard += rings;
    return true;
  };
  doorbell.listen({ onRing, onStorm: () => {} });
  const line = (side: string): RegExp =>
    new RegExp(`@${side}\\[.+, ${process.pid}, ${doorbell.fd}\\]: \\d+`);
  const words = [scriptPath("doorbells.bt"), String(process.pid)] as const;
  const output = await counted(context, words, line("heard"), () => doorbell.ring());
  expect(output).toMatch(line("rung"));
  expect(heard).toBeGreaterThan(0);
});

it("kvm-exits.bt counts how often a guest needs its hypervisor", async (context) => {
  const program = await compileProgram(join(import.meta.dirname, "kvm-guest.c"));
  if (spawnSync(program).status === CANNOT) context.skip("/dev/kvm runs no guest here");
  // Memory that is not there. A KVM that emulates such a guest has no exits to tell of.
  const memory = /@to_qemu\[kvm-guest, \d+, 6\]: 1/;
  const run = (): unknown => spawnSync(program);
  const output = await counted(context, [scriptPath("kvm-exits.bt")], memory, run);
  expect(output).toMatch(/@to_qemu\[kvm-guest, \d+, 2\]: 1/);
});

it("region-faults.bt shows where a process touched a region", async (context) => {
  makeRegion();
  const mapping = Mapping.openFile(REGION, { bytes: REGION_BYTES });
  cleanups.push(() => mapping.close());
  const maps = readFileSync("/proc/self/maps", "utf8");
  const [, from, to] = new RegExp(`^(\\w+)-(\\w+) .*${REGION}$`, "m").exec(maps) ?? [];
  const path = scriptPath("region-faults.bt");
  const words = [path, String(process.pid), `0x${from}`, `0x${to}`] as const;
  // A page that has been touched before gives no fault.
  let next = 5 << 20;
  const touch = (): void => {
    mapping.storeU64(next, 1n);
    next += 65536;
  };
  const output = await counted(context, words, /@faults\[.+, write\]: \d+/, touch);
  expect(output).toMatch(/^\[\d+, \d+\) +[1-9]/m);
});

it("redirector-latency.bt times packets until they are published", async (context) => {
  for (const tool of ["ip", "nft"]) {
    if (spawnSync(tool, ["-V"]).error !== undefined) context.skip(`needs the program ${tool}`);
  }
  const path = scriptPath("redirector-latency.bt");
  const problem = scriptProblem(path);
  if (problem !== undefined) context.skip(problem);
  const bench = new RedirectorBench();
  cleanups.push(() => bench.close());
  await bench.start();
  const done = await bench.send({
    ...({ kind: "redirect-start", slot: 7, lane: 1, mode: "mirror", snapBytes: 65_535 } as const),
    ...{ failOpen: false, guestId: "cd".repeat(16), interfaceName: "tapg", uplinkName: "" },
  });
  expect(done).toBe("done");
  const words = [path, String(bench.redirectorPid), "tapg"] as const;
  const output = await counted(context, words, /@until_published_us:\s+\[/, () =>
    bench.reaches(GUEST),
  );
  expect(output).toMatch(/@packets\[tracepoint:net:\w+\]: \d+/);
  expect(output).toMatch(/@wait_for_cpu_us:\s+\[/);
});
