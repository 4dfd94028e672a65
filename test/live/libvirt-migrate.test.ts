// SPDX-License-Identifier: Apache-2.0
// A protected domain migrated from one libvirtd to another, each with a service of its own: what
// comes along in its region is not believed, and both sides say what became of the guest.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { libvirtProblem } from "./libvirt-rig.ts";
import { LibvirtScene } from "./libvirt-scene.ts";

const problem = libvirtProblem();
const bootMsMax = 240_000;
const NAME = "uc-move";

let here: LibvirtScene;
let there: LibvirtScene;

function migrate(): void {
  const socket = there.rig.outside("/run/libvirt/libvirt-sock");
  here.rig.virsh(
    ...["migrate", NAME, `qemu+unix:///system?socket=${socket}`, "--live", "--persistent"],
    // Both see the same folder of disks, which libvirt cannot know.
    ...[
      "--unsafe",
      "--undefinesource",
      "--migrateuri",
      `unix://${join(there.rig.folder, "move.sock")}`,
    ],
  );
}

describe.skipIf(problem !== undefined)(`migration${problem ? `: ${problem}` : ""}`, () => {
  beforeAll(async () => {
    here = await LibvirtScene.open();
    there = await LibvirtScene.open();
    await here.define(NAME, { at: 7 });
    there.expect(NAME, here.uuid(NAME));
    await here.startService();
    await there.startService();
  }, bootMsMax);

  afterAll(async () => {
    await here?.close();
    await there?.close();
  }, 60_000);

  test("a guest that is migrated is monitored there, and gone here", async () => {
    expect((await here.rig.cli("protect", NAME, "--size", "16")).status).toBe(0);
    here.rig.virsh("start", NAME);
    await here.flows(NAME);
    migrate();
    await there.flows(NAME);
    expect(there.states(NAME)).toEqual(["registered", "monitored"]);
    await here.eventually("the region to go", async () => !existsSync(here.region(NAME)));
    expect(here.states(NAME).at(-1)).toBe("offline");
    expect(here.rig.hookCalls().slice(-2)).toEqual([`${NAME} stopped`, `${NAME} release`]);
    expect(there.rig.hookCalls()).toEqual([
      ...["migrate", "prepare", "start"].map((operation) => `${NAME} ${operation}`),
    ]);
    expect(there.findings(NAME, "rollback")).toEqual([]);
    console.log(here.rig.hookCalls(), there.rig.hookCalls(), here.told.slice(-12), there.told);
  });
});
