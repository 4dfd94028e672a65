// SPDX-License-Identifier: Apache-2.0
// Finds the shared memory of an ivshmem device in sysfs, for a server that itself runs in a VM.
// A device is named by the PCI port that it sits behind: ports have fixed addresses that the
// hypervisor host chose, while the bus numbers behind them are the guest firmware's. Called by
// ivshmem-region.ts.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";

const VENDOR = "0x1af4";
const DEVICE = "0x1110";
const ADDRESS = /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;

/**
 * Path of `resource2` of the one ivshmem device behind a port, enabled for access.
 * @param port address of the port, such as `0000:00:10.0`
 * @throws {UndercroftError} ERR_UC_ARGUMENT, ERR_UC_REGION_OPEN
 */
export function findPciRegion(port: string, devices: string = "/sys/bus/pci/devices"): string {
  if (!ADDRESS.test(port)) {
    throw new UndercroftError("ERR_UC_ARGUMENT", `"${port}" is no PCI address like 0000:00:10.0`);
  }
  try {
    const folder = join(devices, port);
    for (const name of readdirSync(folder)) {
      if (!ADDRESS.test(name)) continue;
      const device = join(folder, name);
      if (wordOf(device, "vendor") !== VENDOR || wordOf(device, "device") !== DEVICE) continue;
      // Without a driver nobody else has the device answer at its addresses.
      if (wordOf(device, "enable") === "0") writeFileSync(join(device, "enable"), "1");
      return join(device, "resource2");
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw openError(port, reason, cause);
  }
  throw openError(port, "no ivshmem device sits behind it");
}

function wordOf(device: string, name: string): string {
  return readFileSync(join(device, name), "latin1").trim();
}

function openError(port: string, reason: string, cause?: unknown): UndercroftError {
  const message = `cannot open the region behind PCI port ${port}: ${reason}`;
  return new UndercroftError("ERR_UC_REGION_OPEN", message, { port }, { cause });
}
