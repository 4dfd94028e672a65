// SPDX-License-Identifier: Apache-2.0
// The event store as its users see it: append, search, close. Events are put into columns here;
// all else is done by two workers, so that neither disk nor search stands in the caller's way.
import type { KeyObject } from "node:crypto";
import { mkdirSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { MessageChannel, type Worker } from "node:worker_threads";
import { type ErrorCode, UndercroftError } from "../errors/errors.ts";
import type { StoredEvent } from "../model/model.ts";
import { BatchBuilder } from "./column-batch.ts";
import type { StoredRow } from "./columns.ts";
import type { StoreQuery } from "./predicate.ts";
import {
  type FromKeeper,
  type FromLog,
  type StoreLimits,
  type StoreStats,
  startWorker,
  type ToKeeper,
  type ToLog,
  type Unstored,
} from "./store-messages.ts";

export interface EventStoreOptions {
  /** Made where it is missing. */
  readonly folder: string;
  readonly key: KeyObject;
  /** Exact repeats within this time and one batch are folded. Default 1000; 0: never. */
  readonly repeatMs?: number;
  /** How long events wait for others to be written with them. Default 20. */
  readonly flushMs?: number;
  readonly limits?: Partial<StoreLimits>;
  /** Something could not be stored; the loss itself is stored as soon as that works again. */
  readonly onLoss?: (reason: string, lost: readonly Unstored[]) => void;
}

/** Rows of a search, newest first. */
export interface SearchRows extends AsyncIterable<StoredRow> {
  /** After the last row: false when a time limit or a cancel ended it early. */
  readonly complete: boolean;
  cancel(): void;
}

const LIMITS: StoreLimits = {
  logRows: 262_144,
  bytesMax: 50 * 2 ** 30,
  ageMsMax: 90 * 24 * 3600 * 1000,
  cacheBytes: 256 * 2 ** 20,
  engineMib: 512,
  engineThreads: 2,
};
const BATCH_ROWS_MAX = 16_384;
const FLUSH_MS = 20;
const REPEAT_MS = 1000;

interface Waiting {
  resolve(): void;
  reject(cause: unknown): void;
}

/**
 * Opens a store; one process has it at a time.
 * @throws {UndercroftError} ERR_UC_STORE, ERR_UC_STORE_KEY
 */
export async function openEventStore(options: EventStoreOptions): Promise<EventStore> {
  const lock = await lockFolder(options.folder);
  const { port1, port2 } = new MessageChannel();
  const start = {
    folder: options.folder,
    key: options.key,
    limits: { ...LIMITS, ...options.limits },
  };
  const keeper = startWorker("keeper-worker", { ...start, port: port1 });
  const log = startWorker("log-worker", { ...start, port: port2 });
  try {
    const nextLog = await readyOf(keeper);
    log.postMessage({ kind: "open", firstLog: nextLog } satisfies ToLog);
    return new EventStore(options, { keeper, log, lock });
  } catch (cause) {
    lock.close();
    await Promise.all([keeper.terminate(), log.terminate()]);
    throw cause;
  }
}

interface Parts {
  readonly keeper: Worker;
  readonly log: Worker;
  readonly lock: Server;
}

/** An open store. */
export class EventStore {
  readonly #options: EventStoreOptions;
  readonly #parts: Parts;
  readonly #builder: BatchBuilder;
  /** Appends whose events are in the builder, and those of each batch on its way. */
  #waiting: Waiting[] = [];
  readonly #sent = new Map<number, readonly Waiting[]>();
  readonly #searches = new Map<number, SearchQueue>();
  readonly #asked = new Map<number, (answer: FromKeeper) => void>();
  #unnamed: Unstored[] = [];
  #timer: NodeJS.Timeout | undefined;
  #nextId = 1;
  #storedId = 0;
  #isClosed = false;
  #failure: UndercroftError | undefined;

  constructor(options: EventStoreOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.#builder = new BatchBuilder(options.repeatMs ?? REPEAT_MS);
    parts.log.on("message", (message: FromLog) => this.#hearLog(message));
    parts.keeper.on("message", (message: FromKeeper) => this.#hearKeeper(message));
    for (const worker of [parts.log, parts.keeper]) {
      worker.on("error", (cause) => this.#fail(cause));
    }
  }

  /**
   * Stores events. Resolves when they are on disk; the events are not kept.
   * @throws {UndercroftError} ERR_UC_STORE when they could not be stored; that is then a loss
   */
  append(events: readonly StoredEvent[]): Promise<void> {
    if (this.#isClosed || this.#failure !== undefined) {
      return Promise.reject(this.#failure ?? storeError("the store is closed"));
    }
    for (const event of events) this.#builder.add(event);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#builder.rows >= BATCH_ROWS_MAX) this.#flush();
      else this.#timer ??= setTimeout(() => this.#flush(), this.#options.flushMs ?? FLUSH_MS);
    });
  }

  /** Searches everything that was acknowledged before. */
  search(query: StoreQuery): SearchRows {
    const id = this.#nextId++;
    const queue = new SearchQueue(() => this.#ask({ kind: "cancel", id }));
    this.#searches.set(id, queue);
    if (this.#failure !== undefined) queue.fail(this.#failure);
    this.#ask({ kind: "query", id, query, after: this.#storedId });
    return queue;
  }

  stats(): Promise<StoreStats> {
    return this.#askStats("stats");
  }

  /** Stores and folds everything that was appended before. */
  settle(): Promise<StoreStats> {
    return this.#askStats("settle");
  }

  /** Folds everything and reads it whole; damaged files are named in the result. */
  check(): Promise<StoreStats> {
    return this.#askStats("check");
  }

  /** Folds everything and merges small segments. */
  compact(): Promise<StoreStats> {
    return this.#askStats("compact");
  }

  /** Stores what is left, folds it and closes. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#flush();
    const { keeper, log, lock } = this.#parts;
    if (this.#failure === undefined) {
      await closed(log);
      await closed(keeper);
    }
    await Promise.all([log.terminate(), keeper.terminate()]);
    lock.close();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#builder.rows === 0) {
      for (const { resolve } of this.#waiting.splice(0)) resolve();
      return;
    }
    const id = this.#nextId++;
    this.#sent.set(id, this.#waiting);
    this.#waiting = [];
    const batch = this.#builder.take();
    this.#parts.log.postMessage({ kind: "batch", id, batch } satisfies ToLog, [batch.buffer]);
  }

  #hearLog(message: FromLog): void {
    if (message.kind === "closed") return;
    const waiting = this.#sent.get(message.id) ?? [];
    this.#sent.delete(message.id);
    if (message.kind === "stored") {
      this.#storedId = message.id;
      for (const { resolve } of waiting) resolve();
      this.#nameLosses();
      return;
    }
    this.#unnamed.push(...message.lost);
    this.#options.onLoss?.(message.reason, message.lost);
    const error = storeError(`events were lost: ${message.reason}`);
    for (const { reject } of waiting) reject(error);
  }

  // The store takes events again: what it did not take is named in it.
  #nameLosses(): void {
    const timeMs = Date.now();
    for (const lost of this.#unnamed.splice(0)) {
      const place = { ring: -1, firstSequence: 0, lastSequence: 0 };
      this.#builder.add({ kind: "loss", ...lost, ...place, reason: "not-stored", timeMs });
      this.#timer ??= setTimeout(() => this.#flush(), this.#options.flushMs ?? FLUSH_MS);
    }
  }

  #hearKeeper(message: FromKeeper): void {
    if (message.kind === "ready" || message.kind === "closed") return;
    if (message.kind === "failed" && message.id === undefined) {
      this.#fail(new UndercroftError(message.code, message.message));
      return;
    }
    if (message.id === undefined) return;
    const search = this.#searches.get(message.id);
    if (message.kind === "rows") search?.push(message.rows);
    else if (message.kind === "end") search?.end(message.complete);
    else if (message.kind === "failed") {
      search?.fail(new UndercroftError(message.code, message.message));
    }
    if (message.kind !== "rows") this.#searches.delete(message.id);
    this.#asked.get(message.id)?.(message);
    this.#asked.delete(message.id);
  }

  #ask(message: ToKeeper): void {
    this.#parts.keeper.postMessage(message);
  }

  #askStats(kind: "check" | "compact" | "settle" | "stats"): Promise<StoreStats> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure);
      this.#asked.set(id, (answer) => {
        if (answer.kind === "stats") resolve(answer.stats);
        else reject(storeError("the store does not answer"));
      });
      if (kind === "stats") {
        this.#ask({ kind, id });
        return;
      }
      this.#flush();
      this.#parts.log.postMessage({ kind, id } satisfies ToLog);
    });
  }

  #fail(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#failure = storeError(`a thread of the store ended: ${reason}`, cause);
    for (const waiting of this.#sent.values()) {
      for (const { reject } of waiting) reject(this.#failure);
    }
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
    for (const search of this.#searches.values()) search.fail(this.#failure);
    this.#sent.clear();
    this.#options.onLoss?.(this.#failure.message, []);
  }
}

class SearchQueue implements SearchRows {
  readonly #cancel: () => void;
  #rows: StoredRow[] = [];
  #state: "ended" | "open" = "open";
  #error: UndercroftError | undefined;
  #wake: (() => void) | undefined;
  complete = false;

  constructor(cancel: () => void) {
    this.#cancel = cancel;
  }

  cancel(): void {
    this.#cancel();
  }

  push(rows: readonly StoredRow[]): void {
    for (const row of rows) this.#rows.push(row);
    this.#wake?.();
  }

  end(complete: boolean): void {
    this.complete = complete;
    this.#state = "ended";
    this.#wake?.();
  }

  fail(error: UndercroftError): void {
    this.#error = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<StoredRow> {
    try {
      for (;;) {
        // Those that were taken are not kept: there may be a million.
        while (this.#rows.length > 0) {
          const rows = this.#rows;
          this.#rows = [];
          yield* rows;
        }
        if (this.#error !== undefined) throw this.#error;
        if (this.#state === "ended") return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      if (this.#state === "open") this.cancel();
    }
  }
}

function readyOf(keeper: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    keeper.once("error", reject);
    keeper.once("message", (message: FromKeeper) => {
      keeper.removeListener("error", reject);
      if (message.kind === "ready") resolve(message.nextLog);
      else if (message.kind === "failed") {
        reject(new UndercroftError(message.code, message.message));
      }
    });
  });
}

function closed(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    worker.once("exit", () => resolve());
    worker.postMessage({ kind: "close" });
  });
}

// A name that the kernel takes back when its holder dies, however that happens.
function lockFolder(folder: string): Promise<Server> {
  let name: string;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { dev, ino } = statSync(folder);
    name = `\0undercroft-store-${dev}-${ino}`;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return Promise.reject(storeError(`store ${folder} cannot be opened: ${reason}`, cause));
  }
  const server = createServer((socket) => socket.destroy());
  server.unref();
  return new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(storeError(`store ${folder} is open in another process`, cause)),
    );
    server.listen(name, () => resolve(server));
  });
}

function storeError(message: string, cause?: unknown): UndercroftError {
  const code: ErrorCode = "ERR_UC_STORE";
  return new UndercroftError(code, message, {}, { cause });
}
