// SPDX-License-Identifier: Apache-2.0
// What Sigma correlations have seen, kept in a file over restarts of the server. Written now and
// then and at the end, beside the old file and then in its place. Made by serve.ts.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { deserialize, serialize } from "node:v8";
import type { CorrelatorState } from "../detect/detect.ts";
import { isUndercroftError } from "../errors/errors.ts";
import type { Server } from "../server/server.ts";
import { unusable } from "./intel-files.ts";

const NAME = "correlations";
const SAVE_MS = 60_000;
/** Digest of what follows it: a file that was cut is none. */
const DIGEST_BYTES = 32;

/** Keeps the correlations of one server. */
export class CorrelationFile {
  readonly #server: Server;
  readonly #path: string;
  readonly #log: (line: string) => void;
  readonly #timer: NodeJS.Timeout;

  /**
   * Hands what is in the folder to the server and begins to save there. A file that is damaged is
   * told and left out: correlations begin anew.
   * @throws {UndercroftError} ERR_UC_CONFIG where the folder cannot be used
   */
  constructor(server: Server, directory: string, log: (line: string) => void) {
    this.#server = server;
    this.#path = join(directory, NAME);
    this.#log = log;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw unusable(directory, cause);
    }
    this.#load();
    this.#timer = setInterval(() => this.#saveOrTell(), SAVE_MS);
    this.#timer.unref();
  }

  /** Saves a last time. */
  close(): void {
    clearInterval(this.#timer);
    this.#saveOrTell();
  }

  #load(): void {
    const bytes = this.#read();
    if (bytes === undefined) return;
    const body = bytes.subarray(DIGEST_BYTES);
    if (!digest(body).equals(bytes.subarray(0, DIGEST_BYTES))) {
      this.#log(`${this.#path} is damaged and not used: correlations begin anew`);
      return;
    }
    const state = deserialize(body) as CorrelatorState;
    const dropped = this.#server.importCorrelations(state);
    const { length } = state.groups;
    this.#log(`correlations go on with ${length - dropped} groups of ${length}`);
  }

  #read(): Buffer | undefined {
    try {
      return readFileSync(this.#path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw unusable(this.#path, cause);
    }
  }

  #saveOrTell(): void {
    try {
      this.#save();
    } catch (cause) {
      if (!isUndercroftError(cause)) throw cause;
      this.#log(`correlations are not saved: ${cause.message}`);
    }
  }

  #save(): void {
    const state = this.#server.exportCorrelations();
    if (state === undefined) return;
    const body = serialize(state);
    const beside = `${this.#path}.${process.pid}.new`;
    try {
      writeFileSync(beside, Buffer.concat([digest(body), body]), { mode: 0o600 });
      renameSync(beside, this.#path);
    } catch (cause) {
      throw unusable(this.#path, cause);
    }
  }
}

function digest(body: Uint8Array): Buffer {
  return createHash("sha256").update(body).digest();
}
