// SPDX-License-Identifier: Apache-2.0
// The books balance: what was attempted is delivered, named, pending or unaccounted.
import { expect, test } from "vitest";
import { LossLedger } from "../../../lib/channel/channel.ts";
import type { Loss } from "../../../lib/model/model.ts";
import { CLASS_FILE, decodeStatus, LOSS_COUNT, LOSS_FULL } from "../../../lib/wire/wire.ts";

const EMPTY = decodeStatus(new Uint8Array(4096));
const START = { bootId: "b", sequence: 0, sameAttach: false, recovered: false, lostBefore: [] };
const AGAIN = { ...START, sameAttach: true };

function loss(count: number, first: number, last: number): Loss {
  return {
    ...{ kind: "loss", guest: "g", boot: "b", ring: 2, recordClass: "file", reason: "full" },
    ...{ count, firstSequence: first, lastSequence: last },
  } as Loss;
}

function status(sequence: number, full = 0, shutdown = 0) {
  const lost = [...EMPTY.lost];
  lost[CLASS_FILE * LOSS_COUNT + LOSS_FULL] = BigInt(full);
  lost[CLASS_FILE * LOSS_COUNT + 6] = BigInt(shutdown);
  return { ...EMPTY, sequence: BigInt(sequence), lost };
}

function ledger(): LossLedger {
  const books = new LossLedger("g");
  books.startSession(START, 0);
  return books;
}

test("a gap is unaccounted until its LOST frame comes", () => {
  const books = ledger();
  books.take(10, 10);
  books.miss(2, 5);
  expect(books.totals).toMatchObject({ delivered: 10, named: 0, unaccounted: 5 });
  expect(books.nameInBand(loss(5, 11, 15))).toBe(true);
  expect(books.totals).toMatchObject({ named: 5, unaccounted: 0, mismatches: 0 });
  expect(books.totals.byReason).toEqual({ "file.full": 5 });
});

test("what a parked guest had given out and nobody named is pending, then unnamed", () => {
  const books = ledger();
  books.take(10, 10);
  books.startSession({ ...AGAIN, sequence: 14 }, 1000);
  expect(books.totals).toMatchObject({ pending: 4, unaccounted: 0 });
  for (let beat = 0; beat < 3; beat++) books.claim(status(14));
  expect(books.settled).toBe(true);
  expect(books.nameRest()).toMatchObject([{ reason: "unnamed", count: 4 }]);
  expect(books.totals).toMatchObject({ pending: 0, unaccounted: 4 });
});

test("the guest's counters name what was pending", () => {
  const books = ledger();
  books.take(10, 10);
  books.startSession({ ...AGAIN, sequence: 14 }, 1000);
  for (let beat = 0; beat < 3; beat++) books.claim(status(14, 4));
  expect(books.nameRest()).toMatchObject([{ reason: "full", recordClass: "file", count: 4 }]);
  expect(books.totals).toMatchObject({ named: 4, pending: 0, unaccounted: 0 });
});

test("losses that no ring took are named by the counters alone, at once", () => {
  const books = ledger();
  books.take(10, 10);
  expect(books.claim(status(13, 0, 3))).toMatchObject([{ reason: "shutdown", count: 3 }]);
  expect(books.claim(status(13, 0, 3))).toEqual([]);
  expect(books.closeAttach(1000)).toEqual([]);
  expect(books.totals).toMatchObject({ named: 3, unaccounted: 0, mismatches: 0 });
});

test("what a region fault made us give up is named as quarantine", () => {
  const books = ledger();
  books.take(10, 10);
  books.giveUp();
  books.startSession({ ...AGAIN, sequence: 30 }, 1000);
  for (let beat = 0; beat < 3; beat++) books.claim(status(30, 5));
  expect(books.nameRest()).toMatchObject([
    { reason: "full", count: 5 },
    { reason: "quarantine", count: 15 },
  ]);
  expect(books.totals).toMatchObject({ named: 20, unaccounted: 0 });
});

test("a new boot closes the old books up to what the status page told", () => {
  const books = ledger();
  books.take(10, 10);
  books.claim(status(17, 2));
  const rows = books.startSession({ ...START, bootId: "c" }, 1000);
  expect(rows).toMatchObject([
    { reason: "full", count: 2, boot: "b" },
    { reason: "unnamed", count: 5, boot: "b" },
  ]);
});

test("records that could not be decoded are named instead of delivered", () => {
  const books = ledger();
  books.take(3, 3);
  expect(books.undecodable(2, "file", 2)).toMatchObject({ reason: "undecodable", count: 2 });
  expect(books.closeAttach(0)).toEqual([]);
  expect(books.totals).toMatchObject({ delivered: 1, named: 2, unaccounted: 0 });
});

test("a recovered session answers for what it sees, not for what came before", () => {
  const books = new LossLedger("g");
  books.startSession({ ...START, sequence: 900, recovered: true }, 0);
  books.take(10, 1010);
  books.miss(2, 3);
  expect(books.nameInBand(loss(2, 1011, 1012))).toBe(true);
  books.startSession({ ...AGAIN, sequence: 1013 }, 1000);
  expect(books.totals).toMatchObject({ delivered: 10, named: 2, pending: 1, mismatches: 0 });
});

test("claims that cannot be true are contradictions and move nothing", () => {
  const books = ledger();
  books.take(10, 10);
  expect(books.nameInBand(loss(100, 11, 12))).toBe(false);
  expect(books.nameInBand(loss(1, 12, 11))).toBe(false);
  expect(books.nameInBand(loss(5, 2 ** 52, 2 ** 52 + 9))).toBe(false);
  expect(books.totals).toMatchObject({ named: 0, mismatches: 3 });
  books.claim(status(10, 4));
  books.claim(status(10, 3));
  expect(books.totals.mismatches).toBe(4);
  books.startSession({ ...AGAIN, sequence: 2 ** 52 }, 1000);
  expect(books.totals).toMatchObject({ pending: 0, mismatches: 5 });
});

test("a guest that names more than it counts contradicts itself", () => {
  const books = ledger();
  books.take(10, 10);
  books.claim(status(10));
  books.miss(2, 5);
  books.nameInBand(loss(5, 11, 15));
  books.claim(status(15, 5));
  expect(books.totals.mismatches).toBe(0);
  books.miss(2, 5);
  books.nameInBand(loss(5, 16, 20));
  books.claim(status(20, 5));
  books.claim(status(20, 5));
  expect(books.totals.mismatches).toBe(1);
});
