// SPDX-License-Identifier: Apache-2.0
// undercroft.sys as mingw-w64 builds it: what Windows asks of a driver's file, what it takes from
// the kernel, and the marks that its sources carry.
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compile } from "../core/programs.ts";
import { type PeFile, peChecksum, readPe } from "./pe.ts";
import { buildDriver, builtFile, driverFolder, driverSources, removeBuilt } from "./programs.ts";

/** Every function of the kernel that the driver may call; a new one is a decision. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "fltmgr.sys": readFileSync(join(driverFolder, "fltmgr.def"), "utf8").match(/^Flt\w+$/gm) ?? [],
  "hal.dll": ["KeQueryPerformanceCounter"],
  "ntoskrnl.exe": [
    ...["DbgPrint", "memchr", "memcmp", "memcpy", "memmove", "memset", "MmGetSystemRoutineAddress"],
    ...["ExAcquireFastMutex", "ExReleaseFastMutex", "ExAllocatePoolWithTag", "ExFreePool"],
    ...["ExFreePoolWithTag", "ExInitializeNPagedLookasideList", "ExDeleteNPagedLookasideList"],
    ...["ExQueryDepthSList", "ExpInterlockedPopEntrySList", "ExpInterlockedPushEntrySList"],
    ...["IoAttachDeviceToDeviceStack", "IoCreateDevice", "IoDeleteDevice", "IoDetachDevice"],
    ...["IoForwardIrpSynchronously", "IoGetCurrentProcess", "IoRegisterShutdownNotification"],
    ...["IoUnregisterShutdownNotification", "IoVolumeDeviceToDosName", "IofCallDriver"],
    ...["IofCompleteRequest", "PoCallDriver", "PoStartNextPowerIrp"],
    ...["KeAcquireSpinLockRaiseToDpc", "KeReleaseSpinLock", "KeGetCurrentProcessorNumberEx"],
    ...["KeInitializeEvent", "KeQueryActiveProcessorCountEx", "KeSetEvent"],
    ...["KeWaitForSingleObject", "MmMapIoSpace", "MmUnmapIoSpace"],
    ...["ObOpenObjectByPointer", "ObReferenceObjectByHandle", "ObfDereferenceObject"],
    ...["PsCreateSystemThread", "PsTerminateSystemThread", "PsReferencePrimaryToken"],
    ...["PsDereferencePrimaryToken", "PsGetCurrentProcessId", "PsGetCurrentThreadId"],
    ...["PsGetProcessCreateTimeQuadPart", "PsGetProcessExitStatus", "PsGetProcessId"],
    ...["PsLookupProcessByProcessId", "PsLookupThreadByThreadId", "PsProcessType", "PsThreadType"],
    ...["PsSetCreateThreadNotifyRoutine", "PsRemoveCreateThreadNotifyRoutine"],
    ...["PsSetLoadImageNotifyRoutine", "PsRemoveLoadImageNotifyRoutine"],
    ...["RtlGetVersion", "RtlInitUnicodeString", "RtlRandomEx"],
    ...["SeLocateProcessImageName", "SeQueryInformationToken"],
    ...["ZwClose", "ZwCreateKey", "ZwOpenKey", "ZwQueryValueKey", "ZwSetValueKey"],
    ...["ZwQueryInformationProcess", "ZwTerminateProcess", "ZwWaitForSingleObject"],
  ],
};
/** Only in the driver of the load test. */
const TEST_ONLY = ["ZwCreateFile", "ZwCreateSection", "ZwMapViewOfSection", "ZwUnmapViewOfSection"];

const allowed = new Set(
  Object.entries(ALLOWED).flatMap(([module, names]) => names.map((name) => `${module}!${name}`)),
);

