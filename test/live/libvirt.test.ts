// SPDX-License-Identifier: Apache-2.0
// Real domains on a real libvirtd, protected by the commands and the hook and served by the
// service: their states and their loss stay right whatever is restarted, killed or set back.
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { askService, regionPath } from "../../lib/hypervisor/hypervisor.ts";
import { type LibvirtRig, libvirtProblem } from "./libvirt-rig.ts";
import { LibvirtScene } from "./libvirt-scene.ts";

const problem = libvirtProblem();
const bootMsMax = 240_000;

let scene: LibvirtScene;
let rig: LibvirtRig;

describe.skipIf(problem !== undefined)(`protected domains${problem ? `: ${problem}` : ""}`, () => {
  beforeAll(async () => {
    scene = await LibvirtScene.open();
    rig = scene.rig;
    await scene.define("uc-one", { at: 1 });
    await scene.define("uc-two", { at: 2 });
    await scene.startService();
    scene.startRedirector();
  }, bootMsMax);

  afterAll(() => scene?.close(), 60_000);

  test("protect gives each its device, once", async () => {
    for (const name of ["uc-one", "uc-two"]) {
      const first = await rig.cli("protect", name, "--size", "16");
      expect(first).toEqual({
        status: 0,
        output: `${name}: protected; it holds from its next start\n`,
      });
      const again = await rig.cli("protect", name);
      expect(again.output).toContain("protected already");
      expect(rig.virsh("dumpxml", name)).toContain(`undercroft-${scene.uuid(name)}`);
    }
    const other = await rig.cli("protect", "uc-one", "--size", "32");
    expect(other.status).toBe(1);
    expect(other.output).toContain("ERR_UC_DOMAIN_STATE");
    expect((await rig.cli("protect", "nobody")).output).toContain("ERR_UC_DOMAIN_UNKNOWN");
    expect((await scene.guest("uc-one")).state).toBe("offline");
  });

  test("events flow from both once they start, and their taps are watched", async () => {
    for (const name of ["uc-one", "uc-two"]) rig.virsh("start", name);
    const { mode, size } = statSync(scene.region("uc-one"));
    expect(mode & 0o777).toBe(0o660);
    expect(size).toBe(16 << 20);
    for (const name of ["uc-one", "uc-two"]) {
      await scene.flows(name);
      await scene.eventually(`the tap of ${name}`, async () => {
        const [tap] = (await scene.guest(name)).interfaces ?? [];
        return tap?.state === "running" && tap.counts.seen > 0;
      });
      await scene.eventually(
        `a finding of ${name}`,
        async () => ((await scene.guest(name)).findings ?? 0) > 0,
      );
    }
    expect(rig.hookCalls()).toEqual(
      ["uc-one", "uc-two"].flatMap((name) =>
        ["prepare", "start", "started"].map((operation) => `${name} ${operation}`),
      ),
    );
  });

  test("a reset guest registers again and is monitored again", async () => {
    const before = scene.states("uc-one").length;
    rig.virsh("reset", "uc-one");
    await scene.eventually(
      "a new registration",
      async () => scene.states("uc-one").length > before,
    );
    await scene.flows("uc-one");
    expect(scene.states("uc-one").slice(before)).toContain("registered");
  });

  test("a guest set back to a snapshot is told and monitored again", async () => {
    rig.virsh("snapshot-create-as", "uc-one", "earlier");
    await scene.flows("uc-one");
    const before = scene.findings("uc-one", "rollback").length;
    rig.virsh("snapshot-revert", "uc-one", "earlier");
    await scene.eventually(
      "the finding",
      async () => scene.findings("uc-one", "rollback").length > before,
    );
    await scene.flows("uc-one");
  });

  test("a guest whose QEMU is killed is offline, its region gone, and starts again", async () => {
    const calls = rig.hookCalls().length;
    const pid = Number(rig.inside("cat", "/run/libvirt/qemu/uc-two.pid"));
    process.kill(pid, "SIGKILL");
    await scene.eventually(
      "uc-two to be off",
      async () => (await scene.guest("uc-two")).state === "offline",
    );
    await scene.eventually("the region to go", async () => !existsSync(scene.region("uc-two")));
    expect(scene.states("uc-two")).toContain("offline");
    expect(rig.hookCalls().slice(calls)).toEqual(["uc-two stopped", "uc-two release"]);
    rig.virsh("start", "uc-two");
    await scene.flows("uc-two");
  });

  test("pausing below the guest is done, said, and no silence", async () => {
    const silent = scene.states("uc-two").filter((state) => state === "silent").length;
    const paused = await scene.below("uc-two", "pause");
    expect(paused).toMatchObject({ outcome: "confirmed", layer: "libvirt", reason: "a test" });
    expect(rig.virsh("domstate", "uc-two")).toBe("paused");
    await sleep(4000);
    expect((await scene.below("uc-two", "resume")).outcome).toBe("confirmed");
    await scene.flows("uc-two");
    expect(scene.states("uc-two").filter((state) => state === "silent").length).toBe(silent);
    const again = await rig.cli(
      ...["respond", "uc-two", "resume", "--reason", "x", "--socket", rig.socketPath],
    );
    expect(again.status, again.output).toBe(1);
  });

  test("a service that starts again takes both guests on, killed or not", async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await scene.stopService(signal);
      await sleep(1000);
      await scene.startService();
      for (const name of ["uc-one", "uc-two"]) await scene.flows(name);
    }
  });

  test("a redirector that starts again watches the taps again", async () => {
    await scene.stopRedirector("SIGKILL");
    scene.startRedirector();
    for (const name of ["uc-one", "uc-two"]) {
      const seen = async (): Promise<number> => {
        const [tap] = (await scene.guest(name)).interfaces ?? [];
        return tap?.state === "running" ? tap.counts.seen : 0;
      };
      await scene.eventually(`the tap of ${name}`, async () => (await seen()) > 0);
      const before = await seen();
      await scene.eventually(`packets of ${name}`, async () => (await seen()) > before);
    }
  });

  test("libvirtd may restart: the guests stay monitored, the service finds it again", async () => {
    const calls = rig.hookCalls().length;
    await rig.stopLibvirtd();
    await scene.flows("uc-one");
    await rig.startLibvirtd();
    await scene.eventually("the connection", async () => {
      const { libvirt } = await askService(rig.socketPath, { ask: "status" });
      return libvirt === true && (await scene.below("uc-one", "pause")).outcome === "confirmed";
    });
    expect((await scene.below("uc-one", "resume")).outcome).toBe("confirmed");
    for (const name of ["uc-one", "uc-two"]) await scene.flows(name);
    expect(rig.hookCalls().slice(calls).sort()).toEqual(["uc-one reconnect", "uc-two reconnect"]);
  });

  test("evidence is taken and the network cut below the guest", async () => {
    const dump = await scene.below("uc-two", "dump-memory");
    expect(dump.outcome, dump.detail).toBe("confirmed");
    const path = dump.detail.replace("guest memory in ", "");
    expect(readFileSync(path).subarray(0, 4).toString("latin1")).toBe("\x7fELF");
    rmSync(path);
    const snapshot = await scene.below("uc-two", "snapshot");
    expect(snapshot.outcome, snapshot.detail).toBe("confirmed");
    expect(rig.virsh("snapshot-list", "uc-two", "--name")).toContain("undercroft-uc-two");
    const cut = await scene.below("uc-two", "detach-nic");
    // A guest without hot-plug keeps its interface, and is not said to have lost it.
    const isGone = !rig.virsh("dumpxml", "uc-two").includes("<interface");
    expect(cut.outcome, cut.detail).toBe(isGone ? "confirmed" : "failed");
  });

  test("doctor finds nothing in what is right, and each planted mistake", async () => {
    const hook = "/etc/libvirt/hooks/qemu.d/undercroft";
    const file = regionPath({ uuid: scene.uuid("uc-one"), region: undefined });
    const left = "/dev/shm/undercroft-5b0f8e1c-0000-4000-8000-00000000dead";
    const owner = statSync(scene.region("uc-one")).uid;
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
        async () => scene.setDevice("uc-two", "role='master'", "role='peer'"),
        async () => scene.setDevice("uc-two", "role='peer'", "role='master'"),
      ],
      [
        "no power of two",
        async () => scene.setDevice("uc-two", "<size unit='M'>16<", "<size unit='M'>3<"),
        async () => scene.setDevice("uc-two", "<size unit='M'>3<", "<size unit='M'>16<"),
      ],
      [
        "redirector: it is not there",
        () => scene.stopRedirector("SIGTERM"),
        async () => scene.startRedirector(),
      ],
      ["nothing answers at", () => scene.stopService("SIGTERM"), () => scene.startService()],
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
    await scene.eventually("doctor to be content", isFine);
    for (const [problem, plant, undo] of planted) {
      await plant();
      await scene.eventually(`doctor to say "${problem}"`, async () =>
        (await complaints()).includes(problem),
      );
      await undo();
      await scene.eventually(`doctor to be content after "${problem}"`, isFine);
    }
    rig.virsh("start", "uc-two");
    await scene.flows("uc-two");
  });

  test("unprotect takes everything away", async () => {
    for (const name of ["uc-one", "uc-two"]) {
      const { output } = await rig.cli("unprotect", name);
      expect(output).toBe(`${name}: no longer protected; it stays so until it stops\n`);
      rig.virsh("destroy", name);
      expect((await rig.cli("unprotect", name)).output).toBe(`${name}: was not protected\n`);
      expect(rig.virsh("dumpxml", name)).not.toContain("shmem");
      await scene.eventually("the region to go", async () => !existsSync(scene.region(name)));
    }
    const { guests } = await askService(rig.socketPath, { ask: "status" });
    expect(guests).toEqual([]);
    expect(rig.inside("nft", "list", "ruleset")).not.toContain("undercroft");
    expect(rig.inside("ip", "-o", "link")).not.toContain("vnet");
  });
});
