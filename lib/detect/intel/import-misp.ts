// SPDX-License-Identifier: Apache-2.0
// MISP events in the core format: one event, the answer of a search, or bare attributes. Attributes
// that are for detection (to_ids) become indicators; what the event says of all of them (title,
// level, TLP) may come after them, so an event's indicators are handed on when it ends.
import type { Indicator, Severity, TlpMarking } from "../../model/model.ts";
import type { Importer, ImportSink } from "./importer.ts";
import { kindTitle } from "./indicator-kinds.ts";
import { JsonElements, type JsonPath, pathText } from "./json-elements.ts";
import {
  type Fields,
  field,
  fieldsOf,
  ID_LENGTH_MAX,
  listField,
  plainText,
  stricterTlp,
  textField,
  titleText,
  tlpMarking,
} from "./json-fields.ts";
import { isMispType, mispObservables, mispType } from "./misp-types.ts";

/** Indicators of one event that wait for its end; beyond, they go with what is known by then. */
const PENDING_MAX = 100_000;
const LABELS_MAX = 64;
const LEVELS: Readonly<Record<string, Severity>> = { "1": "high", "2": "medium", "3": "low" };
/** Members of an event that all of its indicators share. */
const EVENT_MEMBERS: ReadonlySet<unknown> = new Set(["info", "threat_level_id", "Tag"]);

interface Tags {
  readonly tlp: TlpMarking | undefined;
  readonly labels: readonly string[];
}

const NO_TAGS: Tags = { tlp: undefined, labels: [] };

/** Reads events or attributes. */
export class MispImporter implements Importer {
  readonly #source: string;
  readonly #sink: ImportSink;
  readonly #elements: JsonElements;
  #pending: Indicator[] = [];
  #title = "";
  #severity: Severity = "high";
  #tags: Tags = NO_TAGS;

