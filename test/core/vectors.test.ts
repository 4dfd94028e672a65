// SPDX-License-Identifier: Apache-2.0
// The guest core's encoder and the drain against the golden vectors. UC_UPDATE_VECTORS=1 writes
// the bytes that C makes into the files, for review before they are committed.
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildProgram, removeBuilt, runProgram, sanitized, scratchFile } from "./programs.ts";
import { readVectors, vectorFile, vectorProgram, wireHeader } from "./vector-source.ts";

const vectors = readVectors();
const made = new Map<string, string>();

beforeAll(() => {
  const source = scratchFile("vectors.c");
  writeFileSync(source, vectorProgram(vectors));
  // The generated initialisers name only what a vector names; the rest is zero on purpose.
  const options = ["-std=c11", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror"];
  const run = runProgram(buildProgram(source, sanitized, options));
  const lines = run.output.trimEnd().split("\n");
  expect(run.errors).toBe("");
  expect(lines.filter((line) => line.startsWith("error"))).toEqual([]);
  for (const line of lines) {
    const [file, index, ...rest] = line.split(" ");
    made.set(`${file} ${index}`, rest.join(" "));
  }
  if (process.env.UC_UPDATE_VECTORS === "1") update();
});

afterAll(removeBuilt);

function update(): void {
  for (const file of ["records", "commands", "pages"] as const) {
    for (const [index, vector] of vectors[file].entries()) {
      vector.hex = made.get(`${file} ${index}`) ?? "";
    }
    writeFileSync(vectorFile(file), `${JSON.stringify(vectors[file], undefined, 2)}\n`);
  }
  for (const [index, vector] of vectors.rings.entries()) {
    Object.assign(vector, parseRing(made.get(`rings ${index}`) ?? ""));
  }
  writeFileSync(vectorFile("rings"), `${JSON.stringify(vectors.rings, undefined, 2)}\n`);
}

function parseRing(line: string) {
  const [ringHex = "", tail = "", , ...records] = line.split(" ");
  return {
    tail,
    ringHex,
    records: records.map((record) => {
      const [type = 0, length = 0, sequence = 0] = record.split(":").map(Number);
      return { type, length, sequence };
    }),
  };
}

test.each(["records", "commands", "pages"] as const)("C makes the bytes of %s", (file) => {
  expect(vectors[file].length).toBeGreaterThan(0);
  for (const [index, vector] of vectors[file].entries()) {
    expect(made.get(`${file} ${index}`), vector.name).toBe(vector.hex);
    expect(vector.hex.length, vector.name).toBeGreaterThan(0);
  }
});

test("C makes the ring images, and the drain reads them", () => {
  expect(vectors.rings.length).toBeGreaterThan(0);
  for (const [index, vector] of vectors.rings.entries()) {
    const { tail, ringHex, records } = vector;
    expect(parseRing(made.get(`rings ${index}`) ?? ""), vector.name).toEqual({
      tail,
      ringHex,
      records,
    });
    expect(records.length, vector.name).toBeGreaterThan(0);
  }
});

const FAULTS = [
  "",
  "E_TAIL_RANGE",
  "E_TAIL_ALIGN",
  "E_LEN_LIMIT",
  "E_LEN_AVAIL",
  "E_CROSS_END",
  "E_PAD_PLACE",
  "E_TYPE_ZERO",
  "E_FLAGS",
  "E_CHECK",
  "E_SEQ",
  "E_SESSION",
];

test("the drain finds the fault of every malformed ring", () => {
  const seen = new Set<string>();
  for (const [index, vector] of vectors.malformed.rings.entries()) {
    const fault = FAULTS[Number(made.get(`malformed ${index}`))];
    expect(fault, vector.name).toBe(vector.fault);
    seen.add(vector.fault);
  }
  expect([...seen].sort()).toEqual(FAULTS.slice(1).sort());
});

test("every record kind and every command of the header has a vector", () => {
  const header = readFileSync(wireHeader, "utf8");
  const defined = (pattern: RegExp): string[] =>
    [...header.matchAll(pattern)].map((match) => match[1] ?? "");
  const framesOnly = new Set(["INVALID", "COMMAND", "LOST", "PAD", "PACKET"]);
  const kinds = defined(/^#define UC_RECORD_(\w+) 0x[0-9a-f]{4}u$/gm).filter(
    (kind) => !framesOnly.has(kind),
  );
  const commands = defined(/^#define UC_COMMAND_(\w+) \d+u$/gm);
  expect(kinds.length).toBeGreaterThan(20);
  expect(new Set(vectors.records.map((vector) => vector.kind))).toEqual(new Set(kinds));
  expect(new Set(vectors.commands.map((vector) => vector.kind))).toEqual(new Set(commands));
});
