// SPDX-License-Identifier: Apache-2.0
// Boots a guest, runs cases in it and judges the run; for vitest files under test/guest and for
// benchmarks. A case is a shell script over init/lib.sh or a static C program that prints TAP.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import {
  buildInitramfs,
  type Guest,
  type GuestFile,
  type GuestNetwork,
  type GuestRegion,
  obtainKernel,
  startGuest,
} from "../../lib/hypervisor/hypervisor.ts";
import { compileProgram } from "./programs.ts";
import { type GuestVerdict, judgeGuest } from "./verdict.ts";

/** One case: a `.sh` script, or a `.c` program with its arguments. */
export interface GuestCase {
  readonly name: string;
  readonly file: string;
  readonly args?: readonly string[];
  readonly limitSeconds?: number;
}

/** A guest run. Paths of `programs` are C files that become commands in the guest. */
export interface GuestRunOptions {
  readonly kernel: string;
  readonly cases: readonly GuestCase[];
  readonly driver?: string;
  readonly loadDriver?: boolean;
  readonly programs?: readonly string[];
  readonly files?: readonly GuestFile[];
  readonly region?: GuestRegion;
  readonly network?: GuestNetwork;
  readonly arguments?: readonly string[];
  readonly cpus?: number;
  readonly memoryMiB?: number;
  readonly icount?: boolean;
  readonly append?: string;
  readonly timeoutMs?: number;
  /** The hypervisor host's side, running beside the guest; a throw fails the run. */
  readonly during?: (guest: Guest) => Promise<void>;
}

/** A finished run: what was judged, and what a person needs to see why. */
export interface GuestRun extends GuestVerdict {
  readonly ok: boolean;
  readonly kernel: string;
  readonly accelerator: string;
  readonly wallMs: number;
  readonly consoleText: string;
  readonly tapText: string;
}

const here: string = import.meta.dirname;
const guestTimeoutMs = 180_000;
const caseLimitSeconds = 60;
const duringGraceMs = 10_000;

/** Runs the cases, in order, in one fresh guest. Resolves whatever the guest did. */
export async function runGuestCases(options: GuestRunOptions): Promise<GuestRun> {
  const start = performance.now();
  const kernel = await obtainKernel(options.kernel);
  const initramfs = await buildInitramfs({
    main: await readFile(join(here, "init", "run.sh"), "utf8"),
    files: await guestFiles(options),
    ...(options.driver === undefined ? {} : { driver: options.driver }),
    ...(options.loadDriver === undefined ? {} : { loadDriver: options.loadDriver }),
  });
  const directory = await mkdtemp(join(tmpdir(), "undercroft-guest-"));
  const { region, network, cpus, memoryMiB, icount, append } = options;
  const guest = await startGuest({
    ...{ kernel, initramfs, console: join(directory, "console") },
    timeoutMs: options.timeoutMs ?? guestTimeoutMs,
    ...(region === undefined ? {} : { region }),
    ...(network === undefined ? {} : { network }),
    ...(options.arguments === undefined ? {} : { arguments: options.arguments }),
    ...(cpus === undefined ? {} : { cpus }),
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
    ...(icount === undefined ? {} : { icount }),
    ...(append === undefined ? {} : { append }),
  });
  try {
    const [tapLines, problem] = await Promise.all([readTap(guest), runBeside(guest, options)]);
    const exit = await guest.exited;
    const consoleText = await guest.consoleText();
    const names = options.cases.map((guestCase) => guestCase.name);
    const verdict = judgeGuest({ tapLines, exit, consoleText }, names);
    const failures = [...verdict.failures, ...(problem === undefined ? [] : [problem])];
    return {
      ...{ ok: failures.length === 0, failures, cases: verdict.cases, consoleText },
      ...{ kernel: kernel.version, accelerator: guest.accelerator, tapText: tapLines.join("\n") },
      wallMs: performance.now() - start,
    };
  } finally {
    await guest.stop();
    await rm(directory, { recursive: true });
  }
}

/** Throws with everything a person needs unless the run was good. */
export function assertGuestRun(run: GuestRun): void {
  if (run.ok) return;
  const failures = run.failures.map((failure) => `  - ${failure}`).join("\n");
  const { kernel, accelerator, tapText, consoleText } = run;
  const end = consoleText.split("\n").slice(-60).join("\n");
  const title = `guest run failed on ${kernel} under ${accelerator}`;
  throw new Error(`${title}:\n${failures}\n--- TAP\n${tapText}\n--- console (end)\n${end}`);
}

async function readTap(guest: Guest): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of guest.tapLines) lines.push(line);
  return lines;
}

async function runBeside(guest: Guest, options: GuestRunOptions): Promise<string | undefined> {
  const overdue = guest.exited.then(async () => {
    await setTimeout(duringGraceMs, undefined, { ref: false });
    throw new Error(`it still ran ${duringGraceMs} ms after the guest's end`);
  });
  try {
    await Promise.race([options.during?.(guest), overdue]);
    overdue.catch(() => {});
    return undefined;
  } catch (cause) {
    await guest.stop();
    return `the hypervisor host's side failed: ${cause instanceof Error ? cause.stack : cause}`;
  }
}

async function guestFiles(options: GuestRunOptions): Promise<GuestFile[]> {
  const files = [...(options.files ?? [])];
  const lines: string[] = [];
  for (const source of options.programs ?? []) {
    const file = await compileProgram(source);
    files.push({ path: `/bin/${basename(file)}`, source: { file }, mode: 0o755 });
  }
  for (const guestCase of options.cases) {
    const { name, file } = guestCase;
    if (!/^[a-z0-9-]+$/.test(name)) throw new Error(`case names are kebab-case, not "${name}"`);
    const path = `/uc/cases/${name}`;
    const program = file.endsWith(".c");
    files.push({
      path,
      source: { file: program ? await compileProgram(file) : file },
      mode: 0o755,
    });
    const words = [...(program ? [] : ["sh"]), path, ...(guestCase.args ?? [])].map(quoted);
    lines.push(`${name} ${guestCase.limitSeconds ?? caseLimitSeconds} exec ${words.join(" ")}\n`);
  }
  files.push({ path: "/uc/lib.sh", source: { file: join(here, "init", "lib.sh") } });
  files.push({ path: "/uc/cases/list", source: Buffer.from(lines.join("")) });
  return files;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
