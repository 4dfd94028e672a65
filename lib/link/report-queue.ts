// SPDX-License-Identifier: Apache-2.0
// What a server still has to tell its manager: numbered, in order, on disk, bounded. The client
// sends from it; a report leaves it when the manager has said that it is on disk over there.
import { randomBytes } from "node:crypto";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { UndercroftError } from "../errors/errors.ts";
import { type LinkReport, plainJson } from "../model/model.ts";
import { isReport, type NumberedReport, REPORT_BYTES_MAX } from "./frames.ts";

export interface QueueLimits {
  readonly reportsMax: number;
  readonly bytesMax: number;
}

/** Bytes of reports that are given out together: less than a frame, by more than one report. */
const AT_ONCE_BYTES_MAX = 4 << 20;

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
    time_ms INTEGER NOT NULL, bytes INTEGER NOT NULL, json TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS report_value ON report(value, number);
  CREATE TABLE IF NOT EXISTS dropped(
    kind TEXT PRIMARY KEY, count INTEGER NOT NULL, first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL) STRICT;`;

const STATEMENTS = {
  insert: "INSERT INTO report(number, value, kind, time_ms, bytes, json) VALUES(?, ?, ?, ?, ?, ?)",
  number: "UPDATE stream SET next = ?",
  read: "SELECT number, bytes, json FROM report WHERE number > ? ORDER BY number LIMIT ?",
  sum: `SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM report
    WHERE number <= ?`,
  forget: "DELETE FROM report WHERE number <= ?",
  least: "SELECT number, kind, time_ms, bytes FROM report ORDER BY value, number LIMIT 1",
  drop: "DELETE FROM report WHERE number = ?",
  count: `INSERT INTO dropped(kind, count, first_ms, last_ms) VALUES(?1, 1, ?2, ?2)
    ON CONFLICT(kind) DO UPDATE SET count = count + 1,
      first_ms = min(first_ms, ?2), last_ms = max(last_ms, ?2)`,
  dropped: "SELECT kind, count, first_ms, last_ms FROM dropped",
} as const;
type Statements = Readonly<Record<keyof typeof STATEMENTS, StatementSync>>;

/** See the head of this file. */
export class ReportQueue {
  readonly #database: DatabaseSync;
  readonly #sql: Statements;
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
      // EXCLUSIVE: two servers with one identity would each tell half. NORMAL: a power cut may take
      // the last moments, a crash of the server takes nothing.
      this.#database.exec("PRAGMA locking_mode=EXCLUSIVE");
      this.#database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
      this.#database.exec(SCHEMA);
      const stream = this.#database.prepare("SELECT id, next FROM stream").get();
      this.stream = stream === undefined ? randomBytes(8).toString("hex") : String(stream.id);
      this.#next = stream === undefined ? 1 : Number(stream.next);
      if (stream === undefined) {
        this.#database.prepare("INSERT INTO stream(id, next) VALUES(?, 1)").run(this.stream);
      }
      this.#sql = Object.fromEntries(
        Object.entries(STATEMENTS).map(([name, sql]) => [name, this.#database.prepare(sql)]),
      ) as Statements;
      const kept = this.#sql.sum.get(Number.MAX_SAFE_INTEGER);
      this.#count = Number(kept?.count);
      this.#bytes = Number(kept?.bytes);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const hint = reason.includes("locked") ? "; another server uses it" : "";
      const message = `the queue for the manager, ${path}, cannot be used: ${reason}${hint}`;
      throw new UndercroftError("ERR_UC_LINK", message, { path }, { cause });
    }
  }

  /** Reports that wait. */
  get count(): number {
    return this.#count;
  }

  /**
   * Adds a report; where there is no room for it, what is worth least goes and is counted. One that
   * a manager would not take is counted too: it would end the link, again and again.
   * @throws {UndercroftError} ERR_UC_LINK where the disk does not take it
   */
  add(report: LinkReport, timeMs: number): void {
    const json = plainJson(report);
    const bytes = Buffer.byteLength(json);
    this.#change(() => {
      if (bytes > REPORT_BYTES_MAX || !isReport(JSON.parse(json))) {
        this.#countDropped(report.kind, timeMs);
      } else this.#insert(report.kind, timeMs, json, bytes);
      while (this.#count > this.#limits.reportsMax || this.#bytes > this.#limits.bytesMax) {
        this.#dropOne();
      }
    });
  }

  /**
   * The next reports after a number, what was dropped named first.
   * @throws {UndercroftError} ERR_UC_LINK
   */
  after(number: number, limit: number, nowMs: number): readonly NumberedReport[] {
    return this.#change(() => {
      this.#nameDropped(nowMs);
      const reports: NumberedReport[] = [];
      let bytes = 0;
      for (const row of this.#sql.read.iterate(number, limit)) {
        bytes += Number(row.bytes);
        if (bytes > AT_ONCE_BYTES_MAX && reports.length > 0) break;
        const report = JSON.parse(String(row.json)) as LinkReport;
        reports.push({ number: Number(row.number), report });
      }
      return reports;
    });
  }

  /**
   * The manager has all up to this number.
   * @throws {UndercroftError} ERR_UC_LINK
   */
  acknowledge(number: number): void {
    this.#change(() => {
      const gone = this.#sql.sum.get(number);
      this.#sql.forget.run(number);
      this.#count -= Number(gone?.count);
      this.#bytes -= Number(gone?.bytes);
    });
  }

  close(): void {
    this.#database.close();
  }

  #insert(kind: LinkReport["kind"], timeMs: number, json: string, bytes: number): void {
    this.#sql.insert.run(this.#next, VALUE[kind], kind, Math.floor(timeMs), bytes, json);
    this.#next += 1;
    this.#sql.number.run(this.#next);
    this.#count += 1;
    this.#bytes += bytes;
  }

  #dropOne(): void {
    const row = this.#sql.least.get();
    if (row === undefined) return;
    this.#sql.drop.run(Number(row.number));
    this.#count -= 1;
    this.#bytes -= Number(row.bytes);
    this.#countDropped(String(row.kind), Number(row.time_ms));
  }

  #countDropped(kind: string, timeMs: number): void {
    this.#sql.count.run(kind, Math.floor(timeMs));
  }

  // All of it or nothing, in memory as on disk.
  #change<T>(work: () => T): T {
    const before = [this.#next, this.#count, this.#bytes] as const;
    try {
      this.#database.exec("BEGIN");
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (cause) {
      [this.#next, this.#count, this.#bytes] = before;
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec("ROLLBACK");
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `the queue for the manager cannot be used: ${reason}`;
      throw new UndercroftError("ERR_UC_LINK", message, {}, { cause });
    }
  }

  #nameDropped(nowMs: number): void {
    const rows = this.#sql.dropped.all();
    if (rows.length === 0) return;
    const report: LinkReport = {
      kind: "dropped",
      count: rows.reduce((sum, row) => sum + Number(row.count), 0),
      firstMs: Math.min(...rows.map((row) => Number(row.first_ms))),
      lastMs: Math.max(...rows.map((row) => Number(row.last_ms))),
      byKind: Object.fromEntries(rows.map((row) => [String(row.kind), Number(row.count)])),
    };
    const json = plainJson(report);
    this.#insert("dropped", nowMs, json, Buffer.byteLength(json));
    this.#database.exec("DELETE FROM dropped");
  }
}
