// SPDX-License-Identifier: Apache-2.0
// Records of comma-separated values (RFC 4180) out of lines: a quoted field may hold commas, quotes
// and line ends. Used by the CSV importer.

/** Longest record in UTF-16 units, its line ends among them. */
const RECORD_LENGTH_MAX = 262_144;

/** Puts lines together to records. */
export class CsvReader {
  #open = "";
  #firstLine = 0;

  /** Fields of the record that ends with this line; undefined where it goes on. */
  line(text: string, number: number): { fields: string[]; line: number } | "long" | undefined {
    if (this.#open === "") this.#firstLine = number;
    const record = this.#open === "" ? text : `${this.#open}\n${text}`;
    const fields = splitRecord(record);
    if (fields !== undefined) {
      this.#open = "";
      return { fields, line: this.#firstLine };
    }
    if (record.length > RECORD_LENGTH_MAX) {
      this.#open = "";
      return "long";
    }
    this.#open = record;
    return undefined;
  }

  /** The line at which a record began that has no end; 0 where there is none. */
  unfinishedLine(): number {
    return this.#open === "" ? 0 : this.#firstLine;
  }
}

// Undefined where a quoted field is still open.
function splitRecord(record: string): string[] | undefined {
  if (!record.includes('"')) return record.split(",").map((one) => one.trim());
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    while (record[at] === " " || record[at] === "\t") at++;
    if (record[at] === '"') {
      const end = closingQuote(record, at + 1);
      if (end < 0) return undefined;
      fields.push(record.slice(at + 1, end).replaceAll('""', '"'));
      at = record.indexOf(",", end);
    } else {
      const comma = record.indexOf(",", at);
      fields.push(record.slice(at, comma < 0 ? undefined : comma).trim());
      at = comma;
    }
    if (at < 0) return fields;
    at++;
  }
}

function closingQuote(record: string, start: number): number {
  let at = record.indexOf('"', start);
  while (at >= 0 && record[at + 1] === '"') at = record.indexOf('"', at + 2);
  return at;
}
