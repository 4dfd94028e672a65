// SPDX-License-Identifier: Apache-2.0
// Names of the Windows kernel as people write them: drives, shares and users, as far as they were
// told.
import { describe, expect, test } from "vitest";
import type { GuestEvent, ImageLoadEvent, RegistryEvent } from "../../../lib/model/model.ts";
import { WindowsNames } from "../../../lib/server/windows-names.ts";
import { BASE, exec, file, fork } from "../events.ts";

function names(...mounts: ReadonlyArray<readonly [device: string, mountPoint: string]>) {
  const made = new WindowsNames();
  for (const [device, mountPoint] of mounts) {
    made.volume({ kind: "volume", sequence: 1, device, mountPoint, isGone: false });
  }
  return made;
}

const PROFILES =
  "\\REGISTRY\\MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList";
const C = "\\Device\\HarddiskVolume3";

describe("paths", () => {
  test.each([
    [`${C}\\Windows\\a.exe`, "C:\\Windows\\a.exe"],
    ["\\DEVICE\\harddiskvolume3\\A", "C:\\A"],
    [`${C}\\`, "C:\\"],
    [C, C],
    [`${C}0\\x`, `${C}0\\x`],
    ["\\Device\\HarddiskVolume4\\x", "D:\\Mounted\\x"],
    ["\\??\\C:\\x", "C:\\x"],
    [`\\??\\${C.slice(1)}\\x`, `${C.slice(1)}\\x`],
    ["\\??\\UNC\\server\\share\\x", "\\\\server\\share\\x"],
    ["\\Device\\Mup\\server\\share\\x", "\\\\server\\share\\x"],
    ["\\SystemRoot\\System32\\x.sys", "C:\\Windows\\System32\\x.sys"],
    ["\\Device\\NamedPipe\\x", "\\Device\\NamedPipe\\x"],
    ["\\", "\\"],
    ["\\x", "\\x"],
    ["", ""],
    ["C:\\x", "C:\\x"],
    ["\\Device\\__proto__\\x", "\\Device\\__proto__\\x"],
  ])("%s", (kernel, wanted) => {
    const made = names([C, "C:"], ["\\Device\\HarddiskVolume4", "D:\\Mounted"]);
    expect(made.path(kernel)).toBe(wanted);
  });

  test("a volume that goes takes its drive along", () => {
    const made = names([C, "C:"]);
    made.volume({ kind: "volume", sequence: 2, device: C, mountPoint: "C:", isGone: true });
    expect(made.path(`${C}\\x`)).toBe(`${C}\\x`);
    made.volume({ kind: "volume", sequence: 3, device: C, mountPoint: "E:", isGone: false });
    expect(made.path(`${C}\\x`)).toBe("E:\\x");
  });

  test("a guest that tells of volumes without end fills no memory", () => {
    const made = names([C, "C:"]);
    for (let index = 0; index < 10_000; index++) {
      const device = `\\Device\\${index}`;
      made.volume({ kind: "volume", sequence: 1, device, mountPoint: "X:", isGone: false });
    }
    expect(made.path("\\Device\\9999\\x")).toBe("\\Device\\9999\\x");
    expect(made.path(`${C}\\x`)).toBe("C:\\x");
  });
});

test("every event that has a path", () => {
  const made = names([C, "C:"]);
  const image: ImageLoadEvent = {
    ...{ ...BASE, kind: "image.load", path: `${C}\\a.dll` },
    ...{ inode: 0, device: 0, address: 0n, sizeBytes: 1 },
  };
  const driver: GuestEvent = {
    ...{ ...BASE, kind: "module.load", name: "\\SystemRoot\\a.sys", sizeBytes: 1, taints: 0 },
  };
  const started = exec({ path: `${C}\\a`, requestedPath: "\\??\\C:\\a", user: "S-1-5-18" });
  const renamed = file({ kind: "file.rename", path: `${C}\\b`, oldPath: `${C}\\a` });
  expect(made.translate(image)).toMatchObject({ path: "C:\\a.dll" });
  expect(made.translate(driver)).toMatchObject({ name: "C:\\Windows\\a.sys" });
  expect(made.translate(started)).toMatchObject({
    ...{ path: "C:\\a", requestedPath: "C:\\a", user: "NT AUTHORITY\\SYSTEM" },
  });
  expect(made.translate(renamed)).toMatchObject({ path: "C:\\b", oldPath: "C:\\a" });
  const plain = file({ path: "C:\\x" });
  expect(made.translate(plain)).toBe(plain);
  const forked = fork();
  expect(made.translate(forked)).toBe(forked);
});

describe("users", () => {
  const sid = "S-1-5-21-1-2-3-1001";
  const profile: RegistryEvent = {
    ...{ ...BASE, kind: "value.set", name: "ProfileImagePath", valueType: 2, dataBytes: 0 },
    key: `${PROFILES}\\${sid}`,
    data: Buffer.from("C:\\Users\\eve\0", "utf16le").toString("hex"),
    status: 0,
  };

  test("of the system", () => {
    expect(names().user("S-1-5-20")).toBe("NT AUTHORITY\\NETWORK SERVICE");
    expect(names().user("S-1-5-96-0-2")).toBe("Font Driver Host\\UMFD-2");
    expect(names().user(sid)).toBe(sid);
  });

  test("of people, where a profile was made", () => {
    const made = names();
    expect(made.translate(profile)).toBe(profile);
    expect(made.user(sid)).toBe("eve");
  });

  test.each([
    [{ name: "Flags" }],
    [{ valueType: 4 }],
    [{ key: "\\REGISTRY\\MACHINE\\X" }],
    [{ data: "" }],
  ])("not from %o", (change) => {
    const made = names();
    made.translate({ ...profile, ...change });
    expect(made.user(sid)).toBe(sid);
  });
});
