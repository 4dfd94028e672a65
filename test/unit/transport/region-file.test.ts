// SPDX-License-Identifier: Apache-2.0
// Region files: made zeroed, owned and sized as asked; opened only when they are what the
// configuration says; a cut file is a fault and never the end of the process.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { faultName } from "../../../lib/model/model.ts";
import {
  createRegionFile,
  openIvshmemRegion,
  openMemoryRegion,
} from "../../../lib/transport/transport.ts";
import { planRegion } from "../../../lib/wire/wire.ts";

const BYTES = 1 << 20;
const isRoot = process.geteuid?.() === 0;
const code = (name: string) => expect.objectContaining({ code: `ERR_UC_REGION_${name}` });

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "undercroft-region-"));
  path = join(folder, "region");
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("a region file is made", () => {
  it("zeroed, with its memory taken, for its user alone", () => {
    createRegionFile(path, BYTES);
    const stat = statSync(path);
    expect([stat.size, stat.mode & 0o777]).toEqual([BYTES, 0o600]);
    expect(stat.blocks * 512).toBeGreaterThanOrEqual(BYTES);
    expect(readFileSync(path).every((byte) => byte === 0)).toBe(true);
  });

  it("with the mode and, by root, the owner asked for, whatever the umask", () => {
    const before = process.umask(0o077);
    try {
      createRegionFile(
        path,
        BYTES,
        isRoot ? { mode: 0o660, uid: 4711, gid: 815 } : { mode: 0o660 },
      );
    } finally {
      process.umask(before);
    }
    const stat = statSync(path);
    expect(stat.mode & 0o777).toBe(0o660);
    if (isRoot) expect([stat.uid, stat.gid]).toEqual([4711, 815]);
  });

  it("never over something that is there, nor through a link", () => {
    writeFileSync(path, "precious");
    expect(() => createRegionFile(path, BYTES)).toThrow(code("OPEN"));
    expect(readFileSync(path, "utf8")).toBe("precious");
    const link = join(folder, "link");
    symlinkSync(join(folder, "target"), link);
    expect(() => createRegionFile(link, BYTES)).toThrow(code("OPEN"));
    expect(existsSync(join(folder, "target"))).toBe(false);
    expect(() => createRegionFile(join(folder, "no", "region"), BYTES)).toThrow(code("OPEN"));
  });

  it.each([0, 4096, BYTES - 1, BYTES + 4096, 3 * BYTES, 2 ** 31, Number.NaN])(
    "not with %d bytes",
    (bytes) => {
      expect(() => createRegionFile(path, bytes)).toThrow(code("SIZE"));
      expect(existsSync(path)).toBe(false);
      expect(() => openMemoryRegion(bytes)).toThrow(code("SIZE"));
    },
  );

  it("whole or not at all", () => {
    expect(() => createRegionFile(path, BYTES, { uid: -2 })).toThrow(code("OPEN"));
    expect(existsSync(path)).toBe(false);
  });
});

describe("a region file is opened", () => {
  it("with the size it has, or must have", () => {
    createRegionFile(path, BYTES);
    const region = openIvshmemRegion(path);
    expect([region.bytes, region.name, region.isSealed]).toEqual([BYTES, path, false]);
    expect(region.fd).toBeGreaterThan(2);
    region.close();
    expect(region.fd).toBe(-1);
    openIvshmemRegion({ path, bytes: BYTES }).close();
    expect(() => openIvshmemRegion({ path, bytes: 2 * BYTES })).toThrow(code("SIZE"));
    truncateSync(path, 3 * 4096);
    expect(() => openIvshmemRegion(path)).toThrow(code("SIZE"));
    truncateSync(path, 0);
    expect(() => openIvshmemRegion(path)).toThrow(code("SIZE"));
  });

  it("not when it is missing, a link, a folder or a device", () => {
    expect(() => openIvshmemRegion(path)).toThrow(code("OPEN"));
    expect(() => openIvshmemRegion(folder)).toThrow(code("OWNER"));
    expect(() => openIvshmemRegion("/dev/null")).toThrow(code("OWNER"));
    createRegionFile(path, BYTES);
    const link = join(folder, "link");
    symlinkSync(path, link);
    expect(() => openIvshmemRegion(link)).toThrow(code("OWNER"));
    expect(() => openIvshmemRegion({ path: link, bytes: BYTES })).toThrow(code("OPEN"));
  });

  it("not when others may write to it, unless the configuration says so", () => {
    createRegionFile(path, BYTES, { mode: 0o666 });
    expect(() => openIvshmemRegion(path)).toThrow(code("OWNER"));
    expect(() => openIvshmemRegion({ path, mode: 0o660 })).toThrow(code("OWNER"));
    openIvshmemRegion({ path, mode: 0o666 }).close();
    chmodSync(path, 0o640);
    openIvshmemRegion(path).close();
  });

  it.runIf(isRoot)("not when it belongs to somebody else", () => {
    createRegionFile(path, BYTES);
    chownSync(path, 4711, 4711);
    expect(() => openIvshmemRegion(path)).toThrow(code("OWNER"));
    openIvshmemRegion({ path, uid: 4711 }).close();
  });

  it("and a cut under it is a fault, while the process lives on", () => {
    createRegionFile(path, BYTES);
    const region = openIvshmemRegion(path);
    const [ring] = planRegion({ regionBytes: BYTES, dataRings: 1 }).rings;
    if (ring === undefined) throw new Error("no ring");
    const consumer = region.openConsumer(ring, 4096);
    consumer.startSession(1, 0, 0n);
    expect(consumer.drain()).toBe(0);
    truncateSync(path, 0);
    expect(faultName(consumer.drain())).toBe("E_MAPPING");
    expect(region.isFailed).toBe(true);
    expect(region.copyOut(0, new Uint8Array(64))).toBe(false);
    expect(region.copyIn(0, new Uint8Array(64))).toBe(false);
    region.close();
  });
});

describe("other regions", () => {
  it("of a memfd are sealed, and can be passed on by their descriptor", () => {
    const region = openIvshmemRegion({ memfd: "unit", bytes: BYTES });
    expect(region.isSealed).toBe(true);
    expect(() => truncateSync(`/proc/self/fd/${region.fd}`, 0)).toThrow(/EPERM/);
    expect(() => openIvshmemRegion({ fd: region.fd, bytes: 2 * BYTES })).toThrow(code("SIZE"));
    region.close();
  });

  it("of memory are shared with whoever holds the memory", () => {
    const memory = new SharedArrayBuffer(BYTES);
    const [one, other] = [openMemoryRegion(memory, "one"), openMemoryRegion(memory)];
    one.copyIn(100, Uint8Array.of(7));
    const seen = new Uint8Array(1);
    other.copyOut(100, seen);
    expect([seen[0], one.name, other.name, one.memory]).toEqual([7, "one", "memory", memory]);
    openMemoryRegion(new ArrayBuffer(BYTES)).close();
  });

  it("of a PCI device are refused when there is none", () => {
    expect(() => openIvshmemRegion({ pciBar: join(folder, "resource2") })).toThrow(code("OPEN"));
  });
});
