// SPDX-License-Identifier: Apache-2.0
// Indicators from a file, in any of the formats, in chunks: a file larger than memory is read as
// well as a small one.
import { createReadStream } from "node:fs";
import {
  type CsvMapping,
  FORMAT_BYTES,
  guessFormat,
  type Importer,
  type ImportSink,
  type IndicatorFormat,
  importerOf,
} from "../detect/detect.ts";
import { UndercroftError } from "../errors/errors.ts";

/** How a file is to be read. */
export interface FileOptions {
  /** Told by the file's beginning and name where it is not given. */
  readonly format?: IndicatorFormat;
  /** The columns of a CSV file. */
  readonly mapping?: CsvMapping;
  /** The source that its indicators have; the path where it is not given. */
  readonly source?: string;
}

/**
 * Hands a file's indicators to a sink; returns the format that it was read as.
 * @throws {UndercroftError} ERR_UC_CONFIG where the file cannot be read
 */
export async function importFile(
  path: string,
  sink: ImportSink,
  options: FileOptions = {},
): Promise<IndicatorFormat> {
  let importer: Importer | undefined;
  let format = options.format ?? "list";
  const source = options.source ?? path;
  try {
    const chunks = createReadStream(path, { highWaterMark: FORMAT_BYTES });
    for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
      if (importer === undefined) {
        format = options.format ?? (options.mapping ? "csv" : guessFormat(chunk, path));
        importer = importerOf(format, source, sink, options.mapping);
      }
      importer.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof UndercroftError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UndercroftError("ERR_UC_CONFIG", `cannot read ${path}: ${reason}`, { path });
  }
  importer?.end();
  return format;
}
