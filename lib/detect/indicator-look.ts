// SPDX-License-Identifier: Apache-2.0
// One value of an event against the indicators: the store says in no time that nothing is there;
// where something is, what must hold too is asked of the event. Part of the indicator matcher.
import type {
  Detection,
  EvidenceEvent,
  Indicator,
  IndicatorKind,
  Observable,
} from "../model/model.ts";
import { indicatorDetection } from "./indicator-detection.ts";
import { isDigest } from "./intel/indicator-kinds.ts";
import type { IndicatorStore } from "./intel/indicator-store.ts";

/** No detection; the same object for every event without one. */
export const NONE: readonly Detection[] = [];

/** Looks values of events up, and gathers the detections. */
export class IndicatorLook {
  readonly store: IndicatorStore;

  constructor(store: IndicatorStore) {
    this.store = store;
  }

  /** What was found before, and the nearest indicator of a value whose conditions hold. */
  look(
    found: readonly Detection[],
    event: EvidenceEvent,
    field: string,
    kind: IndicatorKind,
    value: string,
  ): readonly Detection[] {
    if (value === "" || !this.store.has(kind, value)) return found;
    for (const indicator of this.store.find(kind, value)) {
      if (holdsFor(indicator, event)) return withOne(found, indicator, event, field, value);
    }
    return found;
  }

  /** What was found before, and every command line that is part of one. */
  lookLine(
    found: readonly Detection[],
    event: EvidenceEvent,
    field: string,
    line: string,
  ): readonly Detection[] {
    if (this.store.count("command-line") === 0) return found;
    let all = found;
    this.store.findLines(line, (row) => {
      const indicator = this.store.at(row);
      if (holdsFor(indicator, event)) all = withOne(all, indicator, event, field, line);
    });
    return all;
  }
}

function withOne(
  found: readonly Detection[],
  indicator: Indicator,
  event: EvidenceEvent,
  field: string,
  value: string,
): readonly Detection[] {
  if (found.some(({ rule }) => rule === indicator.id)) return found;
  return [...found, indicatorDetection(indicator, event, field, value)];
}

// A digest says alone which content it is; whatever else was told of the file is only told.
function holdsFor(indicator: Indicator, event: EvidenceEvent): boolean {
  if (indicator.with === undefined || isDigest(indicator.kind)) return true;
  return indicator.with.every((condition) => isTold(condition, event));
}

// What an event does not tell of does not hold.
function isTold({ kind, value }: Observable, event: EvidenceEvent): boolean {
  switch (kind) {
    case "port":
      return tells(event, ["destinationPort", "sourcePort", "remotePort"], Number(value));
    case "address":
      return tells(event, ["destinationAddress", "sourceAddress", "remoteAddress"], value);
    case "domain":
      return namesServer(event, value);
    case "user-agent":
      return tells(event, ["userAgent"], value);
    case "http-path":
      return tells(event, ["uri"], value);
    case "path":
      return tells(event, ["path", "requestedPath", "oldPath"], value);
    case "name":
      return namesOf(event).includes(value);
    case "command-line":
      return event.kind === "process.exec" && event.arguments.join(" ").includes(value);
    default:
      return false;
  }
}

function tells(event: EvidenceEvent, fields: readonly string[], value: string | number): boolean {
  const told = event as unknown as Readonly<Record<string, unknown>>;
  return fields.some((field) => told[field] === value);
}

// The domain itself, or a name below it.
function namesServer(event: EvidenceEvent, domain: string): boolean {
  const told = event as unknown as Readonly<Record<string, unknown>>;
  return ["query", "serverName", "authority"].some((field) => {
    const text = told[field];
    if (typeof text !== "string") return false;
    const name = text.toLowerCase().replace(/\.?(?::\d+)?$/, "");
    return name === domain || name.endsWith(`.${domain}`);
  });
}

function namesOf(event: EvidenceEvent): string[] {
  const told = event as unknown as Readonly<Record<string, unknown>>;
  return ["path", "requestedPath", "name"].flatMap((field) => {
    const path = told[field];
    return typeof path === "string" ? [path.slice(path.lastIndexOf("/") + 1)] : [];
  });
}
