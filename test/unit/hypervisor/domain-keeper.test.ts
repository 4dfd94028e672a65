// SPDX-License-Identifier: Apache-2.0
// The keeper's book of guests, told by several ways at once: each guest is attached once, and let
// go once, in whatever order the ways speak. The real libvirt is in test/live/libvirt.test.ts.
import { expect, test } from "vitest";
import { DomainKeeper, type ServiceGuest } from "../../../lib/hypervisor/hypervisor.ts";

const guest: ServiceGuest = {
  name: "one",
  uuid: "5b0f8e1c-0000-4000-8000-000000000010",
  regionPath: "/dev/shm/undercroft-5b0f8e1c-0000-4000-8000-000000000010",
  regionBytes: 16 << 20,
  regionUid: 0,
  taps: ["vnet0"],
};

function keeper(): { keeper: DomainKeeper; told: string[] } {
  const told: string[] = [];
  return {
    told,
    keeper: new DomainKeeper({
      log: (line) => told.push(line),
      hooks: {
        attach: ({ name, taps }) => told.push(`attach ${name} ${taps.join("+")}`),
        release: ({ name }) => told.push(`release ${name}`),
        interfaces: ({ name, taps }) => told.push(`${name} has ${taps.join("+")}`),
        liveness: ({ name }, liveness) => told.push(`${name} ${liveness}`),
      },
    }),
  };
}

test("a guest told twice is attached once, and released once", () => {
  const { keeper: book, told } = keeper();
  book.attach(guest);
  book.attach({ ...guest });
  book.stopped(guest.uuid);
  book.stopped(guest.uuid);
  book.release(guest.uuid);
  book.release(guest.uuid);
  expect(told).toEqual(["attach one vnet0", "one running", "one off", "release one"]);
  expect(book.guests).toEqual([]);
});

test("a guest whose taps changed stays attached, and its taps are told once", () => {
  const { keeper: book, told } = keeper();
  book.attach(guest);
  book.attach({ ...guest, taps: ["vnet0", "vnet7"] });
  book.attach({ ...guest, taps: ["vnet0", "vnet7"] });
  expect(told).toEqual(["attach one vnet0", "one running", "one has vnet0+vnet7"]);
  expect(book.guests[0]?.taps).toEqual(["vnet0", "vnet7"]);
});

test("a guest that cannot be attached is not kept", () => {
  const book = new DomainKeeper({
    log: () => {},
    hooks: {
      attach: () => {
        throw new Error("no such region");
      },
      release: () => {},
      interfaces: () => {},
      liveness: () => {},
    },
  });
  expect(() => book.attach(guest)).toThrow("no such region");
  expect(book.guests).toEqual([]);
});
