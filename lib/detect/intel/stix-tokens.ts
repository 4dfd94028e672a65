// SPDX-License-Identifier: Apache-2.0
// The words of a STIX 2.1 pattern: one sticky expression a kind of token, in the order of the
// grammar. Called by the parser only.
import { UndercroftError } from "../../errors/errors.ts";

export type TokenType =
  | "string"
  | "timestamp"
  | "hex"
  | "binary"
  | "float"
  | "int"
  | "name"
  | "sign"
  | "end";

/** One token; `at`: its place in the pattern, from 0. */
export interface Token {
  readonly type: TokenType;
  /** What stands between the quotes of a literal, escapes resolved; the text itself else. */
  readonly text: string;
  readonly at: number;
}

const DAY = String.raw`\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])`;
const CLOCK = String.raw`(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?`;
const QUARTET = "[A-Za-z0-9+/]{4}";
const BASE64 = `(?:${QUARTET})*(?:${QUARTET}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?`;

type Form = readonly [type: TokenType | "blank", form: RegExp];

const BLANK: Form = ["blank", /(?:\s|\/\*[\s\S]*?\*\/|\/\/[^\n]*)+/y];
const STRING: Form = ["string", /'((?:[^'\\]|\\['\\])*)'/y];
const SIGN: Form = ["sign", /==|!=|<>|<=|>=|[=<>[\]():.,*]/y];
const NAME: Form = ["name", /[A-Za-z_][\w-]*/y];
const FLOAT: Form = ["float", /[+-]?\d*\.\d+(?!\w)/y];
const INT: Form = ["int", /[+-]?(?:0|[1-9]\d*)(?![\w.])/y];
const QUOTED: Readonly<Record<string, Form>> = {
  t: ["timestamp", new RegExp(`t'(${DAY}T${CLOCK}Z)'`, "y")],
  h: ["hex", /h'((?:[0-9A-Fa-f]{2})*)'/y],
  b: ["binary", new RegExp(`b'(${BASE64})'`, "y")],
};

// The first character leaves few kinds of token to try.
function formsAt(pattern: string, at: number): readonly Form[] {
  const first = pattern[at] ?? "";
  if (first === "'") return [STRING];
  if (/[A-Za-z_]/.test(first)) {
    const quoted = pattern[at + 1] === "'" ? QUOTED[first] : undefined;
    return quoted === undefined ? [NAME] : [quoted, NAME];
  }
  if (/[\d+-]/.test(first)) return [FLOAT, INT];
  if (first === ".") return [FLOAT, SIGN];
  return first === "/" || /\s/.test(first) ? [BLANK] : [SIGN];
}

/** An error that names the place in the pattern. */
export function patternError(what: string, at: number): UndercroftError {
  const message = `STIX pattern, column ${at + 1}: ${what}`;
  return new UndercroftError("ERR_UC_PATTERN", message, { column: at + 1 });
}

/**
 * All tokens of a pattern, the last one of type `end`.
 * @throws {UndercroftError} ERR_UC_PATTERN
 */
export function stixTokens(pattern: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < pattern.length) {
    const [type, match] = tokenAt(pattern, at);
    const [whole, quoted] = match;
    if (type !== "blank") {
      const text = type === "string" ? unescaped(quoted ?? "") : (quoted ?? whole);
      tokens.push({ type, text, at });
    }
    at += whole.length;
  }
  tokens.push({ type: "end", text: "", at });
  return tokens;
}

function tokenAt(pattern: string, at: number): [TokenType | "blank", RegExpExecArray] {
  for (const [type, form] of formsAt(pattern, at)) {
    form.lastIndex = at;
    const match = form.exec(pattern);
    if (match !== null) return [type, match];
  }
  const shown = JSON.stringify(pattern.slice(at, at + 20));
  throw patternError(`${shown} is no word of the language`, at);
}

function unescaped(text: string): string {
  return text.includes("\\") ? text.replaceAll(/\\(['\\])/g, "$1") : text;
}
