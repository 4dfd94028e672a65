// SPDX-License-Identifier: Apache-2.0
// What is read of a domain's XML, and what is refused.
import { describe, expect, test } from "vitest";
import { readDomainXml, regionDeviceXml, regionName } from "../../../lib/hypervisor/hypervisor.ts";

const uuid = "5b0f8e1c-0000-4000-8000-000000000010";

function domain(devices: string, rest = ""): string {
  return `<domain type='kvm' id='3'><name>web &amp; mail</name><uuid>${uuid.toUpperCase()}</uuid>
    <devices>${devices}</devices>${rest}</domain>`;
}

describe("a domain's XML", () => {
  test("tells name, UUID, taps and hardware addresses", () => {
    const xml = domain(`
      <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/>
        <target dev='vnet4'/><model type='virtio'/></interface>
      <interface type='network'><mac address='52:54:00:00:00:02'/></interface>`);
    expect(readDomainXml(xml)).toEqual({
      name: "web & mail",
      uuid,
      region: undefined,
      interfaces: [
        { type: "bridge", mac: "52:54:00:00:00:01", tap: "vnet4" },
        { type: "network", mac: "52:54:00:00:00:02", tap: "" },
      ],
      owner: undefined,
    });
  });

  test("knows our device among others, in every unit, and only by this domain's UUID", () => {
    const other = "<shmem name='looking-glass'><model type='ivshmem-plain'/><size>4</size></shmem>";
    const ours = regionDeviceXml(uuid, 16 << 20);
    const found = readDomainXml(domain(other + ours)).region;
    expect(found).toEqual({
      ...{ name: regionName(uuid), bytes: 16 << 20, model: "ivshmem-plain", isKept: true },
    });
    const inBytes = ours.replace("<size unit='M'>16<", "<size unit='KiB'>16384<");
    expect(readDomainXml(domain(inBytes)).region?.bytes).toBe(16 << 20);
    const foreign = regionDeviceXml("00000000-0000-4000-8000-000000000000", 16 << 20);
    expect(readDomainXml(domain(other + foreign)).region).toBeUndefined();
  });

  test("tells whose QEMU it is, where the domain says so", () => {
    const label = "<seclabel type='static' model='dac'><label>+64055:+106</label></seclabel>";
    const apparmor =
      "<seclabel type='dynamic' model='apparmor'><label>libvirt-x</label></seclabel>";
    expect(readDomainXml(domain("", apparmor + label)).owner).toEqual({ uid: 64055, gid: 106 });
    expect(readDomainXml(domain("", apparmor)).owner).toBeUndefined();
  });

  test.each([
    ["", "there is no domain"],
    ["nonsense", "there is no domain"],
    ["<network><name>default</name></network>", "there is no domain"],
    ["<domain><name>x</name></domain>", "domain x has no UUID"],
    ["<domain><name>x</name><uuid>../../etc/passwd</uuid></domain>", "domain x has no UUID"],
  ])("refuses %j", (xml, reason) => {
    expect(() => readDomainXml(xml)).toThrow(reason);
  });
});
