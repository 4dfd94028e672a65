// SPDX-License-Identifier: Apache-2.0
// What a text must hold for a regular expression to match: literals, and a least length. Lets the
// engine ask few expressions. It understands a part of RE2's syntax and says nothing of the rest.

/** What any match needs. */
export interface RegexNeeds {
  /** Sets of literals, folded: of each set one must be there. */
  readonly choices: ReadonlyArray<readonly string[]>;
  /** Characters, at least. */
  readonly lengthMin: number;
}

const NO_NEEDS: RegexNeeds = { choices: [], lengthMin: 0 };
/** Sets of more literals say too little. */
const SET_SIZE_MAX = 64;
/** Texts that a run of characters and small classes may be. */
const RUN_SIZE_MAX = 16;
const DEPTH_MAX = 32;

/** Needs of an expression; of none that this does not understand. */
export function regexNeeds(source: string, flags: string): RegexNeeds {
  try {
    const reader = new Reader(source, flags.includes("i"));
    return reader.all();
  } catch (cause) {
    if (cause instanceof NotUnderstood) return NO_NEEDS;
    throw cause;
  }
}

class NotUnderstood extends Error {}

/** How often a part may or must come. */
interface Quantifier {
  readonly min: number;
  readonly max: number;
}

/** A part of a sequence: the texts that it may be, folded, where these are few; what it needs. */
interface Part {
  readonly literals: readonly string[] | undefined;
  readonly needs: RegexNeeds;
}

const ONCE: Quantifier = { min: 1, max: 1 };

class Reader {
  readonly #source: string;
  #at = 0;
  #isFolded: boolean;
  #depth = 0;

  constructor(source: string, isFolded: boolean) {
    this.#source = source;
    this.#isFolded = isFolded;
  }

  all(): RegexNeeds {
    const needs = this.#alternatives();
    if (this.#at < this.#source.length) throw new NotUnderstood();
    return needs;
  }

  /** `a|b|c` up to the end or a closing parenthesis. */
  #alternatives(): RegexNeeds {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw new NotUnderstood();
    const branches = [this.#sequence()];
    while (this.#source[this.#at] === "|") {
      this.#at += 1;
      branches.push(this.#sequence());
    }
    this.#depth -= 1;
    const [first = NO_NEEDS] = branches;
    if (branches.length === 1) return first;
    const lengthMin = Math.min(...branches.map((branch) => branch.lengthMin));
    const union = branches.flatMap(({ choices }) => mostTelling(choices) ?? []);
    const isWhole = branches.every(({ choices }) => choices.length > 0);
    const isUsable = isWhole && union.length <= SET_SIZE_MAX;
    return { choices: isUsable ? [union] : [], lengthMin };
  }

  #sequence(): RegexNeeds {
    const choices: Array<readonly string[]> = [];
    let lengthMin = 0;
    let run: readonly string[] = [""];
    const endRun = (): void => {
      if (run[0] !== "") choices.push(run);
      run = [""];
    };
    while (this.#at < this.#source.length && !/[|)]/.test(this.#source[this.#at] ?? "")) {
      const { literals, needs } = this.#part();
      const { min, max } = this.#quantifier();
      lengthMin += needs.lengthMin * min;
      if (literals !== undefined && min > 0) {
        if (run.length * literals.length > RUN_SIZE_MAX) endRun();
        run = run.flatMap((text) => literals.map((literal) => text + literal));
      }
      if (literals === undefined || min !== 1 || max !== 1) endRun();
      if (min > 0) choices.push(...needs.choices);
    }
    endRun();
    return { choices, lengthMin };
  }

  /** One part without its quantifier. */
  #part(): Part {
    const character = this.#source[this.#at] ?? "";
    this.#at += 1;
    switch (character) {
      case "(":
        return { literals: undefined, needs: this.#group() };
      case "[":
        return this.#class();
      case ".":
        return ANY_CHARACTER;
      case "^":
      case "$":
        return NOTHING;
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        throw new NotUnderstood();
      default:
        return this.#literal(character);
    }
  }

  #literal(character: string): Part {
    if (!this.#isPlain(character)) return ANY_CHARACTER;
    return { literals: [character.toLowerCase()], needs: ANY_CHARACTER.needs };
  }

  // Without case an s is also a long s and the like, which our folding does not join.
  #isPlain(character: string): boolean {
    return character <= "~" && !(this.#isFolded && /s/i.test(character));
  }

  #escape(): Part {
    const character = this.#source[this.#at] ?? "";
    this.#at += 1;
    if (/[dDwWsStnrfva]/.test(character)) return ANY_CHARACTER;
    if (/[bBAz]/.test(character)) return NOTHING;
    if (character === "" || /[\w]/.test(character)) throw new NotUnderstood();
    return this.#literal(character);
  }

