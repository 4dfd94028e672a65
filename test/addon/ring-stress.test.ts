// SPDX-License-Identifier: Apache-2.0
// The producer core that guests run against the native drain: two threads under the thread
// sanitizer, under the address sanitizer with a thread that rewrites the ring, and from another
// process into Node. What the producer counts as lost must be exactly what the drain misses.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { beforeAll, describe, expect, it } from "vitest";
import { CONSUMER_STAT } from "../../lib/model/model.ts";
import { Mapping, NativeRingConsumer } from "../../lib/native/native.ts";
import { compile } from "./compile.ts";
import { CRC, PLACEMENT, RECORD_BYTES_MAX, REGION_BYTES } from "./hand-made-ring.ts";

const COUNT = process.env.UC_SLOW === "1" ? 20_000_000 : 100_000;
/** Drains against the racing thread: slow under the thread sanitizer. */
const RACES = COUNT / 50;
const SESSION = 77;
const RECORD_LOST = 0xfffe;

const build = (name: string, flags: readonly string[]): string =>
  compile(
    `ring-stress-${name}`,
    [
      "test/addon/ring-stress.c",
      "addon/drain.c",
      "addon/crc32c.c",
      "guest-drivers/core/uc_ring.c",
      "guest-drivers/core/uc_crc32c.c",
    ],
    flags,
  );

const run = (program: string, mode: "threads" | "race", features: bigint) =>
  spawnSync(program, [mode, "-1", String(mode === "race" ? RACES : COUNT), String(features)], {
    encoding: "utf8",
    env: { ...process.env, TSAN_OPTIONS: "halt_on_error=1" },
  });

describe.each([
  ["thread", "thread", []],
  // The core's own CRC is the second opinion on both ways in which the addon computes it.
  ["address", "address,undefined", ["-DUC_CRC_PORTABLE"]],
])("under the %s sanitizer", (name, sanitizers, defines) => {
  let program: string;
  beforeAll(() => {
    const flags = [`-fsanitize=${sanitizers}`, "-fno-sanitize-recover=all", ...defines];
    program = build(name, flags);
  });

  it.each([0n, CRC])("all that is produced is read or counted (features %s)", (features) => {
    const result = run(program, "threads", features);
    expect(result.stderr).toBe("");
    expect(result.status).toBe(0);
    const { records, lost, named, pads } = JSON.parse(result.stdout);
    expect(records + lost).toBe(COUNT);
    expect(named).toBe(lost);
    expect(pads).toBeGreaterThan(10);
  });

  it.each([0n, CRC])("a racing guest stays without effect (features %s)", (features) => {
    const result = run(program, "race", features);
    expect(result.stderr).toBe("");
    expect(result.status).toBe(0);
    expect(JSON.parse(result.stdout).faults).toBeGreaterThanOrEqual(100);
  });
});

it("canary: the thread sanitizer sees the drain's copy", () => {
  const result = run(build("canary", ["-fsanitize=thread", "-DUC_STRESS_CANARY"]), "race", 0n);
  expect(result.stderr).toContain("data race");
  expect(result.status).not.toBe(0);
});

it.each([0n, CRC])("from another process, sums agree (features %s)", async (features) => {
  const program = build("process", []);
  const mapping = Mapping.createMemfd("two-processes", REGION_BYTES);
  const consumer = new NativeRingConsumer(mapping, PLACEMENT, {
    recordBytesMax: RECORD_BYTES_MAX,
  });
  consumer.startSession(SESSION, SESSION - 1, features);
  const child = spawn(program, ["produce", "3", String(COUNT), String(features)], {
    stdio: ["ignore", "pipe", "inherit", mapping.fd],
  });
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  let hasEnded = false;
  const ended = once(child, "close").then(([status]) => {
    hasEnded = true;
    return status;
  });
  let sum = 0;
  for (;;) {
    const wasDone = hasEnded;
    const count = consumer.drain();
    if (count < 0) throw new Error(`fault ${count}`);
    sum = (sum + sumRecords(consumer, count)) >>> 0;
    if (count > 0) continue;
    if (wasDone) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await ended).toBe(0);
  const { delivered, lostFrames, missing, named } = CONSUMER_STAT;
  const stat = (index: number) => Number(consumer.stats[index]);
  const records = stat(delivered) - stat(lostFrames);
  expect(JSON.parse(output)).toEqual({ records, lost: stat(missing), sum });
  expect(stat(named)).toBe(stat(missing));
  expect(records).toBeGreaterThan(0);
  consumer.close();
  mapping.close();
});

/** Sum of all 32-bit words of the payloads, but for the global sequence that opens each. */
function sumRecords(consumer: NativeRingConsumer, count: number): number {
  const view = new DataView(consumer.batch.buffer);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const [offset = 0, length = 0, kind = 0] = consumer.records.subarray(i * 4, i * 4 + 3);
    if ((kind & 0xffff) === RECORD_LOST) continue;
    for (let at = 8; at + 4 <= length; at += 4)
      sum = (sum + view.getUint32(offset + at, true)) >>> 0;
  }
  return sum;
}
