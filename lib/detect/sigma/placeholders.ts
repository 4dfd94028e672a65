// SPDX-License-Identifier: Apache-2.0
// The `expand` modifier: `%name%` in a value stands for values that the installation gives (rules
// specification 2.1.0, "Placeholders"). A name without values is refused, as the text asks.
import { joined, type PatternPart, parsePattern, type TextPattern } from "./text-pattern.ts";
import { YamlFault } from "./yaml-node.ts";

/** Values of each name, without the percent signs; they may hold wildcards. */
export type Placeholders = ReadonlyMap<string, readonly string[]>;

const EXPANSIONS_MAX = 10_000;
const PLACEHOLDER = /\\%|%([\w.-]+)%/g;

/**
 * The pattern with its placeholders replaced, once for each value.
 * @throws {YamlFault} for a name without values
 */
export function expandPlaceholders(
  pattern: TextPattern,
  placeholders: Placeholders,
  at: number,
): TextPattern[] {
  let results: PatternPart[][] = [[]];
  const append = (choices: ReadonlyArray<readonly PatternPart[]>): void => {
    if (results.length * choices.length > EXPANSIONS_MAX) {
      throw new YamlFault(`placeholders make more than ${EXPANSIONS_MAX} values`, at);
    }
    results = results.flatMap((result) => choices.map((choice) => [...result, ...choice]));
  };
  for (const part of pattern) {
    if (!("text" in part)) {
      append([[part]]);
      continue;
    }
    let from = 0;
    for (const match of part.text.matchAll(PLACEHOLDER)) {
      append([[{ text: part.text.slice(from, match.index) }]]);
      append(choicesOf(match[1], placeholders, at));
      from = match.index + match[0].length;
    }
    append([[{ text: part.text.slice(from) }]]);
  }
  return results.map(joined);
}

function choicesOf(
  name: string | undefined,
  placeholders: Placeholders,
  at: number,
): ReadonlyArray<readonly PatternPart[]> {
  // An escaped percent sign.
  if (name === undefined) return [[{ text: "%" }]];
  const values = placeholders.get(name);
  if (values === undefined || values.length === 0) {
    throw new YamlFault(`the placeholder %${name}% has no value here`, at);
  }
  return values.map(parsePattern);
}
