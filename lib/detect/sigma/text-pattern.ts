// SPDX-License-Identifier: Apache-2.0
// A Sigma string: text with `*` and `?`, and backslash as the escape (rules specification 2.1.0,
// "String Wildcard" and "Escape Character"). Called by the modifiers and by both evaluators.

/** A wildcard among the texts of a pattern. */
export type Wildcard = "any" | "one";

/** Texts and wildcards in order; neighbouring texts are joined, repeated `any` is one. */
export type TextPattern = readonly PatternPart[];

export type PatternPart = { readonly text: string } | { readonly wildcard: Wildcard };

export const ANY: PatternPart = { wildcard: "any" };
const ONE: PatternPart = { wildcard: "one" };

/** What is not simply itself in a value. */
const SPECIAL = /\\(?=[\\*?])|[*?]/g;
const HAS_SPECIAL = /\\[\\*?]|[*?]/;

/** Reads a value of a rule. */
export function parsePattern(value: string): TextPattern {
  if (!HAS_SPECIAL.test(value)) return plainPattern(value);
  const parts: PatternPart[] = [];
  let from = 0;
  SPECIAL.lastIndex = 0;
  for (let match = SPECIAL.exec(value); match !== null; match = SPECIAL.exec(value)) {
    parts.push({ text: value.slice(from, match.index) });
    from = match.index + 1;
    if (match[0] === "\\") {
      // The character after it is plain, whatever it is.
      parts.push({ text: value.slice(from, from + 1) });
      from += 1;
      SPECIAL.lastIndex = from;
    } else parts.push(match[0] === "*" ? ANY : ONE);
  }
  return joined([...parts, { text: value.slice(from) }]);
}

/** The pattern that is just this text. */
export function plainPattern(text: string): TextPattern {
  return text === "" ? [] : [{ text }];
}

/** Joins neighbouring texts, drops empty ones and repeated `any`. */
export function joined(parts: readonly PatternPart[]): TextPattern {
  const result: PatternPart[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    if ("text" in part) {
      if (part.text === "") continue;
      if (last !== undefined && "text" in last) {
        result[result.length - 1] = { text: last.text + part.text };
      } else result.push(part);
    } else if (part !== ANY || last !== ANY) result.push(part);
  }
  return result;
}

/** The text of a pattern without wildcards, else undefined. */
export function plainText(pattern: TextPattern): string | undefined {
  if (pattern.length === 0) return "";
  const [first] = pattern;
  return pattern.length === 1 && first !== undefined && "text" in first ? first.text : undefined;
}

/** The pattern with each of its texts changed, none of them to nothing. */
export function mapTexts(pattern: TextPattern, change: (text: string) => string): TextPattern {
  return pattern.map((part) => ("text" in part ? { text: change(part.text) } : part));
}

/**
 * Whether the whole text is of the pattern. Takes at most length times length steps: after a
 * mismatch it goes back to the last `*` only.
 */
export function matchesPattern(pattern: TextPattern, text: string): boolean {
  let part = 0;
  let at = 0;
  let anyPart = -1;
  let anyAt = 0;
  for (;;) {
    const here = pattern[part];
    if (here === ANY) {
      if (part === pattern.length - 1) return true;
      anyPart = part;
      // The next text's first place is found by the engine's own search.
      at = nextPlace(pattern[part + 1], text, at);
      if (at < 0) return false;
      anyAt = at;
      part += 1;
      continue;
    }
    const end = here === undefined ? -1 : partEnd(here, text, at);
    if (end >= 0) {
      part += 1;
      at = end;
      continue;
    }
    if (here === undefined && at === text.length) return true;
    if (anyPart < 0 || anyAt >= text.length) return false;
    at = nextPlace(pattern[anyPart + 1], text, anyAt + 1);
    if (at < 0) return false;
    anyAt = at;
    part = anyPart + 1;
  }
}

function nextPlace(part: PatternPart | undefined, text: string, from: number): number {
  if (part === undefined) return from;
  return "text" in part ? text.indexOf(part.text, from) : from;
}

/** Where a part that begins at `at` ends, or -1. */
function partEnd(part: PatternPart, text: string, at: number): number {
  if ("text" in part) return text.startsWith(part.text, at) ? at + part.text.length : -1;
  if (at >= text.length) return -1;
  // One character may be two units.
  return at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
}
