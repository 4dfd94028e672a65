// SPDX-License-Identifier: Apache-2.0
// Events as columns: built without an allocation a row, cut into one buffer a batch, read back to
// equal events. Exact repeats within a batch become one row with a count.
//
//   length of the head, little-endian (4) | head, JSON | zeros up to a multiple of 8
//   all texts in one, UTF-8 | ends of the texts, in UTF-16 units (4 each)
//   each table's columns: numbers and times as doubles, bigints in 8 bytes, flags in 1, texts as
//   their numbers (4); each column begins at a multiple of 8
import { UndercroftError } from "../errors/errors.ts";
import { type EventShape, KIND_SHAPES, type StoredEvent } from "../model/model.ts";
import {
  type Column,
  columnsOf,
  isText,
  listToText,
  type StoredRow,
  textToList,
} from "./columns.ts";

export type ColumnData = BigUint64Array | Float64Array | Uint8Array | Uint32Array;

/** The rows of one class of events. */
export interface TableBatch {
  readonly shape: EventShape;
  readonly rows: number;
  /** By name; texts are numbers of the batch's texts. */
  readonly columns: ReadonlyMap<string, ColumnData>;
}

/** A batch as it is read: views into its buffer. */
export interface ColumnBatch {
  readonly rows: number;
  readonly texts: readonly string[];
  readonly tables: readonly TableBatch[];
}

interface BatchHead {
  readonly textBytes: number;
  readonly texts: number;
  readonly tables: ReadonlyArray<{
    readonly shape: EventShape;
    readonly rows: number;
    readonly columns: ReadonlyArray<readonly [name: string, bytes: number]>;
  }>;
}

const ROWS_FIRST = 256;
const ALIGNMENT = 8;
/** What differs between two events that are repeats of each other. */
const APART: ReadonlySet<string> = new Set(["seq", "time", "tid", "cpu", "count", "last"]);
/** Neither what processes are made of nor what was judged is ever folded. */
const FOLDED: ReadonlySet<EventShape> = new Set(["file", "image", "query", "registry", "socket"]);

/** Numbers the texts of one batch. */
class TextBook {
  readonly #numbers = new Map<string, number>();
  texts: string[] = [];

  numberOf(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.texts.length;
    this.#numbers.set(text, number);
    this.texts.push(text);
    return number;
  }

  clear(): void {
    this.#numbers.clear();
    this.texts = [];
  }
}

/** Collects events until a batch is taken. */
export class BatchBuilder {
  readonly #book = new TextBook();
  readonly #tables = new Map<EventShape, TableBuilder>();
  readonly #repeatMs: number;
  #rows = 0;

  /** @param repeatMs a repeat that comes within this time of the one before is folded; 0: none. */
  constructor(repeatMs: number) {
    this.#repeatMs = repeatMs;
  }

  /** Rows so far, after folding. */
  get rows(): number {
    return this.#rows;
  }

