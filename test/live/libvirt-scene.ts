// SPDX-License-Identifier: Apache-2.0
// Domains on a rig's libvirtd with the service and the redirector of their hypervisor host: what
// the tests of protected domains share. Used by libvirt.test.ts and libvirt-plug.test.ts.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import {
  askService,
  buildDriver,
  buildInitramfs,
  networkModules,
  obtainKernel,
  regionPath,
} from "../../lib/hypervisor/hypervisor.ts";
import { HOLDER_CONTROL, Holder } from "../../lib/native/native.ts";
import { HOLDER_PROGRAM, LineProcess, serviceManager } from "../holder/programs.ts";
import { LibvirtRig } from "./libvirt-rig.ts";

/** A file that every guest reads and the service has listed. */
const SECRET = "/etc/undercroft-test/secret.txt";
const REDIRECTOR_REGION = "/dev/shm/undercroft-redirector";

export interface GuestStatus {
  readonly name: string;
  readonly state: string;
  readonly events?: number;
  readonly findings?: number;
  readonly wakeUps?: string;
  readonly loss?: { readonly named: number; readonly unaccounted: number };
  readonly interfaces?: ReadonlyArray<{ name: string; state: string; counts: { seen: number } }>;
}

export interface DomainShape {
  /** Number of the domain: in its address, its UUID and its disk's name. */
  readonly at: number;
  /** Default q35. */
  readonly machine?: "q35" | "pc";
  /** More devices, as XML. */
  readonly devices?: string;
}

export interface Below {
  readonly outcome: string;
  readonly detail: string;
  readonly layer: string;
}

/** What a guest does all the time: ordinary work, a look at the listed file, a bit of traffic. */
function mainScript(loadNetwork: string, address: string): string {
  return `${loadNetwork}ip link set lo up
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip address add ${address}/24 dev eth0
ip link set eth0 up
while :; do
  ls /etc >/tmp/listing
  cat ${SECRET} >/dev/null 2>&1
  nc -w 1 10.97.0.1 7 </dev/null >/dev/null 2>&1
  usleep 500000
done
`;
}

export class LibvirtScene {
  readonly rig: LibvirtRig;
  /** What the service printed. */
  readonly told: Array<Record<string, unknown>> = [];
  readonly #uuids = new Map<string, string>();
  #service: ChildProcess | undefined;
  #holder: LineProcess | undefined;
  #redirector: ChildProcess | undefined;

  private constructor(rig: LibvirtRig) {
    this.rig = rig;
  }

  static async open(): Promise<LibvirtScene> {
    return new LibvirtScene(await LibvirtRig.open());
  }

  async close(): Promise<void> {
    await this.stopRedirector("SIGTERM");
    await this.stopService("SIGTERM");
    await this.rig.close();
    await this.#holder?.end();
  }

  /** Defines a domain that does ordinary work as soon as it is started. */
  async define(name: string, { at, machine = "q35", devices = "" }: DomainShape): Promise<void> {
    const { rig } = this;
    const kernel = await obtainKernel("6.1");
    const { files, loadScript } = await networkModules(kernel);
    const initramfs = await buildInitramfs({
      main: mainScript(loadScript, `10.97.0.1${at}`),
      driver: await buildDriver(kernel),
      loadDriver: true,
      files: [...files, { path: SECRET, source: Buffer.from("secret\n") }],
    });
    const [vmlinuz, initrd] = [join(rig.folder, `vmlinuz-${at}`), join(rig.folder, `initrd-${at}`)];
    copyFileSync(kernel.vmlinuz, vmlinuz);
    copyFileSync(initramfs, initrd);
    for (const path of [vmlinuz, initrd]) chmodSync(path, 0o644);
    const disk = join(rig.folder, `disk-${at}.qcow2`);
    rig.inside("qemu-img", "create", "-q", "-f", "qcow2", disk, "64M");
    const uuid = `5b0f8e1c-0000-4000-8000-0000000000${at}0`;
    this.#uuids.set(name, uuid);
    const serials = [0, 1, 2].map(
      (port) => `<serial type='null'><target port='${port}'/></serial>`,
    );
    const xml = `<domain type='qemu'><name>${name}</name><uuid>${uuid}</uuid>
  <memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='${machine}'>hvm</type><kernel>${vmlinuz}</kernel>
    <initrd>${initrd}</initrd><cmdline>console=ttyS0 panic=-1 oops=panic</cmdline></os>
  <features><acpi/></features><cpu mode='custom'><model>qemu64</model></cpu>
  <on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${disk}'/>
      <target dev='vda' bus='virtio'/></disk>
    <interface type='bridge'><source bridge='br0'/><mac address='52:54:00:97:00:1${at}'/>
      <model type='virtio'/></interface>
    ${serials.join("")}
    ${devices}
  </devices></domain>`;
    const path = join(rig.folder, `${name}.xml`);
    writeFileSync(path, xml);
    rig.virsh("define", path);
  }

