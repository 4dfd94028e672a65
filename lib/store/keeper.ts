// SPDX-License-Identifier: Apache-2.0
// The store's history: folds complete logs into segments, merges small ones, removes old ones, and
// shows searches everything that was stored, folded or not. Runs on the keeper's worker.
import { closeSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import type { EventShape } from "../model/model.ts";
import { type ColumnBatch, readBatch } from "./column-batch.ts";
import { ColumnEngine } from "./column-engine.ts";
import {
  type Manifest,
  openPart,
  type Part,
  readManifest,
  type Segment,
  sealPart,
  writeManifest,
} from "./manifest.ts";
import { PartCache } from "./part-cache.ts";
import { readSealedLog } from "./sealed-log.ts";
import { logFile, type StoreStats, type WorkerStart } from "./store-messages.ts";

const GUESTS_MAX = 1000;
const MERGE_COUNT = 8;
const HEADER_BYTES = 40;

/** Batches of one log that are on disk and not folded yet. */
interface Tail {
  readonly log: number;
  batches: ColumnBatch[];
  /** What searches made of some of the batches: Parquet in memory files, by shape. */
  readonly views: Array<{ readonly shape: EventShape; readonly fd: number }>;
  viewed: number;
  isComplete: boolean;
  fromMs: number;
  toMs: number;
}

/** Something a search can look at. */
export interface Source {
  readonly fromMs: number;
  readonly toMs: number;
  readonly guests?: readonly string[];
  readonly parts: ReadonlyArray<{ readonly shape: EventShape; readonly file: string }>;
  /** Open descriptors of a log's tail, in place of parts. */
  readonly views: ReadonlyArray<{ readonly shape: EventShape; readonly fd: number }>;
}

/** One store's history. */
export class Keeper {
  readonly engine: ColumnEngine;
  readonly cache: PartCache;
  readonly #start: WorkerStart;
  readonly #tails = new Map<number, Tail>();
  readonly #damaged: string[] = [];
  #manifest: Manifest;
  #work: Promise<void> = Promise.resolve();
  #views: Promise<void> = Promise.resolve();
  #problem = "";
  // Searches that go on; files that they may still look at are removed after the last of them.
  #readers = 0;
  #leftover: Array<() => void> = [];
  nextLog = 1;

  private constructor(start: WorkerStart, engine: ColumnEngine, manifest: Manifest) {
    this.#start = start;
    this.engine = engine;
    this.#manifest = manifest;
    this.cache = new PartCache(start.limits.cacheBytes, (file) =>
      openPart(join(start.folder, file), start.key),
    );
  }

  /**
   * Opens a store: what a crash left half done is cleared away, what it left unfolded is read.
   * @throws {UndercroftError} ERR_UC_STORE, ERR_UC_STORE_KEY
   */
  static async open(start: WorkerStart): Promise<Keeper> {
    const { folder, key, limits } = start;
    const files = readdirSync(folder);
    const manifest = readManifest(folder, key, files.includes("manifest"));
    if (!files.includes("manifest")) {
      if (files.some((file) => file.startsWith("segment-"))) {
        const message = `store ${folder} has segments and no manifest: restore it from a backup`;
        throw new UndercroftError("ERR_UC_STORE", message, { path: folder });
      }
      writeManifest(folder, key, manifest);
    }
    const engine = await ColumnEngine.open(limits.engineThreads, limits.engineMib);
    const keeper = new Keeper(start, engine, manifest);
    keeper.#clear(files);
    keeper.#readLogs(files);
    return keeper;
  }

  get #sources(): Source[] {
    const segments = this.#manifest.segments.map((segment) => ({ ...segment, views: [] }));
    const tails = [...this.#tails.values()].map(({ fromMs, toMs, views }) => {
      return { fromMs, toMs, views: [...views], parts: [] };
    });
    return [...segments, ...tails];
  }

  get stats(): StoreStats {
    const { segments, removedRows } = this.#manifest;
    const tails = [...this.#tails.values()];
    const spans = [...segments, ...tails.filter(({ batches }) => batches.length > 0)];
    return {
      segments: segments.length,
      segmentRows: sum(segments.flatMap(({ parts }) => parts.map(({ rows }) => rows))),
      logRows: sum(tails.flatMap(({ batches }) => batches.map(({ rows }) => rows))),
      bytes: bytesOf(segments),
      fromMs: spans.length === 0 ? 0 : Math.min(...spans.map(({ fromMs }) => fromMs)),
      toMs: spans.length === 0 ? 0 : Math.max(...spans.map(({ toMs }) => toMs)),
      removedRows,
      damaged: this.#damaged,
      problem: this.#problem,
    };
  }

  /** Takes over a batch that is on disk. */
  add(log: number, batch: ColumnBatch): void {
    const tail = this.#tail(log);
    tail.batches.push(batch);
    for (const { columns, rows } of batch.tables) {
      const times = columns.get("time");
      const lasts = columns.get("last") ?? times;
      for (let row = 0; row < rows; row += 1) {
        tail.fromMs = Math.min(tail.fromMs, Number(times?.[row]));
        tail.toMs = Math.max(tail.toMs, Number(lasts?.[row]));
      }
    }
  }

  /** A log got its last batch. */
  complete(log: number): void {
    this.#tail(log).isComplete = true;
    this.nextLog = Math.max(this.nextLog, log + 1);
    this.#enqueue(() => this.#foldComplete());
  }

  /** Resolves when all folding that was asked for is done. */
  async settle(): Promise<void> {
    await this.#work;
  }

  /** Merges neighbouring segments as long as they are small. */
  compact(): Promise<void> {
    this.#enqueue(() => this.#merge(2, this.#start.limits.logRows * 4));
    return this.#work;
  }

  /**
   * Lets a search look at everything that is stored by now. What it looks at stays until it says
   * {@link endSearch}, also when folding goes on meanwhile.
   */
  async beginSearch(): Promise<Source[]> {
    this.#readers += 1;
    const views = this.#views.then(() => this.#viewTails());
    this.#views = views.catch(() => undefined);
    await views;
    return this.#sources;
  }

  endSearch(): void {
    this.#readers -= 1;
    this.#sweep();
  }

  #sweep(): void {
    if (this.#readers > 0) return;
    for (const work of this.#leftover) work();
    this.#leftover = [];
  }

  async #viewTails(): Promise<void> {
    for (const tail of this.#tails.values()) {
      const batches = tail.batches.slice(tail.viewed);
      if (batches.length === 0) continue;
      tail.viewed = tail.batches.length;
      for (const shape of shapesOf(batches)) {
        tail.views.push({ shape, fd: await this.engine.fold(batches, shape) });
      }
    }
  }

  /** Reads every part; those that are damaged or hold too few rows are named in the stats. */
  async check(): Promise<void> {
    await this.settle();
    for (const part of this.#manifest.segments.flatMap(({ parts }) => parts)) {
      const isWhole = await this.#isWhole(part).catch(() => false);
      if (!isWhole && !this.#damaged.includes(part.file)) this.#damaged.push(part.file);
    }
  }

  async #isWhole({ file, rows }: Part): Promise<boolean> {
    const fd = this.cache.acquire(file);
    try {
      return (await this.engine.count(fd)) === rows;
    } finally {
      this.cache.release(file);
    }
  }

  /** Gives up the oldest segment; false when there is none. */
  dropOldest(): boolean {
    const [oldest, ...rest] = this.#manifest.segments;
    if (oldest === undefined) return false;
    // The disk is full: the space must be there before the new manifest can be written.
    this.#remove(oldest.parts);
    const rows = sum(oldest.parts.map((part) => part.rows));
    const removedRows = this.#manifest.removedRows + rows;
    this.#commit({ ...this.#manifest, segments: rest, removedRows });
    return true;
  }

  close(): void {
    this.cache.close();
    for (const { views } of this.#tails.values()) for (const { fd } of views) closeSync(fd);
    this.engine.close();
  }

  #tail(log: number): Tail {
    const known = this.#tails.get(log);
    if (known !== undefined) return known;
    const tail: Tail = {
      log,
      batches: [],
      views: [],
      viewed: 0,
      isComplete: false,
      fromMs: Number.POSITIVE_INFINITY,
      toMs: Number.NEGATIVE_INFINITY,
    };
    this.#tails.set(log, tail);
    return tail;
  }

  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).then(
      () => {
        this.#problem = "";
      },
      (cause: unknown) => {
        // Logs stay until they are folded: nothing is lost but room.
        this.#problem = cause instanceof Error ? cause.message : String(cause);
      },
    );
  }

  async #foldComplete(): Promise<void> {
    for (const tail of [...this.#tails.values()].filter(({ isComplete }) => isComplete)) {
      if (tail.batches.length > 0) await this.#foldTail(tail);
      else this.#commit({ ...this.#manifest, firstLog: tail.log + 1 });
      this.#tails.delete(tail.log);
      this.#leftover.push(() => {
        for (const { fd } of tail.views) closeSync(fd);
      });
      this.#sweep();
      rmSync(join(this.#start.folder, logFile(tail.log)), { force: true });
    }
    this.#retain();
    await this.#merge(MERGE_COUNT, this.#start.limits.logRows / 2);
  }

  async #foldTail(tail: Tail): Promise<void> {
    const parts: Part[] = [];
    try {
      await this.#foldShapes(tail, parts);
    } catch (cause) {
      this.#remove(parts);
      throw cause;
    }
  }

  async #foldShapes(tail: Tail, parts: Part[]): Promise<void> {
    const id = this.#manifest.nextSegment;
    for (const shape of shapesOf(tail.batches)) {
      const rows = tail.batches.flatMap(({ tables }) =>
        tables.filter((table) => table.shape === shape).map((table) => table.rows),
      );
      const fd = await this.engine.fold(tail.batches, shape);
      parts.push(this.#seal(id, shape, sum(rows), fd));
    }
    const { fromMs, toMs } = tail;
    const guests = guestsOf(tail.batches);
    const made: Segment = { id, fromMs, toMs, parts, ...(guests === undefined ? {} : { guests }) };
    this.#commit({
      ...this.#manifest,
      nextSegment: id + 1,
      firstLog: tail.log + 1,
      segments: [...this.#manifest.segments, made],
    });
  }

  #seal(id: number, shape: EventShape, rows: number, fd: number): Part {
    const file = `segment-${id}-${shape}`;
    try {
      return {
        shape,
        file,
        rows,
        bytes: sealPart(join(this.#start.folder, file), this.#start.key, fd),
      };
    } finally {
      closeSync(fd);
    }
  }

  // Runs of neighbours with few rows become one segment.
  async #merge(countMin: number, rowsMax: number): Promise<void> {
    for (;;) {
      const run = smallRun(this.#manifest.segments, rowsMax, countMin);
      if (run.length < countMin) return;
      const id = this.#manifest.nextSegment;
      const parts: Part[] = [];
      for (const shape of new Set(run.flatMap((one) => one.parts.map((part) => part.shape)))) {
        parts.push(await this.#mergeShape(id, shape, run));
      }
      const guests = new Set(run.flatMap((one) => one.guests ?? []));
      const isKnown = run.every((one) => one.guests !== undefined) && guests.size <= GUESTS_MAX;
      const merged: Segment = {
        id,
        fromMs: Math.min(...run.map(({ fromMs }) => fromMs)),
        toMs: Math.max(...run.map(({ toMs }) => toMs)),
        parts,
        ...(isKnown ? { guests: [...guests] } : {}),
      };
      const segments = this.#manifest.segments.flatMap((one) => {
        if (one === run[0]) return [merged];
        return run.includes(one) ? [] : [one];
      });
      this.#commit({ ...this.#manifest, nextSegment: id + 1, segments });
      this.#leftover.push(() => this.#remove(run.flatMap((one) => one.parts)));
      this.#sweep();
    }
  }

  async #mergeShape(id: number, shape: EventShape, run: readonly Segment[]): Promise<Part> {
    const parts = run.flatMap((one) => one.parts.filter((part) => part.shape === shape));
    const fds = parts.map(({ file }) => this.cache.acquire(file));
    try {
      const fd = await this.engine.merge(fds);
      return this.#seal(id, shape, sum(parts.map(({ rows }) => rows)), fd);
    } finally {
      for (const { file } of parts) this.cache.release(file);
    }
  }

  #retain(): void {
    const { bytesMax, ageMsMax } = this.#start.limits;
    for (;;) {
      const { segments } = this.#manifest;
      const [oldest] = segments;
      if (oldest === undefined) return;
      // TRUST: a guest's clock decides nothing here; times are the server's own.
      const isOld = Date.now() - oldest.toMs > ageMsMax;
      if (!isOld && bytesOf(segments) <= bytesMax) return;
      this.dropOldest();
    }
  }

  #commit(manifest: Manifest): void {
    writeManifest(this.#start.folder, this.#start.key, manifest);
    this.#manifest = manifest;
  }

  #remove(parts: readonly Part[]): void {
    for (const { file } of parts) {
      this.cache.forget(file);
      rmSync(join(this.#start.folder, file), { force: true });
    }
  }

  // Files that the manifest does not know: of a fold that a crash cut off.
  #clear(files: readonly string[]): void {
    const known = new Set(this.#manifest.segments.flatMap(({ parts }) => parts.map((p) => p.file)));
    for (const file of files) {
      const isOrphan = file.startsWith("segment-") && !known.has(file);
      const log = logNumber(file);
      const isFolded = log !== undefined && log < this.#manifest.firstLog;
      if (isOrphan || isFolded || file === "manifest.new") {
        rmSync(join(this.#start.folder, file), { force: true });
      }
    }
  }

  #readLogs(files: readonly string[]): void {
    const logs = files.map(logNumber).filter((log) => log !== undefined);
    this.nextLog = Math.max(this.#manifest.firstLog, ...logs.map((log) => log + 1));
    for (const log of logs.sort((a, b) => a - b)) {
      if (log < this.#manifest.firstLog) continue;
      this.#readLog(log);
      this.complete(log);
    }
  }

  #readLog(log: number): void {
    const { folder, key } = this.#start;
    const path = join(folder, logFile(log));
    // A crash while it was made: nothing in it was acknowledged.
    if (statSync(path).size < HEADER_BYTES) return;
    const { batches, end } = readSealedLog(path, key);
    for (const bytes of batches) this.add(log, readBatch(new Uint8Array(bytes)));
    if (end !== "damaged") return;
    const aside = `damaged-${log}-${Date.now()}`;
    renameSync(path, join(folder, aside));
    this.#damaged.push(aside);
  }
}

function logNumber(file: string): number | undefined {
  const digits = /^log-(\d{1,15})$/.exec(file)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function shapesOf(batches: readonly ColumnBatch[]): Set<EventShape> {
  return new Set(batches.flatMap(({ tables }) => tables.map(({ shape }) => shape)));
}

function guestsOf(batches: readonly ColumnBatch[]): string[] | undefined {
  const guests = new Set<string>();
  for (const { tables, texts } of batches) {
    const numbers = new Set<number>();
    for (const { columns } of tables) {
      for (const number of columns.get("guest") ?? []) numbers.add(Number(number));
    }
    for (const number of numbers) guests.add(texts[number] ?? "");
  }
  return guests.size > GUESTS_MAX ? undefined : [...guests];
}

function smallRun(segments: readonly Segment[], rowsMax: number, countMin: number): Segment[] {
  let run: Segment[] = [];
  for (const segment of segments) {
    const isSmall = sum(segment.parts.map(({ rows }) => rows)) < rowsMax;
    if (isSmall) run.push(segment);
    if (run.length >= Math.max(countMin, MERGE_COUNT)) return run;
    if (isSmall) continue;
    if (run.length >= countMin) return run;
    run = [];
  }
  return run;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

const bytesOf = (segments: readonly Segment[]): number =>
  sum(segments.flatMap(({ parts }) => parts.map(({ bytes }) => bytes)));
