// SPDX-License-Identifier: Apache-2.0
// Comma-separated values of any feed, with a mapping that says which column is what. Without one
// the columns are found by their names in the first record.
import { UndercroftError } from "../../errors/errors.ts";
import type { Indicator, IndicatorKind } from "../../model/model.ts";
import { CsvReader } from "./csv-reader.ts";
import { listIndicator } from "./import-list.ts";
import type { Importer, ImportSink } from "./importer.ts";
import { kindOfListName, observable, shortText } from "./indicator-kinds.ts";
import { confidenceOf, ID_LENGTH_MAX, severityOf, titleText, tlpMarking } from "./json-fields.ts";
import { LineReader } from "./line-reader.ts";
import { isMispType, mispObservables } from "./misp-types.ts";
import { type Guess, guessValue } from "./value-guess.ts";

/** What a column may be. */
type Role =
  | "value"
  | "kind"
  | "id"
  | "title"
  | "severity"
  | "confidence"
  | "tlp"
  | "labels"
  | "from"
  | "until";

/** A column by its number from 0 or its name, or the same text for every record. */
type Column = number | string | { readonly text: string };

/** Which column is what. */
export type CsvMapping = Readonly<Partial<Record<Role, Column>>>;

/** Names that feeds give to columns, without signs and in lower case. */
const NAMES: Readonly<Record<Role, readonly string[]>> = {
  value: ["value", "indicator", "ioc", "iocvalue", "observable", "dstip", "ip", "ipaddress"].concat(
    ["domain", "url", "hash", "sha256hash", "sha256", "md5", "sha1", "attributevalue"],
  ),
  kind: ["kind", "type", "ioctype", "indicatortype", "attributetype", "datatype"],
  id: ["id", "iocid", "uuid", "attributeuuid"],
  title: ["title", "name", "description", "comment", "malware", "malwareprintable", "threat"],
  severity: ["severity"],
  confidence: ["confidence", "confidencelevel", "score"],
  tlp: ["tlp"],
  labels: ["labels", "tags", "tag"],
  from: ["validfrom", "firstseen", "firstseenutc", "dateadded", "created"],
  until: ["validuntil", "expires", "expiration", "expirationdate"],
};

const ROLES = Object.keys(NAMES) as readonly Role[];

/**
 * Reads `value=COLUMN,kind=COLUMN,...`: a column is its number from 1 or its name; `=TEXT` after
 * the equals sign is that text for every record, such as `kind==domain`.
 * @throws {UndercroftError} ERR_UC_ARGUMENT
 */
export function parseCsvMapping(text: string): CsvMapping {
  const mapping: Partial<Record<Role, Column>> = {};
  for (const part of text.split(",")) {
    const equals = part.indexOf("=");
    const role = ROLES.find((known) => known === part.slice(0, Math.max(0, equals)).trim());
    const column = part.slice(equals + 1).trim();
    if (role === undefined || column === "") {
      const message = `"${part}" is no part of a mapping; write ROLE=COLUMN, ROLE one of ${ROLES}`;
      throw new UndercroftError("ERR_UC_ARGUMENT", message);
    }
    if (column.startsWith("=")) mapping[role] = { text: column.slice(1) };
    else mapping[role] = /^[1-9]\d{0,3}$/.test(column) ? Number(column) - 1 : column;
  }
  if (mapping.value === undefined) {
    throw new UndercroftError("ERR_UC_ARGUMENT", "a mapping names the column of the value");
  }
  return mapping;
}

type Columns = Partial<Record<Role, number | { readonly text: string }>>;

/** Kinds by the names of feeds that are neither ours nor MISP's. */
const OTHER_KINDS: Readonly<Record<string, IndicatorKind>> = {
  ipv4: "address",
  ipv6: "address",
  "ipv4-addr": "address",
  "ipv6-addr": "address",
  cidr: "address",
  "ip:port": "address",
  fqdn: "domain",
  "domain-name": "domain",
  md5_hash: "md5",
  sha1_hash: "sha1",
  sha256_hash: "sha256",
  filehash_md5: "md5",
  filehash_sha1: "sha1",
  filehash_sha256: "sha256",
  "filehash-md5": "md5",
  "filehash-sha1": "sha1",
  "filehash-sha256": "sha256",
  file: "name",
  filepath: "path",
};
const GUESSED: ReadonlySet<string> = new Set(["", "ip:port", "file_hash", "hash", "ip"]);

/** Reads CSV. */
export class CsvImporter implements Importer {
  readonly #source: string;
  readonly #sink: ImportSink;
  readonly #lines: LineReader;
  readonly #records = new CsvReader();
  readonly #given: CsvMapping | undefined;
  #columns: Columns | undefined;
  #isUnusable = false;

