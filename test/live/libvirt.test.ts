// SPDX-License-Identifier: Apache-2.0
// Real domains on a real libvirtd, protected by the commands and the hook and served by the
// service: their states and their loss stay right whatever is restarted, killed or set back.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  askService,
  buildDriver,
  buildInitramfs,
  networkModules,
  obtainKernel,
  regionPath,
} from "../../lib/hypervisor/hypervisor.ts";
import { LibvirtRig, libvirtProblem } from "./libvirt-rig.ts";

const problem = libvirtProblem();
const SECRET = "/etc/undercroft-test/secret.txt";
const bootMsMax = 240_000;

interface GuestStatus {
  readonly name: string;
  readonly state: string;
  readonly events?: number;
  readonly findings?: number;
  readonly loss?: { readonly named: number; readonly unaccounted: number };
  readonly interfaces?: ReadonlyArray<{ name: string; state: string; counts: { seen: number } }>;
}

let rig: LibvirtRig;
let service: ChildProcess | undefined;
let redirector: ChildProcess | undefined;
const uuids = new Map<string, string>();
const told: Array<Record<string, unknown>> = [];

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

async function defineDomain(name: string, at: number): Promise<void> {
  const kernel = await obtainKernel("6.1");
  const { files, loadScript } = await networkModules(kernel);
  const initramfs = await buildInitramfs({
    main: mainScript(loadScript, `10.97.0.1${at}`),
    driver: await buildDriver(kernel),
    loadDriver: true,
    files: [...files, { path: SECRET, source: Buffer.from("secret\n") }],
  });
  const [vmlinuz, initrd] = [join(rig.folder, "vmlinuz"), join(rig.folder, `initrd-${at}`)];
  copyFileSync(kernel.vmlinuz, vmlinuz);
  copyFileSync(initramfs, initrd);
  for (const path of [vmlinuz, initrd]) chmodSync(path, 0o644);
  const disk = join(rig.folder, `disk-${at}.qcow2`);
  rig.inside("qemu-img", "create", "-q", "-f", "qcow2", disk, "64M");
  const uuid = `5b0f8e1c-0000-4000-8000-0000000000${at}0`;
  uuids.set(name, uuid);
  const serials = ["console", "tap", "control"].map(
    (port, index) => `<serial type='null'><target port='${index}'/></serial><!-- ${port} -->`,
  );
  const xml = `<domain type='qemu'><name>${name}</name><uuid>${uuid}</uuid>
  <memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><kernel>${vmlinuz}</kernel>
    <initrd>${initrd}</initrd><cmdline>console=ttyS0 panic=-1 oops=panic</cmdline></os>
  <cpu mode='custom'><model>qemu64</model></cpu>
  <on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${disk}'/>
      <target dev='vda' bus='virtio'/></disk>
    <interface type='bridge'><source bridge='br0'/><mac address='52:54:00:97:00:1${at}'/>
      <model type='virtio'/></interface>
    ${serials.join("\n    ")}
  </devices></domain>`;
  const path = join(rig.folder, `${name}.xml`);
  writeFileSync(path, xml);
  rig.virsh("define", path);
}

async function startService(): Promise<void> {
  const indicators = join(rig.folder, "indicators.txt");
  writeFileSync(indicators, `path:${SECRET}\n`);
  const child = rig.start(
    [],
    ...["serve", "--libvirt", "--json", "--socket", rig.socketPath, "--indicators", indicators],
    ...["--evidence", join(rig.folder, "evidence")],
    ...["--redirector-region", redirectorRegion()],
  );
  service = child;
  if (child.stdout === null || child.stderr === null) throw new Error("no output");
  createInterface({ input: child.stdout }).on("line", (line) => {
    told.push(JSON.parse(line) as Record<string, unknown>);
  });
  child.stderr.on("data", (chunk: Buffer) => told.push({ kind: "stderr", text: `${chunk}` }));
  await eventually(
    "the service to answer",
    async () => {
      const answer = await askService(rig.socketPath, { ask: "status" });
      return answer.libvirt === true;
    },
    60_000,
  );
}

function redirectorRegion(): string {
  return "/dev/shm/undercroft-redirector";
}

function startRedirector(): void {
  redirector = rig.start(["net_raw", "net_admin"], "redirector", "--region", redirectorRegion());
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, "exit");
}

