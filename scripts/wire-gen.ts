// SPDX-License-Identifier: Apache-2.0
// Derives everything that must agree with guest-drivers/wire/uc_wire.h from that one file: the
// TypeScript layout, the C static asserts and the tables of docs/wire-format.md.
// `--check` writes nothing and fails when a generated file is stale.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../", import.meta.url);
const HEADER = "guest-drivers/wire/uc_wire.h";

export type WireField = {
  readonly name: string;
  readonly type: string;
  readonly count: number;
  readonly offset: number;
  readonly size: number;
};
export type WireStruct = {
  readonly name: string;
  readonly fields: readonly WireField[];
  readonly size: number;
};
export type WireConstant = {
  readonly name: string;
  readonly value: bigint;
  readonly wide: boolean;
};
export type WireHeader = {
  readonly constants: readonly WireConstant[];
  readonly structs: readonly WireStruct[];
  readonly hash: number;
};

const FIELD_BYTES: Readonly<Record<string, number>> = {
  uint8_t: 1,
  uint16_t: 2,
  uint32_t: 4,
  uint64_t: 8,
};

/** Parses the restricted grammar of the wire header; throws on anything outside it. */
export function parseWireHeader(text: string): WireHeader {
  const constants: WireConstant[] = [];
  const structs: WireStruct[] = [];
  const bare = text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "));
  let open: { name: string; fields: WireField[]; offset: number } | undefined;
  for (const [index, raw] of bare.split("\n").entries()) {
    const line = raw.trim();
    const fail = (why: string): never => {
      throw new Error(`${HEADER}:${index + 1}: ${why}: ${line}`);
    };
    if (line === "" || /^#(ifndef|endif)\b/.test(line) || line === "#define UC_WIRE_H") continue;
    const constant = /^#define (UC_[A-Z0-9_]+) (0x[0-9a-f]+|[0-9]+)(u|ull)$/.exec(line);
    if (constant) {
      const [, name = "", value = "", suffix] = constant;
      if (constants.some((known) => known.name === name)) fail("defined twice");
      constants.push({ name, value: BigInt(value), wide: suffix === "ull" });
      continue;
    }
    const head = /^struct (uc_[a-z0-9_]+) \{$/.exec(line);
    if (head && !open) {
      if (structs.some((known) => known.name === head[1])) fail("defined twice");
      open = { name: head[1] ?? "", fields: [], offset: 0 };
      continue;
    }
    if (line === "};" && open) {
      if (open.offset % 8 !== 0) fail(`size ${open.offset} of ${open.name} is no multiple of 8`);
      structs.push({ name: open.name, fields: open.fields, size: open.offset });
      open = undefined;
      continue;
    }
    const field = /^(uint(?:8|16|32|64)_t) ([a-z][a-z0-9_]*)(?:\[([0-9]+)\])?;$/.exec(line);
    if (field && open) {
      const [, type = "", name = "", length] = field;
      const unit = FIELD_BYTES[type] ?? fail("unknown type");
      if (open.fields.some((known) => known.name === name)) fail("defined twice");
      if (open.offset % unit !== 0) fail(`unaligned at ${open.offset}`);
      const count = length === undefined ? 1 : Number(length);
      open.fields.push({ name, type, count, offset: open.offset, size: unit * count });
      open.offset += unit * count;
      continue;
    }
    fail("outside the grammar");
  }
  if (open) throw new Error(`${HEADER}: ${open.name} is not closed`);
  const hash = createHash("sha256").update(text).digest().readUInt32LE(0);
  return { constants, structs, hash };
}

const camel = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const upper = (name: string): string => name.replace(/^uc_/, "").toUpperCase();
const short = (name: string): string => name.replace(/^UC_/, "");

/** Returns lib/wire/layout.gen.ts. */
export function emitTypeScript(header: WireHeader): string {
  const out = [
    "// SPDX-License-Identifier: Apache-2.0",
    `// Generated from ${HEADER} by scripts/wire-gen.ts. Do not edit.`,
    "",
    `export const WIRE_HASH = 0x${header.hash.toString(16).padStart(8, "0")} as const;`,
  ];
  for (const { name, value, wide } of header.constants) {
    const literal = value > 9n && wide ? `0x${value.toString(16)}` : value.toString();
    out.push(`export const ${short(name)} = ${literal}${wide ? "n" : ""} as const;`);
  }
  for (const struct of header.structs) {
    out.push("", `/** Offsets of \`struct ${struct.name}\`, in bytes. */`);
    out.push(`export const ${upper(struct.name)}_LAYOUT = {`, `  size: ${struct.size},`);
    for (const field of struct.fields) out.push(`  ${camel(field.name)}: ${field.offset},`);
    out.push("} as const;");
  }
  return `${out.join("\n")}\n`;
}

/** Returns the C header whose static asserts every compiler of the project must accept. */
export function emitCheckHeader(header: WireHeader): string {
  const out = [
    "/* SPDX-License-Identifier: GPL-2.0-only OR MIT */",
    "/* Generated from uc_wire.h by scripts/wire-gen.ts. Do not edit.",
    " * Included once by every build of the wire format, so that the generator's offsets and",
    " * the compiler's cannot differ. The includer has offsetof. */",
    "#ifndef UC_WIRE_CHECK_GEN_H",
    "#define UC_WIRE_CHECK_GEN_H",
    "",
    '#include "uc_wire.h"',
    "",
    "#ifdef __cplusplus",
    "#define UC_WIRE_ASSERT static_assert",
    "#else",
    "#define UC_WIRE_ASSERT _Static_assert",
    "#endif",
    "",
    `#define UC_WIRE_HASH 0x${header.hash.toString(16).padStart(8, "0")}u`,
  ];
  for (const struct of header.structs) {
    out.push(
      "",
      `UC_WIRE_ASSERT(sizeof(struct ${struct.name}) == ${struct.size}, "${struct.name}");`,
    );
    for (const field of struct.fields) {
      const where = `offsetof(struct ${struct.name}, ${field.name}) == ${field.offset}`;
      const what = `sizeof(((struct ${struct.name} *)0)->${field.name}) == ${field.size}`;
      out.push(`UC_WIRE_ASSERT(${where},`, `\t"${struct.name}.${field.name}");`);
      out.push(`UC_WIRE_ASSERT(${what},`, `\t"${struct.name}.${field.name}");`);
    }
  }
  out.push("", "#endif", "");
  return out.join("\n");
}

/** Replaces the generated part of docs/wire-format.md. */
export function emitTables(header: WireHeader, page: string): string {
  const out: string[] = [];
  for (const struct of header.structs) {
    out.push(`### \`${struct.name}\` (${struct.size} bytes)`, "");
    out.push("| Offset | Bytes | Type | Field |", "|---:|---:|---|---|");
    for (const { name, type, count, offset, size } of struct.fields) {
      const shape = count === 1 ? type : `${type}[${count}]`;
      out.push(`| ${offset} | ${size} | ${shape} | ${name} |`);
    }
    out.push("");
  }
  out.push("### Constants", "", "| Name | Value |", "|---|---:|");
  for (const { name, value, wide } of header.constants) {
    out.push(`| ${name} | ${wide ? `0x${value.toString(16)}` : value.toString()} |`);
  }
  const [start, end] = ["<!-- generated: tables -->", "<!-- generated: end -->"];
  const [before, rest = ""] = page.split(start);
  const after = rest.split(end)[1] ?? "\n";
  return `${before}${start}\n\n${out.join("\n")}\n\n${end}${after}`;
}

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), "utf8");
}

function main(): void {
  const header = parseWireHeader(read(HEADER));
  const files: ReadonlyArray<readonly [string, string]> = [
    ["lib/wire/layout.gen.ts", emitTypeScript(header)],
    ["guest-drivers/wire/uc_wire_check.gen.h", emitCheckHeader(header)],
    ["docs/wire-format.md", emitTables(header, read("docs/wire-format.md"))],
  ];
  const check = process.argv.includes("--check");
  let stale = 0;
  for (const [path, text] of files) {
    if (check) {
      let now = "";
      try {
        now = read(path);
      } catch {}
      if (now !== text) {
        stale++;
        process.stderr.write(`${path} is stale: run npm run wire:gen\n`);
      }
    } else {
      writeFileSync(new URL(path, ROOT), text);
    }
  }
  process.exitCode = stale > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
