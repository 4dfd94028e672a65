// SPDX-License-Identifier: Apache-2.0
// Runs the driver's guest cases with a real server beside the guest; for driver.test.ts and
// driver.slow.test.ts.
import { basename, join } from "node:path";
import { expect } from "vitest";
import {
  buildDriver,
  type GuestFile,
  type GuestKernel,
  obtainKernel,
} from "../../lib/hypervisor/hypervisor.ts";
import { assertGuestRun, type GuestRun, runGuestCases } from "./harness.ts";
import { ServerSide, type ServerSideOptions } from "./server-side.ts";

const here: string = import.meta.dirname;
const repeatsMax = 2;
// The translator counts each byte of a string instruction, which no processor does.
const wordCopies = "clearcpuid=erms,fsrm";
const programs = [
  ...["storm", "run-memfd", "many-threads", "map-executable", "sockets", "wait-in-connect"],
  ...["socket-cost", "socket-noise"],
].map((name) => join(here, "programs", `${name}.c`));
/** Cases by what follows `driver-` in their names, with arguments. */
export interface DriverRun extends ServerSideOptions {
  readonly cases: ReadonlyArray<readonly [name: string, ...args: string[]]>;
  readonly cpus: number;
  readonly limitSeconds?: number;
  /** Modules of the guest's kernel, by their paths below kernel/, to be found in /uc. */
  readonly modules?: readonly string[];
  readonly files?: readonly GuestFile[];
  readonly memoryMiB?: number;
  /** The guest's clock counts instructions. */
  readonly icount?: boolean;
}

function text(path: string, name: string): GuestFile {
  return { path, source: { file: join(here, "cases", name) } };
}

/** A module of the guest's own kernel, packed as the distribution packs it. */
function kernelModule(kernel: GuestKernel, series: string, name: string): GuestFile {
  const end = series === "6.1" ? "" : ".xz";
  const file = join(kernel.modulesDirectory, `kernel/${name}.ko${end}`);
  return { path: `/uc/${basename(name)}.ko${end}`, source: { file } };
}

async function runOnce(series: string, run: DriverRun): Promise<[ServerSide, GuestRun]> {
  const kernel = await obtainKernel(series);
  const side = await ServerSide.open(run);
  try {
    const { path, bytes } = side.regionFile;
    const result = await runGuestCases({
      kernel: series,
      driver: await buildDriver(kernel),
      cases: run.cases.map(([name, ...args]) => ({
        ...{ name: `driver-${name}`, file: join(here, "cases", `driver-${name}.sh`), args },
        limitSeconds: run.limitSeconds ?? 90,
      })),
      programs,
      files: [
        text("/uc/driver-lib.sh", "driver-lib.sh"),
        text("/uc/truth.awk", "truth.awk"),
        ...(run.modules ?? []).map((name) => kernelModule(kernel, series, name)),
        ...(run.files ?? []),
      ],
      region: { path, bytes, placement: side.placement },
      cpus: run.cpus,
      ...(run.memoryMiB === undefined ? {} : { memoryMiB: run.memoryMiB }),
      ...(run.icount === true ? { icount: true, append: wordCopies } : {}),
      timeoutMs: ((run.limitSeconds ?? 90) * run.cases.length + 60) * 1000,
      during: (guest) => side.play(guest),
    });
    return [side, result];
  } finally {
    await side.close();
  }
}

// A stale breakpoint where nothing is registered, or where our kprobe sits: that one goes through
// ftrace, so it has no copy of an instruction to go on with, and the kernel jumps to address 0
// in place of the function, called from vm_mmap_pgoff.
const staleBreakpoints = [
  /Oops: int3: /,
  /Oops: 0010 [\s\S]*?RIP: 0010:0x0\n[\s\S]*?<TASK>\n[^\n]* vm_mmap_pgoff\+/,
];

/** True for the ways to die that are the translator's fault and not the guest's. */
function isTranslatorFault({ accelerator, consoleText }: GuestRun): boolean {
  const text = consoleText.replaceAll("\r", "");
  return accelerator === "tcg" && staleBreakpoints.some((sign) => sign.test(text));
}

/**
 * Runs cases in one guest with a server beside it; both must find everything in order. QEMU's
 * translator sometimes executes a breakpoint that the kernel has taken back already, when code is
 * patched on several CPUs (as tracing does, with or without us); only such a run is repeated.
 */
export async function runDriver(series: string, run: DriverRun): Promise<ServerSide> {
  let [side, result] = await runOnce(series, run);
  for (let left = repeatsMax; left > 0 && isTranslatorFault(result); left--) {
    console.warn(`guest died of a stale breakpoint under QEMU's translator; ${left} tries left`);
    [side, result] = await runOnce(series, run);
  }
  assertGuestRun(result);
  // Reloading in a hurry registers more often than a server allows; nothing else may be wrong.
  const faults = side.faults.filter((fault) => !fault.includes("registers too often"));
  expect(faults).toEqual([]);
  return side;
}
