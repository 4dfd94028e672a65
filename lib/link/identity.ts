// SPDX-License-Identifier: Apache-2.0
// What a server is to its manager: the folder with its key and certificates, and how it comes by
// them. Written at enrolment and at each renewal; read whenever the link is made.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import { certificateFacts, fingerprintOf, MANAGER_NAME, makeRequest } from "./certificate.ts";

const FILE = "identity.json";
const ANSWER_BYTES_MAX = 64 << 10;
const TIMEOUT_MS = 30_000;

/** All that a server needs to speak to its manager; certificates and key are PEM. */
export interface LinkIdentity {
  readonly id: string;
  /** `https://address:port` of the manager's link. */
  readonly manager: string;
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
}

/** @throws {UndercroftError} ERR_UC_LINK where the folder holds no identity */
export function readIdentity(folder: string): LinkIdentity {
  try {
    const value: unknown = JSON.parse(readFileSync(join(folder, FILE), "utf8"));
    if (isIdentity(value)) return value;
  } catch (cause) {
    const message = `${folder} holds no identity; run "undercroft server enrol" first`;
    throw new UndercroftError("ERR_UC_LINK", message, { path: folder }, { cause });
  }
  throw new UndercroftError("ERR_UC_LINK", `${join(folder, FILE)} is damaged`, { path: folder });
}

/** Writes an identity; a crash leaves the earlier one or this one. */
export function writeIdentity(folder: string, identity: LinkIdentity): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fresh = join(folder, `${FILE}.new`);
  if (existsSync(fresh)) unlinkSync(fresh);
  const text = `${JSON.stringify(identity)}\n`;
  writeFileSync(fresh, text, { mode: 0o600, flag: "wx", flush: true });
  renameSync(fresh, join(folder, FILE));
}

/**
 * Joins a manager with a one-time token and keeps the identity that it gives.
 * @throws {UndercroftError} ERR_UC_LINK_REFUSED for a token that does not count, or a manager that
 * is not the token's; ERR_UC_LINK where it cannot be reached or the folder has an identity already
 */
export async function enrol(options: {
  readonly manager: string;
  readonly token: string;
  readonly name: string;
  readonly folder: string;
}): Promise<LinkIdentity> {
  const { manager, token, name, folder } = options;
  if (existsSync(join(folder, FILE))) {
    const message = `${folder} holds an identity already; take another folder or remove it`;
    throw new UndercroftError("ERR_UC_LINK", message, { path: folder });
  }
  const [secret = "", fingerprint = ""] = token.split(".");
  if (secret === "" || !/^[0-9a-f]{64}$/.test(fingerprint)) {
    throw new UndercroftError("ERR_UC_LINK_REFUSED", "that is no enrolment token");
  }
  // TRUST: nothing is known of who answers here; only a certificate with the fingerprint that the
  // token brought is believed, and all that follows is checked against it.
  const authority = await ask(`${manager}/authority`, { rejectUnauthorized: false });
  if (!isCertificate(authority) || fingerprintOf(authority) !== fingerprint) {
    const message = `${manager} is not the manager that made the token; nothing was sent to it`;
    throw new UndercroftError("ERR_UC_LINK_REFUSED", message, { manager });
  }
  const { key, request } = await makeRequest();
  const trusted = { ca: authority, servername: MANAGER_NAME };
  const answer = await ask(`${manager}/enrol`, trusted, JSON.stringify({ secret, request, name }));
  const { id, certificate } = readEnrolment(answer, manager);
  const identity = { id, manager, key, certificate, authority };
  writeIdentity(folder, identity);
  return identity;
}

function readEnrolment(
  answer: string,
  manager: string,
): { readonly id: string; readonly certificate: string } {
  const value = JSON.parse(answer) as Readonly<Record<string, unknown>>;
  const { id, certificate } = value;
  if (typeof id === "string" && typeof certificate === "string" && isCertificate(certificate)) {
    return { id, certificate };
  }
  throw new UndercroftError("ERR_UC_LINK", `${manager} gave no certificate`, { manager });
}

function isCertificate(pem: string): boolean {
  try {
    return certificateFacts(pem).serial !== "";
  } catch {
    return false;
  }
}

function isIdentity(value: unknown): value is LinkIdentity {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  const names = ["id", "manager", "key", "certificate", "authority"];
  return names.every((field) => typeof fields[field] === "string");
}

function ask(url: string, options: RequestOptions, body?: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const method = body === undefined ? "GET" : "POST";
  const headers = { "content-type": "application/json" };
  const timeout = TIMEOUT_MS;
  const all = {
    ...options,
    method,
    headers,
    timeout,
    minVersion: "TLSv1.3" as const,
  };
  const failed = (cause: Error): void => {
    const message = `the manager at ${url} cannot be asked: ${cause.message}`;
    reject(new UndercroftError("ERR_UC_LINK", message, { url }, { cause }));
  };
  const request = httpsRequest(url, all, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > ANSWER_BYTES_MAX) request.destroy(new Error("the answer is too long"));
    });
    response.on("end", () => {
      if (response.statusCode === 200) resolve(text);
      else reject(new UndercroftError("ERR_UC_LINK_REFUSED", refusalOf(text), { url }));
    });
    response.on("error", failed);
  });
  request.on("timeout", () => request.destroy(new Error("no answer in time")));
  request.on("error", failed);
  request.end(body);
  return promise;
}

function refusalOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    if (typeof message === "string") return message.slice(0, 300);
  } catch {}
  return "the manager refuses";
}
