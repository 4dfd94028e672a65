// SPDX-License-Identifier: Apache-2.0
// STIX 2.0 and 2.1 (OASIS): the indicators of a bundle, or of a TAXII answer, object by object, so
// that the size of the bundle is nothing. Patterns become values to look up where that says the
// same; other objects are counted and left.
import type { Indicator, Observable, Severity, TlpMarking } from "../../model/model.ts";
import type { Importer, ImportSink } from "./importer.ts";
import { kindTitle, PATTERN_LENGTH_MAX } from "./indicator-kinds.ts";
import { JsonElements, type JsonPath, pathText } from "./json-elements.ts";
import {
  confidenceOf,
  type Fields,
  field,
  fieldsOf,
  ID_LENGTH_MAX,
  labelsField,
  stricterTlp,
  textField,
  titleText,
  tlpMarking,
} from "./json-fields.ts";
import { compileStix } from "./stix-compile.ts";
import { stixFaults } from "./stix-kinds.ts";
import { parseStixPattern } from "./stix-parser.ts";
import { readStixTime } from "./stix-values.ts";

const MARKING = "marking-definition--";
/** The markings of TLP 1.0 (STIX 2.1 §7.2.1.4) and of TLP 2.0 (its extension definition). */
const TLP_IDS: Readonly<Record<string, TlpMarking>> = {
  "613f2e26-407d-48c7-9eca-b8e91df99dc9": "clear",
  "34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
  "f88d31f6-486f-44da-b317-01333bde0b82": "amber",
  "5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
  "94868c89-83c2-464b-929b-a1a8aa3c8487": "clear",
  "bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "green",
  "55d920b0-5e8b-4f79-9ee9-91f868d9b421": "amber",
  "939a9414-2ddd-4d32-a0cd-375ea402b003": "amber+strict",
  "e828b379-4e03-4974-9ac4-e53a884c97c1": "red",
};
const TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";
/** Indicators that wait for a marking which comes later, and markings that are remembered. */
const WAITING_MAX = 50_000;
const MARKINGS_MAX = 10_000;
/** misp-stix writes these two as the digest of the same length and keeps the type in a label. */
const RELABELLED: Readonly<Record<string, readonly [from: string, to: Observable["kind"]]>> = {
  'misp:type="sha512/256"': ["sha256", "sha512-256"],
  'misp:type="filename|sha512/256"': ["sha256", "sha512-256"],
  'misp:type="sha512/224"': ["sha224", "sha512-224"],
  'misp:type="filename|sha512/224"': ["sha224", "sha512-224"],
};
const MEDIUM_TYPES: ReadonlySet<unknown> = new Set(["anomalous-activity", "anonymization"]);

/** Reads a bundle, a TAXII envelope or a list of objects. */
export class StixImporter implements Importer {
  readonly #source: string;
  readonly #sink: ImportSink;
  readonly #elements: JsonElements;
  /** Markings that are known, those that say nothing of TLP too. */
  readonly #markings = new Map<string, TlpMarking | undefined>();
  #waiting: Array<{ indicators: Indicator[]; refs: readonly string[] }> = [];

