// SPDX-License-Identifier: Apache-2.0
// The manager's certificate authority on disk: who may join (one-time tokens), who has joined, who
// is out again. Used by the listener and the manager; servers only ever see certificates.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { UndercroftError } from "../errors/errors.ts";
import {
  certificateFacts,
  fingerprintOf,
  type KeyedCertificate,
  makeAuthority,
  makeManagerCertificate,
  signRequest,
} from "./certificate.ts";

/** Days that a server's certificate holds; it is renewed when a third is left. */
export const SERVER_DAYS = 90;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS token(
    hash TEXT PRIMARY KEY, name TEXT NOT NULL, ends_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS server(
    id TEXT PRIMARY KEY, name TEXT NOT NULL, enrolled_ms INTEGER NOT NULL,
    revoked_ms INTEGER) STRICT;
  CREATE TABLE IF NOT EXISTS certificate(
    serial TEXT PRIMARY KEY, server TEXT NOT NULL REFERENCES server(id),
    ends_ms INTEGER NOT NULL) STRICT;`;

/** A server that has joined. */
export interface EnrolledServer {
  readonly id: string;
  readonly name: string;
  readonly enrolledMs: number;
  readonly revokedMs?: number;
  readonly certificateEndsMs: number;
}

/** What a new server gets. */
export interface Enrolment {
  readonly id: string;
  readonly certificate: string;
  readonly authority: string;
}

/** See the head of this file. */
export class Authority {
  readonly #keyed: KeyedCertificate;
  readonly #database: DatabaseSync;
  readonly #nowMs: () => number;

  private constructor(keyed: KeyedCertificate, database: DatabaseSync, nowMs: () => number) {
    this.#keyed = keyed;
    this.#database = database;
    this.#nowMs = nowMs;
  }

  /**
   * Opens the authority of a folder; the first time it makes one.
   * @throws {UndercroftError} ERR_UC_LINK where the folder cannot be used
   */
  static async open(folder: string, nowMs: () => number = Date.now): Promise<Authority> {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const keyed = readKeyed(folder) ?? (await makeKeyed(folder, nowMs()));
      const database = new DatabaseSync(join(folder, "authority.sqlite"));
      // What was promised to a server must not be forgotten by a power cut.
      database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON");
      database.exec(SCHEMA);
      return new Authority(keyed, database, nowMs);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `the manager's authority in ${folder} cannot be opened: ${reason}`;
      throw new UndercroftError("ERR_UC_LINK", message, { path: folder }, { cause });
    }
  }

  /** The authority's own certificate, PEM. */
  get certificate(): string {
    return this.#keyed.certificate;
  }

  /** A fresh key and certificate of the manager. */
  managerCertificate(names: readonly string[]): Promise<KeyedCertificate> {
    return makeManagerCertificate(this.#keyed, names, this.#nowMs());
  }

  /** Makes a token with which one server can join; only its hash is kept. */
  makeToken(name: string, validMs: number): string {
    const secret = randomBytes(24).toString("base64url");
    this.#database
      .prepare("INSERT INTO token(hash, name, ends_ms) VALUES(?, ?, ?)")
      .run(hashOf(secret), name, this.#nowMs() + validMs);
    return `${secret}.${fingerprintOf(this.#keyed.certificate)}`;
  }

  /**
   * Lets a server join.
   * @throws {UndercroftError} ERR_UC_LINK_REFUSED for a token that is unknown, used or too old;
   * ERR_UC_LINK for a request that is none
   */
  async enrol(secret: string, request: string, name: string): Promise<Enrolment> {
    const nowMs = this.#nowMs();
    this.#database.prepare("DELETE FROM token WHERE ends_ms <= ?").run(nowMs);
    const hash = hashOf(secret);
    const row = this.#database.prepare("SELECT hash, name FROM token WHERE hash = ?").get(hash);
    if (row === undefined || !timingSafeEqual(Buffer.from(String(row.hash)), Buffer.from(hash))) {
      throw refused("the enrolment token is unknown, was used, or is too old; make a new one");
    }
    const id = randomBytes(16).toString("hex");
    const subject = { commonName: id, days: SERVER_DAYS, nowMs };
    const certificate = await signRequest(this.#keyed, request, subject);
    this.#inTransaction(() => {
      const used = this.#database.prepare("DELETE FROM token WHERE hash = ?").run(hash);
      // Two may come with one token; the request was signed meanwhile.
      if (used.changes !== 1) throw refused("the enrolment token was used meanwhile");
      this.#database
        .prepare("INSERT INTO server(id, name, enrolled_ms) VALUES(?, ?, ?)")
        .run(id, String(row.name) || name, nowMs);
      this.#keep(id, certificate);
    });
    return { id, certificate, authority: this.#keyed.certificate };
  }

  /**
   * Signs a new key of a server that has joined.
   * @throws {UndercroftError} ERR_UC_LINK_REFUSED, ERR_UC_LINK
   */
  async renew(id: string, request: string): Promise<string> {
    if (!this.#isIn(id)) throw refused("this server is not enrolled, or was revoked");
    const subject = { commonName: id, days: SERVER_DAYS, nowMs: this.#nowMs() };
    const certificate = await signRequest(this.#keyed, request, subject);
    if (!this.#isIn(id)) throw refused("this server was revoked meanwhile");
    this.#keep(id, certificate);
    return certificate;
  }

  /** Puts a server out: none of its certificates is taken any more. False: unknown. */
  revoke(id: string): boolean {
    const { changes } = this.#database
      .prepare("UPDATE server SET revoked_ms = coalesce(revoked_ms, ?) WHERE id = ?")
      .run(this.#nowMs(), id);
    return changes === 1;
  }

  /** The server that a certificate was given to, while it is in; by serial. */
  serverOf(serial: string): EnrolledServer | undefined {
    const row = this.#database
      .prepare(
        `SELECT id, name, enrolled_ms, ends_ms FROM certificate JOIN server ON id = server
         WHERE serial = ? AND ends_ms > ? AND revoked_ms IS NULL`,
      )
      .get(serial, this.#nowMs());
    return row === undefined ? undefined : serverOfRow(row);
  }

  /** All that ever joined, by name. */
  get servers(): readonly EnrolledServer[] {
    const rows = this.#database
      .prepare(
        `SELECT id, name, enrolled_ms, revoked_ms, max(ends_ms) AS ends_ms
         FROM server JOIN certificate ON server = id GROUP BY id ORDER BY name, id`,
      )
      .all();
    return rows.map(serverOfRow);
  }

  close(): void {
    this.#database.close();
  }

  #isIn(id: string): boolean {
    const query = "SELECT 1 FROM server WHERE id = ? AND revoked_ms IS NULL";
    return this.#database.prepare(query).get(id) !== undefined;
  }

  #keep(id: string, certificate: string): void {
    const { serial, endsMs } = certificateFacts(certificate);
    this.#database
      .prepare("INSERT INTO certificate(serial, server, ends_ms) VALUES(?, ?, ?)")
      .run(serial, id, endsMs);
  }

  #inTransaction(work: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#database.exec("COMMIT");
    } catch (cause) {
      this.#database.exec("ROLLBACK");
      throw cause;
    }
  }
}

function serverOfRow(row: Readonly<Record<string, unknown>>): EnrolledServer {
  const { revoked_ms: revokedMs = null } = row;
  return {
    id: String(row.id),
    name: String(row.name),
    enrolledMs: Number(row.enrolled_ms),
    ...(revokedMs === null ? {} : { revokedMs: Number(revokedMs) }),
    certificateEndsMs: Number(row.ends_ms),
  };
}

function readKeyed(folder: string): KeyedCertificate | undefined {
  try {
    const key = readFileSync(join(folder, "authority.key"), "utf8");
    return { key, certificate: readFileSync(join(folder, "authority.crt"), "utf8") };
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw cause;
  }
}

// The certificate first: a key without it would be taken for a whole authority.
async function makeKeyed(folder: string, nowMs: number): Promise<KeyedCertificate> {
  const keyed = await makeAuthority("Undercroft manager", nowMs);
  writeFileSync(join(folder, "authority.crt"), keyed.certificate);
  writeFileSync(join(folder, "authority.key"), keyed.key, { mode: 0o600, flag: "wx" });
  return keyed;
}

const hashOf = (secret: string): string => createHash("sha256").update(secret).digest("hex");

function refused(message: string): UndercroftError {
  return new UndercroftError("ERR_UC_LINK_REFUSED", message);
}
