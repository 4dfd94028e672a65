// SPDX-License-Identifier: Apache-2.0
// A JSON record as flat fields, the way rules name them: `userIdentity.type`, and for a list of
// objects all values under one name. Called by the readers of foreign logs.
import {
  type EventSource,
  FieldsEvent,
  type SigmaEvent,
  type SigmaScalar,
  type SigmaValue,
} from "./event.ts";

const DEPTH_MAX = 16;
/** Fields of one event; more are left out. */
const FIELDS_MAX = 2048;

/** A JSON object's own members. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** Whether a value is an object and no list. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Adds all values below a record to the fields, under their dotted names. */
export function addFlat(
  record: JsonRecord,
  fields: Map<string, SigmaValue>,
  prefix = "",
  depth = 0,
): void {
  for (const key of Object.keys(record)) addValue(`${prefix}${key}`, record[key], fields, depth);
}

function addValue(
  name: string,
  value: unknown,
  fields: Map<string, SigmaValue>,
  depth: number,
): void {
  if (isRecord(value)) {
    if (depth < DEPTH_MAX) addFlat(value, fields, `${name}.`, depth + 1);
  } else if (Array.isArray(value)) {
    if (value.length === 0) addScalar(name, [], fields);
    else if (depth < DEPTH_MAX) for (const item of value) addValue(name, item, fields, depth + 1);
  } else addScalar(name, scalarOf(value), fields);
}

/** A plain JSON value as rules compare it. */
export function scalarOf(value: unknown): SigmaScalar | null {
  if (typeof value === "string" || typeof value === "number") return value;
  return typeof value === "boolean" ? String(value) : null;
}

function addScalar(
  name: string,
  value: SigmaScalar | null | readonly SigmaScalar[],
  fields: Map<string, SigmaValue>,
): void {
  const before = fields.get(name);
  if (before === undefined) {
    if (fields.size < FIELDS_MAX) fields.set(name, value);
    return;
  }
  if (value === null || typeof value === "object") return;
  if (before === null) fields.set(name, value);
  // A list is of this function's own making: it may grow in place.
  else if (typeof before === "object") (before as SigmaScalar[]).push(value);
  else fields.set(name, [before, value]);
}

/** A record of any maker as an event of a log source. */
export function recordEvent(record: JsonRecord, source: EventSource): SigmaEvent {
  const fields = new Map<string, SigmaValue>();
  addFlat(record, fields);
  return new FieldsEvent(source, timeOf(fields), fields);
}

const TIME_FIELDS = [
  ...["UtcTime", "TimeCreated_SystemTime", "@timestamp", "timestamp", "time", "ts", "EventTime"],
] as const;

/** What a date can hold (ECMA-262, "Time Values"). */
const TIME_MS_MAX = 8.64e15;
/** Numbers above are milliseconds, others seconds since 1970. */
const SECONDS_MAX = 1e11;

/** Time of an event, from the first field that has one; 0 where none has. */
export function timeOf(fields: ReadonlyMap<string, SigmaValue>): number {
  for (const name of TIME_FIELDS) {
    const value = fields.get(name);
    // Seconds or milliseconds since 1970.
    if (typeof value === "number" && value > 0 && value <= TIME_MS_MAX) {
      return value > SECONDS_MAX ? value : value * 1000;
    }
    if (typeof value !== "string") continue;
    // Sysmon writes UTC without saying so.
    const isBare = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$/.test(value);
    const timeMs = Date.parse(isBare ? `${value.replace(" ", "T")}Z` : value);
    if (!Number.isNaN(timeMs)) return timeMs;
  }
  return 0;
}
