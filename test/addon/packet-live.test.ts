// SPDX-License-Identifier: Apache-2.0
// The packet thread on real interfaces, under the address sanitizer: each case is a program run in
// a network namespace of its own. What was sent must be what was seen, to the packet.
import { spawnSync } from "node:child_process";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { compile } from "./compile.ts";

const SOURCES = [
  ...["engine", "inline", "key", "link", "mirror", "slot", "thread", "verdict"].map(
    (name) => `addon/packet-${name}.c`,
  ),
  ...["addon/drain.c", "addon/crc32c.c"],
  ...["guest-drivers/core/uc_ring.c", "guest-drivers/core/uc_crc32c.c"],
  ...["test/addon/packet-live.c", "test/addon/packet-world.c"],
];
const RUNNING = 1;
const STOPPED = 2;
const GONE = 3;
const ENODEV = 19;
const EBADFD = 77;
/** Of a second. Waiting costs 1 ms; a wait that returns at once costs all of it. */
const IDLE_CPU_MS_MAX = 50;

const build = (name: string, flags: readonly string[]): string =>
  compile(name, SOURCES, [...flags, "-fno-sanitize-recover=all"]);

let program: string;
beforeAll(() => {
  program = build("packet-live", ["-fsanitize=address,undefined"]);
});

beforeEach((context) => {
  if (process.getuid?.() !== 0) context.skip("needs root: it makes network namespaces");
});

function run(name: string, built: string = program) {
  const result = spawnSync("unshare", ["-n", built, name], { encoding: "utf8", timeout: 25_000 });
  expect(result.stderr).toBe("");
  expect([result.status, result.signal]).toEqual([0, null]);
  return JSON.parse(result.stdout);
}

const none = { shortened: 0, lostKernel: 0, lostRing: 0, missing: 0, disorder: 0 };

describe.each([
  ["mirror", RUNNING],
  ["mirror-crc", RUNNING],
  ["remove", STOPPED],
])("case %s", (name, state) => {
  it("brings every packet once, whole, in order, with its direction", () => {
    const result = run(name);
    expect(result).toMatchObject({ ...none, state, seen: 9000, kept: 9000, packets: 9000 });
    expect(result).toMatchObject({ fromGuest: 6000, toGuest: 3000, slot: 3 });
    expect(result.seenBytes).toBe(result.sentBytes);
    expect(result.keptBytes).toBe(result.sentBytes);
  });
});

it("keeps the snap length of a packet and says how long it was", () => {
  const result = run("snap");
  expect(result).toMatchObject({ seen: 500, kept: 500, shortened: 250, packets: 500 });
  expect(result).toMatchObject({ original: 1000, captured: 100 });
  expect([result.seenBytes, result.keptBytes]).toEqual([272_500, 47_500]);
});

it.each(["overload", "overload-crc"])("counts what a full ring did not take (%s)", (name) => {
  const { seen, kept, lostKernel, lostRing, packets, missing, lostNamed } = run(name);
  expect([seen, kept + lostRing, lostKernel]).toEqual([5000, 5000, 0]);
  expect(kept).toBeGreaterThan(20);
  expect([packets, missing, lostNamed]).toEqual([kept, lostRing, lostRing]);
});

it("counts what the kernel had no room for", () => {
  const { seen, kept, lostKernel, lostRing, packets } = run("kernel-loss");
  expect([seen, kept + lostKernel, lostRing]).toEqual([20_000, 20_000, 0]);
  expect(lostKernel).toBeGreaterThan(1000);
  expect(packets).toBe(kept);
});

it.each([
  ["fairness", "lostRing"],
  ["fairness-inline", "lostKernel"],
])("loses nothing of a quiet interface while another is flooded (%s)", (name, lost) => {
  const { noisy, quiet } = run(name);
  expect(quiet).toMatchObject({ ...none, seen: 1500, kept: 1500, packets: 1500 });
  expect(noisy.seen).toBe(noisy.kept + noisy.lostKernel + noisy.lostRing);
  expect(noisy[lost]).toBeGreaterThan(1000);
  expect([noisy.packets, noisy.missing]).toEqual([noisy.kept, noisy.lostRing]);
});

describe("an interface in trouble", () => {
  it.each([
    ["deleted", GONE, ENODEV, 10],
    ["moved", GONE, ENODEV, 10],
    ["inline-deleted", GONE, ENODEV, 10],
    ["uplink-deleted", GONE, EBADFD, 10],
    ["down-up", RUNNING, 0, 20],
    ["inline-down-up", RUNNING, 0, 20],
  ])("%s: no time burnt, nothing missed", (name, state, errno, sent) => {
    const { told, cpuMs, counts } = run(name);
    expect(counts).toMatchObject({ ...none, state, errno, seen: sent, kept: sent, packets: sent });
    expect(told).toBe(state === GONE ? 1 : 0);
    expect(cpuMs).toBeLessThan(IDLE_CPU_MS_MAX);
  });

  it("frees its slot and lane", () => {
    expect(run("again")).toMatchObject({ refused: 2, state: RUNNING, seen: 10, packets: 10 });
  });
});

describe("inline", () => {
  it("forwards both ways and changes nothing", () => {
    const { arrived, changed, counts } = run("forward");
    expect([arrived, changed]).toEqual([2000, 0]);
    expect(counts).toMatchObject({ ...none, seen: 2000, kept: 2000, forwarded: 2000, dropped: 0 });
    expect(counts).toMatchObject({ fromGuest: 1000, toGuest: 1000, flaggedDropped: 0 });
  });

  it("drops what a rule names, and shows it", () => {
    const { arrived, changed, counts } = run("forward-rule");
    expect([arrived, changed]).toEqual([1750, 0]);
    expect(counts).toMatchObject({ ...none, seen: 2000, forwarded: 1750, dropped: 250 });
    expect(counts.flaggedDropped).toBe(250);
  });

  it.each([
    ["segments", 14],
    ["segments-tagged", 18],
  ])("passes a large segment whole (%s)", (name, link) => {
    const { bytes, gsoType, gsoSize, counts } = run(name);
    expect([bytes, gsoType, gsoSize]).toEqual([10 + link + 20_000, 1, 1448]);
    expect(counts).toMatchObject({ ...none, seen: 1, forwarded: 1, flaggedPartial: 1 });
    expect(counts.original).toBe(link + 20_000);
  });

  it("counts what the uplink's queue had no room for", () => {
    const { seen, kept, lostKernel, packets } = run("uplink-loss");
    expect([seen, kept + lostKernel, packets]).toEqual([5000, 5000, kept]);
    expect(lostKernel).toBeGreaterThan(1000);
  });
});

it("shares nothing between its threads without order", () => {
  const built = build("packet-live-thread", ["-fsanitize=thread"]);
  expect(run("remove", built)).toMatchObject({ seen: 9000, packets: 9000 });
  expect(run("forward-rule", built).counts).toMatchObject({ seen: 2000, dropped: 250 });
});

it("canary: a packet that is missed shows", () => {
  const built = build("packet-live-canary", ["-fsanitize=address", "-DUC_PACKET_CANARY"]);
  const result = run("mirror", built);
  expect(result).toMatchObject({ seen: 9000, packets: 8999 });
  expect(result.disorder).toBeGreaterThan(0);
});
