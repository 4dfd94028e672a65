// SPDX-License-Identifier: Apache-2.0
// The event store on the command line: its options for serve, and `undercroft store`, which looks
// after a store that no server has open.
import { execFileSync } from "node:child_process";
import { createSecretKey, type KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import process from "node:process";
import { UndercroftError } from "../errors/errors.ts";
import { type EventStore, openEventStore, readStoreKey, type StoreStats } from "../store/store.ts";
import type { CommandName } from "./help.ts";
import { toJson } from "./json.ts";
import { type Arguments, readArguments, textOption, usageError } from "./usage.ts";

/** Options that name a store and its key. */
export const STORE_OPTIONS = {
  "store-key-file": { type: "string" },
  "store-key-command": { type: "string" },
} as const;

const KEY_VARIABLE = "UNDERCROFT_STORE_KEY";
const KEY_TEXT = /^[0-9a-fA-F]{64}$/;
const KEY_COMMAND_MS = 30_000;

/**
 * Opens the store that a command's arguments name.
 * @throws {UndercroftError} ERR_UC_ARGUMENT, ERR_UC_STORE, ERR_UC_STORE_KEY
 */
export async function openNamedStore(
  command: CommandName,
  parsed: Arguments,
  folder: string,
): Promise<EventStore> {
  // Only a server makes a store: a misspelt folder must not become an empty one.
  if (command !== "serve" && !existsSync(folder)) {
    throw new UndercroftError("ERR_UC_STORE", `there is no event store ${folder}`, { folder });
  }
  return openEventStore({
    folder,
    key: storeKey(command, parsed),
    onLoss: (reason) => void process.stderr.write(`undercroft: store ${folder}: ${reason}\n`),
  });
}

/** Checks a store whole: every row of every part is read. */
export async function checkStore(args: readonly string[]): Promise<number> {
  return withStore("store check", args, async (store) => {
    const stats = await store.check();
    return { status: stats.damaged.length === 0 ? 0 : 1, facts: stats };
  });
}

/** Says what a store holds. */
export async function storeStats(args: readonly string[]): Promise<number> {
  return withStore("store stats", args, async (store) => ({
    status: 0,
    facts: await store.stats(),
  }));
}

/** Folds all logs and merges small segments. */
export async function compactStore(args: readonly string[]): Promise<number> {
  return withStore("store compact", args, async (store) => ({
    status: 0,
    facts: await store.compact(),
  }));
}

async function withStore(
  command: "store check" | "store compact" | "store stats",
  args: readonly string[],
  work: (store: EventStore) => Promise<{ status: number; facts: object & Partial<StoreStats> }>,
): Promise<number> {
  const options = { ...STORE_OPTIONS, json: { type: "boolean" } } as const;
  const parsed = readArguments(command, args, options, ["DIR"]);
  const store = await openNamedStore(command, parsed, parsed.operands[0] ?? "");
  try {
    const { status, facts } = await work(store);
    if (parsed.values.json === true) process.stdout.write(`${toJson(facts)}\n`);
    else {
      for (const [name, value] of Object.entries(facts)) {
        process.stdout.write(`${name}: ${Array.isArray(value) ? value.join(", ") : value}\n`);
      }
    }
    return status;
  } finally {
    await store.close();
  }
}

function storeKey(command: CommandName, parsed: Arguments): KeyObject {
  const file = textOption(parsed, "store-key-file");
  if (file !== undefined) return readStoreKey(file);
  const program = textOption(parsed, "store-key-command");
  if (program !== undefined) return keyOf(commandOutput(program), `what "${program}" printed`);
  const value = process.env[KEY_VARIABLE];
  if (value !== undefined) return keyOf(value, KEY_VARIABLE);
  const ways = `--store-key-file FILE, --store-key-command COMMAND or ${KEY_VARIABLE}`;
  throw usageError(command, `the store's key is missing: ${ways}`);
}

function commandOutput(program: string): string {
  try {
    return execFileSync("/bin/sh", ["-c", program], {
      encoding: "utf8",
      timeout: KEY_COMMAND_MS,
      stdio: ["ignore", "pipe", "inherit"],
    });
  } catch (cause) {
    const message = `the key command "${program}" failed`;
    throw new UndercroftError("ERR_UC_STORE_KEY", message, {}, { cause });
  }
}

function keyOf(text: string, source: string): KeyObject {
  if (KEY_TEXT.test(text.trim())) return createSecretKey(text.trim(), "hex");
  throw new UndercroftError("ERR_UC_STORE_KEY", `${source} is not 64 hexadecimal digits`);
}
