// SPDX-License-Identifier: Apache-2.0
// The packet engine through JavaScript: a guest behind a bridge whose traffic goes through us,
// with the kernel's own path closed as the redirector closes it, then mirrored until it is gone.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeEach, expect, it } from "vitest";
import { Mapping, PacketEngine } from "../../lib/native/native.ts";

const TCP_BYTES = 64_000_000;

beforeEach((context) => {
  if (process.getuid?.() !== 0) context.skip("needs root: it makes network namespaces");
  for (const tool of ["ip", "nft"]) {
    if (spawnSync(tool, ["-V"]).error !== undefined) context.skip(`needs the program ${tool}`);
  }
});

it("forwards, judges, fails open, mirrors, survives a cut region, tells what is gone", () => {
  const child = fileURLToPath(new URL("packet-engine-child.ts", import.meta.url));
  const command = ["-n", process.execPath, child];
  const result = spawnSync("unshare", command, { encoding: "utf8", timeout: 60_000 });
  expect(result.stderr).toBe("");
  expect([result.status, result.signal]).toEqual([0, null]);
  const facts = JSON.parse(result.stdout);

  // Nothing gets past us while the kernel's path is closed and the uplink is not in the bridge.
  expect([facts.closed, facts.open]).toEqual([false, true]);
  expect([facts.isolated, facts.released, facts.failedOpen]).toEqual([false, true, true]);
  expect(facts.expired).toBe(true);
  expect(facts.tcpBytes).toBe(TCP_BYTES);
  expect(facts.tcp).toMatchObject({ state: "running", mode: "inline", lostKernel: 0, lostRing: 0 });
  // The stream went through us, in segments larger than the link's 1,500 bytes.
  expect(facts.tcp.seenBytes).toBeGreaterThan(TCP_BYTES);
  expect(facts.tcp.seen).toBeLessThan(TCP_BYTES / 1500);
  expect(facts.tcp.keptBytes).toBeLessThanOrEqual(facts.tcp.kept * 128);
  expect(facts.afterIsolation.dropped).toBeGreaterThan(0);
  expect(facts.last).toMatchObject({ state: "stopped", lostKernel: 0, lostRing: 0 });
  expect(facts.last.seen).toBe(facts.last.kept);
  expect(facts.drained).toEqual([facts.last.kept, 0]);

  expect([facts.mirrored, facts.gone]).toEqual([true, [[7, "gone", 19]]]);
  expect(facts.mirror.seen).toBeGreaterThan(1);
  expect(facts.mirrorDrained).toEqual([facts.mirror.kept, 0]);

  expect(facts.cut).toEqual([true, true]);
  expect(facts.unknown).toEqual([null, null]);
  const words = ["ENODEV", "no name", "no such lane", "64 at least", "EBUSY", "EINVAL"];
  expect(facts.refused).toEqual(words.map((word) => expect.stringContaining(word)));
  expect(facts.afterClose).toContain("close()");
});

it("refuses rings that the region does not hold", () => {
  const mapping = Mapping.createMemfd("small", 1 << 20);
  const ring = { ringOffset: 1 << 20, producerOffset: 0x4000, consumerOffset: 0x5000 };
  const layout = expect.objectContaining({ code: "ERR_UC_LAYOUT" });
  expect(() => new PacketEngine(mapping, [{ ...ring, capacityLog2: 16 }], 4096)).toThrow(layout);
  expect(() => new PacketEngine(mapping, [], 4096)).toThrow(layout);
  mapping.close();
});