  constructor(source: string, sink: ImportSink) {
    this.#source = source;
    this.#sink = sink;
    this.#elements = new JsonElements({
      wanted,
      take: (value, path) => this.#take(value, path),
      closed: (path) => {
        if (isEvent(path, path.length)) this.#endEvent();
      },
      problem: (place, reason) => sink.problem({ source, place, reason }),
    });
  }

  push(chunk: Uint8Array): void {
    this.#elements.push(chunk);
  }

  end(): void {
    this.#elements.end();
    this.#endEvent();
  }

  #take(value: unknown, path: JsonPath): void {
    const last = path.at(-1);
    if (typeof last !== "number") {
      this.#member(String(last), value);
      return;
    }
    const fields = fieldsOf(value);
    if (fields === undefined) this.#problem(pathText(path), "is no object");
    else if (path.at(-2) === "Object") this.#object(fields, path);
    else this.#attribute(fields, pathText(path), "", NO_TAGS);
  }

  #member(name: string, value: unknown): void {
    if (name === "info" && typeof value === "string") this.#title = titleText(value);
    if (name === "threat_level_id") this.#severity = LEVELS[plainText(value)] ?? "high";
    if (name === "Tag") this.#tags = tagsOf(value);
  }

  #object(fields: Fields, path: JsonPath): void {
    const name = textField(fields, "name") ?? "";
    if (field(fields, "deleted") === true) return;
    const tags = tagsOf(field(fields, "Tag"));
    for (const [index, value] of listField(fields, "Attribute").entries()) {
      const attribute = fieldsOf(value);
      const place = `${pathText(path)}.Attribute[${index}]`;
      if (attribute === undefined) this.#problem(place, "is no object");
      else this.#attribute(attribute, place, name, tags);
    }
  }

  #attribute(fields: Fields, place: string, object: string, inherited: Tags): void {
    const relation = textField(fields, "object_relation") ?? "";
    const type = mispType(textField(fields, "type") ?? "", object, relation);
    const value = textField(fields, "value");
    if (type === "" || value === undefined) {
      this.#problem(place, "is an attribute without type or value");
    } else if (field(fields, "deleted") === true) {
      const id = textField(fields, "uuid");
      if (id !== undefined) this.#sink.removed(id.slice(0, ID_LENGTH_MAX));
    } else if (isNotForDetection(fields)) {
      this.#sink.skipped("MISP attribute that is not for detection (to_ids)");
    } else if (!isMispType(type)) {
      this.#sink.skipped(`MISP attribute of type ${type.slice(0, 60)}`);
    } else {
      const found = mispObservables(type, value.trim());
      if (typeof found === "string") this.#problem(place, found);
      else this.#add(fields, object, inherited, found);
    }
  }

  #add(
    fields: Fields,
    object: string,
    inherited: Tags,
    found: Exclude<ReturnType<typeof mispObservables>, string>,
  ): void {
    const own = tagsOf(field(fields, "Tag"));
    const tlp = stricterTlp(inherited.tlp, own.tlp);
    const kept = [...(object === "" ? [] : [`misp:object=${object.slice(0, 80)}`]), ...own.labels];
    const labels = [...kept, ...inherited.labels].slice(0, LABELS_MAX);
    const validFromMs = timeOf(field(fields, "first_seen"));
    const id = textField(fields, "uuid")?.slice(0, ID_LENGTH_MAX);
    for (const [index, [first, ...rest]] of found.entries()) {
      if (first === undefined) continue;
      const name = id ?? `${first.kind}:${first.value}`;
      this.#pending.push({
        id: index === 0 ? name : `${name}#${index + 1}`,
        ...first,
        title: titleText(textField(fields, "comment") ?? ""),
        severity: "high",
        source: this.#source,
        labels,
        ...(tlp === undefined ? {} : { tlp }),
        ...(validFromMs === undefined ? {} : { validFromMs }),
        ...(rest.length === 0 ? {} : { with: rest }),
      });
    }
    if (this.#pending.length >= PENDING_MAX) this.#flush();
  }

  #endEvent(): void {
    this.#flush();
    this.#title = "";
    this.#severity = "high";
    this.#tags = NO_TAGS;
  }

  #flush(): void {
    for (const indicator of this.#pending) this.#sink.indicator(this.#finished(indicator));
    this.#pending = [];
  }

  #finished(indicator: Indicator): Indicator {
    const tlp = stricterTlp(indicator.tlp, this.#tags.tlp);
    const known = [...(indicator.labels ?? []), ...this.#tags.labels];
    const labels = [...new Set(known)].slice(0, LABELS_MAX);
    const { labels: _before, ...rest } = indicator;
    return {
      ...rest,
      title: this.#title || indicator.title || kindTitle(indicator.kind),
      severity: this.#severity,
      ...(tlp === undefined ? {} : { tlp }),
      ...(labels.length === 0 ? {} : { labels }),
    };
  }

  #problem(place: string, reason: string): void {
    this.#sink.problem({ source: this.#source, place, reason });
  }
}

// An attribute that does not say is taken: whoever wrote it out meant it to be used.
function isNotForDetection(fields: Fields): boolean {
  const flag = field(fields, "to_ids");
  return flag === false || flag === "0" || flag === 0;
}

function tagsOf(value: unknown): Tags {
  let tlp: TlpMarking | undefined;
  const labels: string[] = [];
  for (const tag of Array.isArray(value) ? value.slice(0, 4 * LABELS_MAX) : []) {
    const name = textField(fieldsOf(tag) ?? {}, "name");
    if (name === undefined) continue;
    const marking = /^tlp:/i.test(name) ? tlpMarking(name) : undefined;
    if (marking !== undefined) tlp = stricterTlp(tlp, marking);
    else if (labels.length < LABELS_MAX) labels.push(name.slice(0, 256));
  }
  return { tlp, labels };
}

function timeOf(value: unknown): number | undefined {
  if (typeof value !== "string" || value.length > 40) return undefined;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? undefined : ms;
}

// The elements of a list of attributes or objects, and what an event says of all of them; those of
// related events and of proposals are others'.
function wanted(path: JsonPath): boolean {
  const last = path.at(-1);
  if (typeof last !== "number") return EVENT_MEMBERS.has(last) && isEvent(path, path.length - 1);
  const list = path.at(-2);
  return (list === "Attribute" || list === "Object") && isEvent(path, path.length - 2);
}

// An event is the whole text, or wrapped as the answers of MISP wrap it.
function isEvent(path: JsonPath, length: number): boolean {
  for (let at = 0; at < length; at++) {
    const step = path[at];
    if (typeof step !== "number" && step !== "Event" && step !== "response") return false;
  }
  return true;
}
