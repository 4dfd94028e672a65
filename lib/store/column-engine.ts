// SPDX-License-Identifier: Apache-2.0
// DuckDB as the store uses it: batches in, Parquet in memory out, conditions over it. It sees no
// file but what lies behind our own descriptors, loads no extension and spills nothing to disk.
// Runs on the keeper's worker.
import { closeSync, constants, openSync } from "node:fs";
import { type DuckDBConnection, DuckDBDataChunk, DuckDBInstance } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import { UndercroftError } from "../errors/errors.ts";
import type { EventShape } from "../model/model.ts";
import { type ColumnBatch, type ColumnData, makeRow } from "./column-batch.ts";
import { type Column, columnsOf, isText, type StoredRow } from "./columns.ts";
import { SQL_TYPES, type SqlCondition } from "./predicate.ts";
import { escapeText, unescapeText } from "./text-escape.ts";

const CHUNK_ROWS = 2048;
/** Linux's O_TMPFILE (asm-generic/fcntl.h), which node:fs does not name. */
const O_TMPFILE = 0o20200000;
const MEMORY_FOLDER = "/dev/shm";

/** Opens a file without a name in memory: nobody else can open it, and it goes with its fd. */
export function openMemoryFile(): number {
  return openSync(MEMORY_FOLDER, O_TMPFILE | constants.O_RDWR, 0o600);
}

const pathOf = (fd: number): string => `'/proc/self/fd/${fd}'`;

/** One embedded engine. */
export class ColumnEngine {
  readonly #instance: DuckDBInstance;
  #stages = 0;

  private constructor(instance: DuckDBInstance) {
    this.#instance = instance;
  }

  /** @throws {UndercroftError} ERR_UC_STORE */
  static async open(threads: number, memoryMib: number): Promise<ColumnEngine> {
    const instance = await DuckDBInstance.create(":memory:", {
      threads: String(threads),
      memory_limit: `${memoryMib}MiB`,
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    const first = await instance.connect();
    // TRUST: what guests wrote is looked at here; the engine is left no way out.
    await first.run("SET temp_directory = ''");
    await first.run("SET allowed_directories = ['/proc/self/fd/']");
    await first.run("SET enable_external_access = false");
    await first.run("SET preserve_insertion_order = true");
    await first.run("SET lock_configuration = true");
    first.closeSync();
    return new ColumnEngine(instance);
  }

  connect(): Promise<DuckDBConnection> {
    return this.#instance.connect();
  }

  close(): void {
    this.#instance.closeSync();
  }

  /** The rows of one shape as Parquet in a memory file, which is the caller's to close. */
  async fold(batches: readonly ColumnBatch[], shape: EventShape): Promise<number> {
    const stage = `stage${this.#stages++}`;
    const columns = columnsOf(shape);
    const typed = columns.map((column) => `"${column.name}" ${stageType(column)}`);
    const cast = columns.map(({ name, type }) => `"${name}"::${SQL_TYPES[type]} AS "${name}"`);
    return this.#withConnection(async (connection) => {
      await connection.run(`CREATE TEMP TABLE ${stage} (${typed.join(", ")})`);
      await this.#stage(connection, stage, batches, shape);
      return copy(connection, `SELECT ${cast.join(", ")} FROM ${stage}`);
    });
  }

  /** Several Parquet files of one shape as one. */
  merge(fds: readonly number[]): Promise<number> {
    const select = `SELECT * FROM ${tableOf(fds)}`;
    return this.#withConnection((connection) => copy(connection, select));
  }

  /** Rows of a Parquet file, every column of which is read. */
  count(fd: number): Promise<number> {
    return this.#withConnection(async (connection) => {
      const counts = `SELECT count(COLUMNS(*)) FROM ${tableOf([fd])}`;
      const [row = []] = (await connection.runAndReadAll(counts)).getRows();
      const [first, ...others] = row.map(Number);
      return others.every((count) => count === first) ? (first ?? -1) : -1;
    });
  }

  // What a connection made for itself goes with it.
  async #withConnection<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const connection = await this.connect();
    try {
      return await work(connection);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new UndercroftError("ERR_UC_STORE", `cannot fold events: ${reason}`, {}, { cause });
    } finally {
      connection.closeSync();
    }
  }

  async #stage(
    connection: DuckDBConnection,
    stage: string,
    batches: readonly ColumnBatch[],
    shape: EventShape,
  ): Promise<void> {
    const staged = columnsOf(shape).map((column) => stagedColumn(column, batches, shape));
    const rows = staged[0]?.rows ?? 0;
    const chunk = duckdb.create_data_chunk(staged.map(({ type }) => type));
    const appender = await connection.createAppender(stage);
    const made = new DuckDBDataChunk(chunk);
    for (let row = 0; row < rows; row += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, rows - row);
      duckdb.data_chunk_set_size(chunk, count);
      for (const [index, { data }] of staged.entries()) {
        const width = data.BYTES_PER_ELEMENT;
        const vector = duckdb.data_chunk_get_vector(chunk, index);
        const at = data.byteOffset + row * width;
        duckdb.copy_data_to_vector(vector, 0, data.buffer as ArrayBuffer, at, count * width);
      }
      appender.appendDataChunk(made);
    }
    appender.closeSync();
  }
}