async function guest(name: string): Promise<GuestStatus> {
  const { guests } = await askService(rig.socketPath, { ask: "status" });
  const found = (guests as GuestStatus[]).find((one) => one.name === name);
  if (found === undefined) throw new Error(`the service does not know ${name}`);
  return found;
}

function region(name: string): string {
  return rig.outside(regionPath(uuids.get(name) ?? ""));
}

/** States that a guest has come to, in order. */
function states(name: string): string[] {
  return told.flatMap(({ kind, guest: who, to }) =>
    kind === "state" && who === name ? [String(to)] : [],
  );
}

function findings(name: string, rule: string): object[] {
  return told.filter(
    (line) =>
      line.kind === "finding" &&
      line.rule === rule &&
      (line.process as { guest?: string } | undefined)?.guest === name,
  );
}

/** Changes the stored definition of a domain as somebody with an editor would. */
function setDevice(name: string, from: string, to: string): void {
  const path = join(rig.folder, "edited.xml");
  const before = rig.virsh("dumpxml", "--inactive", name);
  expect(before).toContain(from);
  writeFileSync(path, before.replace(from, to));
  rig.virsh("define", path);
}

interface Below {
  readonly outcome: string;
  readonly detail: string;
  readonly layer: string;
}

async function below(name: string, action: string): Promise<Below> {
  const words = ["respond", name, action, "--reason", "a test", "--json"];
  const { output } = await rig.cli(...words, "--socket", rig.socketPath);
  return JSON.parse(output) as Below;
}

async function eventually(
  what: string,
  isSo: () => Promise<boolean>,
  msMax = 120_000,
): Promise<void> {
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
  const said = told.slice(-5).map((line) => JSON.stringify(line).slice(0, 300));
  throw new Error(`waited in vain for ${what}: ${last}\n${said.join("\n")}`);
}

/** Waits until a guest is monitored and its events come. */
async function flows(name: string): Promise<void> {
  await eventually(
    `${name} to be monitored`,
    async () => (await guest(name)).state === "monitored",
  );
  const { events = 0 } = await guest(name);
  await eventually(
    `events of ${name}`,
    async () => ((await guest(name)).events ?? 0) > events + 20,
  );
  expect((await guest(name)).loss?.unaccounted).toBe(0);
}

