// SPDX-License-Identifier: Apache-2.0
// The tables of an SMB connection: limited, oldest first, and all that is held is given back.
import { expect, test } from "vitest";
import { SmbTable } from "../../../lib/network/smb-table.ts";

test("the oldest makes room, and the ledger ends at nothing", () => {
  let heldBytes = 0;
  const ledger = {
    hold: (bytes: number): void => {
      heldBytes += bytes;
    },
  };
  const table = new SmbTable<number>(ledger, 3);
  expect([1, 2, 3].map((number) => table.put(`${number}`, number, 10))).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  const fullBytes = heldBytes;
  expect(table.put("1", 10, 10)).toBeUndefined();
  expect(heldBytes).toBe(fullBytes);
  expect(table.put("4", 4, 10)).toBe(2);
  expect([...table.values()]).toEqual([3, 10, 4]);
  expect([table.take("2"), table.take("3"), table.get("3")]).toEqual([undefined, 3, undefined]);
  expect(table.takeAll()).toEqual([
    ["1", 10],
    ["4", 4],
  ]);
  expect(heldBytes).toBe(0);
});