async function copy(connection: DuckDBConnection, select: string): Promise<number> {
  const fd = openMemoryFile();
  try {
    const options = "FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION V2, USE_TMP_FILE false";
    await connection.run(`COPY (${select}) TO ${pathOf(fd)} (${options})`);
    return fd;
  } catch (cause) {
    closeSync(fd);
    throw cause;
  }
}

const tableOf = (fds: readonly number[]): string => `read_parquet([${fds.map(pathOf).join(", ")}])`;

/** Newest rows that meet a condition, from Parquet files of one shape. */
export async function selectRows(
  connection: DuckDBConnection,
  shape: EventShape,
  fds: readonly number[],
  condition: SqlCondition,
  limit: number,
): Promise<StoredRow[]> {
  const columns = columnsOf(shape);
  const names = columns.map(({ name }) => `"${name}"`).join(", ");
  const sql = `SELECT ${names} FROM ${tableOf(fds)} WHERE ${condition.sql}
    ORDER BY "time" DESC LIMIT ${limit}`;
  const result = await connection.runAndReadAll(sql, [...condition.values]);
  const places = new Map(columns.map((column, index) => [column, index]));
  return result.getRows().map((row) =>
    makeRow(shape, (column) => {
      const cell = row[places.get(column) ?? -1];
      if (typeof cell === "string") return unescapeText(cell);
      return typeof cell === "bigint" && column.type !== "bigint" ? Number(cell) : cell;
    }),
  );
}

function stageType({ type }: Column): string {
  return type === "number" ? "DOUBLE" : SQL_TYPES[type];
}

interface StagedColumn {
  readonly type: duckdb.LogicalType;
  readonly data: ColumnData | Uint16Array;
  readonly rows: number;
}

function stagedColumn(
  column: Column,
  batches: readonly ColumnBatch[],
  shape: EventShape,
): StagedColumn {
  const parts = batches.flatMap(({ tables, texts }) => {
    const table = tables.find((one) => one.shape === shape);
    const data = table?.columns.get(column.name);
    return table === undefined ? [] : [{ data, texts, rows: table.rows }];
  });
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  if (isText(column.type)) return textColumn(parts, rows);
  const types = { bigint: duckdb.Type.UBIGINT, flag: duckdb.Type.BOOLEAN } as const;
  const kind = column.type === "bigint" || column.type === "flag" ? types[column.type] : undefined;
  const type = duckdb.create_logical_type(kind ?? duckdb.Type.DOUBLE);
  const data =
    column.type === "bigint"
      ? new BigUint64Array(rows)
      : column.type === "flag"
        ? new Uint8Array(rows)
        : new Float64Array(rows);
  let at = 0;
  for (const part of parts) {
    if (part.data !== undefined) data.set(part.data as never, at);
    at += part.rows;
  }
  return { type, data, rows };
}

interface TextPart {
  readonly data: ColumnData | undefined;
  readonly texts: readonly string[];
  readonly rows: number;
}

// Texts go in as an enumeration of the column's own: each distinct text is handed over once.
function textColumn(parts: readonly TextPart[], rows: number): StagedColumn {
  const codes = new Map<string, number>();
  const data = new Uint32Array(rows);
  let at = 0;
  for (const part of parts) {
    const local = new Int32Array(part.texts.length).fill(-1);
    for (let row = 0; row < part.rows; row += 1) {
      const number = Number(part.data?.[row] ?? -1);
      let code = local[number] ?? -1;
      if (code < 0) {
        const text = escapeText(part.texts[number] ?? "");
        code = codes.get(text) ?? codes.size;
        codes.set(text, code);
        if (number >= 0) local[number] = code;
      }
      data[at++] = code;
    }
  }
  const type = duckdb.create_enum_type([...codes.keys()]);
  const internal = duckdb.enum_internal_type(type);
  if (internal === duckdb.Type.UTINYINT) return { type, data: Uint8Array.from(data), rows };
  if (internal === duckdb.Type.USMALLINT) return { type, data: Uint16Array.from(data), rows };
  return { type, data, rows };
}