  async startService(): Promise<void> {
    const { rig } = this;
    const indicators = join(rig.folder, "indicators.txt");
    writeFileSync(indicators, `path:${SECRET}\n`);
    const child = rig.start(
      [],
      ...["serve", "--libvirt", "--json", "--socket", rig.socketPath],
      ...["--indicators", indicators],
      ...["--evidence", join(rig.folder, "evidence")],
      ...["--redirector-region", REDIRECTOR_REGION],
    );
    this.#service = child;
    if (child.stdout === null || child.stderr === null) throw new Error("no output");
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.told.push(JSON.parse(line) as Record<string, unknown>);
    });
    child.stderr.on("data", (chunk: Buffer) =>
      this.told.push({ kind: "stderr", text: `${chunk}` }),
    );
    await this.eventually(
      "the service to answer",
      async () => {
        const answer = await askService(this.rig.socketPath, { ask: "status" });
        return answer.libvirt === true;
      },
      60_000,
    );
  }

  /** A holder under a service manager that keeps its descriptors, with the unit's rights. */
  async startHolder(): Promise<void> {
    const { rig } = this;
    rig.inside("chown", "nobody", dirname(HOLDER_CONTROL));
    const manager = join(rig.folder, "service-manager");
    copyFileSync(serviceManager(), manager);
    const holder = join(rig.folder, "undercroft-holder");
    copyFileSync(HOLDER_PROGRAM, holder);
    for (const path of [manager, holder]) chmodSync(path, 0o755);
    const qemu = rig.inside("id", "-u", "libvirt-qemu").trim();
    const run = [manager, join(rig.folder, "notify"), holder, "--peer-uid", qemu];
    const [program = "", ...args] = [...rig.as(["chown"]), ...run];
    this.#holder = new LineProcess(program, args);
    await this.#holder.line("ready");
  }

  /** Kills the holder and waits for the one that its service manager starts. */
  async crashHolder(): Promise<void> {
    const lines = this.#holder?.lines ?? [];
    const readies = (): number => lines.filter((line) => line === "ready").length;
    const before = readies();
    process.kill(Number(lines.findLast((line) => line.startsWith("started"))?.split(" ")[1]), 9);
    await this.eventually("the next holder", async () => readies() > before);
  }

  /** The holder, asked from outside the rig. */
  get holder(): Holder {
    return new Holder(this.rig.outside(HOLDER_CONTROL));
  }

  startRedirector(): void {
    const words = ["redirector", "--region", REDIRECTOR_REGION];
    this.#redirector = this.rig.start(["net_raw", "net_admin"], ...words);
  }

  stopService(signal: NodeJS.Signals): Promise<void> {
    return end(this.#service, signal);
  }

  stopRedirector(signal: NodeJS.Signals): Promise<void> {
    return end(this.#redirector, signal);
  }

  async guest(name: string): Promise<GuestStatus> {
    const { guests } = await askService(this.rig.socketPath, { ask: "status" });
    const found = (guests as GuestStatus[]).find((one) => one.name === name);
    if (found === undefined) throw new Error(`the service does not know ${name}`);
    return found;
  }

  uuid(name: string): string {
    return this.#uuids.get(name) ?? "";
  }

  /** Where the test finds a domain's region file. */
  region(name: string): string {
    return this.rig.outside(regionPath({ uuid: this.uuid(name), region: undefined }));
  }

  /** States that a guest has come to, in order. */
  states(name: string): string[] {
    return this.told.flatMap(({ kind, guest: who, to }) =>
      kind === "state" && who === name ? [String(to)] : [],
    );
  }

  findings(name: string, rule: string): object[] {
    return this.told.filter(
      (line) =>
        line.kind === "finding" &&
        line.rule === rule &&
        (line.process as { guest?: string } | undefined)?.guest === name,
    );
  }

  /** Changes the stored definition of a domain as somebody with an editor would. */
  setDevice(name: string, from: string, to: string): void {
    const path = join(this.rig.folder, "edited.xml");
    const before = this.rig.virsh("dumpxml", "--inactive", name);
    expect(before).toContain(from);
    writeFileSync(path, before.replace(from, to));
    this.rig.virsh("define", path);
  }

  async below(name: string, action: string): Promise<Below> {
    const words = ["respond", name, action, "--reason", "a test", "--json"];
    const { output } = await this.rig.cli(...words, "--socket", this.rig.socketPath);
    return JSON.parse(output) as Below;
  }

  async eventually(what: string, isSo: () => Promise<boolean>, msMax = 120_000): Promise<void> {
    const endMs = performance.now() + msMax;
    let last: unknown;
    while (performance.now() < endMs) {
      try {
        if (await isSo()) return;
      } catch (cause) {
        last = cause;
      }
      await sleep(250);
    }
    const said = this.told.slice(-5).map((line) => JSON.stringify(line).slice(0, 300));
    throw new Error(`waited in vain for ${what}: ${last}\n${said.join("\n")}`);
  }

  /** Waits until a guest is monitored and its events come. */
  async flows(name: string): Promise<void> {
    await this.eventually(
      `${name} to be monitored`,
      async () => (await this.guest(name)).state === "monitored",
    );
    const { events = 0 } = await this.guest(name);
    await this.eventually(
      `events of ${name}`,
      async () => ((await this.guest(name)).events ?? 0) > events + 20,
    );
    expect((await this.guest(name)).loss?.unaccounted).toBe(0);
  }
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, "exit");
}
