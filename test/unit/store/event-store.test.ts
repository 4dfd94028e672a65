// SPDX-License-Identifier: Apache-2.0
// The event store: what was acknowledged is found, folded or not, after a restart too; what is
// wrong with its files has a name.
import { createSecretKey, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { StoredEvent } from "../../../lib/model/model.ts";
import {
  type EventStore,
  type EventStoreOptions,
  openEventStore,
  type StoredRow,
  type StoreQuery,
} from "../../../lib/store/store.ts";
import { oneOfEach } from "../../support/stored-events.ts";
import { exec, file } from "../events.ts";

const KEY = createSecretKey(randomBytes(32));
const NOW = Date.now();
let folder: string;
let stores: EventStore[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uc-events-"));
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  rmSync(folder, { recursive: true });
});

async function open(options: Partial<EventStoreOptions> = {}): Promise<EventStore> {
  const store = await openEventStore({ folder, key: KEY, flushMs: 1, ...options });
  stores.push(store);
  return store;
}

async function found(store: EventStore, query: StoreQuery = {}): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  for await (const row of store.search(query)) rows.push(row);
  return rows;
}

const files = (count: number): StoredEvent[] =>
  Array.from({ length: count }, (_, at) =>
    file({ sequence: at, timeMs: NOW + at, pid: at, path: `/srv/${at % 7}/Name%${at}` }),
  );

test("every event of every kind comes back whole, from the log and folded", async () => {
  const events = fc.sample(oneOfEach, 12).flat();
  const ageMsMax = Number.POSITIVE_INFINITY;
  let store = await open({ repeatMs: 0, limits: { ageMsMax } });
  await store.append(events);
  const isWhole = (rows: readonly StoredRow[]): boolean => {
    const rest = rows.map(({ event }) => ({ ...event }));
    return events.every((event) => {
      const at = rest.findIndex((one) => isDeepStrictEqual(one, { ...event }));
      return at >= 0 && rest.splice(at, 1).length === 1;
    });
  };
  const fromLog = await found(store);
  expect(fromLog).toHaveLength(events.length);
  expect(isWhole(fromLog)).toBe(true);
  await store.close();
  store = await open({ limits: { ageMsMax } });
  expect((await store.settle()).segmentRows).toBe(events.length);
  const folded = await found(store);
  expect(folded).toHaveLength(events.length);
  expect(isWhole(folded)).toBe(true);
  // Canary: the comparison sees a difference.
  expect(isWhole(folded.slice(1))).toBe(false);
});

test("searches find by number, text, time and kind, newest first, in logs and parts", async () => {
  const store = await open({ limits: { logRows: 100 } });
  const events = files(250);
  for (let at = 0; at < 250; at += 50) await store.append(events.slice(at, at + 50));
  await store.append([exec({ timeMs: NOW + 1000, pid: 7, arguments: ["sh", "-c", "Curl x"] })]);
  const pids = async (query: StoreQuery): Promise<number[]> =>
    (await found(store, query)).map(({ event }) => ("pid" in event ? event.pid : -1));
  expect(await pids({ where: { op: "equals", field: "pid", value: 7 } })).toEqual([7, 7]);
  const curl = { op: "contains", field: "command_line", value: "curl" } as const;
  expect(await pids({ where: curl })).toEqual([7]);
  expect(await pids({ where: { op: "like", field: "path", value: "*/name%24?" } })).toEqual([
    249, 248, 247, 246, 245, 244, 243, 242, 241, 240,
  ]);
  expect(await pids({ fromMs: NOW + 3, toMs: NOW + 5 })).toEqual([5, 4, 3]);
  expect(await pids({ kinds: ["process.exec"] })).toEqual([7]);
  expect(await pids({ limit: 2 })).toEqual([7, 249]);
  const not = { op: "not", part: { op: "less", field: "pid", value: 248 } } as const;
  expect(await pids({ where: not })).toEqual([249, 248]);
  expect(await found(store, { limit: 1000 })).toHaveLength(251);
});

test("another key, a second process and a missing manifest are refused by name", async () => {
  const store = await open();
  const code = (value: string) => expect.objectContaining({ code: value });
  await expect(open()).rejects.toEqual(code("ERR_UC_STORE"));
  await store.append(files(3));
  await store.close();
  const other = createSecretKey(randomBytes(32));
  await expect(open({ key: other })).rejects.toEqual(code("ERR_UC_STORE_KEY"));
  const again = await open();
  await again.settle();
  await again.close();
  rmSync(join(folder, "manifest"));
  await expect(open()).rejects.toThrow("no manifest");
});

test("nothing of an event is readable on disk", async () => {
  const store = await open();
  await store.append([exec({ timeMs: NOW, path: "/a/very/secret/marker" })]);
  await store.close();
  const again = await open();
  await again.settle();
  for (const name of readdirSync(folder)) {
    expect(readFileSync(join(folder, name)).includes("secret")).toBe(false);
  }
});

test("a changed part is told at the search that needs it", async () => {
  let store = await open();
  await store.append(files(30));
  await store.close();
  store = await open();
  await store.settle();
  await store.close();
  const part = join(folder, readdirSync(folder).find((name) => name.startsWith("segment-")) ?? "");
  const bytes = readFileSync(part);
  bytes.writeUInt8(bytes.readUInt8(60) ^ 1, 60);
  writeFileSync(part, bytes);
  store = await open();
  await expect(found(store)).rejects.toThrow("damaged");
});

test("old segments go when there are too many bytes; small ones are merged", async () => {
  let store = await open({ limits: { logRows: 10 } });
  for (let at = 0; at < 12; at += 1) await store.append(files(10));
  await store.settle();
  const { segments, segmentRows } = await store.stats();
  expect(segmentRows).toBe(120);
  expect(segments).toBeLessThanOrEqual(12);
  expect((await store.compact()).segments).toBeLessThan(12);
  expect(await found(store)).toHaveLength(120);
  await store.close();
  store = await open({ limits: { bytesMax: 1, logRows: 10 } });
  await store.append(files(10));
  const { removedRows } = await store.settle();
  expect(removedRows).toBeGreaterThanOrEqual(120);
});

test("a time limit and a cancel end a search and say so", async () => {
  const store = await open();
  await store.append(files(100));
  const search = store.search({});
  search.cancel();
  for await (const _ of search) void _;
  expect(search.complete).toBe(false);
});
