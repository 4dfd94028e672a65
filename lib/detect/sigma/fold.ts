// SPDX-License-Identifier: Apache-2.0
// Text as Sigma compares it: without case, and for `windash` with all dashes alike. One definition
// for the parser, the interpreter and the compiled engine, or they would not agree.

/**
 * Lower case of each UTF-16 unit by itself. Unlike toLowerCase() it looks at no neighbour (a final
 * sigma) and keeps the length, so that a folded part of a text is a part of the folded text.
 */
export const FOLD: Uint16Array = makeFold();

function makeFold(): Uint16Array {
  const table = new Uint16Array(0x10000);
  for (let code = 0; code < table.length; code++) {
    const lower = String.fromCharCode(code).toLowerCase();
    table[code] = lower.length === 1 ? lower.charCodeAt(0) : code;
  }
  return table;
}

// Where the text's own toLowerCase() differs from the table.
const UNLIKE_TABLE = /[\u03a3\u0130\ud800-\udfff]/;

/** The text without case. */
export function foldText(text: string): string {
  if (!UNLIKE_TABLE.test(text)) return text.toLowerCase();
  let folded = "";
  for (let at = 0; at < text.length; at++) {
    folded += String.fromCharCode(FOLD[text.charCodeAt(at)] ?? 0);
  }
  return folded;
}

const DASHES = /[\u2013\u2014\u2015/]/g;

/** The five characters of `windash` (modifiers appendix 2.1.0) as one. */
function foldDashes(text: string): string {
  return text.replace(DASHES, "-");
}

/** A text as a test compares it: without case, and with all dashes alike, as it asks. */
export function subjectText(text: string, cased: boolean, dashes: boolean): string {
  const folded = cased ? text : foldText(text);
  return dashes ? foldDashes(folded) : folded;
}
