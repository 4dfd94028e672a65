// SPDX-License-Identifier: Apache-2.0
// The whole topology on one machine: a server in a VM of its own, two guests, and a redirector on
// the hypervisor host. The demo's intrusion in both guests is found and answered through that VM.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GUEST_POINTS, NETWORK_POINTS } from "../../lib/cli/demo-guest.ts";
import { DEMO_INDICATORS } from "../../lib/cli/demo-indicators.ts";
import { DEMO_NET, DemoNetwork, networkProblem } from "../../lib/cli/demo-network.ts";
import type { ProtectedGuest } from "../../lib/cli/protected-guest.ts";
import { startQemuGuest } from "../../lib/cli/qemu-guest.ts";
import {
  buildInitramfs,
  buildServerVmImage,
  makeRegionFile,
  obtainKernel,
  type RegionFile,
  runProgram,
  ServerVm,
  serverVmArguments,
  startGuest,
} from "../../lib/hypervisor/hypervisor.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const NAMES = ["g0", "g1"] as const;
const UUIDS = ["6f1b0a52-1111-4222-8333-000000000000", "6f1b0a52-1111-4222-8333-000000000001"];
const waitMsMax = 300_000;
const problem = networkProblem();

/** One line of the server's report. */
interface Report {
  readonly kind: string;
  readonly guest?: string | { readonly name: string; readonly state: string };
  readonly [name: string]: unknown;
}

let folder = "";
let network: DemoNetwork | undefined;
let vm: ServerVm | undefined;
const files: RegionFile[] = [];
const guests: ProtectedGuest[] = [];
const reports: Report[] = [];
const startMs = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  process.stdout.write(`server VM: ${text} after ${seconds} s\n`);
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const endMs = performance.now() + waitMsMax; !isSo(); ) {
    if (performance.now() > endMs) {
      const seen = [...new Set(reports.map(({ kind }) => kind))].join(", ");
      throw new Error(`waited too long for ${what}; reports came of: ${seen}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Reports of a kind whose text holds all the words. */
function reported(kind: string, ...words: readonly string[]): Report[] {
  return reports.filter((report) => {
    const text = JSON.stringify(report);
    return report.kind === kind && words.every((word) => text.includes(word));
  });
}

async function readReports(from: ServerVm): Promise<void> {
  for await (const line of from.lines) {
    try {
      reports.push(JSON.parse(line) as Report);
    } catch {
      say(`the VM says: ${line.slice(0, 200)}`);
    }
  }
}

async function startServerVm(initramfs: string): Promise<ServerVm> {
  const guest = await startGuest({
    ...{ kernel: await obtainKernel("6.1"), initramfs, memoryMiB: 1024 },
    console: join(folder, "console"),
    arguments: serverVmArguments(),
    timeoutMs: 15 * 60_000,
  });
  return new ServerVm(guest);
}

async function startProtected(at: number): Promise<void> {
  const [name, region] = [NAMES[at] ?? "", files[at]];
  if (region === undefined || network === undefined) throw new Error("nothing to start");
  const tap = { enter: network.enter, tap: DEMO_NET.tap, mac: DEMO_NET.mac };
  guests[at] = await startQemuGuest({
    ...{ name, region, kernelSeries: "6.1", report: () => {} },
    ...(at === 0 ? { network: tap } : {}),
  });
  await until(
    `${name} monitored`,
    () => reported("state", `"${name}"`, '"to":"monitored"').length > 0,
  );
  say(`${name} is monitored`);
}

const pointsOf = (at: number): ReadonlyMap<string, boolean> =>
  guests[at]?.report.points ?? new Map<string, boolean>();

describe.skipIf(problem !== undefined)(`a server VM${problem ? `: ${problem}` : ""}`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "undercroft-vm-"));
    const script = join(ROOT, "scripts/build.ts");
    const options = { timeoutMs: 240_000, hint: "Node.js runs this test" };
    const built = await runProgram(process.execPath, [script], options);
    expect(built.status, built.output).toBe(0);
  }, waitMsMax);

  afterAll(async () => {
    await Promise.all(guests.map((guest) => guest.stop(false)));
    await vm?.stop();
    await network?.close();
    for (const file of files) await file.remove();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  test("canary: a VM in which no server comes up is a failure", async () => {
    const initramfs = await buildInitramfs({ main: "echo no server\n" });
    const empty = await startServerVm(initramfs);
    await expect(empty.ready()).rejects.toMatchObject({ code: "ERR_UC_GUEST_BOOT" });
    await empty.stop();
  });

  test("equal inputs give the same image", async () => {
    const parts = { packageDirectory: ROOT, indicators: DEMO_INDICATORS };
    const first = await buildServerVmImage(parts);
    rmSync(first);
    // Its name is the hash of what is in it.
    expect(await buildServerVmImage(parts)).toBe(first);
  });

  test("the intrusion is found and answered through the server VM", async () => {
    const image = await buildServerVmImage({
      packageDirectory: ROOT,
      indicators: DEMO_INDICATORS,
    });
    say("image built");
    network = await DemoNetwork.open(() => {});
    vm = await startServerVm(image);
    void readReports(vm);
    await vm.ready();
    say("it answers");
    const { region } = network;
    await vm.attachRedirector("taps", { path: region.name, bytes: region.bytes }, 2);
    for (const [at, name] of NAMES.entries()) {
      const file = makeRegionFile(16 << 20);
      files[at] = file;
      const taps = at === 0 ? [DEMO_NET.tap] : [];
      await vm.attach({ name, uuid: UUIDS[at] ?? "", taps }, file);
    }
    say("three regions are plugged in");
    await network.start();
    await startProtected(0);
    await startProtected(1);
    const isRuled = (name: string): boolean =>
      reported("command", `"${name}"`, '"set-rules"', '"done"').length > 0;
    await until("deny rules", () => NAMES.every(isRuled));
    guests[0]?.begin();
    guests[1]?.begin();
    await until("the name", () => pointsOf(0).has(NETWORK_POINTS.resolved));
    await until("a drop", () => reported("command", '"block-add"', '"done"').length > 0);
    const before = await network.listedPackets();
    guests[0]?.contact();
    await until("the ends", () =>
      NAMES.every((_name, at) => pointsOf(at).has(GUEST_POINTS.undisturbed)),
    );
    say("the intrusion is over");
    expect(await network.listedPackets()).toBe(before);
    for (const at of NAMES.keys()) {
      const failed = [...pointsOf(at)].filter(([, ok]) => !ok).map(([point]) => point);
      expect(failed, `${NAMES[at]} says`).toEqual([]);
    }
    for (const name of NAMES) {
      await until(`findings of ${name}`, () => reported("finding", `"${name}"`).length >= 4);
      expect(reported("command", `"${name}"`, '"kill-process"', '"done"').length).toBeGreaterThan(
        0,
      );
    }
    // The listed name belongs to the guest with the tap alone.
    expect(reported("finding", "Beacon of the demo", '"g0"').length).toBeGreaterThan(0);
    expect(reported("finding", "Beacon of the demo", '"g1"')).toEqual([]);
    say("findings, kills and the drop came through it");
    expect(reported("fault")).toEqual([]);
  });

  test("a guest that goes has its region taken out, and comes back", async () => {
    await vm?.release("g1");
    const file = files[1];
    if (vm === undefined || file === undefined) throw new Error("no server VM");
    await vm.attach({ name: "g1", uuid: UUIDS[1] ?? "", taps: [] }, file);
    expect(JSON.stringify(await vm.status())).toContain('"g1"');
  });
});
