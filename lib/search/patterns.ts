// SPDX-License-Identifier: Apache-2.0
// Texts with wildcards, compared without case: how a pattern is joined and matched. The SQL
// compiler's LIKE is held equal to this.
import type { Pattern, PatternPart } from "./syntax.ts";

const ODD_CASE = /[\u0130\u03a3]/;

/**
 * The text in lower case, each character by itself, as DuckDB's lower() has it. It differs from
 * toLowerCase() in a final sigma and a dotted capital I.
 */
export function fold(text: string): string {
  if (!ODD_CASE.test(text)) return text.toLowerCase();
  let folded = "";
  for (const character of text) {
    folded += character === "\u0130" ? "i" : character.toLowerCase();
  }
  return folded;
}

/** Joins neighbouring texts, drops empty ones and repeated `any`. */
export function joinPattern(parts: readonly PatternPart[]): Pattern {
  const result: PatternPart[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    if (typeof part === "string") {
      if (part === "one" || last !== "any") result.push(part);
    } else if (part.text !== "") {
      if (typeof last === "object") result[result.length - 1] = { text: last.text + part.text };
      else result.push(part);
    }
  }
  return result;
}

/** The text of a pattern without wildcards, else undefined. */
export function plainText(pattern: Pattern): string | undefined {
  if (pattern.length === 0) return "";
  const [first] = pattern;
  return pattern.length === 1 && typeof first === "object" ? first.text : undefined;
}

/** Makes a test of whole texts. Its time is at most the text's length times the pattern's. */
export function patternTest(pattern: Pattern): (text: string) => boolean {
  const plain = plainText(pattern);
  if (plain !== undefined) {
    const wanted = fold(plain);
    return (text) => fold(text) === wanted;
  }
  const [first, middle, last] = pattern;
  if (pattern.length === 3 && first === "any" && last === "any" && typeof middle === "object") {
    const wanted = fold(middle.text);
    return (text) => fold(text).includes(wanted);
  }
  const units = pattern.flatMap((part): string[] =>
    part === "any" ? [ANY] : part === "one" ? [ONE] : [...fold(part.text)],
  );
  return (text) => matchUnits(units, [...fold(text)]);
}

// Longer than any character, so that no character is one.
const ANY = "any";
const ONE = "one";

/** After a mismatch it goes back to the last `*` only. */
function matchUnits(units: readonly string[], text: readonly string[]): boolean {
  let unit = 0;
  let at = 0;
  let anyUnit = -1;
  let anyAt = 0;
  while (at < text.length) {
    const here = units[unit];
    if (here === ANY) {
      anyUnit = unit;
      anyAt = at;
      unit += 1;
    } else if (here === ONE || here === text[at]) {
      unit += 1;
      at += 1;
    } else if (anyUnit >= 0) {
      unit = anyUnit + 1;
      anyAt += 1;
      at = anyAt;
    } else return false;
  }
  while (units[unit] === ANY) unit += 1;
  return unit === units.length;
}