  constructor(source: string, sink: ImportSink, mapping?: CsvMapping) {
    this.#source = source;
    this.#sink = sink;
    this.#given = mapping;
    this.#lines = new LineReader(
      (line, number) => this.#line(line, number),
      (number) => this.#problem(number, "is too long"),
    );
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): void {
    this.#lines.end();
    const open = this.#records.unfinishedLine();
    if (open > 0) this.#problem(open, "has a quoted field without an end");
  }

  #line(line: string, number: number): void {
    if (this.#isUnusable) return;
    if (this.#records.unfinishedLine() === 0) {
      if (line.trim() === "") return;
      if (line.startsWith("#")) {
        this.#comment(line, number);
        return;
      }
    }
    const record = this.#records.line(line, number);
    if (record === "long") this.#problem(number, "is part of a record that is too long");
    else if (record !== undefined) this.#record(record.fields, record.line);
  }

  // Feeds write the names of their columns as the last line of a comment.
  #comment(line: string, number: number): void {
    const record = new CsvReader().line(line.replace(/^#+\s*/, ""), number);
    if (typeof record !== "object" || record.fields.length < 2) return;
    const columns = this.#find(record.fields);
    if (columns?.value !== undefined) this.#columns = columns;
  }

  #record(fields: readonly string[], number: number): void {
    if (this.#columns === undefined) {
      this.#columns = this.#find(fields);
      if (this.#columns !== undefined && this.#isHeader(fields)) return;
      if (this.#columns === undefined) {
        this.#isUnusable = true;
        const names = "no column is named value, indicator, url or the like";
        this.#problem(number, `${names}; say which is what with a mapping`);
        return;
      }
    }
    const indicator = this.#indicator(fields);
    if (typeof indicator === "string") this.#problem(number, indicator);
    else this.#sink.indicator(indicator);
  }

  // Where columns are given by number alone, the first record is a header only if its value is no
  // value.
  #isHeader(fields: readonly string[]): boolean {
    const given = Object.values(this.#given ?? { value: "" });
    if (given.some((column) => typeof column === "string")) return true;
    return typeof this.#indicator(fields) === "string";
  }

  #find(names: readonly string[]): Columns | undefined {
    const bare = names.map((name) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, ""));
    const found: Columns = {};
    for (const role of ROLES) {
      const wanted = this.#given === undefined ? NAMES[role] : this.#given[role];
      const place = placeOf(wanted, names, bare);
      if (place !== undefined) found[role] = place;
    }
    return found.value === undefined ? undefined : found;
  }

  #indicator(fields: readonly string[]): Indicator | string {
    const text = (role: Role): string => {
      const column = this.#columns?.[role];
      if (column === undefined) return "";
      return typeof column === "number" ? (fields[column] ?? "") : column.text;
    };
    const guess = valueOfKind(text("kind"), text("value"));
    if (typeof guess === "string") return guess;
    const made = listIndicator(
      guess,
      titleText(text("title")),
      severityOf(text("severity").toLowerCase()) ?? "high",
      this.#source,
    );
    const confidence = confidenceOf(text("confidence"));
    const tlp = tlpMarking(text("tlp"));
    const validFromMs = timeOf(text("from"));
    const validUntilMs = timeOf(text("until"));
    if (text("until") !== "" && validUntilMs === undefined) {
      return `the end of its validity is no time: ${shortText(text("until"))}`;
    }
    const labels = text("labels").split(/[,;|]/).slice(0, 64);
    const kept = labels.map((label) => label.trim().slice(0, 256)).filter((label) => label !== "");
    return {
      ...made,
      ...(text("id") === "" ? {} : { id: text("id").slice(0, ID_LENGTH_MAX) }),
      ...(confidence === undefined ? {} : { confidence }),
      ...(tlp === undefined ? {} : { tlp }),
      ...(validFromMs === undefined ? {} : { validFromMs }),
      ...(validUntilMs === undefined ? {} : { validUntilMs }),
      ...(kept.length === 0 ? {} : { labels: kept }),
    };
  }

  #problem(line: number, reason: string): void {
    this.#sink.problem({ source: this.#source, place: `line ${line}`, reason });
  }
}

function placeOf(
  wanted: Column | readonly string[] | undefined,
  names: readonly string[],
  bare: readonly string[],
): number | { readonly text: string } | undefined {
  if (wanted === undefined || typeof wanted === "number") return wanted;
  if (typeof wanted === "object" && "text" in wanted) return wanted;
  const place =
    typeof wanted === "string"
      ? names.findIndex((name) => name.toLowerCase() === wanted.toLowerCase())
      : bare.findIndex((name) => wanted.includes(name));
  return place < 0 ? undefined : place;
}

function valueOfKind(kind: string, value: string): Guess | string {
  const name = kind.toLowerCase();
  if (GUESSED.has(name)) return guessValue(value);
  const ours = kindOfListName(name) ?? (Object.hasOwn(OTHER_KINDS, name) && OTHER_KINDS[name]);
  if (ours) return observable(ours, value);
  if (!isMispType(kind)) return `is of a kind that is not known: ${shortText(kind)}`;
  const found = mispObservables(kind, value);
  if (typeof found === "string") return found;
  const [first, ...rest] = found[0] ?? [];
  if (first === undefined) return "has no value";
  return rest.length === 0 ? first : { ...first, with: rest };
}

const DAY = String.raw`\d{4}-\d\d-\d\d`;
const TIME = String.raw`\d\d:\d\d(?::\d\d(?:\.\d+)?)?`;
const DATE_TIME = new RegExp(`^(${DAY})(?:[T ](${TIME})\\s*(Z|UTC|[+-]\\d\\d:?\\d\\d)?)?$`);

// Feeds write times with and without a letter T and a zone; those without are UTC.
function timeOf(text: string): number | undefined {
  const match = DATE_TIME.exec(text.trim());
  if (match === null) return undefined;
  const [, day, time = "00:00", zone = "Z"] = match;
  const ms = Date.parse(`${day}T${time}${zone === "UTC" ? "Z" : zone}`);
  return Number.isNaN(ms) ? undefined : ms;
}
