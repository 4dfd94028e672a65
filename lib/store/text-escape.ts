// SPDX-License-Identifier: Apache-2.0
// The query engine ends a text at a zero character; guests can send one. It is stored as two
// characters that no other text becomes.
const ESCAPE = "\ue000";

/** Text as the engine stores it. */
export function escapeText(text: string): string {
  if (!text.includes("\0") && !text.includes(ESCAPE)) return text;
  return text.replaceAll(ESCAPE, `${ESCAPE}1`).replaceAll("\0", `${ESCAPE}0`);
}

/** The inverse of {@link escapeText}. */
export function unescapeText(text: string): string {
  if (!text.includes(ESCAPE)) return text;
  return text.replaceAll(/\ue000([01])/g, (_, which) => (which === "0" ? "\0" : ESCAPE));
}