/** What Windows would refuse the file for; empty: nothing. */
function complaints(bytes: Buffer): string[] {
  const pe: PeFile = readPe(bytes);
  const characteristic = (bit: number): boolean => (pe.dllCharacteristics & bit) !== 0;
  const rules: ReadonlyArray<readonly [string, boolean]> = [
    ["is not for x64", pe.machine === 0x8664],
    ["is no native program", pe.subsystem === 1],
    ["has no FORCE_INTEGRITY", characteristic(0x80)],
    ["lets data be executed", characteristic(0x100)],
    ["has a fixed address", characteristic(0x40) && pe.hasRelocations],
    ["does not take high addresses", characteristic(0x20)],
    ["begins outside of code", pe.entryInCode],
    ["has a wrong checksum", pe.checksum === peChecksum(bytes)],
    ["has code that can be written", !pe.sections.some((s) => s.isExecutable && s.isWritable)],
  ];
  const strangers = pe.imports.filter((name) => !allowed.has(name));
  return [
    ...rules.filter(([, holds]) => !holds).map(([rule]) => rule),
    ...strangers.map((name) => `imports ${name}`),
  ];
}

let driver = "";
beforeAll(() => {
  driver = buildDriver();
});
afterAll(removeBuilt);

describe("undercroft.sys", () => {
  test("is a file that Windows can load", () => {
    expect(complaints(readFileSync(driver))).toEqual([]);
  });

  test("is checked by rules that bite", () => {
    const pe = (bytes: Buffer) => bytes.readUInt32LE(0x3c) + 24;
    const planted = Buffer.from(readFileSync(driver));
    planted.writeUInt16LE(3, pe(planted) + 68);
    planted.writeUInt16LE(0x100, pe(planted) + 70);
    expect(complaints(planted)).toEqual([
      ...["is no native program", "has no FORCE_INTEGRITY", "has a fixed address"],
      ...["does not take high addresses", "has a wrong checksum"],
    ]);
  });

  test("has nothing of the load test, whose driver has no more than that", () => {
    const given = readPe(readFileSync(driver));
    const tested = readPe(readFileSync(buildDriver(["-DUC_TEST_REGION=ON"])));
    expect(readFileSync(driver).includes(Buffer.from("TestRegion", "utf16le"))).toBe(false);
    const more = tested.imports.filter((name) => !given.imports.includes(name));
    expect(more.sort()).toEqual(TEST_ONLY.map((name) => `ntoskrnl.exe!${name}`));
  });

  test("compiles with clang too, as build.md asks of Windows", () => {
    const simulated = ["-DUC_SIMULATOR", `-I${join(import.meta.dirname)}`, `-I${driverFolder}`];
    compile("clang", [
      ...["-std=gnu11", "-fshort-wchar", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"],
      ...["-Wno-missing-field-initializers", ...simulated, ...driverSources],
    ]);
  });
});

/** Functions of a C file whose line above says no IRQL. */
function unmarked(text: string): string[] {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    if (!/^(static )?[A-Za-z_].*\(/.test(line) || /^(_|#|typedef|struct \w+ \{)/.test(line))
      return [];
    const body = lines.slice(index).findIndex((next) => /^\{|^}|;$/.test(next));
    if (lines[index + body] !== "{") return [];
    return /^_IRQL_requires/.test(lines[index - 1] ?? "") ? [] : [line];
  });
}

describe("IRQL", () => {
  test.each(driverSources.map((path) => [basename(path), path]))("is said in %s", (_, path) => {
    expect(unmarked(readFileSync(path, "utf8"))).toEqual([]);
  });

  test("is missed where it is not said", () => {
    expect(unmarked("\nstatic int f(void)\n{\n}\n")).toEqual(["static int f(void)"]);
  });
});

test("the INF names what the driver has", () => {
  const inf = readFileSync(join(driverFolder, "undercroft.inf"), "utf8");
  const header = readFileSync(join(driverFolder, "undercroft.h"), "utf8");
  const altitude = /UC_ALTITUDE L("[\d.]+")/.exec(header)?.[1];
  expect(inf).toContain(`Altitude     = ${altitude}`);
  const version = /UC_DRIVER_VERSION "([\d.]+)"/.exec(header)?.[1];
  expect(inf).toMatch(
    new RegExp(`^DriverVer   = [\\d/]+,${version?.replaceAll(".", "\\.")}\\.0$`, "m"),
  );
  expect(inf).toContain("PCI\\VEN_1AF4&DEV_1110");
  expect(builtFile("x")).not.toBe("");
});
