// SPDX-License-Identifier: Apache-2.0
// An event as rules see it: a log source and flat fields by name. Whoever has events, live, stored
// or read from a file, wraps them so.
import type { EvidenceEvent } from "../../model/model.ts";

export type SigmaScalar = string | number;

/**
 * Value of a field. Undefined: the event has no such field. Null: it has one without a value. Of a
 * list any item may answer a rule. Truth values are the texts true and false.
 */
export type SigmaValue = SigmaScalar | readonly SigmaScalar[] | null | undefined;

/**
 * Of what log an event is. Keep one object for each kind of event: the engine remembers what rules
 * an object leads to.
 */
export interface EventSource {
  readonly product?: string;
  readonly service?: string;
  /** All that fit: a registry event is of registry_event and of registry_set. */
  readonly categories: readonly string[];
}

export interface SigmaEvent {
  readonly source: EventSource;
  /** Milliseconds since 1970, by the clock of the event. */
  readonly timeMs: number;
  /** What this is a view of, where it is one. */
  readonly origin?: EvidenceEvent | undefined;
  get(field: string): SigmaValue;
  /** Names of all fields; keyword searches look at each. */
  fieldNames(): Iterable<string>;
}

/** An event over a map of its fields. */
export class FieldsEvent implements SigmaEvent {
  readonly source: EventSource;
  readonly timeMs: number;
  readonly origin: EvidenceEvent | undefined;
  readonly #fields: ReadonlyMap<string, SigmaValue>;

  constructor(
    source: EventSource,
    timeMs: number,
    fields: ReadonlyMap<string, SigmaValue>,
    origin?: EvidenceEvent,
  ) {
    this.source = source;
    this.timeMs = timeMs;
    this.#fields = fields;
    this.origin = origin;
  }

  get(field: string): SigmaValue {
    return this.#fields.get(field);
  }

  fieldNames(): Iterable<string> {
    return this.#fields.keys();
  }
}
