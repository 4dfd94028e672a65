// SPDX-License-Identifier: Apache-2.0
// The characters of a search: where we are, and the words at that place. Called by the parsers of
// conditions and of stages.
import { searchFault } from "./fault.ts";
import { joinPattern } from "./patterns.ts";
import type { Pattern, PatternPart } from "./syntax.ts";

const WILDCARDS_MAX = 16;

/** A word as it was written. */
export interface Word {
  readonly at: number;
  readonly pattern: Pattern;
  /** The characters, quotes and all. */
  readonly text: string;
}

export class Scanner {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  skipSpace(): void {
    this.match(/\s*/y);
  }

  /** The next character, after spaces; empty at the end. */
  peek(): string {
    this.skipSpace();
    return this.text[this.at] ?? "";
  }

  /** Takes what a sticky expression finds here. */
  match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.at;
    const found = expression.exec(this.text);
    if (found === null) return undefined;
    this.at = expression.lastIndex;
    return found;
  }

  /** Whether a keyword stands here, after spaces; in any case of its letters. */
  isKeyword(word: "and" | "not" | "or"): boolean {
    this.skipSpace();
    const found = /(and|or|not)(?=[\s()|"]|$)/iy;
    found.lastIndex = this.at;
    return found.exec(this.text)?.[1]?.toLowerCase() === word;
  }

  /** Takes a keyword, where it stands here. */
  takeKeyword(word: "and" | "not" | "or"): boolean {
    if (!this.isKeyword(word)) return false;
    this.at += word.length;
    return true;
  }

  /** Takes a word: quoted and bare parts without spaces between them. */
  takeWord(): Word {
    const at = this.at;
    const parts: PatternPart[] = [];
    let wildcards = 0;
    for (;;) {
      const part = this.#wordPart();
      if (part === undefined) break;
      if (typeof part === "string") wildcards += 1;
      parts.push(part);
    }
    if (wildcards > WILDCARDS_MAX) {
      throw searchFault(`more than ${WILDCARDS_MAX} wildcards in one word`, at);
    }
    return { at, pattern: joinPattern(parts), text: this.text.slice(at, this.at) };
  }

  #wordPart(): PatternPart | undefined {
    const bare = this.match(/(?:[^\s()|"*?\\]|\\(?![\\*?"]))+/y);
    if (bare !== undefined) return { text: bare[0] };
    const escaped = this.match(/\\([\\*?"])/y);
    if (escaped !== undefined) return { text: escaped[1] ?? "" };
    const wildcard = this.match(/[*?]/y);
    if (wildcard !== undefined) return wildcard[0] === "*" ? "any" : "one";
    if (this.text[this.at] !== '"') return undefined;
    const phrase = this.match(/"((?:[^"\\]|\\[\s\S])*)"/y);
    if (phrase === undefined) throw searchFault('a " is not closed', this.at);
    return { text: (phrase[1] ?? "").replaceAll(/\\([\\"])/g, "$1") };
  }
}
