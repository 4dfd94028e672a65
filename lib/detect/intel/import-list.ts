// SPDX-License-Identifier: Apache-2.0
// Plain lists, one indicator a line: with the kind's name before it, or bare where its form tells
// the kind. Also lists in the form of /etc/hosts. Comments begin with a number sign.
import type { Indicator, IndicatorKind, Severity } from "../../model/model.ts";
import type { Importer, ImportSink } from "./importer.ts";
import { kindOfListName, kindTitle, observable, shortText, valueId } from "./indicator-kinds.ts";
import { LINE_LENGTH_MAX, LineReader } from "./line-reader.ts";
import { type Guess, guessValue } from "./value-guess.ts";

const SEVERITIES: readonly string[] = ["informational", "low", "medium", "high", "critical"];
const NAMED = /^([a-z][a-z0-9-]{1,20}):(?!\/\/)/;
/** `0.0.0.0 NAME` and `127.0.0.1 NAME`: how /etc/hosts says where a name must not lead. */
const NULL_ROUTE = /^(?:0\.0\.0\.0|127\.0\.0\.1|::1?)\s+(\S+)$/;

/** Reads a plain list. */
export class ListImporter implements Importer {
  readonly #lines: LineReader;

  constructor(source: string, sink: ImportSink) {
    const refuse = (number: number, reason: string): void => {
      sink.problem({ source, place: `line ${number}`, reason });
    };
    this.#lines = new LineReader(
      (line, number) => {
        const parsed = parseListLine(line, source);
        if (typeof parsed === "string") refuse(number, parsed);
        else if (parsed !== undefined) sink.indicator(parsed);
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

/**
 * One line: `NAME:VALUE` or a bare value, with an optional ` | TITLE | SEVERITY` (for cmdline: both
 * or none). Undefined where the line holds nothing, a text where it is wrong.
 */
export function parseListLine(raw: string, source: string): Indicator | string | undefined {
  const line = withoutComment(raw);
  if (line === "") return undefined;
  const [head = "", title = "", severity, ...more] = line.includes(" | ")
    ? splitLine(line)
    : [line];
  if (more.length > 0) return "more than `VALUE | TITLE | SEVERITY`";
  const guess = readValue(head);
  if (typeof guess === "string") return guess;
  if (severity !== undefined && !SEVERITIES.includes(severity)) {
    return `severity is not one of ${SEVERITIES.join(", ")}`;
  }
  return listIndicator(guess, title, (severity as Severity | undefined) ?? "high", source);
}

/** The indicator of a value that came without an id. */
export function listIndicator(
  guess: Guess,
  title: string,
  severity: Severity,
  source: string,
): Indicator {
  const { kind, value } = guess;
  const port = guess.with?.[0];
  return {
    id: valueId(kind, value) + (port === undefined ? "" : ` ${valueId(port.kind, port.value)}`),
    kind,
    value,
    title: title === "" ? kindTitle(kind) : title,
    severity,
    source,
    ...(guess.with === undefined ? {} : { with: guess.with }),
  };
}

function readValue(head: string): Guess | string {
  const name = NAMED.exec(head)?.[1];
  const kind: IndicatorKind | undefined = name === undefined ? undefined : kindOfListName(name);
  if (name !== undefined && kind !== undefined && kind !== "pattern") {
    return observable(kind, head.slice(name.length + 1).trim());
  }
  const listed = NULL_ROUTE.exec(head)?.[1];
  if (listed !== undefined) return observable("domain", listed);
  if (/\s/.test(head) && !head.startsWith("/")) return `has no name before it: ${shortText(head)}`;
  return guessValue(head);
}

function withoutComment(raw: string): string {
  const line = raw.trim();
  if (!line.includes("#")) return line;
  if (line.startsWith("#")) return "";
  const at = line.search(/\s#/);
  return at < 0 ? line : line.slice(0, at).trimEnd();
}

// A command line may hold a pipe itself: there only a title with a severity after it is cut off.
function splitLine(line: string): string[] {
  const parts = line.split(" | ").map((part) => part.trim());
  if (!line.startsWith("cmdline:")) return parts;
  const isMarked = parts.length >= 3 && SEVERITIES.includes(parts.at(-1) ?? "");
  if (!isMarked) return [line];
  return [parts.slice(0, -2).join(" | "), ...parts.slice(-2)];
}
