// SPDX-License-Identifier: Apache-2.0
// The demo's guest as a machine: a Debian kernel in QEMU with our driver and the demo's files.
// Called by start.ts only. It tells of each long step and does not read the region.
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import {
  buildDriver,
  buildInitramfs,
  chooseAccelerator,
  type Guest,
  networkModules,
  obtainKernel,
  startGuest,
} from "../hypervisor/hypervisor.ts";
import { demoFiles, demoMain, GUEST_LINES } from "./demo-guest.ts";
import { GuestReport, type GuestRequest, type ProtectedGuest } from "./protected-guest.ts";

const memoryMiB = 512;

/**
 * Prepares and boots the demo's guest.
 * @throws {UndercroftError} ERR_UC_KERNEL_MISSING, ERR_UC_DRIVER_BUILD, ERR_UC_TOOL_MISSING,
 * ERR_UC_QEMU_MISSING, ERR_UC_QEMU_FAILED
 */
export async function startQemuGuest(request: GuestRequest): Promise<ProtectedGuest> {
  const { report, region } = request;
  report(`kernel ${request.kernelSeries}: obtaining the Debian kernel`);
  const kernel = await obtainKernel(request.kernelSeries, { report });
  report(`driver: building for ${kernel.version}`);
  const driver = await buildDriver(kernel);
  const { accelerator, reason } = await chooseAccelerator(kernel);
  // On several CPUs the translator loses guests that switch tracepoints, as loading a driver does.
  const cpus = accelerator === "kvm" ? 2 : 1;
  report(`accelerator: ${accelerator === "kvm" ? "KVM" : "QEMU's translator (TCG)"}, ${reason}`);
  report("initramfs: building");
  const network = request.network === undefined ? undefined : await networkModules(kernel);
  const files = [...demoFiles(), ...(network?.files ?? [])];
  const main = demoMain(network?.loadScript);
  const initramfs = await buildInitramfs({ main, driver, loadDriver: true, files });
  const logPath = join(tmpdir(), `undercroft-console-${process.pid}.log`);
  report(`guest: booting Linux ${kernel.version}, console in ${logPath}`);
  const guest = await startGuest({
    ...{ kernel, initramfs, cpus, memoryMiB, console: logPath },
    region: { path: region.path, bytes: region.bytes },
    ...(request.network === undefined ? {} : { network: request.network }),
  });
  return new QemuGuest(guest, kernel.version, logPath);
}

class QemuGuest implements ProtectedGuest {
  readonly kernel: string;
  readonly accelerator: string;
  readonly logPath: string;
  readonly exited: Promise<string>;
  readonly report = new GuestReport();
  readonly #guest: Guest;
  readonly #reading: Promise<void>;

  constructor(guest: Guest, kernel: string, logPath: string) {
    this.#guest = guest;
    this.kernel = kernel;
    this.accelerator = guest.accelerator;
    this.logPath = logPath;
    this.#reading = this.#readTap();
    this.exited = this.#end();
  }

  begin(): void {
    this.#guest.sendLine(GUEST_LINES.begin);
  }

  contact(): void {
    this.#guest.sendLine(GUEST_LINES.contact);
  }

  unload(): void {
    this.#guest.sendLine(GUEST_LINES.unload);
  }

  async stop(keepLog: boolean): Promise<void> {
    await this.#guest.stop();
    if (!keepLog) await rm(this.logPath, { force: true });
  }

  async #readTap(): Promise<void> {
    for await (const line of this.#guest.tapLines) this.report.takeLine(line);
  }

  /** Waits for the guest's last words too, so that its end is known after all it said. */
  async #end(): Promise<string> {
    const { poweredOff, reason } = await this.#guest.exited;
    await this.#reading;
    return poweredOff ? "it powered off" : reason;
  }
}