  /** `member`: called with the members beside `objects` that are no lists or objects. */
  constructor(source: string, sink: ImportSink, member?: (name: string, value: unknown) => void) {
    this.#source = source;
    this.#sink = sink;
    for (const [id, tlp] of Object.entries(TLP_IDS)) this.#markings.set(MARKING + id, tlp);
    this.#elements = new JsonElements({
      wanted: (path) => isObjectPlace(path) || (member !== undefined && isMember(path)),
      take: (value, path) => {
        if (isObjectPlace(path)) this.#object(value, path);
        else member?.(String(path[0]), value);
      },
      problem: (place, reason) => sink.problem({ source, place, reason }),
    });
  }

  push(chunk: Uint8Array): void {
    this.#elements.push(chunk);
  }

  end(): void {
    this.#elements.end();
    for (const { indicators, refs } of this.#waiting) this.#emit(indicators, refs);
    this.#waiting = [];
  }

  #object(value: unknown, path: JsonPath): void {
    const fields = fieldsOf(value);
    const type = fields === undefined ? undefined : textField(fields, "type");
    if (fields === undefined || type === undefined) {
      this.#problem(path, "is no STIX object: it has no type");
    } else if (type === "indicator") {
      const problem = this.#indicator(fields);
      if (problem !== undefined) this.#problem(path, problem);
    } else if (type === "marking-definition") {
      this.#marking(fields);
    } else {
      this.#sink.skipped(`STIX object of type ${type.slice(0, 60)}`);
    }
  }

  #marking(fields: Fields): void {
    const id = textField(fields, "id");
    if (id === undefined || TLP_IDS[id.slice(MARKING.length)] !== undefined) return;
    if (this.#markings.size >= MARKINGS_MAX) return;
    const definition = fieldsOf(field(fields, "definition")) ?? {};
    const extensions = fieldsOf(field(fields, "extensions")) ?? {};
    const extension = fieldsOf(field(extensions, TLP_EXTENSION)) ?? {};
    const name = textField(definition, "tlp") ?? textField(extension, "tlp_2_0") ?? "";
    this.#markings.set(id.slice(0, ID_LENGTH_MAX), tlpMarking(name));
  }

  // What is wrong with it, or undefined where it was taken or left by intent.
  #indicator(fields: Fields): string | undefined {
    const id = textField(fields, "id");
    if (id === undefined || id.length > ID_LENGTH_MAX || !id.startsWith("indicator--")) {
      return "is an indicator without a usable id";
    }
    if (field(fields, "revoked") === true) {
      this.#sink.removed(id);
      return undefined;
    }
    const skip = skipReason(fields);
    if (skip !== undefined) {
      this.#sink.skipped(skip);
      return undefined;
    }
    const pattern = textField(fields, "pattern");
    if (pattern === undefined) return "has no pattern";
    try {
      const indicators = this.#compile(id, pattern, fields);
      const refs = labelsField(fields, "object_marking_refs");
      const isKnown = refs.every((ref) => this.#markings.has(ref));
      if (isKnown || this.#waiting.length >= WAITING_MAX) this.#emit(indicators, refs);
      else this.#waiting.push({ indicators, refs });
      return undefined;
    } catch (cause) {
      return cause instanceof Error ? cause.message : String(cause);
    }
  }

  /** @throws {Error} where a field or the pattern is not valid; its message says which */
  #compile(id: string, pattern: string, fields: Fields): Indicator[] {
    const types = typesOf(fields);
    const more = Object.hasOwn(fields, "labels") ? labelsField(fields, "labels") : [];
    const labels = more.length === 0 ? types : [...new Set([...more, ...types])];
    const compiled = readPattern(pattern);
    const anyOf =
      compiled.anyOf === undefined || compiled.anyOf.length === 0
        ? [[{ kind: "pattern" as const, value: pattern }, ...compiled.named]]
        : compiled.anyOf;
    const confidence = confidenceOf(field(fields, "confidence"));
    const validFromMs = timeField(fields, "valid_from");
    const validUntilMs = timeField(fields, "valid_until");
    if (validUntilMs !== undefined && validUntilMs <= (validFromMs ?? 0)) {
      throw new Error("valid_until is not after valid_from");
    }
    const severity: Severity = labels.some((one) => MEDIUM_TYPES.has(one)) ? "medium" : "high";
    const common = {
      severity,
      source: this.#source,
      ...(confidence === undefined ? {} : { confidence }),
      ...(validFromMs === undefined ? {} : { validFromMs }),
      ...(validUntilMs === undefined ? {} : { validUntilMs }),
      ...(labels.length === 0 ? {} : { labels }),
    };
    return anyOf.map((values, index) => {
      const [first, ...rest] = relabelled(values, labels);
      if (first === undefined) throw new Error("the pattern names no value");
      const title = titleText(textField(fields, "name") ?? textField(fields, "description") ?? "");
      return {
        id: index === 0 ? id : `${id}#${index + 1}`,
        ...first,
        title: title === "" ? kindTitle(first.kind) : title,
        ...common,
        ...(rest.length === 0 ? {} : { with: rest }),
      };
    });
  }

  #emit(indicators: readonly Indicator[], refs: readonly string[]): void {
    let tlp: TlpMarking | undefined;
    for (const ref of refs) tlp = stricterTlp(tlp, this.#markings.get(ref));
    for (const indicator of indicators) {
      this.#sink.indicator(tlp === undefined ? indicator : { ...indicator, tlp });
    }
  }

  #problem(path: JsonPath, reason: string): void {
    this.#sink.problem({ source: this.#source, place: pathText(path), reason });
  }
}

// STIX 2.0 had the types among the labels.
function typesOf(fields: Fields): string[] {
  return labelsField(
    fields,
    Object.hasOwn(fields, "indicator_types") ? "indicator_types" : "labels",
  );
}

function skipReason(fields: Fields): string | undefined {
  const type = textField(fields, "pattern_type") ?? "stix";
  if (type !== "stix") return `pattern of type ${type.slice(0, 60)}`;
  return typesOf(fields).includes("benign") ? "indicator of what is benign" : undefined;
}

function readPattern(pattern: string): ReturnType<typeof compileStix> {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    throw new Error(`the pattern is longer than ${PATTERN_LENGTH_MAX} characters`);
  }
  const expression = parseStixPattern(pattern);
  const faults = stixFaults(expression);
  if (faults[0] !== undefined) throw new Error(faults[0]);
  const compiled = compileStix(expression);
  if (compiled.faults[0] !== undefined) throw new Error(compiled.faults[0]);
  return compiled;
}

function relabelled(
  values: readonly Observable[],
  labels: readonly string[],
): readonly Observable[] {
  const change = labels.map((label) => RELABELLED[label]).find((known) => known !== undefined);
  if (change === undefined) return values;
  return values.map((one) => (one.kind === change[0] ? { ...one, kind: change[1] } : one));
}

function timeField(fields: Fields, name: string): number | undefined {
  const value = field(fields, name);
  if (value === undefined) return undefined;
  const time = typeof value === "string" ? readStixTime(value) : undefined;
  if (time === undefined) throw new Error(`${name} is no time of STIX`);
  return time.seconds * 1000 + Math.trunc(Number(`0.${time.fraction || "0"}`) * 1000);
}

function isObjectPlace(path: JsonPath): boolean {
  if (path.length === 1) return typeof path[0] === "number";
  return path.length === 2 && path[0] === "objects" && typeof path[1] === "number";
}

function isMember(path: JsonPath): boolean {
  return path.length === 1 && (path[0] === "more" || path[0] === "next");
}
