// SPDX-License-Identifier: Apache-2.0
// Who may call the manager: users with passwords, one-time invitations in place of first
// passwords, sessions, tokens of programs. Secrets are kept as hashes only.
import { argon2, createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { UndercroftError } from "../errors/errors.ts";
import { type ApiSession, type ApiToken, type ApiUser, ROLES, type Role } from "../model/model.ts";
import type { ManagerState, SqlRow } from "./state.ts";

/** Who makes a call, and what this caller may see. */
export interface Caller {
  /** For records: the user's name, or `token:NAME`. */
  readonly name: string;
  readonly role: Role;
  /** Groups of guests; empty: all. */
  readonly groups: readonly string[];
  /** Only where a session makes the call. */
  readonly session?: ApiSession;
}

/** Argon2id as OWASP's password storage sheet has it: 19 MiB, two passes, one lane. */
const COST = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;
const SESSION_MS = 12 * 3600 * 1000;
const INVITATION_MS = 24 * 3600 * 1000;
const PASSWORD_LENGTH_MIN = 12;
const FAILURES_MAX = 5;
const LOCK_MS = 5 * 60 * 1000;

const hashPassword = promisify(argon2);

/** See the head of this file. */
export class Users {
  readonly #state: ManagerState;
  readonly #nowMs: () => number;

  constructor(state: ManagerState, nowMs: () => number) {
    this.#state = state;
    this.#nowMs = nowMs;
  }

  get all(): readonly ApiUser[] {
    return this.#state.all("SELECT * FROM user ORDER BY name").map(userOf);
  }

  /**
   * Adds a user without a password; the result is the secret of a one-time link.
   * @throws {UndercroftError} ERR_UC_ARGUMENT where there is one of that name
   */
  add(name: string, role: Role, groups: readonly string[]): { user: ApiUser; invitation: string } {
    const id = randomBytes(8).toString("hex");
    const isNew = this.#state.run(
      "INSERT INTO user(id, name, role, groups) VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING",
      ...[id, name, role, JSON.stringify(groups)],
    );
    if (isNew === 0) throw new UndercroftError("ERR_UC_ARGUMENT", `user "${name}" exists already`);
    return { user: this.#user(id), invitation: this.invite(id) };
  }

  /** Makes a one-time link's secret; what was made for the user before no longer counts. */
  invite(id: string): string {
    const secret = randomBytes(24).toString("base64url");
    this.#state.transaction(() => {
      this.#state.run("DELETE FROM invitation WHERE user = ?", id);
      this.#state.run(
        "INSERT INTO invitation(hash, user, ends_ms) VALUES(?, ?, ?)",
        ...[hashOf(secret), id, this.#nowMs() + INVITATION_MS],
      );
    });
    return secret;
  }

  /**
   * Sets the password of whom an invitation is for, and signs in.
   * @throws {UndercroftError} ERR_UC_SIGN_IN, ERR_UC_ARGUMENT for a password that is too short
   */
  async accept(
    invitation: string,
    password: string,
  ): Promise<{ secret: string; session: ApiSession }> {
    checkPassword(password);
    const hash = hashOf(invitation);
    const find = "SELECT user FROM invitation WHERE hash = ? AND ends_ms > ?";
    const row = this.#state.one(find, hash, this.#nowMs());
    const stored = await storedPassword(password);
    const isUsed = this.#state.run("DELETE FROM invitation WHERE hash = ?", hash) === 1;
    if (row === undefined || !isUsed) {
      throw new UndercroftError("ERR_UC_SIGN_IN", "the link was used, or is too old; ask for one");
    }
    const id = String(row.user);
    this.#setPassword(id, stored);
    return this.#open(id);
  }

  /** @throws {UndercroftError} ERR_UC_SIGN_IN, the same whatever was wrong */
  async signIn(name: string, password: string): Promise<{ secret: string; session: ApiSession }> {
    const row = this.#state.one("SELECT * FROM user WHERE name = ?", name);
    const stored = typeof row?.password === "string" ? row.password : NOBODY;
    // Also where there is no such user: the time that it takes tells nothing.
    const isRight = await isPassword(password, stored);
    if (row === undefined) throw refused();
    const id = String(row.id);
    // Others may have tried meanwhile: only what counts now counts.
    const open = "SELECT id FROM user WHERE id = ? AND disabled = 0 AND locked_until_ms <= ?";
    if (this.#state.one(open, id, this.#nowMs()) === undefined) throw refused();
    if (!isRight) {
      this.#countFailure(id);
      throw refused();
    }
    return this.#open(id);
  }

  /**
   * Changes the own password; other sessions end.
   * @throws {UndercroftError} ERR_UC_SIGN_IN, ERR_UC_ARGUMENT
   */
  async changePassword(id: string, before: string, after: string): Promise<void> {
    checkPassword(after);
    const row = this.#state.one("SELECT password FROM user WHERE id = ?", id);
    if (!(await isPassword(before, String(row?.password ?? NOBODY)))) throw refused();
    this.#setPassword(id, await storedPassword(after));
  }

  /** Changes role, groups or whether the user may sign in; sessions of the user end. */
  change(
    id: string,
    change: { readonly role?: Role; readonly groups?: readonly string[]; isDisabled?: boolean },
  ): ApiUser {
    const user = this.#user(id);
    const { role = user.role, groups = user.groups, isDisabled = user.isDisabled } = change;
    this.#state.transaction(() => {
      this.#state.run(
        "UPDATE user SET role = ?, groups = ?, disabled = ? WHERE id = ?",
        ...[role, JSON.stringify(groups), isDisabled ? 1 : 0, id],
      );
      const admins = "SELECT count(*) AS count FROM user WHERE role = 'admin' AND disabled = 0";
      if (this.#state.one(admins)?.count === 0) {
        throw new UndercroftError("ERR_UC_ARGUMENT", "the last admin cannot be taken away");
      }
      this.#state.run("DELETE FROM session WHERE user = ?", id);
    });
    return this.#user(id);
  }

  signOut(secret: string): void {
    this.#state.run("DELETE FROM session WHERE hash = ?", hashOf(secret));
  }

  /** Who calls with a session's secret. */
  ofSession(secret: string): Caller | undefined {
    const row = this.#state.one(
      "SELECT * FROM session WHERE hash = ? AND ends_ms > ?",
      ...[hashOf(secret), this.#nowMs()],
    );
    if (row === undefined) return undefined;
    const user = this.#user(String(row.user));
    if (user.isDisabled) return undefined;
    const session = { user, csrf: String(row.csrf), expiresMs: Number(row.ends_ms) };
    return { name: user.name, role: user.role, groups: user.groups, session };
  }

  /** Who calls with a token. */
  ofToken(secret: string): Caller | undefined {
    const row = this.#state.one(
      "UPDATE token SET used_ms = ?1 WHERE hash = ?2 AND ends_ms > ?1 RETURNING *",
      ...[this.#nowMs(), hashOf(secret)],
    );
    if (row === undefined) return undefined;
    const { name, role, groups } = tokenOf(row);
    return { name: `token:${name}`, role, groups };
  }

  get tokens(): readonly ApiToken[] {
    return this.#state.all("SELECT * FROM token ORDER BY name, id").map(tokenOf);
  }

  addToken(
    name: string,
    role: Role,
    groups: readonly string[],
    days: number,
  ): { token: ApiToken; secret: string } {
    const secret = `uct_${randomBytes(24).toString("base64url")}`;
    const row = this.#state.one(
      `INSERT INTO token(id, hash, name, role, groups, ends_ms) VALUES(?, ?, ?, ?, ?, ?)
       RETURNING *`,
      ...[randomBytes(8).toString("hex"), hashOf(secret), name, role, JSON.stringify(groups)],
      this.#nowMs() + days * 24 * 3600 * 1000,
    );
    return { token: tokenOf(row ?? {}), secret };
  }

  deleteToken(id: string): boolean {
    return this.#state.run("DELETE FROM token WHERE id = ?", id) === 1;
  }

  #open(id: string): { secret: string; session: ApiSession } {
    const nowMs = this.#nowMs();
    const secret = randomBytes(32).toString("base64url");
    const csrf = randomBytes(16).toString("base64url");
    const expiresMs = nowMs + SESSION_MS;
    this.#state.transaction(() => {
      this.#state.run("DELETE FROM session WHERE ends_ms <= ?", nowMs);
      this.#state.run(
        "INSERT INTO session(hash, user, csrf, ends_ms) VALUES(?, ?, ?, ?)",
        ...[hashOf(secret), id, csrf, expiresMs],
      );
      const seen = "UPDATE user SET failures = 0, locked_until_ms = 0, seen_ms = ? WHERE id = ?";
      this.#state.run(seen, nowMs, id);
    });
    return { secret, session: { user: this.#user(id), csrf, expiresMs } };
  }

  #setPassword(id: string, stored: string): void {
    this.#state.transaction(() => {
      const set = "UPDATE user SET password = ?, failures = 0, locked_until_ms = 0 WHERE id = ?";
      this.#state.run(set, stored, id);
      this.#state.run("DELETE FROM session WHERE user = ?", id);
    });
  }

  #countFailure(id: string): void {
    this.#state.run(
      `UPDATE user SET failures = (failures + 1) % ?1,
       locked_until_ms = iif(failures + 1 >= ?1, ?2, 0) WHERE id = ?3`,
      ...[FAILURES_MAX, this.#nowMs() + LOCK_MS, id],
    );
  }

  #user(id: string): ApiUser {
    const row = this.#state.one("SELECT * FROM user WHERE id = ?", id);
    if (row === undefined) throw new UndercroftError("ERR_UC_ARGUMENT", `there is no user "${id}"`);
    return userOf(row);
  }
}

