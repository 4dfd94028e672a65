// SPDX-License-Identifier: Apache-2.0
// The kernel modules that a guest needs for its virtio network interface, as files for its
// initramfs and as the script that loads them. Called by whoever gives a guest a network.
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import type { GuestFile } from "./initramfs.ts";
import type { GuestKernel } from "./kernels.ts";

/** In the order in which they can be loaded; a kernel may have some of them built in. */
const names = [
  "virtio_ring",
  "virtio",
  "failover",
  "net_failover",
  "virtio_pci_legacy_dev",
  "virtio_pci_modern_dev",
  "virtio_pci",
  "virtio_net",
];
const required = "virtio_net";
const folder = "/lib/network";

/** Modules for a guest, and the lines of shell that load them. */
export interface NetworkModules {
  readonly files: readonly GuestFile[];
  readonly loadScript: string;
}

/**
 * Finds the modules of a kernel; `further` ones, such as another virtio driver, are loaded last.
 * @throws UndercroftError ERR_UC_KERNEL_MISSING
 */
export async function networkModules(
  kernel: GuestKernel,
  further: readonly string[] = [],
): Promise<NetworkModules> {
  const root = join(kernel.modulesDirectory, "kernel");
  const all = await readdir(root, { recursive: true });
  const files: GuestFile[] = [];
  const lines: string[] = [];
  for (const name of [...names, ...further]) {
    const found = all.find((path) => new RegExp(`/${name}\\.ko(\\.xz)?$`).test(path));
    if (found === undefined) {
      if (name !== required && !further.includes(name)) continue;
      const message = `kernel ${kernel.version} has no module ${name}; obtain another kernel`;
      throw new UndercroftError("ERR_UC_KERNEL_MISSING", message, { version: kernel.version });
    }
    const path = `${folder}/${basename(found)}`;
    files.push({ path, source: { file: join(root, found) } });
    lines.push(`insmod ${path}`);
  }
  return { files, loadScript: `${lines.join("\n")}\n` };
}
