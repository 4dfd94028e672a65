// SPDX-License-Identifier: Apache-2.0
// QEMU's arguments, its absence, the region file and the ports' line queue; no guest boots here.
import { existsSync, statSync } from "node:fs";
import { PassThrough } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { launchGuest, qemuArguments } from "../../../lib/hypervisor/guest.ts";
import { type GuestOptions, makeRegionFile } from "../../../lib/hypervisor/hypervisor.ts";
import { LineQueue } from "../../../lib/hypervisor/line-queue.ts";

const options: GuestOptions = {
  kernel: {
    series: "6.1",
    version: "6.1.0",
    vmlinuz: "/k/vmlinuz",
    modulesDirectory: "/k/modules",
    headersDirectory: "/k/headers",
  },
  initramfs: "/k/initramfs",
  console: "/k/con,sole",
  region: { path: "/dev/shm/a,b", bytes: 1 << 20 },
};

afterEach(() => {
  vi.unstubAllEnvs();
});

test("QEMU stops instead of rebooting, shares the region and never sees a bare comma", () => {
  const text = qemuArguments(options, "tcg").join(" ");
  expect(text).toContain("-no-reboot");
  expect(text).toContain("-cpu max");
  expect(text).toContain("panic=-1 oops=panic");
  expect(text).toContain("share=on,mem-path=/dev/shm/a,,b,size=1048576");
  expect(text).toContain("path=/k/con,,sole");
  expect(text).toContain("pref64-reserve=2G");
});

test("a low region gets no room above 4 GiB; icount runs one thread", () => {
  const region = { path: "/dev/shm/a", bytes: 1 << 20, placement: "low" as const };
  const text = qemuArguments({ ...options, region, icount: true }, "tcg").join(" ");
  expect(text).not.toContain("pref64-reserve");
  expect(text).toContain("-accel tcg,thread=single -icount shift=0,sleep=off");
});

test("a machine without QEMU is told what to install", async () => {
  vi.stubEnv("PATH", "/nonexistent");
  await expect(launchGuest(options, "tcg")).rejects.toMatchObject({
    code: "ERR_UC_QEMU_MISSING",
    message: expect.stringContaining("apt install qemu-system-x86"),
  });
});

test("a region file is private, zeroed, of the asked size, and can be removed", async () => {
  const region = makeRegionFile(1 << 20);
  const status = statSync(region.path);
  expect(status.mode & 0o777).toBe(0o600);
  expect(status.size).toBe(1 << 20);
  await region.remove();
  expect(existsSync(region.path)).toBe(false);
});

test.each([3 << 20, 0, 1024, 4096.5])("a region of %d bytes is refused", (bytes) => {
  const refusal = expect.objectContaining({ code: "ERR_UC_REGION_SIZE" });
  expect(() => makeRegionFile(bytes)).toThrow(refusal);
});

test("lines wait for their reader, who gets each once and then the end", async () => {
  const port = new PassThrough();
  const queue = new LineQueue(port);
  port.write("one\ntwo\n");
  await setTimeout(5);
  const seen: string[] = [];
  for await (const line of queue) {
    seen.push(line);
    if (line === "two") break;
  }
  port.end("three\nrest");
  for await (const line of queue) seen.push(line);
  expect(seen).toEqual(["one", "two", "three", "rest"]);
});

test("an unread port stops taking lines, and a late reader still gets every one", async () => {
  const port = new PassThrough();
  const queue = new LineQueue(port);
  let written = 0;
  while (written < 200_000 && port.write(`${written}\n`.repeat(100))) {
    written += 100;
    await setTimeout(0);
  }
  // The writer was held up long before it ran out of lines.
  expect(written).toBeLessThan(60_000);
  port.end();
  let count = 0;
  for await (const _line of queue) count += 1;
  expect(count).toBe(written + 100);
});
