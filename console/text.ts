// SPDX-License-Identifier: Apache-2.0
// Texts of guests made safe to read: what a reader cannot see, or what turns the direction of a
// line, becomes a mark that names its character. Pure; parts/guest-text.tsx shows it.

/** A run of a text: as it is, or the name of one character that cannot be seen. */
export interface TextPart {
  readonly text: string;
  readonly isMark: boolean;
}

// Controls, format characters (direction and zero width among them), lone surrogates, private
// use, separators but the plain space, and what fonts are told to draw as nothing.
const UNSEEN =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu;

const NAMES: Readonly<Record<number, string>> = { 0: "\\0", 9: "\\t", 10: "\\n", 13: "\\r" };

/** Splits a text at the characters that cannot be seen; longer texts than `max` are cut. */
export function visibleParts(text: string, max: number = 2000): readonly TextPart[] {
  const shown = text.length > max ? text.slice(0, max) : text;
  const parts: TextPart[] = [];
  let from = 0;
  for (const { 0: mark, index } of shown.matchAll(UNSEEN)) {
    if (index > from) parts.push({ text: shown.slice(from, index), isMark: false });
    parts.push({ text: markName(mark), isMark: true });
    from = index + mark.length;
  }
  if (from < shown.length) parts.push({ text: shown.slice(from), isMark: false });
  if (text.length > max) parts.push({ text: `… +${text.length - max}`, isMark: true });
  return parts;
}

/** The same as one text, for attributes and file names. */
export function visibleText(text: string, max: number = 2000): string {
  return visibleParts(text, max)
    .map((part) => part.text)
    .join("");
}

function markName(mark: string): string {
  const code = mark.codePointAt(0) ?? 0;
  return NAMES[code] ?? `\\u{${code.toString(16)}}`;
}
