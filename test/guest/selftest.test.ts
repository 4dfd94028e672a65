// SPDX-License-Identifier: Apache-2.0
// Proves the guest harness on real guests: good cases pass on every kernel, and each way of going
// wrong is seen as such. No driver takes part.
import { open } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Guest, kernelSeries, makeRegionFile } from "../../lib/hypervisor/hypervisor.ts";
import { assertGuestRun, type GuestCase, runGuestCases } from "./harness.ts";

const here: string = import.meta.dirname;
const kernel = "6.1";
const regionBytes = 32 << 20;

function selftest(name: string, limitSeconds = 30, args: string[] = []): GuestCase {
  return { name, file: join(here, "selftest", `${name}.sh`), limitSeconds, args };
}

/** Plays the hypervisor host in the region case: reads the guest's word, then writes its own. */
async function answerRegion(guest: Guest, path: string): Promise<number> {
  const file = await open(path, "r+");
  try {
    const word = Buffer.alloc(4);
    for await (const line of guest.controlLines) {
      if (line !== "wrote") continue;
      await file.read(word, 0, 4, 4096);
      await file.write(Buffer.from([0x02, 0x00, 0x43, 0x55]), 0, 4, 8192);
      guest.sendLine("answered");
      break;
    }
    return word.readUInt32LE();
  } finally {
    await file.close();
  }
}

describe.each(kernelSeries)("a guest with kernel %s", (series) => {
  const placement = series === kernel ? "high" : "low";

  test(`runs cases, shares its region (placed ${placement}) and powers off`, async () => {
    const region = makeRegionFile(regionBytes);
    let word = 0;
    const run = await runGuestCases({
      kernel: series,
      cases: [
        selftest("passes"),
        selftest("region", 30, [placement]),
        selftest("storm"),
        selftest("skips"),
      ],
      programs: [join(here, "programs", "storm.c")],
      region: { path: region.path, bytes: region.bytes, placement },
      cpus: 2,
      during: async (guest) => {
        word = await answerRegion(guest, region.path);
      },
    }).finally(() => region.remove());
    assertGuestRun(run);
    expect(word).toBe(0x55430001);
    expect(run.kernel.startsWith(`${series}.`)).toBe(true);
    const cases = run.cases.map((result) => [result.name, result.status, result.points.length]);
    expect(run.cases[1]?.comments).toEqual(["a comment"]);
    expect(cases).toEqual([
      ["boot", "ok", 0],
      ["passes", "ok", 5],
      ["region", "ok", 4],
      ["storm", "ok", 3],
      ["skips", "skipped", 0],
      ["end", "ok", 0],
    ]);
  });
});

describe("canaries: the harness reports", () => {
  test("each kind of bad case, and only those", async () => {
    const bad = ["fails", "silent", "planless", "short", "status", "warns"];
    const cases = [...bad, "passes"].map((name) => selftest(name));
    const run = await runGuestCases({ kernel, cases: [...cases, selftest("hangs", 2)] });
    const reasons = run.cases.map(({ name, status, reason }) => [name, status, reason]);
    expect(reasons).toEqual([
      ["boot", "ok", ""],
      ["fails", "failed", "not ok: a bad point; 1 failed points"],
      ["silent", "failed", "no plan"],
      ["planless", "failed", "no plan"],
      ["short", "failed", "1 points, planned 3"],
      ["status", "failed", "ended with status 3"],
      ["warns", "failed", expect.stringContaining("WARNING: CPU: 0 PID: 1 at nowhere.c:1")],
      ["passes", "ok", ""],
      ["hangs", "failed", "ended with status 137"],
      ["end", "ok", ""],
    ]);
    expect(run.failures).toHaveLength(7);
    expect(() => assertGuestRun(run)).toThrow("case silent: no plan");
  });

  test("a kernel that dies in the middle", async () => {
    const cases = [selftest("passes"), selftest("panics"), selftest("skips")];
    const run = await runGuestCases({ kernel, cases });
    expect(run.failures).toContainEqual(expect.stringContaining("did not power off by itself"));
    expect(run.failures).toContainEqual(expect.stringContaining("kernel crashed: "));
    expect(run.failures).toContainEqual(expect.stringContaining("ran 2 of 5 planned cases"));
  });

  test("a guest that powers off early", async () => {
    const run = await runGuestCases({ kernel, cases: [selftest("leaves"), selftest("passes")] });
    expect(run.failures).toContainEqual(expect.stringContaining("ran 1 of 4 planned cases"));
    expect(run.failures).toContainEqual(expect.stringContaining("cases seen: boot; expected"));
  });

  test("a guest that never boots", async () => {
    const run = await runGuestCases({ kernel, cases: [selftest("passes")], append: "rdinit=/no" });
    expect(run.failures).toContain("the guest never reached its init");
    expect(run.failures).toContain("the guest printed no plan");
  });

  test("a guest that hangs", async () => {
    const run = await runGuestCases({ kernel, cases: [selftest("hangs", 900)], timeoutMs: 12_000 });
    expect(run.failures).toContain(
      "the guest did not power off by itself: ended by force after 12000 ms",
    );
  });

  test("a hypervisor host's side that never ends", async () => {
    const during = (): Promise<void> => new Promise(() => {});
    const run = await runGuestCases({ kernel, cases: [selftest("passes")], during });
    expect(run.failures).toEqual([expect.stringContaining("after the guest's end")]);
  });

  test("a hypervisor host's side that fails", async () => {
    const during = (): Promise<void> => Promise.reject(new Error("no records"));
    const run = await runGuestCases({ kernel, cases: [selftest("passes")], during });
    expect(run.failures).toContainEqual(expect.stringContaining("no records"));
  });
});
