// SPDX-License-Identifier: Apache-2.0
// The manager's state on disk: one SQLite file, its tables, transactions. What the rows mean is
// the business of the files that use them.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { UndercroftError } from "../errors/errors.ts";

/** Each entry is run once, in order; entries only grow in number. */
const MIGRATIONS = [
  `CREATE TABLE server(
     id TEXT PRIMARY KEY, software TEXT NOT NULL, instance TEXT NOT NULL, seen_ms INTEGER NOT NULL,
     skew_ms INTEGER NOT NULL, content TEXT NOT NULL, dropped INTEGER NOT NULL DEFAULT 0) STRICT;
   CREATE TABLE stream(
     server TEXT NOT NULL, stream TEXT NOT NULL, last INTEGER NOT NULL,
     PRIMARY KEY(server, stream)) STRICT;
   CREATE TABLE guest(
     id TEXT PRIMARY KEY, server TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
     since_ms INTEGER NOT NULL, json TEXT NOT NULL) STRICT;
   CREATE INDEX guest_server ON guest(server);
   CREATE TABLE label(
     guest TEXT PRIMARY KEY, group_name TEXT NOT NULL, tags TEXT NOT NULL) STRICT;
   CREATE TABLE history(
     guest TEXT NOT NULL, time_ms INTEGER NOT NULL, json TEXT NOT NULL) STRICT;
   CREATE INDEX history_guest ON history(guest, time_ms);
   CREATE TABLE finding(
     id TEXT PRIMARY KEY, server TEXT NOT NULL, guest TEXT NOT NULL, severity TEXT NOT NULL,
     last_ms INTEGER NOT NULL, triage TEXT NOT NULL DEFAULT 'open', assignee TEXT,
     json TEXT NOT NULL) STRICT;
   CREATE INDEX finding_guest ON finding(guest, last_ms);
   CREATE INDEX finding_time ON finding(last_ms, id);
   CREATE TABLE note(
     finding TEXT NOT NULL, user TEXT NOT NULL, time_ms INTEGER NOT NULL,
     text TEXT NOT NULL) STRICT;
   CREATE INDEX note_finding ON note(finding);
   CREATE TABLE response(finding TEXT NOT NULL, json TEXT NOT NULL) STRICT;
   CREATE INDEX response_finding ON response(finding);
   CREATE TABLE command(
     server TEXT NOT NULL, id TEXT NOT NULL, guest TEXT NOT NULL, finding TEXT, json TEXT NOT NULL,
     PRIMARY KEY(server, id)) STRICT;
   CREATE INDEX command_finding ON command(finding);
   CREATE TABLE approval(
     id TEXT PRIMARY KEY, server TEXT NOT NULL, guest TEXT NOT NULL, state TEXT NOT NULL,
     json TEXT NOT NULL) STRICT;
   CREATE TABLE action(
     id INTEGER PRIMARY KEY, guest TEXT NOT NULL, user TEXT NOT NULL, reason TEXT NOT NULL,
     time_ms INTEGER NOT NULL, action TEXT NOT NULL, state TEXT NOT NULL,
     outcome TEXT NOT NULL) STRICT;
   CREATE INDEX action_guest ON action(guest);
   CREATE TABLE user(
     id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, groups TEXT NOT NULL,
     password TEXT, disabled INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,
     locked_until_ms INTEGER NOT NULL DEFAULT 0, seen_ms INTEGER) STRICT;
   CREATE TABLE invitation(
     hash TEXT PRIMARY KEY, user TEXT NOT NULL, ends_ms INTEGER NOT NULL) STRICT;
   CREATE TABLE session(
     hash TEXT PRIMARY KEY, user TEXT NOT NULL, csrf TEXT NOT NULL,
     ends_ms INTEGER NOT NULL) STRICT;
   CREATE TABLE token(
     id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL,
     groups TEXT NOT NULL, ends_ms INTEGER NOT NULL, used_ms INTEGER) STRICT;
   CREATE TABLE audit(
     id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, user TEXT NOT NULL, address TEXT NOT NULL,
     call TEXT NOT NULL, subject TEXT NOT NULL, status INTEGER NOT NULL,
     detail TEXT NOT NULL) STRICT;`,
  `CREATE TABLE content(kind TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;
   CREATE TABLE document(kind TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
   CREATE TABLE indicator(
     id TEXT PRIMARY KEY, source TEXT NOT NULL, json TEXT NOT NULL, version INTEGER NOT NULL,
     is_removed INTEGER NOT NULL DEFAULT 0) STRICT;
   CREATE INDEX indicator_source ON indicator(source);
   CREATE INDEX indicator_version ON indicator(version);
   CREATE INDEX indicator_value ON indicator(json_extract(json, '$.value'));`,
];

export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, unknown>>;

/** See the head of this file. */
export class ManagerState {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();

  /**
   * folder: made where it is missing; absent: all is in memory.
   * @throws {UndercroftError} ERR_UC_MANAGER where the file cannot be used
   */
  constructor(folder?: string) {
    const path = folder === undefined ? ":memory:" : join(folder, "manager.sqlite");
    try {
      if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 });
      this.#database = new DatabaseSync(path);
      // FULL: what was acknowledged to a server must survive a power cut.
      this.#database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
      this.#migrate();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `the manager's state, ${path}, cannot be used: ${reason}`;
      throw new UndercroftError("ERR_UC_MANAGER", message, { path }, { cause });
    }
  }

  all(sql: string, ...values: readonly SqlValue[]): readonly SqlRow[] {
    return this.#statement(sql).all(...values);
  }

  one(sql: string, ...values: readonly SqlValue[]): SqlRow | undefined {
    return this.#statement(sql).get(...values);
  }

  /** Returns how many rows it changed. */
  run(sql: string, ...values: readonly SqlValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  /** All of it or nothing; on disk when it returns. */
  transaction<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (cause) {
      this.#database.exec("ROLLBACK");
      throw cause;
    }
  }

  close(): void {
    this.#database.close();
  }

  #migrate(): void {
    const version = Number(this.one("PRAGMA user_version")?.user_version);
    if (version > MIGRATIONS.length) throw new Error("a newer Undercroft wrote it");
    MIGRATIONS.slice(version).forEach((sql, at) => {
      this.transaction(() => {
        this.#database.exec(`${sql}; PRAGMA user_version = ${version + at + 1}`);
      });
    });
  }

  #statement(sql: string): ReturnType<DatabaseSync["prepare"]> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
