// SPDX-License-Identifier: Apache-2.0
// The condition of a rule (rules specification 2.1.0, "Condition"): and, or, not, parentheses,
// `1 of` and `all of`. Called by the detection parser.
import type { Expression } from "./rule.ts";
import { ANY, joined, matchesPattern } from "./text-pattern.ts";
import { YamlFault } from "./yaml-node.ts";

const LENGTH_MAX = 16_384;
const DEPTH_MAX = 64;
const NAMED_MAX = 20_000;
const WORD = /\s*(?:([()|])|([^\s()|]+))/y;

interface Word {
  readonly text: string;
  readonly at: number;
}

/**
 * Parses a condition over the selections; adds the names it uses to `used`.
 * @throws {YamlFault} naming the word that is wrong
 */
export function parseCondition(
  text: string,
  at: number,
  selections: ReadonlyMap<string, Expression>,
  used: Set<string>,
): Expression {
  if (text.length > LENGTH_MAX) {
    throw new YamlFault(`a condition of more than ${LENGTH_MAX} characters`, at);
  }
  return new ConditionParser(wordsOf(text, at), selections, used).parse();
}

function wordsOf(text: string, at: number): Word[] {
  const words: Word[] = [];
  WORD.lastIndex = 0;
  for (let match = WORD.exec(text); match !== null; match = WORD.exec(text)) {
    const word = match[1] ?? match[2] ?? "";
    words.push({ text: word, at: at + match.index + match[0].length - word.length });
  }
  words.push({ text: "", at: at + text.length });
  return words;
}

/** Recursive descent, one method a level of precedence: or, and, not, atom. */
class ConditionParser {
  readonly #words: readonly Word[];
  readonly #selections: ReadonlyMap<string, Expression>;
  readonly #used: Set<string>;
  #next = 0;
  #depth = 0;
  /** Selections that quantifiers stood for. */
  #named = 0;

  constructor(
    words: readonly Word[],
    selections: ReadonlyMap<string, Expression>,
    used: Set<string>,
  ) {
    this.#words = words;
    this.#selections = selections;
    this.#used = used;
  }

  parse(): Expression {
    const expression = this.#or();
    const word = this.#peek();
    if (word.text === "|") {
      throw new YamlFault(
        "aggregations after | belong to Sigma 1: write a correlation rule",
        word.at,
      );
    }
    if (word.text !== "") throw new YamlFault(`"${word.text}" is unexpected here`, word.at);
    return expression;
  }

  #or(): Expression {
    return this.#chain("or", () => this.#chain("and", () => this.#not()));
  }

  #chain(kind: "and" | "or", part: () => Expression): Expression {
    const first = part();
    if (!this.#isWord(kind)) return first;
    const items = [first];
    while (this.#isWord(kind)) {
      this.#next += 1;
      items.push(part());
    }
    return { kind, items };
  }

  #not(): Expression {
    let isNegated = false;
    while (this.#isWord("not")) {
      this.#next += 1;
      isNegated = !isNegated;
    }
    const item = this.#atom();
    return isNegated ? { kind: "not", item } : item;
  }

  #atom(): Expression {
    const word = this.#take();
    if (word.text === "(") return this.#inParentheses(word);
    if (word.text === "") throw new YamlFault("the condition ends too early", word.at);
    if (/^(and|or|\)|\||of)$/i.test(word.text)) {
      throw new YamlFault(`"${word.text}" is unexpected here`, word.at);
    }
    const selection = this.#selections.get(word.text);
    if (this.#isWord("of")) return this.#quantified(word);
    if (selection === undefined) {
      throw new YamlFault(`no search identifier "${word.text}"`, word.at);
    }
    this.#used.add(word.text);
    return selection;
  }

  #inParentheses(open: Word): Expression {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) {
      throw new YamlFault(`parentheses deeper than ${DEPTH_MAX}`, open.at);
    }
    const inner = this.#or();
    const close = this.#take();
    if (close.text !== ")") {
      throw new YamlFault(
        close.text === "" ? "a ) is missing" : `"${close.text}" is unexpected here`,
        close.at,
      );
    }
    this.#depth -= 1;
    return inner;
  }

  /** `1 of PATTERN`, `all of PATTERN`; `any` is an older word for 1. */
  #quantified(quantity: Word): Expression {
    this.#next += 1;
    if (!/^(1|any|all)$/i.test(quantity.text)) {
      throw new YamlFault(`"${quantity.text} of": say "1 of" or "all of"`, quantity.at);
    }
    const pattern = this.#take();
    const names = this.#matching(pattern);
    const items = names.flatMap((name) => {
      this.#used.add(name);
      return this.#selections.get(name) ?? [];
    });
    this.#named += items.length;
    if (this.#named > NAMED_MAX) {
      throw new YamlFault(`the condition names more than ${NAMED_MAX} selections`, pattern.at);
    }
    if (items.length === 0) {
      throw new YamlFault(`no search identifier matches "${pattern.text}"`, pattern.at);
    }
    const kind = quantity.text.toLowerCase() === "all" ? "and" : "or";
    return { kind, items, name: `${quantity.text} of ${pattern.text}` };
  }

  // Names with an underscore are left out, but where the pattern itself begins with one.
  #matching({ text, at }: Word): string[] {
    if (/^[()|]?$/.test(text)) throw new YamlFault("a name or pattern is missing after of", at);
    const names = [...this.#selections.keys()];
    if (text.toLowerCase() === "them") return names.filter((name) => !name.startsWith("_"));
    const pattern = joined(
      text
        .split("*")
        .flatMap((part) => [ANY, { text: part }])
        .slice(1),
    );
    return names.filter(
      (name) => matchesPattern(pattern, name) && (text.startsWith("_") || !name.startsWith("_")),
    );
  }

  #isWord(text: string): boolean {
    return this.#peek().text.toLowerCase() === text;
  }

  #peek(): Word {
    return this.#words[this.#next] ?? { text: "", at: 0 };
  }

  #take(): Word {
    const word = this.#peek();
    if (word.text !== "") this.#next += 1;
    return word;
  }
}
