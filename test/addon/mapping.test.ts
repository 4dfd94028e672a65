// SPDX-License-Identifier: Apache-2.0
// Regions in real memory: who may map what, what a mapping copies, and that memory stays mapped
// exactly as long as something can still touch it.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { capabilities, loadAddon, Mapping, NativeRingConsumer } from "../../lib/native/native.ts";
import { PLACEMENT, REGION_BYTES } from "./hand-made-ring.ts";

const mib = 1 << 20;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "undercroft-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const path = (name: string): string => join(folder, name);
const code = (name: string): unknown =>
  expect.objectContaining({ name: "UndercroftError", code: name });
const mapped = (): number =>
  readFileSync("/proc/self/maps", "utf8").split("undercroft-map").length - 1;

describe("a memfd", () => {
  it("is sealed: nobody can cut it", () => {
    const mapping = Mapping.createMemfd("sealed", mib);
    expect(mapping.isSealed).toBe(true);
    expect(() => truncateSync(`/proc/self/fd/${mapping.fd}`, 4096)).toThrow(/EPERM/);
    expect(mapping.isFailed).toBe(false);
    mapping.close();
  });

  it.each([0, -1, 4096, mib + 1, 3 * mib, 2 ** 31, 1.5, Number.NaN])(
    "of %s bytes is refused",
    (n) => {
      expect(() => Mapping.createMemfd("size", n)).toThrow(code("ERR_UC_REGION_SIZE"));
    },
  );

  it("is mapped a second time through a descriptor that was passed on", () => {
    const one = Mapping.createMemfd("twice", mib);
    const passedOn = openSync(`/proc/self/fd/${one.fd}`, "r+");
    const two = Mapping.openFd(passedOn, mib, "passed on");
    expect(two.isSealed).toBe(true);
    one.storeU64(8, 77n);
    one.close();
    expect(two.loadU64(8)).toBe(77n);
    two.close();
    expect(() => fstatSync(passedOn)).toThrow(/EBADF/);
  });

  it("of another size than configured is refused", () => {
    const one = Mapping.createMemfd("sizes", mib);
    expect(() => Mapping.openFd(one.fd, 2 * mib)).toThrow(code("ERR_UC_REGION_SIZE"));
    one.close();
  });
});

describe("a file", () => {
  it("is made once, for this user only, and opened again by its size", () => {
    const made = Mapping.openFile(path("region"), { bytes: mib, create: true });
    made.storeU64(16, 5n);
    expect(made.isSealed).toBe(false);
    const opened = Mapping.openFile(path("region"), { bytes: mib });
    expect(opened.loadU64(16)).toBe(5n);
    expect(() => Mapping.openFile(path("region"), { bytes: mib, create: true })).toThrow(
      code("ERR_UC_REGION_OPEN"),
    );
    made.close();
    opened.close();
  });

  it("of another size is refused", () => {
    writeFileSync(path("short"), new Uint8Array(mib - 1), { mode: 0o600 });
    expect(() => Mapping.openFile(path("short"), { bytes: mib })).toThrow(
      code("ERR_UC_REGION_SIZE"),
    );
    truncateSync(path("short"), 2 * mib);
    expect(() => Mapping.openFile(path("short"), { bytes: mib })).toThrow(
      code("ERR_UC_REGION_SIZE"),
    );
  });

  it("that others may write is refused, unless configured so", () => {
    writeFileSync(path("open"), new Uint8Array(mib));
    chmodSync(path("open"), 0o620);
    expect(() => Mapping.openFile(path("open"), { bytes: mib })).toThrow(
      code("ERR_UC_REGION_OWNER"),
    );
    Mapping.openFile(path("open"), { bytes: mib, mode: 0o660 }).close();
    chmodSync(path("open"), 0o662);
    expect(() => Mapping.openFile(path("open"), { bytes: mib, mode: 0o660 })).toThrow(
      /lets others/,
    );
  });

  it("of another owner is refused", () => {
    writeFileSync(path("owned"), new Uint8Array(mib), { mode: 0o600 });
    expect(() => Mapping.openFile(path("owned"), { bytes: mib, uid: 12345 })).toThrow(
      code("ERR_UC_REGION_OWNER"),
    );
  });

  it("that is a symbolic link, a folder or missing is refused", () => {
    writeFileSync(path("target"), new Uint8Array(mib), { mode: 0o600 });
    symlinkSync(path("target"), path("link"));
    for (const name of ["link", ".", "missing"]) {
      expect(() => Mapping.openFile(path(name), { bytes: mib })).toThrow(
        code("ERR_UC_REGION_OPEN"),
      );
    }
  });

  it("that is a device is refused", () => {
    expect(() => Mapping.openFile("/dev/null", { bytes: mib, mode: 0o666 })).toThrow(
      code("ERR_UC_REGION_OWNER"),
    );
  });
});

describe("a PCI BAR", () => {
  it("takes its size from the file that stands for it", () => {
    writeFileSync(path("resource2"), new Uint8Array(4 * mib));
    const mapping = Mapping.openPciBar(path("resource2"));
    expect(mapping.bytes).toBe(4 * mib);
    mapping.storeU64(4 * mib - 8, 3n);
    mapping.close();
    expect(readFileSync(path("resource2")).readBigUInt64LE(4 * mib - 8)).toBe(3n);
  });

  it("of no possible size is refused", () => {
    writeFileSync(path("resource0"), new Uint8Array(256));
    expect(() => Mapping.openPciBar(path("resource0"))).toThrow(code("ERR_UC_REGION_SIZE"));
    expect(() => Mapping.openPciBar(path("no-device"))).toThrow(code("ERR_UC_REGION_OPEN"));
  });
});

