// SPDX-License-Identifier: Apache-2.0
// The demo's guest as a process: undercroft-guest runs the same portable core as a driver over
// made-up processes. Called by start.ts only where --guest simulated asks for it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { buildSimulatedGuest } from "../hypervisor/hypervisor.ts";
import { DEMO, GUEST_LINES, GUEST_POINTS } from "./demo-guest.ts";
import { DEMO_PAYLOAD_SHA256 } from "./demo-indicators.ts";
import { GuestReport, type GuestRequest, type ProtectedGuest } from "./protected-guest.ts";

/**
 * Builds and starts the process.
 * @throws {UndercroftError} ERR_UC_DRIVER_BUILD, ERR_UC_TOOL_MISSING
 */
export async function startSimulatedGuest(request: GuestRequest): Promise<ProtectedGuest> {
  const { report, region } = request;
  report("simulated guest: building");
  const program = await buildSimulatedGuest();
  const logPath = join(tmpdir(), `undercroft-simulated-${process.pid}.log`);
  report(`simulated guest: starting a process in place of a machine, log in ${logPath}`);
  const args = [
    ...["--region", region.path, "--cpus", "2", "--rate", "2000000", "--scenario", "intrusion"],
    ...["--payload-sha256", DEMO_PAYLOAD_SHA256, "--payload-path", DEMO.payloadPath],
    ...["--secret-path", DEMO.secretPath, "--open-path", DEMO.openPath],
    ...["--miner-path", `/opt/demo/${DEMO.minerName}`, "--stage-url", DEMO.stageUrl],
  ];
  // A group of its own: Ctrl-C must reach this process alone, which then ends its guest in order.
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  await once(child, "spawn");
  return new SimulatedGuest(child, logPath);
}

class SimulatedGuest implements ProtectedGuest {
  readonly kernel = "none";
  readonly accelerator = "simulated";
  readonly logPath: string;
  readonly exited: Promise<string>;
  readonly report = new GuestReport();
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, logPath: string) {
    this.#child = child;
    this.logPath = logPath;
    const log = createWriteStream(logPath, { mode: 0o600 });
    child.stderr?.pipe(log, { end: false });
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on("line", (line) => {
        log.write(`${line}\n`);
        this.#takeLine(line);
      });
    }
    // Writing to a guest that has just ended is no error of ours: its end is told by `exited`.
    child.stdin?.on("error", () => {});
    this.exited = once(child, "close").then(([status, signal]: unknown[]) => {
      log.end();
      this.report.take(GUEST_POINTS.healthy, status === 0);
      return signal === null ? `it ended with status ${status}` : `it was ended by ${signal}`;
    });
  }

  begin(): void {
    this.#child.stdin?.write(`${GUEST_LINES.begin}\n`);
  }

  /** It has no network. */
  contact(): void {}

  unload(): void {
    this.#child.stdin?.write(`${GUEST_LINES.unload}\n`);
  }

  async stop(keepLog: boolean): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
    if (!keepLog) await rm(this.logPath, { force: true });
  }

  /** "point NAME ok" or "point NAME failed". */
  #takeLine(line: string): void {
    const [word, name = "", result] = line.split(" ");
    const points: Readonly<Record<string, string>> = GUEST_POINTS;
    const point = word === "point" ? points[name] : undefined;
    if (point !== undefined) this.report.take(point, result === "ok");
  }
}