  #group(): RegexNeeds {
    const outside = this.#isFolded;
    const head = /^\?(?:([imsU]*)(:|\))|P?<\w+>)/.exec(this.#source.slice(this.#at, this.#at + 64));
    if (head !== null) {
      this.#at += head[0].length;
      if (head[1]?.includes("i") === true) this.#isFolded = true;
      // Flags for the rest of the expression.
      if (head[2] === ")") return NO_NEEDS;
    } else if (this.#source[this.#at] === "?") throw new NotUnderstood();
    const needs = this.#alternatives();
    if (this.#source[this.#at] !== ")") throw new NotUnderstood();
    this.#at += 1;
    this.#isFolded = outside;
    return needs;
  }

  /** A class; its characters where these are few and plain. */
  #class(): Part {
    const start = this.#at;
    if (this.#source[this.#at] === "^") this.#at += 1;
    if (this.#source[this.#at] === "]") this.#at += 1;
    while (this.#source[this.#at] !== "]") {
      if (this.#at >= this.#source.length) throw new NotUnderstood();
      // A named class has a bracket of its own.
      if (this.#source.startsWith("[:", this.#at)) {
        this.#at = this.#source.indexOf(":]", this.#at) + 1;
        if (this.#at === 0) throw new NotUnderstood();
      } else if (this.#source[this.#at] === "\\") this.#at += 1;
      this.#at += 1;
    }
    const inside = this.#source.slice(start, this.#at);
    this.#at += 1;
    if (!/^[^^\\[\]-]{1,4}$/.test(inside)) return ANY_CHARACTER;
    if (![...inside].every((character) => this.#isPlain(character))) return ANY_CHARACTER;
    const literals = [...new Set(inside.toLowerCase())];
    return { literals, needs: ANY_CHARACTER.needs };
  }

  #quantifier(): Quantifier {
    const match = /^(?:([*+?])|\{(\d+)(,(\d*))?\})\??/.exec(
      this.#source.slice(this.#at, this.#at + 16),
    );
    if (match === null) return ONCE;
    this.#at += match[0].length;
    switch (match[1]) {
      case "*":
        return { min: 0, max: Number.POSITIVE_INFINITY };
      case "+":
        return { min: 1, max: Number.POSITIVE_INFINITY };
      case "?":
        return { min: 0, max: 1 };
      default: {
        const min = Number(match[2]);
        const isOpen = match[3] !== undefined && match[4] === "";
        const max = match[3] === undefined ? min : Number(match[4]);
        return { min, max: isOpen ? Number.POSITIVE_INFINITY : max };
      }
    }
  }
}

const ANY_CHARACTER: Part = { literals: undefined, needs: { choices: [], lengthMin: 1 } };
const NOTHING: Part = { literals: undefined, needs: NO_NEEDS };

/** The set whose shortest literal is longest. */
function mostTelling(choices: ReadonlyArray<readonly string[]>): readonly string[] | undefined {
  const weight = (set: readonly string[]): number => Math.min(...set.map(({ length }) => length));
  let best: readonly string[] | undefined;
  for (const set of choices) if (best === undefined || weight(set) > weight(best)) best = set;
  return best;
}
