// SPDX-License-Identifier: Apache-2.0
// `undercroft start`, the main job: runs the demo, shows it, and says at the end whether all that
// had to happen was really observed.
import process from "node:process";
import { parseIndicators } from "../detect/detect.ts";
import { isUndercroftError, UndercroftError } from "../errors/errors.ts";
import { kernelSeries } from "../hypervisor/hypervisor.ts";
import { DEMO } from "./demo-guest.ts";
import { DEMO_INDICATORS, DEMO_PAYLOAD_SHA256 } from "./demo-indicators.ts";
import { type DemoOptions, DemoRun } from "./demo-run.ts";
import { indicatorSummary, readIndicators, readPolicy } from "./indicators.ts";
import { Interrupt } from "./interrupt.ts";
import { toJson } from "./json.ts";
import { startQemuGuest } from "./qemu-guest.ts";
import { Screen } from "./screen.ts";
import { startSimulatedGuest } from "./simulated-guest.ts";
import { choiceOption, readArguments, textOption, usageError } from "./usage.ts";

interface StartOptions {
  readonly once: boolean;
  readonly json: boolean;
  readonly demo: Omit<DemoOptions, "log">;
}

const redrawMs = 200;

/** Runs the command. */
export async function start(args: readonly string[]): Promise<number> {
  const options = await readOptions(args);
  const screen = new Screen(options.json ? process.stderr : process.stdout);
  const log = (line: string): void => screen.log(line);
  log(indicatorSummary(options.demo.indicators));
  const interrupt = new Interrupt();
  const run = await open(options, log);
  const drawing = setInterval(() => {
    if (run.guest !== undefined) screen.show(run.view(heading(run), screen.elapsedMs, hint));
  }, redrawMs);
  let error: UndercroftError | undefined;
  try {
    await unlessInterrupted(play(run, options, interrupt), interrupt.wait());
    // A person who cannot wait for the guest's own end asks again.
    await unlessInterrupted(unload(run, interrupt), interrupt.wait(2));
  } catch (cause) {
    if (!isUndercroftError(cause)) {
      await run.close(true);
      screen.close();
      throw cause;
    }
    error = cause;
  } finally {
    clearInterval(drawing);
    interrupt.close();
  }
  return finish(run, options, screen, error);
}

/** Opens the run. Who reads our JSON gets it also where there is nothing to run. */
async function open(options: StartOptions, log: (line: string) => void): Promise<DemoRun> {
  try {
    return await DemoRun.open({ ...options.demo, log });
  } catch (cause) {
    if (options.json && isUndercroftError(cause)) {
      const guest = { name: "demo", state: "offline" };
      const nothing = { events: 0, findings: [], commands: [], loss: { named: 0, unaccounted: 0 } };
      process.stdout.write(`${toJson({ guest, ...nothing, expected: [], ...about(cause) })}\n`);
    }
    throw cause;
  }
}

/** Waits for the work or the signal; work that is left alone may fail unheard. */
async function unlessInterrupted(work: Promise<void>, signal: Promise<void>): Promise<void> {
  work.catch(() => {});
  await Promise.race([work, signal]);
}

const hint = "Ctrl-C unloads the driver, stops the guest and ends";

async function play(run: DemoRun, options: StartOptions, interrupt: Interrupt): Promise<void> {
  await run.boot();
  await run.intrude();
  if (options.once) return;
  const reason = await Promise.race([run.ended(), interrupt.wait()]);
  if (reason === undefined) return;
  throw new UndercroftError("ERR_UC_SCENARIO", `the guest ended by itself: ${reason}`);
}

async function unload(run: DemoRun, interrupt: Interrupt): Promise<void> {
  // Interrupted before the guest could hear us, there is nothing to unload.
  if (interrupt.count > 0 && !run.watch.hasBeen("monitored")) return;
  await run.unload();
}

