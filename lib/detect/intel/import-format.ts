// SPDX-License-Identifier: Apache-2.0
// Which importer reads a file: by the format's name, or by how the file begins.
import { CsvImporter, type CsvMapping } from "./import-csv.ts";
import { LINES_HEADER, LinesImporter } from "./import-lines.ts";
import { ListImporter } from "./import-list.ts";
import { MispImporter } from "./import-misp.ts";
import { OpeniocImporter } from "./import-openioc.ts";
import { StixImporter } from "./import-stix.ts";
import type { Importer, ImportSink } from "./importer.ts";

/** Formats of indicators; `lines` is our own, `list` plain text. */
export type IndicatorFormat = "stix" | "misp" | "csv" | "list" | "openioc" | "lines";

export const INDICATOR_FORMATS: readonly IndicatorFormat[] = [
  ...(["stix", "misp", "csv", "list", "openioc", "lines"] as const),
];

/** Bytes of a file's beginning that {@link guessFormat} wants. */
export const FORMAT_BYTES = 65_536;

/** The importer of a format. The mapping is for CSV. */
export function importerOf(
  format: IndicatorFormat,
  source: string,
  sink: ImportSink,
  mapping?: CsvMapping,
): Importer {
  switch (format) {
    case "stix":
      return new StixImporter(source, sink);
    case "misp":
      return new MispImporter(source, sink);
    case "csv":
      return new CsvImporter(source, sink, mapping);
    case "openioc":
      return new OpeniocImporter(source, sink);
    case "lines":
      return new LinesImporter(source, sink);
    default:
      return new ListImporter(source, sink);
  }
}

/** The format of a file by its beginning and name; a plain list where none is seen. */
export function guessFormat(head: Uint8Array, name: string): IndicatorFormat {
  const text = new TextDecoder("utf-8").decode(head.subarray(0, FORMAT_BYTES)).trimStart();
  if (text.startsWith("<")) return "openioc";
  if (text.startsWith(LINES_HEADER)) return "lines";
  if (text.startsWith("{") || text.startsWith("[")) return jsonFormat(text);
  return /\.csv$/i.test(name) ? "csv" : "list";
}

function jsonFormat(text: string): IndicatorFormat {
  if (/"(?:objects|spec_version|pattern_type)"\s*:/.test(text)) return "stix";
  return /"(?:Event|Attribute|Object|response)"\s*:/.test(text) ? "misp" : "stix";
}