describe("access", () => {
  it("copies in and out, clears, and refuses what is outside", () => {
    const mapping = Mapping.createMemfd("access", mib);
    expect(mapping.copyIn(mib - 3, Uint8Array.of(1, 2, 3))).toBe(true);
    const out = new Uint8Array(4);
    expect(mapping.copyOut(mib - 4, out)).toBe(true);
    expect([...out]).toEqual([0, 1, 2, 3]);
    expect(mapping.zero(mib - 2, 2)).toBe(true);
    mapping.copyOut(mib - 4, out);
    expect([...out]).toEqual([0, 1, 0, 0]);
    mapping.copyOut(mib, new Uint8Array(0));
    for (const wrong of [
      () => mapping.copyOut(mib - 3, out),
      () => mapping.copyIn(-1, out),
      () => mapping.copyOut(0.5, out),
      () => mapping.zero(0, mib + 1),
      () => mapping.zero(2 ** 53, 1),
      () => mapping.loadU64(mib),
      () => mapping.loadU64(4),
      () => mapping.storeU64(0, 2n ** 64n),
      () => mapping.storeU64(0, -1n),
    ]) {
      expect(wrong).toThrow(code("ERR_UC_ARGUMENT"));
    }
    mapping.close();
  });

  it("after close() is an error, twice closed is not", () => {
    const mapping = Mapping.createMemfd("closed", mib);
    mapping.close();
    mapping.close();
    for (const use of [
      () => mapping.loadU64(0),
      () => mapping.copyOut(0, new Uint8Array(1)),
      () => mapping.sharedArrayBuffer(),
      () => new NativeRingConsumer(mapping, PLACEMENT, { recordBytesMax: 512 }),
    ]) {
      expect(use).toThrow(code("ERR_UC_REGION_CLOSED"));
    }
    expect(mapping.fd).toBe(-1);
  });
});

describe("the last holder unmaps", () => {
  it("a ring goes on after the mapping was closed", () => {
    const mapping = Mapping.createMemfd("undercroft-map", REGION_BYTES);
    const consumer = new NativeRingConsumer(mapping, PLACEMENT, { recordBytesMax: 512 });
    consumer.startSession(1, 0, 0n);
    mapping.storeU64(PLACEMENT.producerOffset, 8n);
    mapping.close();
    expect(mapped()).toBe(1);
    expect(consumer.drain()).toBeLessThan(0);
    consumer.close();
    expect(mapped()).toBe(0);
    expect(() => consumer.drain()).toThrow(code("ERR_UC_REGION_CLOSED"));
  });

  it("so does a SharedArrayBuffer, shared with a Worker by real memory", async () => {
    expect(capabilities().externalSharedArrayBuffer).toBe(true);
    const mapping = Mapping.createMemfd("undercroft-map", mib);
    const shared = mapping.sharedArrayBuffer();
    expect(mapping.sharedArrayBuffer()).toBe(shared);
    expect(shared.byteLength).toBe(mib);
    const words = new BigUint64Array(shared);
    const source = `
      const { parentPort, workerData } = require("node:worker_threads");
      const words = new BigUint64Array(workerData);
      for (let i = 0; i < 100000; i++) Atomics.add(words, 1, 1n);
      parentPort.postMessage("done");`;
    const worker = new Worker(source, { eval: true, workerData: shared });
    for (let i = 0; i < 100_000; i++) Atomics.add(words, 1, 1n);
    await new Promise((resolve) => worker.once("message", resolve));
    await worker.terminate();
    expect(mapping.loadU64(8)).toBe(200_000n);
    mapping.close();
    expect(mapped()).toBe(1);
    expect(words[1]).toBe(200_000n);
  });
});

it("a file cut under its mapping is a fault, and the process lives", () => {
  const child = fileURLToPath(new URL("cut-file-child.ts", import.meta.url));
  const result = spawnSync(process.execPath, [child, path("cut")], { encoding: "utf8" });
  expect(result.stderr).toBe("");
  expect(result.signal).toBe(null);
  expect(JSON.parse(result.stdout)).toEqual({
    before: 1,
    drain: "E_MAPPING",
    write: "E_MAPPING",
    copied: false,
    isFailed: true,
    shared: 0,
    neighbour: "99",
  });
});

it("a SIGBUS elsewhere still ends the process", () => {
  const child = fileURLToPath(new URL("cut-file-child.ts", import.meta.url));
  const result = spawnSync(process.execPath, [child, path("raised"), "raise"], {
    encoding: "utf8",
  });
  expect(result.signal).toBe("SIGBUS");
});

it("a missing addon names every place that was tried", () => {
  writeFileSync(path("broken.node"), "not a library");
  const places = [path("nowhere.node"), path("broken.node")];
  let message = "";
  try {
    loadAddon(places);
  } catch (error) {
    expect(error).toEqual(code("ERR_UC_NATIVE_MISSING"));
    message = String(error);
  }
  for (const place of places) expect(message).toContain(place);
  expect(message).toContain("npm run build:native");
});
