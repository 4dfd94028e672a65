// SPDX-License-Identifier: Apache-2.0
// Regions behind PCI ports: the one ivshmem device behind a port is found and enabled, others not.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findPciRegion } from "../../../lib/transport/pci-region.ts";

const PORT = "0000:00:10.3";
const code = (name: string) => expect.objectContaining({ code: `ERR_UC_${name}` });

let devices = "";
beforeEach(() => {
  devices = mkdtempSync(join(tmpdir(), "undercroft-pci-"));
  mkdirSync(join(devices, PORT));
});
afterEach(() => rmSync(devices, { recursive: true }));

function plug(address: string, vendor: string, device: string): string {
  const folder = join(devices, PORT, address);
  mkdirSync(folder);
  for (const [name, text] of Object.entries({ vendor, device, enable: "0" })) {
    writeFileSync(join(folder, name), `${text}\n`);
  }
  return folder;
}

describe("a region behind a PCI port", () => {
  it("is the ivshmem device's resource2, enabled", () => {
    const folder = plug("0000:04:00.0", "0x1af4", "0x1110");
    expect(findPciRegion(PORT, devices)).toBe(join(folder, "resource2"));
    expect(readFileSync(join(folder, "enable"), "latin1").trim()).toBe("1");
  });

  it("is no other device", () => {
    const folder = plug("0000:04:00.0", "0x1af4", "0x1000");
    expect(() => findPciRegion(PORT, devices)).toThrow(code("REGION_OPEN"));
    expect(readFileSync(join(folder, "enable"), "latin1").trim()).toBe("0");
  });

  it("is not there before it is plugged in", () => {
    expect(() => findPciRegion(PORT, devices)).toThrow(code("REGION_OPEN"));
    expect(() => findPciRegion("0000:00:11.0", devices)).toThrow(code("REGION_OPEN"));
  });

  it("is never looked for outside sysfs", () => {
    expect(() => findPciRegion("../../tmp", devices)).toThrow(code("ARGUMENT"));
  });
});
