// SPDX-License-Identifier: Apache-2.0
// The event store beside SQLite on the same events: processor time from an event to its folded,
// sealed row; bytes an event; searches. UC_STORE_EVENTS sets how many, default one million.
import { createSecretKey, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { FIELD_NAMES, fieldOf, fieldType, type StoredEvent } from "../lib/model/model.ts";
import { type EventStore, openEventStore, type StoreQuery } from "../lib/store/store.ts";
import { type BenchRow, costRow, rateRow, spreadOf } from "./row.ts";
import { benchEvent } from "./store-events.ts";

const EVENTS = Number(process.env.UC_STORE_EVENTS ?? 1_000_000);
const BATCH = 5000;
const SEARCHES = 15;
const JSON_SAMPLE = 20_000;

const LOOKUP: StoreQuery = {
  where: { op: "equals", field: "start_ns", value: 8_400_000n * BigInt(Math.floor(EVENTS / 24)) },
};
const SUBSTRING: StoreQuery = {
  where: { op: "contains", field: "path", value: "file-2999" },
  limit: 100,
};

/** Yields the rows of goals P1 (its store part), P2 and P3. */
export async function* storeBench(): AsyncGenerator<BenchRow> {
  const folder = mkdtempSync(join(tmpdir(), "uc-store-bench-"));
  try {
    const beginMs = Date.now() - EVENTS;
    const sqlite = new SqlitePeer(join(folder, "peer.sqlite"));
    const peerSeconds = await cpuSeconds(() => eachBatch(beginMs, (batch) => sqlite.append(batch)));
    const key = createSecretKey(randomBytes(32));
    const store = await openEventStore({ folder: join(folder, "store"), key });
    const seconds = await cpuSeconds(async () => {
      await eachBatch(beginMs, (batch) => store.append(batch));
      await store.settle();
    });
    // What making the events costs is not the store's.
    const making = await cpuSeconds(() => eachBatch(beginMs, () => undefined));
    const rate = (spent: number) => spreadOf([EVENTS / (spent - making)]);
    const peer = "SQLite, WAL, one index, plain text";
    yield rateRow("P1", "stored, folded", "events/CPU-s", rate(seconds), peer, rate(peerSeconds));
    yield* sizeRows(await bytesOf(store), sqlite.bytes(), beginMs);
    for (const [name, query, sql] of [
      ["point look-up by process", LOOKUP, sqlite.lookup],
      ["path substring", SUBSTRING, sqlite.substring],
    ] as const) {
      const ours = spreadOf(await times(() => count(store, query)));
      yield costRow("P3", name, "ms", ours, peer, spreadOf(await times(() => sql.all())));
    }
    await store.close();
    sqlite.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function bytesOf(store: EventStore): Promise<number> {
  return (await store.stats()).bytes / EVENTS;
}

function* sizeRows(ours: number, theirs: number, beginMs: number): Generator<BenchRow> {
  let jsonBytes = 0;
  for (let number = 0; number < JSON_SAMPLE; number += 1) {
    const write = (_: string, value: unknown): unknown =>
      typeof value === "bigint" ? String(value) : value;
    jsonBytes += JSON.stringify(benchEvent(number, beginMs), write).length + 1;
  }
  const json = spreadOf([jsonBytes / JSON_SAMPLE]);
  yield costRow("P2", "on disk", "bytes/event", spreadOf([ours]), "JSON", json);
  yield costRow("P2", "on disk", "bytes/event", spreadOf([ours]), "SQLite", spreadOf([theirs]));
}

async function eachBatch(
  beginMs: number,
  take: (events: readonly StoredEvent[]) => Promise<void> | undefined,
): Promise<void> {
  let before: Promise<void> | undefined;
  for (let at = 0; at < EVENTS; at += BATCH) {
    const size = Math.min(BATCH, EVENTS - at);
    const now = take(Array.from({ length: size }, (_, index) => benchEvent(at + index, beginMs)));
    await before;
    before = now;
  }
  await before;
}

/** Of all threads of this process. */
async function cpuSeconds(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

async function times(work: () => unknown): Promise<number[]> {
  const spent: number[] = [];
  for (let run = 0; run < SEARCHES; run += 1) {
    const begin = performance.now();
    await work();
    spent.push(performance.now() - begin);
  }
  return spent;
}

async function count(store: EventStore, query: StoreQuery): Promise<number> {
  let rows = 0;
  for await (const _ of store.search(query)) rows += 1;
  return rows;
}

const PEER_FIELDS = FIELD_NAMES.filter((name) => fieldType(name) !== "list");

/** The same events in one table of SQLite: a column a field, an index over processes. */
class SqlitePeer {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #insert: ReturnType<DatabaseSync["prepare"]>;
  readonly lookup: ReturnType<DatabaseSync["prepare"]>;
  readonly substring: ReturnType<DatabaseSync["prepare"]>;

  constructor(path: string) {
    this.#path = path;
    this.#database = new DatabaseSync(path);
    const names = PEER_FIELDS.map((name) => `"${name}"`).join(", ");
    this.#database.exec(`PRAGMA journal_mode = WAL; CREATE TABLE events (kind, ${names});
      CREATE INDEX process ON events (start_ns)`);
    const marks = PEER_FIELDS.map(() => "?").join(", ");
    this.#insert = this.#database.prepare(`INSERT INTO events VALUES (?, ${marks})`);
    const start = LOOKUP.where?.op === "equals" ? LOOKUP.where.value : 0;
    this.lookup = this.#database.prepare(`SELECT * FROM events WHERE start_ns = ${start}`);
    this.substring = this.#database.prepare(
      `SELECT * FROM events WHERE path LIKE '%file-2999%' ORDER BY time DESC LIMIT 100`,
    );
  }

  async append(events: readonly StoredEvent[]): Promise<void> {
    this.#database.exec("BEGIN");
    for (const event of events) {
      const values = PEER_FIELDS.map((name) => {
        const value = fieldOf(event, name);
        if (typeof value === "boolean") return Number(value);
        return (value ?? null) as bigint | number | string | null;
      });
      this.#insert.run(event.kind, ...values);
    }
    this.#database.exec("COMMIT");
  }

  bytes(): number {
    this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    return statSync(this.#path).size / EVENTS;
  }

  close(): void {
    this.#database.close();
  }
}
