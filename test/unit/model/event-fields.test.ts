// SPDX-License-Identifier: Apache-2.0
// The table of fields and the shapes of events fit each other. That no kind and no property is
// forgotten, and that types agree, is the compiler's to say.
import { expect, test } from "vitest";
import {
  FIELD_GROUPS,
  FIELD_NAMES,
  fieldOf,
  fieldType,
  KIND_SHAPES,
  SHAPE_FIELDS,
} from "../../../lib/model/model.ts";
import { exec } from "../events.ts";

const shapes = Object.entries(SHAPE_FIELDS);

test("two properties of an event never share a field", () => {
  for (const [shape, fields] of shapes) {
    const names = Object.values(fields);
    expect(new Set(names).size, shape).toBe(names.length);
  }
});

test("every field is some event's, and every shape some kind's", () => {
  const used = new Set<string>(shapes.flatMap(([, fields]) => Object.values(fields)));
  expect(FIELD_NAMES.filter((name) => !used.has(name))).toEqual([]);
  expect(new Set(Object.values(KIND_SHAPES))).toEqual(new Set(shapes.map(([shape]) => shape)));
});

test("whatever acted can be walked: guest, boot, pid and start stand together", () => {
  for (const [shape, fields] of shapes) {
    const names = new Set<string>(Object.values(fields));
    expect(names.has("time") && names.has("guest") && names.has("boot"), shape).toBe(true);
    if (shape === "loss") continue;
    expect(names.has("pid") && names.has("start_ns") && names.has("generation"), shape).toBe(true);
  }
});

test("field names are plain words; groups are of one type and no field's name", () => {
  for (const name of FIELD_NAMES) expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
  for (const [group, names] of Object.entries(FIELD_GROUPS)) {
    expect(FIELD_NAMES).not.toContain(group);
    expect(new Set(names.map(fieldType)).size, group).toBe(1);
  }
});

test("an event is asked by field", () => {
  const event = exec({ arguments: ["a", "b c"], parentStartNs: 9n });
  expect(fieldOf(event, "command_line")).toBe("a b c");
  expect(fieldOf(event, "parent_start_ns")).toBe(9n);
  expect(fieldOf(event, "key")).toBeUndefined();
});