async function finish(
  run: DemoRun,
  options: StartOptions,
  screen: Screen,
  error: UndercroftError | undefined,
): Promise<number> {
  // Before close(), which counts the stopping of a guest as its end.
  const hasFailed = (): boolean => run.judge().some(({ observed }) => !observed);
  const mustSucceed = options.once || error !== undefined;
  const keepLog = mustSucceed && (error !== undefined || hasFailed());
  await run.close(keepLog);
  screen.close();
  const expected = run.judge();
  for (const { what, observed, missing } of run.guest === undefined ? [] : expected) {
    screen.log(observed ? `observed: ${what}` : `MISSING: ${what} (${missing.join("; ")})`);
  }
  if (error !== undefined) {
    process.stderr.write(`undercroft: ${error.message} (${error.code})\n`);
  }
  const failed = error !== undefined || (options.once && hasFailed());
  const console = failed && run.guest !== undefined ? { console: run.guest.logPath } : {};
  if (console.console !== undefined) screen.log(`console of the guest: ${console.console}`);
  if (options.json) {
    process.stdout.write(`${toJson({ ...result(run), expected, ...console, ...about(error) })}\n`);
  }
  return failed ? 1 : 0;
}

function result(run: DemoRun): object {
  const { guest, watch, loss, statsMonitored } = run;
  const record = statsMonitored?.guest;
  return {
    guest: {
      name: record?.name ?? "demo",
      id: record?.id,
      kernel: guest?.kernel,
      accelerator: guest?.accelerator,
      boot: record?.boot,
      driver: record?.driver,
      state: record?.state ?? "offline",
    },
    events: watch.events,
    ...(run.network === undefined ? {} : { network: run.network }),
    ...(run.managerKnows === undefined ? {} : { manager: run.managerKnows }),
    findings: [...watch.findings.values()],
    commands: [...watch.commands.values()],
    loss: { named: loss.named, unaccounted: loss.unaccounted, byReason: loss.byReason },
  };
}

function about(error: UndercroftError | undefined): object {
  return error === undefined ? {} : { error: { code: error.code, message: error.message } };
}

function heading(run: DemoRun): string {
  const { kernel = "", accelerator = "" } = run.guest ?? {};
  return `Undercroft   guest on ${kernel}, ${accelerator}`;
}

async function readOptions(args: readonly string[]): Promise<StartOptions> {
  const parsed = readArguments("start", args, {
    once: { type: "boolean" },
    json: { type: "boolean" },
    guest: { type: "string" },
    kernel: { type: "string" },
    indicators: { type: "string" },
    policy: { type: "string" },
    "region-size": { type: "string" },
  });
  const [first = "6.1", ...others] = kernelSeries;
  const kind = choiceOption("start", parsed, "guest", ["qemu", "simulated"]);
  const mebibytes = Number(textOption(parsed, "region-size") ?? "32");
  if (!Number.isInteger(Math.log2(mebibytes)) || mebibytes < 1 || mebibytes > 1024) {
    throw usageError("start", "--region-size: must be a power of two from 1 to 1024, in MiB");
  }
  const file = textOption(parsed, "indicators");
  const indicators =
    file === undefined
      ? parseIndicators(DEMO_INDICATORS, "the demo's indicators")
      : await readIndicators(file);
  return {
    once: parsed.values.once === true,
    json: parsed.values.json === true,
    demo: {
      indicators,
      regionBytes: mebibytes * 2 ** 20,
      kernelSeries: choiceOption("start", parsed, "kernel", [first, ...others]),
      policy: await readPolicy(textOption(parsed, "policy")),
      wantsNetwork: kind === "qemu",
      startGuest: kind === "qemu" ? startQemuGuest : startSimulatedGuest,
      values: {
        payloadSha256: DEMO_PAYLOAD_SHA256,
        secretPath: DEMO.secretPath,
        minerName: DEMO.minerName,
        stageUrl: DEMO.stageUrl,
      },
    },
  };
}
