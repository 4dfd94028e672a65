// SPDX-License-Identifier: Apache-2.0
// What a search may name. The parser takes it as a value, so that a search over other rows than
// those of the event store is the same code. Called by all of lib/search.
import { FIELD_GROUPS, FIELD_TABLE, type FieldType, STORED_KINDS } from "../model/model.ts";

export interface SearchField {
  readonly type: FieldType;
  readonly about: string;
  /** All values that there are, where they are known. */
  readonly values?: readonly string[];
  /** Same for all rows of one store: not a column of it. */
  readonly isPlace?: true;
}

export interface FieldSchema {
  readonly fields: ReadonlyMap<string, SearchField>;
  /** Fields that one word stands for; all of one type. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** Other words for one field. */
  readonly aliases: ReadonlyMap<string, string>;
}

const SEVERITIES = ["informational", "low", "medium", "high", "critical"];

/** The fields of the event store, with `kind` and the server that has the store. */
export const eventSchema: FieldSchema = {
  fields: new Map<string, SearchField>([
    ["kind", { type: "text", about: "kind of event", values: STORED_KINDS }],
    ["server", { type: "text", about: "server that has the event", isPlace: true }],
    ...Object.entries(FIELD_TABLE).map(([name, [type, about]]): [string, SearchField] => [
      name,
      name === "severity" ? { type, about, values: SEVERITIES } : { type, about },
    ]),
  ]),
  groups: new Map(Object.entries(FIELD_GROUPS)),
  aliases: new Map([["host", "server"]]),
};

/** The fields that a name stands for, none where there is no such name. */
export function fieldsOf(schema: FieldSchema, name: string): readonly string[] {
  return schema.groups.get(name) ?? (schema.fields.has(name) ? [name] : []);
}

/** Type of a field or of a group's fields. */
export function typeOf(schema: FieldSchema, name: string): FieldType | undefined {
  return schema.fields.get(fieldsOf(schema, name)[0] ?? "")?.type;
}

/** The name of those that is most like a word, where one is like it. */
export function nearest(word: string, names: Iterable<string>): string | undefined {
  const wanted = word.slice(0, 64).toLowerCase();
  let best: string | undefined;
  let least = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    const steps = editSteps(wanted, name.toLowerCase());
    if (steps < least) {
      least = steps;
      best = name;
    }
  }
  return best;
}

/** Letters to change, add or leave out (Levenshtein), two swapped neighbours as one step. */
function editSteps(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let steps = Math.min(
        (above[j - 1] ?? 0) + (same ? 0 : 1),
        (above[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        steps = Math.min(steps, (before[j - 2] ?? 0) + 1);
      }
      row.push(steps);
    }
    before = above;
    above = row;
  }
  return above[b.length] ?? a.length;
}
