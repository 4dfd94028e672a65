// SPDX-License-Identifier: Apache-2.0
// Literals that must be in a field for a leaf to hold. Those of many rules are looked for in one
// pass; a leaf that is nothing but its literal is answered by that pass alone.
import { foldText } from "./fold.ts";
import type { LiteralPlace } from "./literal-trie.ts";
import { regexNeeds } from "./regex-needs.ts";
import type { Leaf, Test } from "./rule.ts";
import { ANY, type PatternPart, type TextPattern } from "./text-pattern.ts";

/** A literal at a place of a field; without a field: in any value of the event. */
export interface Trigger {
  readonly field: string | undefined;
  readonly place: LiteralPlace;
  /** Folded. */
  readonly text: string;
}

/** What must be in a field for a leaf to hold. */
export interface LeafNeeds {
  /** Sets of literals: of each set one must be there. Any of the sets may stand for the leaf. */
  readonly choices: ReadonlyArray<readonly NeededLiteral[]>;
  /** The leaf holds exactly when the one literal of the one set is there. */
  readonly exact: boolean;
}

/** A literal, folded, and where in the field it must be. */
export interface NeededLiteral {
  readonly place: LiteralPlace;
  readonly text: string;
}

/** All distinct triggers of a rule set, numbered. */
export class TriggerTable {
  readonly triggers: Trigger[] = [];
  /** By field and place: numbers by text. Joined keys of so many would be most of the memory. */
  readonly #numbers = new Map<string | undefined, Record<LiteralPlace, Map<string, number>>>();

  /** The number of a trigger, a new one where it is not known. */
  number(field: string | undefined, place: LiteralPlace, text: string): number {
    let places = this.#numbers.get(field);
    if (places === undefined) {
      const none = (): Map<string, number> => new Map();
      places = { contains: none(), startswith: none(), endswith: none(), equals: none() };
      this.#numbers.set(field, places);
    }
    const numbers = places[place];
    const known = numbers.get(text);
    if (known !== undefined) return known;
    const number = this.triggers.push({ field, place, text }) - 1;
    numbers.set(text, number);
    return number;
  }

  /** Lets go of what only adding needs. */
  close(): void {
    this.#numbers.clear();
  }
}

type TextTest = Test & { readonly kind: "text" };

const NO_NEEDS: LeafNeeds = { choices: [], exact: false };

/** Literals that a leaf needs; none where it asks for no text. */
export function leafNeeds({ test }: Leaf): LeafNeeds {
  if (test.kind === "regex") {
    const { choices } = regexNeeds(test.source, test.flags);
    return { choices: choices.map((set) => set.map(contained)), exact: false };
  }
  if (test.kind !== "text") return NO_NEEDS;
  const { pattern } = test;
  const single = singleNeed(test);
  if (single !== undefined) return { choices: [[single]], exact: true };
  const hasDash = (text: string): boolean => test.dashes && text.includes("-");
  const isBare = !test.cased && !pattern.some((part) => hasDash(textOf(part)));
  // The empty text is equal to itself, and contained in everything.
  if (pattern.length === 0) return { choices: [[{ place: "equals", text: "" }]], exact: isBare };
  const choices = pattern.flatMap((part, index) => {
    const text = textOf(part);
    if (text === "") return [];
    if (hasDash(text)) return piecesOf(text).map((piece) => [contained(piece)]);
    return [[{ place: placeOf(index, pattern.length), text: foldText(text) }]];
  });
  return { choices, exact: isBare && isSimple(pattern) && choices.length === 1 };
}

/** The literal of nearly every leaf: one text, maybe with `*` beside it, without case or dashes. */
function singleNeed({ pattern, cased, dashes }: TextTest): NeededLiteral | undefined {
  if (cased || dashes || pattern.length > 3) return undefined;
  let index = -1;
  for (let at = 0; at < pattern.length; at++) {
    const part = pattern[at];
    if (part === undefined || part === ANY) continue;
    if (index >= 0 || !("text" in part)) return undefined;
    index = at;
  }
  const text = textOf(pattern[index] ?? ANY);
  return text === "" ? undefined : { place: placeOf(index, pattern.length), text: foldText(text) };
}

function contained(text: string): NeededLiteral {
  return { place: "contains", text };
}

/** One text, with `*` before it, after it, both or neither. */
function isSimple(pattern: TextPattern): boolean {
  return pattern.every((part) => "text" in part || part === ANY);
}

function textOf(part: PatternPart): string {
  return "text" in part ? part.text : "";
}

function placeOf(index: number, count: number): LiteralPlace {
  if (count === 1) return "equals";
  if (index === 0) return "startswith";
  return index === count - 1 ? "endswith" : "contains";
}

/** Between dashes, which may be written in five ways. */
function piecesOf(text: string): string[] {
  return foldText(text)
    .split("-")
    .filter((piece) => piece !== "");
}
