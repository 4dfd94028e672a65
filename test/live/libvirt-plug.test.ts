// SPDX-License-Identifier: Apache-2.0
// Protected domains with doorbells, and what is plugged into running ones: the holder is restarted
// under a guest, interfaces come and go, and the protection itself does.
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { askService } from "../../lib/hypervisor/hypervisor.ts";
import { type LibvirtRig, libvirtProblem } from "./libvirt-rig.ts";
import { type DomainShape, LibvirtScene } from "./libvirt-scene.ts";

const problem = libvirtProblem();
const bootMsMax = 240_000;
const MAC = "52:54:00:97:00:77";
const MIB = 2 ** 20;

let scene: LibvirtScene;
let rig: LibvirtRig;

/** Places of a q35 machine where devices can be plugged in, beside those that libvirt makes. */
function placesBehind(last: string): string {
  const ports = [1, 2, 3, 4, 5, 6].map(
    (index) => `<controller type='pci' index='${index}' model='pcie-root-port'/>`,
  );
  const root = "<controller type='pci' index='0' model='pcie-root'/>";
  return `${root}${ports.join("")}<controller type='pci' index='7' model='${last}'/>`;
}

async function doctor(): Promise<string> {
  return (await rig.cli("doctor", "--socket", rig.socketPath)).output;
}

/** Starts a domain and waits until it has booted: firmware takes no devices. */
async function boot(name: string, shape: DomainShape): Promise<void> {
  await scene.define(name, shape);
  rig.virsh("start", name);
  // It asks for its neighbour then.
  await scene.eventually(`${name} to boot`, async () =>
    rig.inside("ip", "neigh", "show", `10.97.0.1${shape.at}`).includes("lladdr"),
  );
}

function live(command: string, name: string): string[] {
  return [command, name, "--live", "--socket", rig.socketPath];
}

/** States of the taps of a guest. */
async function taps(name: string): Promise<string[]> {
  return ((await scene.guest(name)).interfaces ?? []).map(({ state }) => state);
}

describe.skipIf(problem !== undefined)(`plugging${problem ? `: ${problem}` : ""}`, () => {
  beforeAll(async () => {
    scene = await LibvirtScene.open();
    rig = scene.rig;
    // Places where a device can be plugged in.
    await scene.define("uc-bell", { at: 3, devices: placesBehind("pcie-root-port") });
    await scene.startService();
    scene.startRedirector();
  }, bootMsMax);

  afterAll(() => scene?.close(), 60_000);

  test("doorbells need the holder for a start, and doctor knows why", async () => {
    const first = await rig.cli("protect", "uc-bell", "--doorbell", "--size", "16");
    expect(first).toEqual({
      status: 0,
      output: "uc-bell: protected; it holds from its next start\n",
    });
    expect((await rig.cli("protect", "uc-bell")).output).toContain("protected already");
    expect((await rig.cli("protect", "uc-bell", "--size", "8")).output).toContain("has 16 MiB");
    expect(() => rig.virsh("start", "uc-bell")).toThrow("undercroft-holder");
    expect(await doctor()).toContain("uc-bell: it has doorbells and the holder does not answer");
  });

  test("it starts with the holder, its region is the holder's, and events flow", async () => {
    await scene.startHolder();
    rig.virsh("start", "uc-bell");
    await scene.flows("uc-bell");
    expect(await scene.guest("uc-bell")).toMatchObject({ wakeUps: "doorbells" });
    const name = `${scene.uuid("uc-bell")}-16M`;
    expect(scene.holder.list()).toMatchObject([{ name, bytes: 16 * MIB }]);
    expect(existsSync(scene.region("uc-bell"))).toBe(false);
    expect(await doctor()).toMatch(/^nothing is wrong/);
  });

  test("holder and service are restarted in turn: the guest stays monitored", async () => {
    await scene.crashHolder();
    await scene.flows("uc-bell");
    await scene.stopService("SIGKILL");
    await scene.startService();
    await scene.flows("uc-bell");
    expect(scene.holder.list()[0]?.pid).toBeGreaterThan(0);
  });

  test("an interface that is plugged in is watched at once, and unplugged no longer", async () => {
    await scene.eventually("the first tap", async () => (await taps("uc-bell")).length === 1);
    rig.virsh(
      ...["attach-interface", "uc-bell", "bridge", "br0", "--model", "virtio", "--mac", MAC],
      "--live",
    );
    await scene.eventually(
      "two taps",
      async () => (await taps("uc-bell")).join() === "running,running",
    );
    rig.virsh("detach-interface", "uc-bell", "bridge", "--mac", MAC, "--live");
    await scene.eventually("one tap", async () => (await taps("uc-bell")).join() === "running");
    await scene.flows("uc-bell");
  });

  test("unprotect takes doorbells away", async () => {
    rig.virsh("destroy", "uc-bell");
    await scene.eventually("the holder to let go", async () => scene.holder.list().length === 0);
    const { output } = await rig.cli("unprotect", "uc-bell");
    expect(output).toBe("uc-bell: no longer protected\n");
    expect(rig.virsh("dumpxml", "uc-bell")).not.toContain("shmem");
  });

  test("a running domain is protected at once, and let go", async () => {
    await boot("uc-live", { at: 4, machine: "pc" });
    const plugged = await rig.cli(...live("protect", "uc-live"), "--size", "16");
    expect(plugged).toEqual({
      status: 0,
      output: "uc-live: protected; it holds now\nuc-live: its driver has registered\n",
    });
    await scene.flows("uc-live");
    const taken = await rig.cli(...live("unprotect", "uc-live"));
    expect(taken).toEqual({ status: 0, output: "uc-live: no longer protected\n" });
    expect(existsSync(scene.region("uc-live"))).toBe(false);
    const { guests } = await askService(rig.socketPath, { ask: "status" });
    expect(guests).toEqual([]);
    expect(rig.virsh("domstate", "uc-live")).toBe("running");
    rig.virsh("destroy", "uc-live");
  });

  test("where the driver does not come, that is said, and the next start has it", async () => {
    // A q35 machine takes it behind a bridge; its guest of this kernel then finds no use for it.
    await boot("uc-late", { at: 5, devices: placesBehind("pcie-to-pci-bridge") });
    const plugged = await rig.cli(...live("protect", "uc-late"), "--size", "16");
    expect(plugged.output).toContain("uc-late: its driver has not registered");
    expect(plugged.status).toBe(1);
    rig.virsh("destroy", "uc-late");
    rig.virsh("start", "uc-late");
    await scene.flows("uc-late");
    rig.virsh("destroy", "uc-late");
  });

  test("a machine without a place for it has the device from its next start", async () => {
    await scene.define("uc-full", { at: 6 });
    rig.virsh("start", "uc-full");
    const { status, output } = await rig.cli("protect", "uc-full", "--live", "--size", "16");
    expect(status).toBe(1);
    expect(output).toContain("uc-full: protected; it holds from its next start\n");
    expect(output).toContain("not plugged in: attach: internal error: No more available PCI slots");
    expect(existsSync(scene.region("uc-full"))).toBe(false);
    rig.virsh("destroy", "uc-full");
    rig.virsh("start", "uc-full");
    await scene.flows("uc-full");
  });
});
