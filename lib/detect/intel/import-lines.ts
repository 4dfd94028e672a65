// SPDX-License-Identifier: Apache-2.0
// Our own form: a line of JSON that names the form, then one indicator a line. Written by
// `undercroft intel import --out`; keeps everything that an indicator has.
import type { Indicator, IndicatorKind, Observable } from "../../model/model.ts";
import type { Importer, ImportSink } from "./importer.ts";
import { isIndicatorKind, kindTitle, observable, shortText } from "./indicator-kinds.ts";
import {
  confidenceOf,
  type Fields,
  field,
  fieldsOf,
  ID_LENGTH_MAX,
  labelsField,
  listField,
  severityOf,
  textField,
  titleText,
  tlpMarking,
} from "./json-fields.ts";
import { LINE_LENGTH_MAX, LineReader } from "./line-reader.ts";

/** The first line of a file in this form. */
export const LINES_HEADER: string = JSON.stringify({ undercroft: "indicators", version: 1 });

/** One line of the form, without its end. */
export function indicatorLine(indicator: Indicator): string {
  return JSON.stringify(indicator);
}

/** Reads the form; the source of each indicator is the one it was first read from. */
export class LinesImporter implements Importer {
  readonly #lines: LineReader;

  constructor(source: string, sink: ImportSink) {
    const refuse = (number: number, reason: string): void => {
      sink.problem({ source, place: `line ${number}`, reason });
    };
    this.#lines = new LineReader(
      (line, number) => {
        if (line === "" || line === LINES_HEADER) return;
        const parsed = parseLine(line, source);
        if (typeof parsed === "string") refuse(number, parsed);
        else sink.indicator(parsed);
      },
      (number) => refuse(number, `is longer than ${LINE_LENGTH_MAX} characters`),
    );
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): void {
    this.#lines.end();
  }
}

function parseLine(line: string, source: string): Indicator | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "is no JSON";
  }
  const fields = fieldsOf(value);
  if (fields === undefined) return "is no JSON object";
  const id = textField(fields, "id");
  if (id === undefined || id.length > ID_LENGTH_MAX) return "has no usable id";
  const known = observableOf(fields);
  if (typeof known === "string") return known;
  const conditions: Observable[] = [];
  for (const one of listField(fields, "with")) {
    const condition = observableOf(fieldsOf(one) ?? {});
    if (typeof condition === "string") return `a condition ${condition}`;
    conditions.push(condition);
  }
  const confidence = confidenceOf(field(fields, "confidence"));
  const tlp = tlpMarking(textField(fields, "tlp") ?? "");
  const validFromMs = msField(fields, "validFromMs");
  const validUntilMs = msField(fields, "validUntilMs");
  const labels = labelsField(fields, "labels");
  return {
    id,
    ...known,
    title: titleText(textField(fields, "title") ?? "") || kindTitle(known.kind),
    severity: severityOf(field(fields, "severity")) ?? "high",
    source: (textField(fields, "source") ?? source).slice(0, ID_LENGTH_MAX),
    ...(confidence === undefined ? {} : { confidence }),
    ...(tlp === undefined ? {} : { tlp }),
    ...(validFromMs === undefined ? {} : { validFromMs }),
    ...(validUntilMs === undefined ? {} : { validUntilMs }),
    ...(labels.length === 0 ? {} : { labels }),
    ...(conditions.length === 0 ? {} : { with: conditions }),
  };
}

function observableOf(fields: Fields): Observable | string {
  const kind = textField(fields, "kind") ?? "";
  if (!isIndicatorKind(kind)) return `is of a kind that is not known: ${shortText(kind)}`;
  return observable(kind satisfies IndicatorKind, textField(fields, "value") ?? "");
}

function msField(fields: Fields, name: string): number | undefined {
  const value = field(fields, name);
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
