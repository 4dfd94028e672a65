// SPDX-License-Identifier: Apache-2.0
// Builds the Linux guest driver for one kernel, in the cache, so that the source tree stays clean
// and two kernels never share objects. Called by the main job and the guest tests.
import { cp, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import { cacheDirectory, cachedDirectory, isReadable } from "./cache.ts";
import { readDriverTree } from "./driver-tree.ts";
import type { GuestKernel } from "./kernels.ts";
import { runProgram } from "./subprocess.ts";

const buildTimeoutMs = 600_000;
const toolHint = "install what builds kernel modules: apt install make gcc-12 libelf1";
// Says that the toolchain is not the distribution's own, which is no fault of the driver.
const toolchainNotice = /warning: the compiler differs from the one used to build the kernel/i;

/**
 * Returns the path of undercroft.ko for a kernel, building it when its sources are new.
 * `tree` is the guest-drivers directory; it defaults to the one of this package.
 * @throws UndercroftError ERR_UC_DRIVER_BUILD, ERR_UC_TOOL_MISSING
 */
export async function buildDriver(kernel: GuestKernel, tree?: string): Promise<string> {
  const { root, sources, digest } = await readDriverTree(["linux", "core", "wire"], tree);
  const name = `${kernel.version}-${digest}`;
  const drivers = join(cacheDirectory(), "drivers");
  await mkdir(drivers, { recursive: true });
  const directory = await cachedDirectory(join(drivers, name), async (draft) => {
    for (const source of sources) await cp(join(root, source), join(draft, source));
    await make(kernel, join(draft, "linux"));
  });
  return join(directory, "linux", "undercroft.ko");
}

async function make(kernel: GuestKernel, directory: string): Promise<void> {
  // Type information of modules would need one more program (pahole); nothing here reads it.
  const settings = [`M=${directory}`, "CONFIG_DEBUG_INFO_BTF_MODULES="];
  const args = ["-C", kernel.headersDirectory, ...settings, "modules"];
  const result = await runProgram("make", args, { timeoutMs: buildTimeoutMs, hint: toolHint });
  const output = result.output.replaceAll(`${dirname(directory)}/`, "guest-drivers/").trim();
  const warnings = output
    .split("\n")
    .filter((line) => /warning:/i.test(line) && !toolchainNotice.test(line));
  if (result.status !== 0 || warnings.length > 0) {
    const reason = result.status === 0 ? "has warnings" : "does not build";
    const message = `the driver ${reason} on kernel ${kernel.version}:\n${output}`;
    throw new UndercroftError("ERR_UC_DRIVER_BUILD", message, { kernel: kernel.version });
  }
  if (await isReadable(join(directory, "undercroft.ko"))) return;
  const message = `make ended well on ${kernel.version} but left no undercroft.ko; see Kbuild`;
  throw new UndercroftError("ERR_UC_DRIVER_BUILD", message, { kernel: kernel.version });
}
