// SPDX-License-Identifier: Apache-2.0
// The query engine ends a text at a zero character, and its binding swallows a byte order mark at
// the start of one; guests can send both. They are stored as two characters that no other text
// becomes.
const ESCAPE = "\ue000";
const ESCAPED = ["\0", ESCAPE, "\ufeff"];
const NEEDS_ESCAPE = /[\0\ue000\ufeff]/g;

/** Text as the engine stores it. */
export function escapeText(text: string): string {
  return text.replaceAll(NEEDS_ESCAPE, (found) => `${ESCAPE}${ESCAPED.indexOf(found)}`);
}

/** The inverse of {@link escapeText}. */
export function unescapeText(text: string): string {
  if (!text.includes(ESCAPE)) return text;
  return text.replaceAll(/\ue000([012])/g, (_, which: string) => ESCAPED[Number(which)] ?? "");
}
