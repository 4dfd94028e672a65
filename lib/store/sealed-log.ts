// SPDX-License-Identifier: Apache-2.0
// An append-only file of compressed batches, each sealed with AES-256-GCM. The store writes here
// first; what append() returned from is on disk. Calls block: run them on a worker.
//
//   header: magic (8) | segment id (16) | tag over both (16)
//   frame:  length of text and tag, little-endian (4) | sealed zstd text | tag (16)
//
// A segment's key is derived from the store's key and the random segment id, and the nonce is the
// frame's number. An existing segment is never appended to: a number cut off by a crash and used
// again would be one nonce for two texts.
import {
  createCipheriv,
  createDecipheriv,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { UndercroftError } from "../errors/errors.ts";

const MAGIC = Buffer.from("UCSLOG\0\x01", "latin1");
const ID_BYTES = 16;
const TAG_BYTES = 16;
const LENGTH_BYTES = 4;
const NONCE_BYTES = 12;
const KEY_BYTES = 32;
const ID_END = MAGIC.length + ID_BYTES;
const HEADER_BYTES = ID_END + TAG_BYTES;
const BATCH_BYTES_MAX = 64 * 1024 * 1024;
const SEALED_BYTES_MAX = BATCH_BYTES_MAX + 1024 * 1024;
const KEY_PURPOSE = "undercroft sealed log 1";

/** A log that is being written. */
export interface SealedLog {
  /** Bytes of the file so far. */
  readonly bytes: number;
  /**
   * Writes one batch of 1 byte to 64 MiB and returns when it is on disk. After a failure every
   * later append fails too: go on in a new log.
   * @throws {UndercroftError} ERR_UC_STORE when the disk does not take it; ERR_UC_ARGUMENT
   */
  append(batch: Uint8Array): void;
  /**
   * Marks the log as complete and closes it. A log whose append failed is only closed.
   * @throws {UndercroftError} ERR_UC_STORE
   */
  close(): void;
}

/** What a log held. */
export interface SealedLogContent {
  readonly batches: readonly Buffer[];
  /**
   * complete: closed by its writer. open: ends after a whole batch, without the closing mark.
   * torn: ends within a frame. damaged: a frame does not authenticate; nothing after it is read.
   */
  readonly end: "complete" | "damaged" | "open" | "torn";
  /** Bytes of the file from its start that are accounted for by header, batches and mark. */
  readonly bytes: number;
}

/**
 * Makes a new log; an existing file is refused.
 * @throws {UndercroftError} ERR_UC_STORE
 */
export function createSealedLog(path: string, storeKey: KeyObject): SealedLog {
  return new LogFile(path, storeKey);
}

/**
 * Reads a log up to its end or to the first frame that is not whole.
 * @throws {UndercroftError} ERR_UC_STORE when it cannot be read or is no log; ERR_UC_STORE_KEY
 */
export function readSealedLog(path: string, storeKey: KeyObject): SealedLogContent {
  const file = attempt(path, "cannot be read", () => readFileSync(path));
  if (file.length < HEADER_BYTES || !file.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw storeError(path, "is not a log of this version, or was cut off within its header");
  }
  const key = segmentKey(storeKey, file.subarray(MAGIC.length, ID_END));
  if (!timingSafeEqual(headerTag(key, file.subarray(0, ID_END)), headerTagOf(file))) {
    throw new UndercroftError(
      "ERR_UC_STORE_KEY",
      `log ${path} was sealed with another key, or its header is damaged`,
      { path },
    );
  }
  return readFrames(path, file, key);
}

class LogFile implements SealedLog {
  readonly #path: string;
  readonly #fd: number;
  readonly #key: Buffer;
  #sequence = 1;
  #bytes = 0;
  #state: "closed" | "failed" | "open" = "open";

  constructor(path: string, storeKey: KeyObject) {
    this.#path = path;
    // TRUST: what guests did is for its owner's eyes, and no earlier log is overwritten.
    this.#fd = attempt(path, "cannot be made", () => openSync(path, "wx", 0o600));
    const head = Buffer.concat([MAGIC, randomBytes(ID_BYTES)]);
    this.#key = segmentKey(storeKey, head.subarray(MAGIC.length));
    this.#write(Buffer.concat([head, headerTag(this.#key, head)]));
    // A file whose name is not on disk is not there after a power cut.
    attempt(path, "has a folder that cannot be written", () => syncFolder(dirname(path)));
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(batch: Uint8Array): void {
    if (batch.length === 0 || batch.length > BATCH_BYTES_MAX) {
      throw new UndercroftError(
        "ERR_UC_ARGUMENT",
        `a batch has 1 to ${BATCH_BYTES_MAX} bytes, not ${batch.length}`,
      );
    }
    if (this.#state !== "open") throw storeError(this.#path, `takes no batch: ${this.#state}`);
    this.#write(sealFrame(this.#key, this.#sequence, zstdCompressSync(batch)));
    this.#sequence += 1;
  }

  close(): void {
    if (this.#state === "closed") return;
    try {
      if (this.#state === "open") this.#write(sealFrame(this.#key, this.#sequence, EMPTY));
    } finally {
      if (this.#state === "open") closeSync(this.#fd);
      this.#state = "closed";
    }
  }

  #write(bytes: Buffer): void {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
      fsyncSync(this.#fd);
      this.#bytes += bytes.length;
    } catch (cause) {
      this.#state = "failed";
      closeSync(this.#fd);
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw storeError(this.#path, `cannot be written: ${reason}`, cause);
    }
  }
}

// The closing mark is a frame without text; compressed text is never empty.
const EMPTY = Buffer.alloc(0);

function readFrames(path: string, file: Buffer, key: Buffer): SealedLogContent {
  const batches: Buffer[] = [];
  let at = HEADER_BYTES;
  for (let sequence = 1; at < file.length; sequence += 1) {
    if (file.length - at < LENGTH_BYTES) return { batches, bytes: at, end: "torn" };
    const length = file.readUInt32LE(at);
    if (length < TAG_BYTES || length > SEALED_BYTES_MAX) {
      return { batches, bytes: at, end: "damaged" };
    }
    const frameEnd = at + LENGTH_BYTES + length;
    if (frameEnd > file.length) return { batches, bytes: at, end: "torn" };
    const text = openFrame(key, sequence, file.subarray(at + LENGTH_BYTES, frameEnd));
    if (text === undefined) return { batches, bytes: at, end: "damaged" };
    if (text.length === 0) {
      const end = frameEnd === file.length ? "complete" : "damaged";
      return { batches, bytes: frameEnd, end };
    }
    batches.push(
      attempt(path, "holds a batch that does not unpack", () =>
        zstdDecompressSync(text, { maxOutputLength: BATCH_BYTES_MAX }),
      ),
    );
    at = frameEnd;
  }
  return { batches, bytes: at, end: "open" };
}

function sealFrame(key: Buffer, sequence: number, text: Buffer): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, nonceOf(sequence));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(text.length + TAG_BYTES);
  return Buffer.concat([length, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

function openFrame(key: Buffer, sequence: number, sealed: Buffer): Buffer | undefined {
  const decipher = createDecipheriv("aes-256-gcm", key, nonceOf(sequence), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  try {
    const text = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
    decipher.final();
    return text;
  } catch {
    return undefined;
  }
}

function headerTag(key: Buffer, head: Buffer): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, nonceOf(0));
  cipher.setAAD(head);
  cipher.final();
  return cipher.getAuthTag();
}

function headerTagOf(file: Buffer): Buffer {
  return file.subarray(ID_END, HEADER_BYTES);
}

function segmentKey(storeKey: KeyObject, id: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", storeKey, id, KEY_PURPOSE, KEY_BYTES));
}

function nonceOf(sequence: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64LE(BigInt(sequence));
  return nonce;
}

/** Makes the names in a folder last. */
export function syncFolder(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function attempt<T>(path: string, problem: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw storeError(path, `${problem}: ${reason}`, cause);
  }
}

function storeError(path: string, problem: string, cause?: unknown): UndercroftError {
  return new UndercroftError("ERR_UC_STORE", `log ${path} ${problem}`, { path }, { cause });
}
