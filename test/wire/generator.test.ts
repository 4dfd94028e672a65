// SPDX-License-Identifier: Apache-2.0
// The generator behind uc_wire.h: refuses what the grammar does not allow, and finds every
// generated file that does not fit the header. Works on a copy; the repository stays as it is.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { emitCheckHeader, emitTypeScript, parseWireHeader } from "../../scripts/wire-gen.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const HEADER = "guest-drivers/wire/uc_wire.h";
const GENERATED = [
  "lib/wire/layout.gen.ts",
  "guest-drivers/wire/uc_wire_check.gen.h",
  "docs/wire-format.md",
];

const good = `
#define UC_MAGIC 0x1234u
struct uc_thing {
	uint64_t first;
	uint32_t second;
	/* a comment,
	 * over two lines */
	uint8_t rest[4];
};
`;

describe("the grammar", () => {
  it("gives names, offsets and sizes", () => {
    const { constants, structs } = parseWireHeader(good);
    expect(constants).toEqual([{ name: "UC_MAGIC", value: 0x1234n, wide: false }]);
    expect(structs).toEqual([
      {
        name: "uc_thing",
        size: 16,
        fields: [
          { name: "first", type: "uint64_t", count: 1, offset: 0, size: 8 },
          { name: "second", type: "uint32_t", count: 1, offset: 8, size: 4 },
          { name: "rest", type: "uint8_t", count: 4, offset: 12, size: 4 },
        ],
      },
    ]);
  });

  const bad: ReadonlyArray<readonly [what: string, from: string, to: string, why: RegExp]> = [
    ["an unaligned field", "uint64_t first;", "uint32_t a;\n\tuint64_t first;", /unaligned at 4/],
    ["an enum", "struct uc_thing {", "enum uc_kind { A };\nstruct uc_thing {", /outside/],
    ["a constant twice", "struct", "#define UC_MAGIC 1u\nstruct", /defined twice/],
    ["a structure twice", "#define", "struct uc_thing {\n};\n#define", /defined twice/],
    ["a field twice", "uint8_t rest[4]", "uint32_t second", /defined twice/],
    ["a size that is no multiple of 8", "\tuint8_t rest[4];\n", "", /no multiple of 8/],
    ["a pointer", "uint64_t first", "void *first", /outside/],
    ["a plain int", "uint32_t second", "int second", /outside/],
    ["a signed field", "uint32_t second", "int32_t second", /outside/],
    ["a bit field", "uint32_t second", "uint32_t second:3", /outside/],
    ["a length by name", "rest[4]", "rest[UC_MAGIC]", /outside/],
    ["an expression", "0x1234u", "(1u << 3)", /outside/],
    ["a constant without its suffix", "0x1234u", "0x1234", /outside/],
    ["a foreign name", "uc_thing", "thing", /outside/],
    ["a structure in a structure", "uint64_t first;", "struct uc_in {\n\t};", /outside/],
    ["a structure without an end", "};", "", /not closed/],
    ["a line of something else", "struct uc_thing", "typedef int x;\nstruct uc_thing", /outside/],
  ];
  it.each(bad)("refuses %s and says where", (_what, from, to, why) => {
    const text = good.replace(from, to);
    expect(text).not.toBe(good);
    expect(() => parseWireHeader(text)).toThrow(why);
    expect(() => parseWireHeader(text)).toThrow(/uc_wire\.h/);
  });

  it("carries a hash of every byte, comments too", () => {
    expect(parseWireHeader(`${good} `).hash).not.toBe(parseWireHeader(good).hash);
    const header = parseWireHeader(good);
    const hash = `0x${header.hash.toString(16).padStart(8, "0")}`;
    expect(emitTypeScript(header)).toContain(`WIRE_HASH = ${hash} as const`);
    expect(emitCheckHeader(header)).toContain(`UC_WIRE_HASH ${hash}u`);
  });
});

describe("a stale file", () => {
  let copy = "";
  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), "undercroft-wire-"));
    for (const path of [HEADER, ...GENERATED, "scripts/wire-gen.ts"]) {
      cpSync(join(ROOT, path), join(copy, path));
    }
    writeFileSync(join(copy, "package.json"), '{ "type": "module" }');
    expect(generate().status).toBe(0);
  });
  afterEach(() => rmSync(copy, { recursive: true }));

  const generate = (...options: string[]) =>
    spawnSync(process.execPath, [join(copy, "scripts/wire-gen.ts"), ...options], {
      encoding: "utf8",
      timeout: 30_000,
    });
  const edit = (path: string, from: string, to: string): void => {
    const text = readFileSync(join(copy, path), "utf8");
    expect(text).toContain(from);
    writeFileSync(join(copy, path), text.replace(from, to));
  };

  it("is none right after generating", () => {
    const { status, stderr } = generate("--check");
    expect([status, stderr]).toEqual([0, ""]);
  });

  it("is each of the three once the header changes", () => {
    edit(HEADER, "uint32_t protocol_min;", "uint32_t protocol_least;");
    const { status, stderr } = generate("--check");
    expect(status).toBe(1);
    for (const path of GENERATED) expect(stderr).toContain(`${path} is stale`);
    expect(generate().status).toBe(0);
    expect(generate("--check").status).toBe(0);
  });

  it.each(GENERATED)("is %s when it is edited by hand, or missing", (path) => {
    edit(path, "96", "97");
    const edited = generate("--check");
    expect([edited.status, edited.stderr]).toEqual([1, `${path} is stale: run npm run wire:gen\n`]);
    if (path.endsWith(".md")) return;
    rmSync(join(copy, path));
    expect(generate("--check").status).toBe(1);
  });

  it("changes nothing when it is only looked for", () => {
    edit(GENERATED[0] ?? "", "96", "97");
    const before = readFileSync(join(copy, GENERATED[0] ?? ""), "utf8");
    generate("--check");
    expect(readFileSync(join(copy, GENERATED[0] ?? ""), "utf8")).toBe(before);
  });
});
