// SPDX-License-Identifier: Apache-2.0
// What a server still has to tell its manager: numbered, in order, on disk, bounded. The client
// sends from it; a report leaves it when the manager has said that it is on disk over there.
import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { UndercroftError } from "../errors/errors.ts";
import type { LinkReport } from "../model/model.ts";
import { type NumberedReport, REPORT_BYTES_MAX } from "./frames.ts";

export interface QueueLimits {
  readonly reportsMax: number;
  readonly bytesMax: number;
}

const LIMITS: QueueLimits = { reportsMax: 100_000, bytesMax: 64 << 20 };

/** What is let go first where not all can be kept; findings go last. */
const VALUE: Readonly<Record<LinkReport["kind"], number>> = {
  ...{ fault: 0, response: 1, command: 2, approval: 3 },
  ...{ "guest-state": 4, guest: 5, "guest-left": 5, finding: 6, dropped: 7 },
};

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS stream(id TEXT NOT NULL, next INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS report(
    number INTEGER PRIMARY KEY, value INTEGER NOT NULL, kind TEXT NOT NULL,
    time_ms INTEGER NOT NULL, json TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS report_value ON report(value, number);
  CREATE TABLE IF NOT EXISTS dropped(
    kind TEXT PRIMARY KEY, count INTEGER NOT NULL, first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL) STRICT;`;

/** See the head of this file. */
export class ReportQueue {
  readonly #database: DatabaseSync;
  readonly #limits: QueueLimits;
  readonly stream: string;
  #next: number;
  #count: number;
  #bytes: number;

  /**
   * path: a file of its own, or ":memory:".
   * @throws {UndercroftError} ERR_UC_LINK where the file cannot be used
   */
  constructor(path: string, limits: Partial<QueueLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
    try {
      this.#database = new DatabaseSync(path);
      // NORMAL: a power cut may take the last moments, a crash of the server takes nothing.
      this.#database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
      this.#database.exec(SCHEMA);
      const stream = this.#database.prepare("SELECT id, next FROM stream").get();
      this.stream = stream === undefined ? randomBytes(8).toString("hex") : String(stream.id);
      this.#next = stream === undefined ? 1 : Number(stream.next);
      if (stream === undefined) {
        this.#database.prepare("INSERT INTO stream(id, next) VALUES(?, 1)").run(this.stream);
      }
      const kept = this.#database
        .prepare("SELECT count(*) AS count, coalesce(sum(length(json)), 0) AS bytes FROM report")
        .get();
      this.#count = Number(kept?.count);
      this.#bytes = Number(kept?.bytes);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `the queue for the manager, ${path}, cannot be used: ${reason}`;
      throw new UndercroftError("ERR_UC_LINK", message, { path }, { cause });
    }
  }

  /** Reports that wait. */
  get count(): number {
    return this.#count;
  }

  /** Adds a report; where there is no room for it, what is worth least goes and is counted. */
  add(report: LinkReport, timeMs: number): void {
    const json = toJson(report);
    this.#database.exec("BEGIN");
    try {
      if (json.length > REPORT_BYTES_MAX) this.#countDropped(report.kind, timeMs);
      else this.#insert(report.kind, timeMs, json);
      while (this.#count > this.#limits.reportsMax || this.#bytes > this.#limits.bytesMax) {
        this.#dropOne();
      }
      this.#database.exec("COMMIT");
    } catch (cause) {
      this.#database.exec("ROLLBACK");
      throw cause;
    }
  }

  /** The next reports after a number, what was dropped named first. */
  after(number: number, limit: number, nowMs: number): readonly NumberedReport[] {
    this.#nameDropped(nowMs);
    const rows = this.#database
      .prepare("SELECT number, json FROM report WHERE number > ? ORDER BY number LIMIT ?")
      .all(number, limit);
    return rows.map((row) => ({
      number: Number(row.number),
      report: JSON.parse(String(row.json)) as LinkReport,
    }));
  }

  /** The manager has all up to this number. */
  acknowledge(number: number): void {
    const gone = this.#database
      .prepare(
        `SELECT count(*) AS count, coalesce(sum(length(json)), 0) AS bytes FROM report
         WHERE number <= ?`,
      )
      .get(number);
    this.#database.prepare("DELETE FROM report WHERE number <= ?").run(number);
    this.#count -= Number(gone?.count);
    this.#bytes -= Number(gone?.bytes);
  }

  close(): void {
    this.#database.close();
  }

  #insert(kind: LinkReport["kind"], timeMs: number, json: string): void {
    this.#database
      .prepare("INSERT INTO report(number, value, kind, time_ms, json) VALUES(?, ?, ?, ?, ?)")
      .run(this.#next, VALUE[kind], kind, Math.floor(timeMs), json);
    this.#next += 1;
    this.#database.prepare("UPDATE stream SET next = ?").run(this.#next);
    this.#count += 1;
    this.#bytes += json.length;
  }

  #dropOne(): void {
    const row = this.#database
      .prepare(
        `SELECT number, kind, time_ms, length(json) AS bytes FROM report
         ORDER BY value, number LIMIT 1`,
      )
      .get();
    if (row === undefined) return;
    this.#database.prepare("DELETE FROM report WHERE number = ?").run(Number(row.number));
    this.#count -= 1;
    this.#bytes -= Number(row.bytes);
    this.#countDropped(String(row.kind), Number(row.time_ms));
  }

  #countDropped(kind: string, timeMs: number): void {
    this.#database
      .prepare(
        `INSERT INTO dropped(kind, count, first_ms, last_ms) VALUES(?1, 1, ?2, ?2)
         ON CONFLICT(kind) DO UPDATE SET count = count + 1,
           first_ms = min(first_ms, ?2), last_ms = max(last_ms, ?2)`,
      )
      .run(kind, Math.floor(timeMs));
  }

  #nameDropped(nowMs: number): void {
    const rows = this.#database.prepare("SELECT kind, count, first_ms, last_ms FROM dropped").all();
    if (rows.length === 0) return;
    const report: LinkReport = {
      kind: "dropped",
      count: rows.reduce((sum, row) => sum + Number(row.count), 0),
      firstMs: Math.min(...rows.map((row) => Number(row.first_ms))),
      lastMs: Math.max(...rows.map((row) => Number(row.last_ms))),
      byKind: Object.fromEntries(rows.map((row) => [String(row.kind), Number(row.count)])),
    };
    this.#database.exec("BEGIN");
    this.#insert("dropped", nowMs, toJson(report));
    this.#database.exec("DELETE FROM dropped; COMMIT");
  }
}

function toJson(report: LinkReport): string {
  return JSON.stringify(report, (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
}
