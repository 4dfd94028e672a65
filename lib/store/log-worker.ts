// SPDX-License-Identifier: Apache-2.0
// The store's log thread: makes each batch last and says so, then hands it to the keeper. Started
// by event-store.ts. A disk that takes nothing more is told, with what was lost by it.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { EventShape, RecordClass } from "../model/model.ts";
import { readBatch } from "./column-batch.ts";
import { createSealedLog, type SealedLog } from "./sealed-log.ts";
import {
  type FromLog,
  type KeeperToLog,
  type LogToKeeper,
  logFile,
  type ToLog,
  type Unstored,
  type WorkerStart,
} from "./store-messages.ts";

const { folder, key, limits, port } = workerData as WorkerStart;
const LOG_BYTES_MAX = 64 * 1024 * 1024;
/** Segments that are given up for one batch at most. */
const ROOM_TRIES_MAX = 4;
const ROOM_WAIT_MS = 5000;

let next = 0;
let current: { readonly log: number; readonly file: SealedLog; rows: number } | undefined;

const tell = (message: FromLog): void => parentPort?.postMessage(message);
const tellKeeper = (message: LogToKeeper, transfer: ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer);

function open(): NonNullable<typeof current> {
  if (current !== undefined) return current;
  const log = next;
  const path = join(folder, logFile(log));
  try {
    current = { log, file: createSealedLog(path, key), rows: 0 };
  } catch (cause) {
    rmSync(path, { force: true });
    throw cause;
  }
  next += 1;
  return current;
}

/** Ends the current log: the next batch begins another. */
function roll(): void {
  if (current === undefined) return;
  const { log, file } = current;
  current = undefined;
  try {
    file.close();
  } catch {
    // Its batches are on disk; only the mark of its end is not.
  }
  tellKeeper({ kind: "complete", log });
}

function store(batch: Uint8Array): number {
  const to = open();
  try {
    to.file.append(batch);
    return to.log;
  } catch (cause) {
    roll();
    throw cause;
  }
}

/** Waits until the keeper gave up its oldest segment; false when there was none. */
function makeRoom(): boolean {
  tellKeeper({ kind: "room" });
  const until = performance.now() + ROOM_WAIT_MS;
  while (performance.now() < until) {
    const answer = receiveMessageOnPort(port) as { message: KeeperToLog } | undefined;
    if (answer !== undefined) return answer.message.made;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  }
  return false;
}

function take(id: number, batch: Uint8Array<ArrayBuffer>): void {
  const { rows } = readBatch(batch);
  for (let tries = 0; ; tries += 1) {
    try {
      const log = store(batch);
      tell({ kind: "stored", id });
      tellKeeper({ kind: "batch", id, log, batch }, [batch.buffer]);
      break;
    } catch (cause) {
      if (tries < ROOM_TRIES_MAX && isFull(cause) && makeRoom()) continue;
      const reason = cause instanceof Error ? cause.message : String(cause);
      tell({ kind: "lost", id, reason, lost: lostOf(batch) });
      return;
    }
  }
  if (current === undefined) return;
  current.rows += rows;
  if (current.rows >= limits.logRows || current.file.bytes >= LOG_BYTES_MAX) roll();
}

function isFull(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : "";
  return code === "ENOSPC" || code === "EDQUOT";
}

const CLASSES: Readonly<Partial<Record<EventShape, RecordClass>>> = {
  fork: "process",
  exec: "process",
  exit: "process",
  hash: "process",
  image: "process",
  thread: "process",
  file: "file",
  registry: "registry",
  socket: "socket",
  query: "socket",
  verdict: "verdict",
  module: "module",
};

function lostOf(bytes: Uint8Array): Unstored[] {
  const { tables, texts } = readBatch(bytes);
  const lost = new Map<string, Unstored>();
  for (const { shape, rows, columns } of tables) {
    const recordClass = CLASSES[shape] ?? (shape === "loss" ? "unknown" : "packet");
    for (let row = 0; row < rows; row += 1) {
      const guest = texts[Number(columns.get("guest")?.[row])] ?? "";
      const boot = texts[Number(columns.get("boot")?.[row])] ?? "";
      const name = JSON.stringify([guest, boot, recordClass]);
      const count = (lost.get(name)?.count ?? 0) + Number(columns.get("count")?.[row] ?? 1);
      lost.set(name, { guest, boot, recordClass, count });
    }
  }
  return [...lost.values()];
}

parentPort?.on("message", (message: ToLog) => {
  if (message.kind === "open") next = message.firstLog;
  else if (message.kind === "batch") take(message.id, message.batch);
  else if (message.kind !== "close") {
    roll();
    tellKeeper(message);
  } else {
    roll();
    tell({ kind: "closed" });
    port.close();
    parentPort?.close();
  }
});
