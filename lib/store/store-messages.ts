// SPDX-License-Identifier: Apache-2.0
// What the store's three threads say to each other: its face, the log's worker, the keeper's
// worker. Types and the way a worker is found.
import type { KeyObject } from "node:crypto";
import { type MessagePort, Worker } from "node:worker_threads";
import type { ErrorCode } from "../errors/errors.ts";
import type { RecordClass } from "../model/model.ts";
import type { StoredRow } from "./columns.ts";
import type { StoreQuery } from "./predicate.ts";

/** How much is kept and how it is cut. */
export interface StoreLimits {
  /** Rows of a log before it is folded into a segment. */
  readonly logRows: number;
  /** Bytes of all files; above it the oldest segments go. */
  readonly bytesMax: number;
  readonly ageMsMax: number;
  /** Decrypted parts that queries keep in memory. */
  readonly cacheBytes: number;
  readonly engineMib: number;
  readonly engineThreads: number;
}

export interface WorkerStart {
  readonly folder: string;
  readonly key: KeyObject;
  readonly limits: StoreLimits;
  /** Between log and keeper. */
  readonly port: MessagePort;
}

/** Rows of a guest that could not be stored. */
export interface Unstored {
  readonly guest: string;
  readonly boot: string;
  readonly recordClass: RecordClass;
  readonly count: number;
}

export type ToLog =
  | { readonly kind: "open"; readonly firstLog: number }
  | { readonly kind: "batch"; readonly id: number; readonly batch: Uint8Array<ArrayBuffer> }
  /** Ends the current log and asks the keeper to fold it: its answer comes from there. */
  | { readonly kind: "settle" | "check" | "compact"; readonly id: number }
  | { readonly kind: "close" };

export type FromLog =
  | { readonly kind: "stored"; readonly id: number }
  | {
      readonly kind: "lost";
      readonly id: number;
      readonly reason: string;
      readonly lost: readonly Unstored[];
    }
  | { readonly kind: "closed" };

export type LogToKeeper =
  | {
      readonly kind: "batch";
      readonly id: number;
      readonly log: number;
      readonly batch: Uint8Array<ArrayBuffer>;
    }
  /** A log got its last batch and may be folded. */
  | { readonly kind: "complete"; readonly log: number }
  | { readonly kind: "settle" | "check" | "compact"; readonly id: number }
  /** The disk is full: the oldest segment is to go. */
  | { readonly kind: "room" };

export type KeeperToLog = { readonly kind: "room"; readonly made: boolean };

export type ToKeeper =
  | {
      readonly kind: "query";
      readonly id: number;
      readonly query: StoreQuery;
      /** The newest batch that was acknowledged: the search waits for it. */
      readonly after: number;
    }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "stats"; readonly id: number }
  | { readonly kind: "close" };

export interface StoreStats {
  readonly segments: number;
  /** Rows in segments, and in logs that are not folded yet. */
  readonly segmentRows: number;
  readonly logRows: number;
  /** Bytes of all segments on disk. */
  readonly bytes: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly removedRows: number;
  /** Files set aside because they were damaged. */
  readonly damaged: readonly string[];
  /** Why folding does not work at the moment; empty when it does. */
  readonly problem: string;
}

export type FromKeeper =
  | { readonly kind: "ready"; readonly nextLog: number }
  | { readonly kind: "rows"; readonly id: number; readonly rows: readonly StoredRow[] }
  | { readonly kind: "end"; readonly id: number; readonly complete: boolean }
  | { readonly kind: "stats"; readonly id: number; readonly stats: StoreStats }
  | {
      readonly kind: "failed";
      /** Absent: the store cannot be opened. */
      readonly id?: number;
      readonly code: ErrorCode;
      readonly message: string;
    }
  | { readonly kind: "closed" };

/** Starts one of the store's workers. */
export function startWorker(name: "keeper-worker" | "log-worker", start: WorkerStart): Worker {
  const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new Worker(new URL(`./${name}.${ending}`, import.meta.url), {
    workerData: start,
    transferList: [start.port],
  });
}

/** Name of a log's file. */
export const logFile = (log: number): string => `log-${log}`;