  add(event: StoredEvent): void {
    const shape = KIND_SHAPES[event.kind];
    let table = this.#tables.get(shape);
    if (table === undefined) {
      table = new TableBuilder(shape, this.#book, this.#repeatMs);
      this.#tables.set(shape, table);
    }
    if (table.add(event)) this.#rows += 1;
  }

  /** The batch so far in one buffer; the builder is empty again. */
  take(): Uint8Array<ArrayBuffer> {
    const tables = [...this.#tables.values()].filter(({ rows }) => rows > 0);
    const text = Buffer.from(this.#book.texts.join(""), "utf8");
    const head: BatchHead = {
      textBytes: text.length,
      texts: this.#book.texts.length,
      tables: tables.map((table) => ({
        shape: table.shape,
        rows: table.rows,
        columns: table.parts().map(({ name, bytes }) => [name, bytes.length] as const),
      })),
    };
    const headText = Buffer.from(JSON.stringify(head), "utf8");
    const parts: Uint8Array[] = [text, endsOf(this.#book.texts)];
    for (const table of tables) parts.push(...table.parts().map(({ bytes }) => bytes));
    let at = aligned(4 + headText.length);
    const total = parts.reduce((sum, part) => sum + aligned(part.length), at);
    const batch = new Uint8Array(total);
    new DataView(batch.buffer).setUint32(0, headText.length, true);
    batch.set(headText, 4);
    for (const part of parts) {
      batch.set(part, at);
      at += aligned(part.length);
    }
    for (const table of tables) table.clear();
    this.#book.clear();
    this.#rows = 0;
    return batch;
  }
}

interface GrowingColumn extends Column {
  data: ColumnData;
  /** The same memory in whole words, for hashing and comparing. */
  words: Uint32Array;
  /** Words of a cell; 0 for a flag, which has a byte. */
  readonly cellWords: number;
  /** The text of the row before and its number: most columns say the same again and again. */
  lastText: string | undefined;
  lastNumber: number;
}

interface OwnColumn extends GrowingColumn {
  readonly property: string;
}

class TableBuilder {
  readonly shape: EventShape;
  rows = 0;
  readonly #book: TextBook;
  readonly #repeatMs: number;
  readonly #columns: GrowingColumn[];
  readonly #compared: readonly GrowingColumn[];
  // By how they are filled, so that the loops that fill them have no cases.
  readonly #plain: readonly OwnColumn[];
  readonly #flags: readonly OwnColumn[];
  readonly #texts: readonly OwnColumn[];
  readonly #others: readonly OwnColumn[];
  readonly #kind: GrowingColumn | undefined;
  readonly #count: GrowingColumn | undefined;
  readonly #last: GrowingColumn | undefined;
  readonly #arguments: GrowingColumn | undefined;
  #capacity = ROWS_FIRST;
  // Row + 1 of the newest event with a hash, 0 for none.
  #slots = new Int32Array(ROWS_FIRST * 4);

  constructor(shape: EventShape, book: TextBook, repeatMs: number) {
    this.shape = shape;
    this.#book = book;
    this.#repeatMs = FOLDED.has(shape) ? repeatMs : 0;
    this.#columns = columnsOf(shape).map((column) => ({
      ...column,
      ...emptyColumn(column, ROWS_FIRST),
      lastText: undefined,
      lastNumber: 0,
    }));
    this.#compared = this.#columns.filter(({ name }) => !APART.has(name));
    const own = this.#columns.filter((one): one is OwnColumn => one.property !== undefined);
    const isSimpleText = ({ type, property }: OwnColumn): boolean =>
      type !== "list" && isText(type) && property !== "arguments";
    const isFlag = ({ type }: OwnColumn): boolean => type === "flag";
    const isOther = ({ type, property }: OwnColumn): boolean =>
      type === "list" || property === "arguments";
    this.#texts = own.filter(isSimpleText);
    this.#flags = own.filter(isFlag);
    this.#others = own.filter(isOther);
    this.#plain = own.filter((one) => !isSimpleText(one) && !isFlag(one) && !isOther(one));
    const made = (name: string): GrowingColumn | undefined =>
      this.#columns.find((one) => one.property === undefined && one.name === name);
    this.#kind = made("kind");
    this.#count = made("count");
    this.#last = made("last");
    this.#arguments = made("arguments");
  }

  /** False: it was a repeat and is counted at the row before. */
  add(event: StoredEvent): boolean {
    if (this.rows === this.#capacity) this.#grow();
    const row = this.rows;
    const book = this.#book;
    const values = event as unknown as Readonly<Record<string, never>>;
    for (const { property, data } of this.#plain) data[row] = values[property] as never;
    for (const { property, data } of this.#flags) data[row] = values[property] ? 1 : 0;
    for (const column of this.#texts) {
      const text: string = values[column.property] ?? "";
      if (text !== column.lastText) {
        column.lastText = text;
        column.lastNumber = book.numberOf(text);
      }
      column.data[row] = column.lastNumber;
    }
    for (const { property, data } of this.#others) {
      const list = values[property] as unknown as readonly string[];
      const isArguments = property === "arguments";
      data[row] = book.numberOf(isArguments ? list.join(" ") : listToText(list));
    }
    set(this.#kind, row, book.numberOf(event.kind));
    if (event.kind === "process.exec" || event.kind === "process.existing") {
      const isPlain = event.arguments.length > 0 && !event.arguments.some((a) => a.includes(" "));
      set(this.#arguments, row, book.numberOf(isPlain ? "" : listToText(event.arguments)));
    }
    set(this.#count, row, 1);
    set(this.#last, row, event.timeMs);
    if (this.#repeatMs > 0 && this.#isRepeat(row)) return false;
    this.rows += 1;
    return true;
  }

  parts(): Array<{ readonly name: string; readonly bytes: Uint8Array }> {
    return this.#columns.map(({ name, data }) => {
      const bytes = this.rows * data.BYTES_PER_ELEMENT;
      return { name, bytes: new Uint8Array(data.buffer, 0, bytes) };
    });
  }

  clear(): void {
    this.rows = 0;
    this.#slots.fill(0);
    for (const column of this.#columns) column.lastText = undefined;
  }

  #grow(): void {
    this.#capacity *= 2;
    for (const column of this.#columns) {
      const larger = emptyColumn(column, this.#capacity);
      larger.data.set(column.data as never);
      Object.assign(column, larger);
    }
    this.#slots = new Int32Array(this.#capacity * 4);
  }

  #isRepeat(row: number): boolean {
    const slot = this.#hash(row) & (this.#slots.length - 1);
    const known = (this.#slots[slot] ?? 0) - 1;
    this.#slots[slot] = row + 1;
    if (known < 0 || !this.#isEqual(known, row)) return false;
    const last = Number(this.#last?.data[known]);
    // What an event was last seen at begins as its time.
    const time = Number(this.#last?.data[row]);
    if (time - last > this.#repeatMs) return false;
    set(this.#count, known, Number(this.#count?.data[known]) + 1);
    set(this.#last, known, Math.max(last, time));
    this.#slots[slot] = known + 1;
    return true;
  }

  #hash(row: number): number {
    let hash = 0x811c9dc5;
    for (const { words, cellWords } of this.#compared) {
      const at = row * cellWords;
      if (cellWords > 0) hash = Math.imul(hash ^ (words[at] ?? 0), 0x01000193);
      if (cellWords > 1) hash = Math.imul(hash ^ (words[at + 1] ?? 0), 0x01000193);
      hash ^= hash >>> 15;
    }
    return hash >>> 0;
  }

  #isEqual(one: number, other: number): boolean {
    for (const { words, cellWords, data } of this.#compared) {
      if (cellWords === 0 && data[one] !== data[other]) return false;
      for (let word = 0; word < cellWords; word += 1) {
        if (words[one * cellWords + word] !== words[other * cellWords + word]) return false;
      }
    }
    return true;
  }
}

function set(column: GrowingColumn | undefined, row: number, value: number): void {
  if (column !== undefined) column.data[row] = value;
}

/**
 * Reads a batch; its columns are views into the buffer, which must begin at a multiple of 8.
 * @throws {UndercroftError} ERR_UC_STORE when it is none
 */
export function readBatch(batch: Uint8Array): ColumnBatch {
  try {
    return readParts(batch);
  } catch (cause) {
    throw new UndercroftError("ERR_UC_STORE", "a stored batch is not whole", {}, { cause });
  }
}

function readParts(batch: Uint8Array): ColumnBatch {
  const { buffer, byteOffset, byteLength } = batch;
  const headBytes = new DataView(buffer, byteOffset, byteLength).getUint32(0, true);
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  const head = JSON.parse(bytes.toString("utf8", 4, 4 + headBytes)) as BatchHead;
  let at = aligned(4 + headBytes);
  const take = (length: number): number => {
    const start = at;
    at += aligned(length);
    return byteOffset + start;
  };
  const textStart = take(head.textBytes) - byteOffset;
  const text = bytes.toString("utf8", textStart, textStart + head.textBytes);
  const ends = new Uint32Array(buffer, take(head.texts * 4), head.texts);
  const texts = Array.from(ends, (end, index) => text.slice(ends[index - 1] ?? 0, end));
  const tables = head.tables.map(({ shape, rows, columns }): TableBatch => {
    const types = new Map(columnsOf(shape).map((column) => [column.name, column]));
    const read = columns.flatMap(([name, length]): Array<[string, ColumnData]> => {
      const start = take(length);
      const column = types.get(name);
      return column === undefined ? [] : [[name, viewColumn(column, buffer, start, rows)]];
    });
    return { shape, rows, columns: new Map(read) };
  });
  return { rows: tables.reduce((sum, { rows }) => sum + rows, 0), texts, tables };
}

/** The rows of a batch, table by table. */
export function rowsOf(batch: ColumnBatch): StoredRow[] {
  return batch.tables.flatMap(({ shape, rows, columns }) =>
    Array.from({ length: rows }, (_, row) => {
      const value = (column: Column): unknown => {
        const cell = columns.get(column.name)?.[row];
        if (cell === undefined) return undefined;
        return isText(column.type) ? batch.texts[Number(cell)] : cell;
      };
      return makeRow(shape, value);
    }),
  );
}

/** Makes a row again of the values of its columns; a flag may come as a number. */
export function makeRow(shape: EventShape, value: (column: Column) => unknown): StoredRow {
  const event: Record<string, unknown> = {};
  const made: Record<string, unknown> = {};
  for (const column of columnsOf(shape)) {
    const cell = value(column);
    const { type, property } = column;
    if (property === undefined) made[column.name] = cell;
    else if (type === "flag") event[property] = Boolean(cell);
    else event[property] = type === "list" ? textToList(String(cell)) : cell;
  }
  event.kind = made.kind;
  if (shape === "exec") {
    const list = String(made.arguments);
    event.arguments = list === "" ? String(event.arguments).split(" ") : textToList(list);
  }
  const { timeMs } = event;
  return {
    event: event as unknown as StoredEvent,
    count: Number(made.count ?? 1),
    lastMs: Number(made.last ?? timeMs),
  };
}

function emptyColumn(
  column: Column,
  rows: number,
): Pick<GrowingColumn, "cellWords" | "data" | "words"> {
  const buffer = new ArrayBuffer(rows * 8);
  const data = viewColumn(column, buffer, 0, rows);
  return { data, words: new Uint32Array(buffer), cellWords: data.BYTES_PER_ELEMENT >> 2 };
}

function viewColumn(
  { type }: Column,
  buffer: ArrayBufferLike,
  start: number,
  rows: number,
): ColumnData {
  if (isText(type)) return new Uint32Array(buffer, start, rows);
  if (type === "flag") return new Uint8Array(buffer, start, rows);
  return type === "bigint"
    ? new BigUint64Array(buffer, start, rows)
    : new Float64Array(buffer, start, rows);
}

function endsOf(texts: readonly string[]): Uint8Array {
  const ends = new Uint32Array(texts.length);
  let end = 0;
  for (let index = 0; index < texts.length; index += 1) {
    end += texts[index]?.length ?? 0;
    ends[index] = end;
  }
  return new Uint8Array(ends.buffer);
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
