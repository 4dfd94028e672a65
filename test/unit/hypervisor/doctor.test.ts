// SPDX-License-Identifier: Apache-2.0
// What doctor makes of facts that the live test cannot plant. The others are in
// test/live/libvirt.test.ts, on a real libvirtd.
import { expect, test } from "vitest";
import {
  type DoctorFacts,
  type DomainFact,
  diagnose,
  regionName,
} from "../../../lib/hypervisor/hypervisor.ts";

const uuid = "5b0f8e1c-0000-4000-8000-000000000010";
const bytes = 32 << 20;
const domain: DomainFact = {
  ...{ name: "web", uuid, state: "running", reason: 1, cpuMs: 1, vcpus: 1, wantedUid: 64055 },
  description: {
    ...{ name: "web", uuid, interfaces: [], owner: undefined },
    region: {
      name: regionName(uuid),
      bytes,
      model: "ivshmem-plain",
      isKept: true,
      held: undefined,
    },
  },
};
const file = { isFile: true, mode: 0o660, uid: 64055, bytes };
const served = { name: "web", uuid, state: "monitored", driver: { mapKind: "write-back" } };
const right: DoctorFacts = {
  hookPath: "/etc/libvirt/hooks/qemu.d/undercroft",
  hook: { isFile: true, mode: 0o755, uid: 0, bytes: 1 },
  ...{ hookCommand: "undercroft", hookCommandIsThere: true, socketPath: "/run/s" },
  socket: { isFile: false, mode: 0o600, uid: 0, bytes: 0 },
  service: { guests: [served], redirector: "registered" },
  ...{ libvirtProblem: undefined, domains: [domain], regions: new Map([[uuid, file]]) },
  ...{ sharedMemoryFree: 0, missingPrograms: [], holder: undefined },
};

test("nothing is said of what is right", () => {
  expect(diagnose(right)).toEqual([]);
});

test.each<readonly [string, Partial<DoctorFacts>, string]>([
  [
    "a domain that is not served",
    { service: { guests: [], redirector: "registered" } },
    "web: the service does not serve it",
  ],
  [
    "a guest without a driver",
    { service: { guests: [{ ...served, state: "offline" }], redirector: "registered" } },
    "web: no driver has registered",
  ],
  [
    "a BAR that is mapped uncached",
    {
      service: {
        guests: [{ ...served, driver: { mapKind: "uncached" } }],
        redirector: "registered",
      },
    },
    "web: its driver maps the region uncached",
  ],
  ["a missing program", { missingPrograms: ["nft"] }, "redirector: nft is not installed"],
  ["a region that is gone", { regions: new Map() }, "web: it runs without its region's file"],
  [
    "a region cut short",
    { regions: new Map([[uuid, { ...file, bytes: 4096 }]]) },
    "web: its region has 4096 bytes",
  ],
  [
    "too little shared memory",
    { domains: [{ ...domain, state: "off" }], regions: new Map(), sharedMemoryFree: 1 << 20 },
    "/dev/shm: the protected domains that are off need 32 MiB there, 1 MiB are free",
  ],
])("%s is told with what to do", (_name, planted, text) => {
  const complaints = diagnose({ ...right, ...planted });
  expect(complaints.map(({ about, problem }) => `${about}: ${problem}`)).toEqual([
    expect.stringContaining(text),
  ]);
  expect(complaints[0]?.fix).not.toBe("");
});

test("a write-combining map is advice, not a mistake", () => {
  const driver = { mapKind: "write-combining" };
  const service = { guests: [{ ...served, driver }], redirector: "registered" };
  expect(diagnose({ ...right, service })).toMatchObject([{ about: "web", isAdvice: true }]);
});
