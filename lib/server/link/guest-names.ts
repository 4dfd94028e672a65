// SPDX-License-Identifier: Apache-2.0
// Under which names events of guests are stored, by the ids that the manager knows: also of guests
// that were served before this start. Kept on disk; called by reporter.ts.
import { DatabaseSync } from "node:sqlite";
import { UndercroftError } from "../../errors/errors.ts";

const SCHEMA = `
  PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
  CREATE TABLE IF NOT EXISTS guest(id TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT`;

/** See the head of this file. */
export class GuestNames {
  readonly #database: DatabaseSync;
  readonly #names = new Map<string, string>();

  /** @throws {UndercroftError} ERR_UC_LINK where the file cannot be used */
  constructor(path: string) {
    try {
      this.#database = new DatabaseSync(path);
      this.#database.exec(SCHEMA);
      for (const { id, name } of this.#database.prepare("SELECT id, name FROM guest").iterate()) {
        this.#names.set(String(id), String(name));
      }
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `the names of guests, ${path}, cannot be used: ${reason}`;
      throw new UndercroftError("ERR_UC_LINK", message, { path }, { cause });
    }
  }

  get(id: string): string | undefined {
    return this.#names.get(id);
  }

  learn(id: string, name: string): void {
    if (this.#names.get(id) === name) return;
    this.#names.set(id, name);
    this.#database.prepare("INSERT OR REPLACE INTO guest VALUES(?, ?)").run(id, name);
  }

  close(): void {
    this.#database.close();
  }
}
