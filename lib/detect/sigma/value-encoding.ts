// SPDX-License-Identifier: Apache-2.0
// Modifiers that encode a value: what they make of a pattern. Called by modifiers.ts.
import { base64Offsets, base64Text, utf8Bytes, utf16Bytes } from "./encode.ts";
import { mapTexts, plainPattern, plainText, type TextPattern } from "./text-pattern.ts";
import { YamlFault } from "./yaml-node.ts";

export type EncodingModifier = "base64" | "base64offset" | "utf16" | "utf16le" | "utf16be" | "wide";

const ENCODINGS: ReadonlySet<string> = new Set([
  ...["base64", "base64offset", "utf16", "utf16le", "utf16be", "wide"],
]);
const DASHES = ["-", "/", "\u2013", "\u2014", "\u2015"] as const;
/** Values that the dashes of one value may make where each must be written out. */
const PERMUTATIONS_MAX = 5 ** 4;

/** Whether a modifier encodes. */
export function isEncoding(word: string): boolean {
  return ENCODINGS.has(word);
}

/**
 * The patterns encoded; with `dashes` first in all spellings of their dashes. `isBytes`: an
 * encoding before this one has made bytes of them.
 * @throws {YamlFault} where wildcards, or too many dashes, leave nothing to encode
 */
export function encodePatterns(
  patterns: readonly TextPattern[],
  encoding: EncodingModifier,
  state: { readonly dashes: boolean; readonly isBytes: boolean },
  at: number,
): TextPattern[] {
  const spelled = state.dashes ? patterns.flatMap((one) => dashSpellings(one, at)) : patterns;
  return spelled.flatMap((pattern) => encodePattern(pattern, encoding, state.isBytes, at));
}

function encodePattern(
  pattern: TextPattern,
  encoding: EncodingModifier,
  isBytes: boolean,
  at: number,
): TextPattern[] {
  switch (encoding) {
    case "wide":
    case "utf16le":
      return [mapTexts(pattern, (text) => utf16Bytes(text, "little"))];
    case "utf16be":
      return [mapTexts(pattern, (text) => utf16Bytes(text, "big"))];
    case "utf16":
      return [mapTexts(pattern, (text) => utf16Bytes(`\uFEFF${text}`, "little"))];
    case "base64":
      return [plainPattern(base64Text(bytesOf(pattern, encoding, isBytes, at)))];
    case "base64offset":
      return base64Offsets(bytesOf(pattern, encoding, isBytes, at)).map(plainPattern);
  }
}

function bytesOf(
  pattern: TextPattern,
  encoding: EncodingModifier,
  isBytes: boolean,
  at: number,
): string {
  const text = plainText(pattern);
  if (text === undefined) throw new YamlFault(`${encoding} cannot encode wildcards`, at);
  if (text === "") throw new YamlFault(`${encoding} of nothing`, at);
  return isBytes ? text : utf8Bytes(text);
}

function dashSpellings(pattern: TextPattern, at: number): TextPattern[] {
  const text = plainText(pattern);
  if (text === undefined) throw new YamlFault("windash with wildcards cannot be encoded", at);
  let spellings = [""];
  for (const character of text) {
    const choices = DASHES.some((dash) => dash === character) ? DASHES : [character];
    if (spellings.length * choices.length > PERMUTATIONS_MAX) {
      throw new YamlFault("windash: more dashes than can be encoded in all spellings", at);
    }
    spellings = spellings.flatMap((spelling) => choices.map((choice) => spelling + choice));
  }
  return spellings.map(plainPattern);
}
