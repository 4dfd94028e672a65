// SPDX-License-Identifier: Apache-2.0
// Decides between KVM and QEMU's translator (TCG) by booting a guest to user space under KVM, since
// an openable /dev/kvm proves nothing. Called before any guest starts; the answer is kept until the
// machine boots again.
import { constants } from "node:fs";
import { access, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isUndercroftError } from "../errors/errors.ts";
import { cacheDirectory } from "./cache.ts";
import { type Accelerator, launchGuest } from "./guest.ts";
import { buildInitramfs } from "./initramfs.ts";
import type { GuestKernel } from "./kernels.ts";

/** The accelerator to use on this machine, and why, in words for a person. */
export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  readonly reason: string;
}

// Real hardware needs one to two seconds to user space.
const trialTimeoutMs = 15_000;

/**
 * Returns the accelerator that works here; tries KVM once per boot of this machine.
 * @throws UndercroftError ERR_UC_QEMU_MISSING, ERR_UC_TOOL_MISSING
 */
export async function chooseAccelerator(kernel: GuestKernel): Promise<AcceleratorChoice> {
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  const path = join(cacheDirectory(), "accelerator.json");
  const known = await readFile(path, "utf8")
    .then((text) => JSON.parse(text) as AcceleratorChoice & { readonly boot: string })
    .catch(() => undefined);
  if (known?.boot === boot) return known;
  const choice = await tryKvm(kernel);
  await mkdir(cacheDirectory(), { recursive: true });
  await writeFile(path, `${JSON.stringify({ boot, ...choice })}\n`);
  return choice;
}

async function tryKvm(kernel: GuestKernel): Promise<AcceleratorChoice> {
  const tcg = (reason: string): AcceleratorChoice => ({ accelerator: "tcg", reason });
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return tcg("/dev/kvm is absent or not open to this user");
  }
  const initramfs = await buildInitramfs({ main: "true" });
  const console = join(tmpdir(), `undercroft-kvm-trial-${process.pid}.log`);
  try {
    const options = { kernel, initramfs, console, timeoutMs: trialTimeoutMs };
    const guest = await launchGuest(options, "kvm");
    const exit = await guest.exited;
    if (exit.poweredOff) return { accelerator: "kvm", reason: "a trial guest ran under KVM" };
    return tcg(`/dev/kvm opens, but a trial guest did not run: ${exit.reason}`);
  } catch (cause) {
    if (!isUndercroftError(cause) || cause.code !== "ERR_UC_QEMU_FAILED") throw cause;
    return tcg("/dev/kvm opens, but QEMU cannot start a guest on it");
  } finally {
    await rm(console, { force: true });
  }
}