/** Whether a role may do what another may. */
export function isAtLeast(role: Role, least: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(least);
}

/** No password gives this. */
const NOBODY = `${"0".repeat(32)}$${"0".repeat(64)}`;

async function storedPassword(password: string): Promise<string> {
  const nonce = randomBytes(16);
  const hash = await hashPassword("argon2id", { ...COST, message: password, nonce });
  return `${nonce.toString("hex")}$${hash.toString("hex")}`;
}

async function isPassword(password: string, stored: string): Promise<boolean> {
  const [salt = "", expected = ""] = stored.split("$");
  const nonce = Buffer.from(salt, "hex");
  const hash = await hashPassword("argon2id", { ...COST, message: password, nonce });
  return timingSafeEqual(hash, Buffer.from(expected, "hex"));
}

function checkPassword(password: string): void {
  if (password.length >= PASSWORD_LENGTH_MIN) return;
  const message = `a password has at least ${PASSWORD_LENGTH_MIN} characters`;
  throw new UndercroftError("ERR_UC_ARGUMENT", message);
}

const refused = (): UndercroftError =>
  new UndercroftError("ERR_UC_SIGN_IN", "name or password is wrong, or the account is locked");

const hashOf = (secret: string): string => createHash("sha256").update(secret).digest("hex");

function userOf(row: SqlRow): ApiUser {
  return {
    id: String(row.id),
    name: String(row.name),
    role: row.role as Role,
    groups: JSON.parse(String(row.groups)) as string[],
    isDisabled: row.disabled === 1,
    ...(row.seen_ms === null ? {} : { lastSeenMs: Number(row.seen_ms) }),
  };
}

function tokenOf(row: SqlRow): ApiToken {
  return {
    id: String(row.id),
    name: String(row.name),
    role: row.role as Role,
    groups: JSON.parse(String(row.groups)) as string[],
    expiresMs: Number(row.ends_ms),
    ...(row.used_ms === null ? {} : { lastUsedMs: Number(row.used_ms) }),
  };
}