describe.skipIf(problem !== undefined)(`protected domains${problem ? `: ${problem}` : ""}`, () => {
  beforeAll(async () => {
    rig = await LibvirtRig.open();
    await defineDomain("uc-one", 1);
    await defineDomain("uc-two", 2);
    await startService();
    startRedirector();
  }, bootMsMax);

  afterAll(async () => {
    await end(redirector, "SIGTERM");
    await end(service, "SIGTERM");
    await rig?.close();
  }, 60_000);

  test("protect gives each its device, once", async () => {
    for (const name of ["uc-one", "uc-two"]) {
      const first = await rig.cli("protect", name, "--size", "16");
      expect(first).toEqual({
        status: 0,
        output: `${name}: protected; it holds from its next start\n`,
      });
      const again = await rig.cli("protect", name);
      expect(again.output).toContain("protected already");
      expect(rig.virsh("dumpxml", name)).toContain(`undercroft-${uuids.get(name)}`);
    }
    const other = await rig.cli("protect", "uc-one", "--size", "32");
    expect(other.status).toBe(1);
    expect(other.output).toContain("ERR_UC_DOMAIN_STATE");
    expect((await rig.cli("protect", "nobody")).output).toContain("ERR_UC_DOMAIN_UNKNOWN");
    expect((await guest("uc-one")).state).toBe("offline");
  });

  test("events flow from both once they start, and their taps are watched", async () => {
    for (const name of ["uc-one", "uc-two"]) rig.virsh("start", name);
    const { mode, size } = statSync(region("uc-one"));
    expect(mode & 0o777).toBe(0o660);
    expect(size).toBe(16 << 20);
    for (const name of ["uc-one", "uc-two"]) {
      await flows(name);
      await eventually(`the tap of ${name}`, async () => {
        const [tap] = (await guest(name)).interfaces ?? [];
        return tap?.state === "running" && tap.counts.seen > 0;
      });
      await eventually(`a finding of ${name}`, async () => ((await guest(name)).findings ?? 0) > 0);
    }
    expect(rig.hookCalls()).toEqual(
      ["uc-one", "uc-two"].flatMap((name) =>
        ["prepare", "start", "started"].map((operation) => `${name} ${operation}`),
      ),
    );
  });

  test("a reset guest registers again and is monitored again", async () => {
    const before = states("uc-one").length;
    rig.virsh("reset", "uc-one");
    await eventually("a new registration", async () => states("uc-one").length > before);
    await flows("uc-one");
    expect(states("uc-one").slice(before)).toContain("registered");
  });

  test("a guest set back to a snapshot is told and monitored again", async () => {
    rig.virsh("snapshot-create-as", "uc-one", "earlier");
    await flows("uc-one");
    const before = findings("uc-one", "rollback").length;
    rig.virsh("snapshot-revert", "uc-one", "earlier");
    await eventually("the finding", async () => findings("uc-one", "rollback").length > before);
    await flows("uc-one");
  });

  test("a guest whose QEMU is killed is offline, its region gone, and starts again", async () => {
    const calls = rig.hookCalls().length;
    const pid = Number(rig.inside("cat", "/run/libvirt/qemu/uc-two.pid"));
    process.kill(pid, "SIGKILL");
    await eventually("uc-two to be off", async () => (await guest("uc-two")).state === "offline");
    await eventually("the region to go", async () => !existsSync(region("uc-two")));
    expect(states("uc-two")).toContain("offline");
    expect(rig.hookCalls().slice(calls)).toEqual(["uc-two stopped", "uc-two release"]);
    rig.virsh("start", "uc-two");
    await flows("uc-two");
  });

  test("pausing below the guest is done, said, and no silence", async () => {
    const silent = states("uc-two").filter((state) => state === "silent").length;
    const paused = await below("uc-two", "pause");
    expect(paused).toMatchObject({ outcome: "confirmed", layer: "libvirt", reason: "a test" });
    expect(rig.virsh("domstate", "uc-two")).toBe("paused");
    await sleep(4000);
    expect((await below("uc-two", "resume")).outcome).toBe("confirmed");
    await flows("uc-two");
    expect(states("uc-two").filter((state) => state === "silent").length).toBe(silent);
    const again = await rig.cli(
      ...["respond", "uc-two", "resume", "--reason", "x", "--socket", rig.socketPath],
    );
    expect(again.status, again.output).toBe(1);
  });

  test("a service that starts again takes both guests on, killed or not", async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await end(service, signal);
      await sleep(1000);
      await startService();
      for (const name of ["uc-one", "uc-two"]) await flows(name);
    }
  });

  test("a redirector that starts again watches the taps again", async () => {
    await end(redirector, "SIGKILL");
    startRedirector();
    for (const name of ["uc-one", "uc-two"]) {
      const seen = async (): Promise<number> => {
        const [tap] = (await guest(name)).interfaces ?? [];
        return tap?.state === "running" ? tap.counts.seen : 0;
      };
      await eventually(`the tap of ${name}`, async () => (await seen()) > 0);
      const before = await seen();
      await eventually(`packets of ${name}`, async () => (await seen()) > before);
    }
  });

  test("libvirtd may restart: the guests stay monitored, the service finds it again", async () => {
    const calls = rig.hookCalls().length;
    await rig.stopLibvirtd();
    await flows("uc-one");
    await rig.startLibvirtd();
    await eventually("the connection", async () => {
      const { libvirt } = await askService(rig.socketPath, { ask: "status" });
      return libvirt === true && (await below("uc-one", "pause")).outcome === "confirmed";
    });
    expect((await below("uc-one", "resume")).outcome).toBe("confirmed");
    for (const name of ["uc-one", "uc-two"]) await flows(name);
    expect(rig.hookCalls().slice(calls).sort()).toEqual(["uc-one reconnect", "uc-two reconnect"]);
  });

  test("evidence is taken and the network cut below the guest", async () => {
    const dump = await below("uc-two", "dump-memory");
    expect(dump.outcome, dump.detail).toBe("confirmed");
    const path = dump.detail.replace("guest memory in ", "");
    expect(readFileSync(path).subarray(0, 4).toString("latin1")).toBe("\x7fELF");
    rmSync(path);
    const snapshot = await below("uc-two", "snapshot");
    expect(snapshot.outcome, snapshot.detail).toBe("confirmed");
    expect(rig.virsh("snapshot-list", "uc-two", "--name")).toContain("undercroft-uc-two");
    const cut = await below("uc-two", "detach-nic");
    // A guest without hot-plug keeps its interface, and is not said to have lost it.
    const isGone = !rig.virsh("dumpxml", "uc-two").includes("<interface");
    expect(cut.outcome, cut.detail).toBe(isGone ? "confirmed" : "failed");
  });

  test("doctor finds nothing in what is right, and each planted mistake", async () => {
    const hook = "/etc/libvirt/hooks/qemu.d/undercroft";
    const file = regionPath(uuids.get("uc-one") ?? "");
    const left = "/dev/shm/undercroft-5b0f8e1c-0000-4000-8000-00000000dead";
    const owner = statSync(region("uc-one")).uid;
    const sh = (script: string) => async (): Promise<void> => void rig.inside("sh", "-c", script);
    type Step = () => Promise<void>;
    const planted: ReadonlyArray<readonly [string, Step, Step]> = [
      ["not executable", sh(`chmod 644 ${hook}`), sh(`chmod 755 ${hook}`)],
      ["changed by others", sh(`chmod 777 ${hook}`), sh(`chmod 755 ${hook}`)],
      ["is not there", sh(`mv ${hook} /etc/default/kept`), sh(`mv /etc/default/kept ${hook}`)],
      [
        'it calls "/nowhere/undercroft"',
        sh("cd /etc/default; mv undercroft kept; echo UNDERCROFT=/nowhere/undercroft >undercroft"),
        sh("cd /etc/default && mv kept undercroft"),
      ],
      ["others may command", sh(`chmod 666 ${rig.socketPath}`), sh(`chmod 600 ${rig.socketPath}`)],
      ["others can read", sh(`chmod 666 ${file}`), sh(`chmod 660 ${file}`)],
      [
        `belongs to user ${owner + 1}`,
        sh(`chown ${owner + 1} ${file}`),
        sh(`chown ${owner} ${file}`),
      ],
      ["was left behind", sh(`truncate -s 1M ${left}`), sh(`rm ${left}`)],
      [
        "keeps it from being migrated",
        async () => setDevice("uc-two", "role='master'", "role='peer'"),
        async () => setDevice("uc-two", "role='peer'", "role='master'"),
      ],
      [
        "no power of two",
        async () => setDevice("uc-two", "<size unit='M'>16<", "<size unit='M'>3<"),
        async () => setDevice("uc-two", "<size unit='M'>3<", "<size unit='M'>16<"),
      ],
      [
        "redirector: it is not there",
        () => end(redirector, "SIGTERM"),
        async () => startRedirector(),
      ],
      ["nothing answers at", () => end(service, "SIGTERM"), startService],
      ["libvirt: ", () => rig.stopLibvirtd(), () => rig.startLibvirtd()],
    ];
    rig.virsh("destroy", "uc-two");
    const complaints = async (): Promise<string> =>
      (await rig.cli("doctor", "--socket", rig.socketPath)).output;
    const isFine = async (): Promise<boolean> => {
      const output = await complaints();
      if (output.startsWith("nothing is wrong")) return true;
      throw new Error(output);
    };
    await eventually("doctor to be content", isFine);
    for (const [problem, plant, undo] of planted) {
      await plant();
      await eventually(`doctor to say "${problem}"`, async () =>
        (await complaints()).includes(problem),
      );
      await undo();
      await eventually(`doctor to be content after "${problem}"`, isFine);
    }
    rig.virsh("start", "uc-two");
    await flows("uc-two");
  });

  test("unprotect takes everything away", async () => {
    for (const name of ["uc-one", "uc-two"]) {
      const { output } = await rig.cli("unprotect", name);
      expect(output).toBe(`${name}: no longer protected; it stays so until it stops\n`);
      rig.virsh("destroy", name);
      expect((await rig.cli("unprotect", name)).output).toBe(`${name}: was not protected\n`);
      expect(rig.virsh("dumpxml", name)).not.toContain("shmem");
      await eventually("the region to go", async () => !existsSync(region(name)));
    }
    const { guests } = await askService(rig.socketPath, { ask: "status" });
    expect(guests).toEqual([]);
    expect(rig.inside("nft", "list", "ruleset")).not.toContain("undercroft");
    expect(rig.inside("ip", "-o", "link")).not.toContain("vnet");
  });
});
