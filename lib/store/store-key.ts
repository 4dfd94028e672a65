// SPDX-License-Identifier: Apache-2.0
// The key that seals the store, read from a file of its owner's. It never stands in configuration.
import { createSecretKey, type KeyObject } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { UndercroftError } from "../errors/errors.ts";

const KEY_TEXT = /^[0-9a-fA-F]{64}$/;
const OTHERS_MODE = 0o077;

/**
 * Reads a 256-bit key: 64 hexadecimal digits, in a file that only its owner may use.
 * @throws {UndercroftError} ERR_UC_STORE_KEY
 */
export function readStoreKey(path: string): KeyObject {
  const { text, mode } = readKeyFile(path);
  if ((mode & OTHERS_MODE) !== 0) {
    throw keyError(path, "may be used by others than its owner: chmod 600 it");
  }
  if (!KEY_TEXT.test(text)) throw keyError(path, "is not 64 hexadecimal digits");
  return createSecretKey(text, "hex");
}

function readKeyFile(path: string): { text: string; mode: number } {
  try {
    const fd = openSync(path, "r");
    try {
      return { mode: fstatSync(fd).mode, text: readFileSync(fd, "utf8").trim() };
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw keyError(path, `cannot be read: ${reason}`, cause);
  }
}

function keyError(path: string, problem: string, cause?: unknown): UndercroftError {
  return new UndercroftError(
    "ERR_UC_STORE_KEY",
    `key file ${path} ${problem}`,
    { path },
    { cause },
  );
}
