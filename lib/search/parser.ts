// SPDX-License-Identifier: Apache-2.0
// The parser of searches: conditions by recursive descent, then stages. The grammar is in
// docs/search.md. Called by whoever takes a search from a user.
import { quoted, searchFault } from "./fault.ts";
import { Scanner } from "./scanner.ts";
import { type FieldSchema, nearest, typeOf } from "./schema.ts";
import { parseStages } from "./stage-parser.ts";
import type { Condition, Search } from "./syntax.ts";
import { parseTest, wordOf } from "./test-parser.ts";

const LENGTH_MAX = 8192;
const DEPTH_MAX = 32;
const TESTS_MAX = 256;

/**
 * Reads a search.
 * @throws {UndercroftError} ERR_UC_SEARCH with `detail.at` and, where something like it is known,
 *   `detail.suggestion`
 */
export function parseSearch(text: string, schema: FieldSchema): Search {
  if (text.length > LENGTH_MAX) {
    throw searchFault(`more than ${LENGTH_MAX} characters`, LENGTH_MAX);
  }
  const scanner = new Scanner(text);
  const where = new ConditionParser(scanner, schema).parse();
  return { where, stages: parseStages(scanner, schema) };
}

/** What reads one test: of all fields, or of values of one field. */
type Leaf = () => Condition;

class ConditionParser {
  readonly #scanner: Scanner;
  readonly #schema: FieldSchema;
  #depth = 0;
  #tests = 0;

  constructor(scanner: Scanner, schema: FieldSchema) {
    this.#scanner = scanner;
    this.#schema = schema;
  }

  parse(): Condition {
    const next = this.#scanner.peek();
    if (next === "" || next === "|") return { kind: "all" };
    const condition = this.#or(() => this.#term());
    const after = this.#scanner.peek();
    if (after === ")") throw searchFault('a ")" without its "("', this.#scanner.at);
    return condition;
  }

  #or(leaf: Leaf): Condition {
    const items = [this.#and(leaf)];
    while (this.#scanner.takeKeyword("or")) items.push(this.#and(leaf));
    return chain("or", items);
  }

  #and(leaf: Leaf): Condition {
    const items = [this.#not(leaf)];
    for (;;) {
      if (this.#scanner.takeKeyword("and")) items.push(this.#not(leaf));
      else if (this.#isAtEnd()) return chain("and", items);
      else items.push(this.#not(leaf));
    }
  }

  #isAtEnd(): boolean {
    const next = this.#scanner.peek();
    return next === "" || next === ")" || next === "|" || this.#scanner.isKeyword("or");
  }

  #not(leaf: Leaf): Condition {
    let isNegated = false;
    while (this.#scanner.takeKeyword("not")) isNegated = !isNegated;
    const item = this.#atom(leaf);
    return isNegated ? { kind: "not", item } : item;
  }

  #atom(leaf: Leaf): Condition {
    const next = this.#scanner.peek();
    const { at } = this.#scanner;
    if (next === "(") return this.#inParentheses(leaf);
    if (next === "" || next === "|" || next === ")") {
      throw searchFault("a word or field:value is missing here", at);
    }
    for (const word of ["and", "or"] as const) {
      if (this.#scanner.isKeyword(word)) {
        throw searchFault(`"${word}" stands between two conditions; quote it to find it`, at);
      }
    }
    this.#tests += 1;
    if (this.#tests > TESTS_MAX) throw searchFault(`more than ${TESTS_MAX} conditions`, at);
    return leaf();
  }

  #inParentheses(leaf: Leaf): Condition {
    const { at } = this.#scanner;
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw searchFault(`parentheses deeper than ${DEPTH_MAX}`, at);
    this.#scanner.at += 1;
    const inner = this.#or(leaf);
    if (this.#scanner.peek() !== ")") throw searchFault('this "(" is not closed', at);
    this.#scanner.at += 1;
    this.#depth -= 1;
    return inner;
  }

  #term(): Condition {
    const { at } = this.#scanner;
    const named = this.#scanner.match(/([A-Za-z_][A-Za-z0-9_.]*):/y);
    if (named === undefined) return wordOf(this.#scanner.takeWord());
    const field = this.#fieldName(named[1] ?? "", at);
    if (this.#scanner.peek() === "(") return this.#inParentheses(() => this.#value(field));
    return this.#value(field);
  }

  #value(field: string): Condition {
    return parseTest(this.#scanner, this.#schema, field);
  }

  #fieldName(written: string, at: number): string {
    const lower = written.toLowerCase();
    const name = this.#schema.aliases.get(lower) ?? lower;
    if (name === "last" || typeOf(this.#schema, name) !== undefined) {
      // A field of that name is a time; a duration makes it the time since then.
      return name;
    }
    const names = [...this.#schema.fields.keys(), ...this.#schema.groups.keys()];
    const like = nearest(name, names);
    const hint = like === undefined ? "; to find the text itself, put it in quotes" : "";
    throw searchFault(`no field ${quoted(written)}${hint}`, at, like);
  }
}

/** Several conditions as one; what is nested in its own kind is of it. */
function chain(kind: "and" | "or", items: readonly Condition[]): Condition {
  const flat = items.flatMap((item) => (item.kind === kind ? item.items : [item]));
  return flat.length === 1 && flat[0] !== undefined ? flat[0] : { kind, items: flat };
}
