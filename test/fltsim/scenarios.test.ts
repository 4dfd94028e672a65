// SPDX-License-Identifier: Apache-2.0
// Every callback of the driver, with success and with each failure, natively under sanitizers and
// under Wine: the server gets exactly the golden events. UC_UPDATE_GOLDEN=1 writes them anew.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { GuestEvent, Loss } from "../../lib/model/model.ts";
import { buildSimulator, buildWineSimulator, removeBuilt } from "./programs.ts";
import { until, WindowsGuest } from "./rig.ts";
import { type Scenario, scenarios } from "./scenarios.ts";
import { prepareWine, WINE } from "./wine.ts";

const golden = (name: string): string => join(import.meta.dirname, "golden", `${name}.json`);
let guest: WindowsGuest | undefined;

afterEach(async () => {
  await guest?.close();
  guest = undefined;
});
afterAll(removeBuilt);

/** What differs from run to run goes; what must be there but has no fixed value becomes a word. */
function settled(event: GuestEvent): Record<string, unknown> {
  const { guest: _guest, boot, sequence, timeMs, cpu, processStartNs, ...rest } = event;
  expect(boot).toMatch(/^[0-9a-f]{32}$/);
  expect(sequence).toBeGreaterThan(0);
  expect(Math.abs(timeMs - Date.now())).toBeLessThan(600_000);
  expect(cpu).toBeLessThan(2);
  const times = Object.entries(rest).map(([name, value]) => {
    if (name === "data" && String(value).length > 64) {
      return [name, `${String(value).slice(0, 16)}.. ${String(value).length / 2} bytes`];
    }
    if (typeof value !== "bigint" || name.endsWith("ddress")) return [name, value];
    return [name, value === 0n ? "none" : "known"];
  });
  const start = processStartNs === 0n ? "none" : "known";
  return { ...Object.fromEntries(times), processStartNs: start };
}

const lossLine = ({ recordClass, reason, count }: Loss): string =>
  `${count} ${recordClass} ${reason}`;

async function play(
  scenario: Scenario,
  program: string,
  wine?: readonly string[],
): Promise<string> {
  guest = new WindowsGuest();
  guest.start(program, {}, wine);
  await guest.boot();
  await guest.event("process.existing", ({ pid }) => pid === 4);
  if (scenario.sensors !== undefined) {
    const { sensors } = scenario;
    const command = { kind: "start-monitoring", sensors } as const;
    guest.server.send("windows", command, { requestedBy: "test" });
    await until("the sensors", () => guest?.stats.commands.outstanding === 0);
  }
  const wanted = scenario.lines.map((_, index) => scenario.answers?.[index] ?? "ok");
  expect(await guest.doAll(scenario.lines)).toEqual(wanted);
  const result = await guest.end();
  expect(result).toMatchObject({ violations: 0, status: 0, broken: [] });
  await guest.accounted(result.attempted);
  expect(guest.stats.loss).toMatchObject({ unaccounted: 0, mismatches: 0 });
  const events = guest.events.filter(({ kind }) => kind !== "process.existing").map(settled);
  const losses = guest.losses.map(lossLine);
  const plain = (_: string, value: unknown) =>
    typeof value === "bigint" ? `0x${value.toString(16)}` : value;
  return `${JSON.stringify({ events, losses }, plain, 1)}\n`;
}

describe("natively, under sanitizers", () => {
  let program = "";
  beforeAll(() => {
    program = buildSimulator();
  });
  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    "%s",
    async (name, scenario) => {
      const played = await play(scenario, program);
      if (process.env.UC_UPDATE_GOLDEN === "1") writeFileSync(golden(name), played);
      expect(JSON.parse(played)).toEqual(JSON.parse(readFileSync(golden(name), "utf8")));
    },
  );
});

describe("under Wine", () => {
  let program = "";
  beforeAll(() => {
    program = buildWineSimulator();
    prepareWine();
  });
  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    "%s",
    async (name, scenario) => {
      const played = await play(scenario, program, WINE);
      expect(JSON.parse(played)).toEqual(JSON.parse(readFileSync(golden(name), "utf8")));
    },
  );
});
