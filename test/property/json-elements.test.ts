// SPDX-License-Identifier: Apache-2.0
// The reader of JSON elements against JSON.parse: any text, any spacing, cut into any chunks. And
// damage: it never throws, never loops, and says where.
import fc from "fast-check";
import { expect, test } from "vitest";
import { JsonElements, type JsonPath, pathText } from "../../lib/detect/intel/json-elements.ts";
import { holds } from "../support/property.ts";

interface Read {
  readonly taken: Array<readonly [string, unknown]>;
  readonly problems: Array<readonly [string, string]>;
}

const isWanted = (path: JsonPath): boolean => path.length === 2 && path[0] === "objects";

function read(bytes: Uint8Array, cuts: readonly number[], depthMax = 64): Read {
  const taken: Array<readonly [string, unknown]> = [];
  const problems: Array<readonly [string, string]> = [];
  const elements = new JsonElements({
    wanted: isWanted,
    take: (value, path) => taken.push([pathText(path), value]),
    problem: (place, reason) => problems.push([place, reason]),
    elementBytesMax: 10_000,
    depthMax,
  });
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  places.sort((one, other) => one - other);
  for (const [index, at] of places.entries()) {
    // A copy that is spoilt afterwards: nothing of a chunk may be kept.
    const chunk = bytes.slice(at, places[index + 1] ?? at);
    elements.push(chunk);
    chunk.fill(0x21);
  }
  elements.end();
  return { taken, problems };
}

const encoder = new TextEncoder();
const members = fc.dictionary(
  fc.constantFrom("a", "objects", "b\u00e9", 'b"', "c\\d"),
  fc.jsonValue(),
);
const document = fc.tuple(
  fc.oneof(fc.array(fc.jsonValue(), { maxLength: 4 }), members),
  members,
  fc.constantFrom(undefined, 1, "\t"),
);
const cuts = fc.array(fc.nat(5000), { maxLength: 8 });

test("elements are those of JSON.parse, whatever the chunks", () => {
  holds(
    fc.property(document, cuts, ([objects, rest, space], at) => {
      const { objects: _none, ...others } = rest;
      const text = JSON.stringify({ ...others, objects, z: [{}] }, undefined, space);
      const { taken, problems } = read(encoder.encode(text), at);
      const parsed = JSON.parse(text).objects;
      const wanted = Array.isArray(parsed) ? parsed : Object.values(parsed);
      expect(problems).toEqual([]);
      // As texts: expect() takes an own property named __proto__ for something else.
      const values = taken.map(([, value]) => JSON.stringify(value));
      expect(values).toEqual(wanted.map((one: unknown) => JSON.stringify(one)));
      const places = Array.isArray(parsed) ? wanted.map((_, index) => `$.objects[${index}]`) : [];
      if (Array.isArray(parsed)) expect(taken.map(([place]) => place)).toEqual(places);
    }),
    400,
  );
});

test("damage is told once at least, and never thrown", () => {
  let damagedCount = 0;
  holds(
    fc.property(document, cuts, fc.nat(2000), fc.nat(255), ([objects, rest], at, place, byte) => {
      const bytes = encoder.encode(JSON.stringify({ ...rest, objects }));
      bytes[place % bytes.length] = byte;
      const { problems } = read(bytes, at);
      let isDamaged = false;
      try {
        JSON.parse(new TextDecoder().decode(bytes));
      } catch {
        isDamaged = true;
      }
      if (isDamaged) damagedCount++;
      // Strings and numbers that nobody asked for are not looked into.
      if (!isDamaged) expect(problems).toEqual([]);
    }),
    400,
  );
  expect(damagedCount).toBeGreaterThan(50);
});

test("a text cut short anywhere is told", () => {
  const text = JSON.stringify({ type: "bundle", objects: [{ a: ["b", 1] }, "c", 5] });
  for (let length = 0; length < text.length; length++) {
    const { problems } = read(encoder.encode(text.slice(0, length)), []);
    expect(problems.length, text.slice(0, length)).toBeGreaterThan(0);
  }
});

test("an element that is damaged, too large or too deep leaves the others", () => {
  const deep = `${"[".repeat(100)}${"]".repeat(100)}`;
  const text = `{"objects": [1, {"a": nope}, "${"x".repeat(20_000)}", ${deep}, {"b": 2}]}`;
  for (const at of [[], Array.from({ length: 1000 }, (_, index) => index * 21)]) {
    const { taken, problems } = read(encoder.encode(text), at);
    expect(taken).toEqual([
      ["$.objects[0]", 1],
      ["$.objects[4]", { b: 2 }],
    ]);
    expect(problems.map(([place]) => place)).toEqual([
      "$.objects[1]",
      "$.objects[2]",
      "$.objects[3]",
    ]);
    expect(problems[1]?.[1]).toContain("larger than 10000 bytes");
    expect(problems[2]?.[1]).toContain("deeper than 64");
  }
});

test("damage between elements names its line and ends the reading", () => {
  const { taken, problems } = read(encoder.encode('{"objects": [1,\n2}, 3]}'), []);
  expect(taken.map(([, value]) => value)).toEqual([1, 2]);
  expect(problems).toEqual([["$.objects[1]", expect.stringContaining("line 2, byte 17")]]);
});
