// SPDX-License-Identifier: Apache-2.0
// Parses STIX 2.1 patterns (specification §9, grammar STIXPattern.g4 of OASIS) by recursive
// descent. Depth and length are bounded, so that a hostile pattern is an error and nothing else.
import {
  EACH,
  type StixComparison,
  type StixExpression,
  type StixLiteral,
  type StixOperator,
  type StixPath,
  type StixQualified,
  type StixStep,
  stixPath,
} from "./stix-ast.ts";
import { base64Bytes, hexBytes } from "./stix-bytes.ts";
import { patternError, stixTokens, type Token } from "./stix-tokens.ts";

const LENGTH_MAX = 65_536;
const DEPTH_MAX = 64;
const WORDS: ReadonlySet<string> = new Set([
  ...["AND", "OR", "NOT", "FOLLOWEDBY", "LIKE", "MATCHES", "ISSUPERSET", "ISSUBSET", "EXISTS"],
  ...["IN", "START", "STOP", "SECONDS", "true", "false", "WITHIN", "REPEATS", "TIMES"],
]);
const ORDERS: ReadonlySet<string> = new Set(["<", ">", "<=", ">="]);
const TEXT_OPERATORS: ReadonlySet<string> = new Set(["LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"]);

/**
 * Parses a pattern.
 * @throws {UndercroftError} ERR_UC_PATTERN with the column
 */
export function parseStixPattern(pattern: string): StixExpression {
  if (pattern.length > LENGTH_MAX) {
    throw patternError(`the pattern is longer than ${LENGTH_MAX} characters`, LENGTH_MAX);
  }
  return new Parser(stixTokens(pattern)).pattern();
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  pattern(): StixExpression {
    const expression = this.#followedBy();
    if (this.#peek().type !== "end") throw this.#unexpected("an operator, a qualifier or the end");
    return expression;
  }

  // Binds least: FOLLOWEDBY, then OR, then AND; qualifiers belong to what stands before them.
  #followedBy(): StixExpression {
    return this.#joined("followedby", "FOLLOWEDBY", () =>
      this.#joined("or", "OR", () => this.#joined("and", "AND", () => this.#qualified())),
    );
  }

  #joined(
    op: "and" | "or" | "followedby",
    word: string,
    operand: () => StixExpression,
  ): StixExpression {
    const first = operand();
    if (!this.#isWord(word)) return first;
    const parts = [first];
    while (this.#takeWord(word)) parts.push(operand());
    return { op, parts };
  }

  #qualified(): StixExpression {
    // Two of one type count only directly behind one pair of brackets, not behind a group.
    const { type, text } = this.#peek();
    const seen = type === "sign" && text === "[" ? new Set<string>() : undefined;
    let expression = this.#observation();
    for (;;) {
      const qualifier = this.#qualifier(expression);
      if (qualifier === undefined) return expression;
      const isDouble = seen?.has(qualifier.op) === true;
      seen?.add(qualifier.op);
      expression = isDouble ? { ...qualifier, isDouble } : qualifier;
    }
  }

  #qualifier(of: StixExpression): StixQualified | undefined {
    if (this.#takeWord("WITHIN")) {
      const seconds = this.#positive(["int", "float"], "a number of seconds above 0");
      this.#needWord("SECONDS");
      return { op: "within", of, seconds };
    }
    if (this.#takeWord("REPEATS")) {
      const times = this.#positive(["int"], "a count above 0");
      this.#needWord("TIMES");
      return { op: "repeats", of, times };
    }
    if (!this.#takeWord("START")) return undefined;
    const start = this.#time();
    this.#needWord("STOP");
    return { op: "between", of, start, stop: this.#time() };
  }

  #observation(): StixExpression {
    if (this.#takeSign("[")) {
      const comparison = this.#anyOf();
      this.#needSign("]");
      return { op: "observe", comparison };
    }
    if (!this.#takeSign("(")) throw this.#unexpected('"[" or "("');
    const inner = this.#deeper(() => this.#followedBy());
    this.#needSign(")");
    return inner;
  }

  #anyOf(): StixComparison {
    return this.#comparisons("or", "OR", () => this.#comparisons("and", "AND", () => this.#test()));
  }

  #comparisons(op: "and" | "or", word: string, operand: () => StixComparison): StixComparison {
    const first = operand();
    if (!this.#isWord(word)) return first;
    const parts = [first];
    while (this.#takeWord(word)) parts.push(operand());
    return { op, parts };
  }

  #test(): StixComparison {
    if (this.#takeSign("(")) {
      const inner = this.#deeper(() => this.#anyOf());
      this.#needSign(")");
      return inner;
    }
    const isNotExists = this.#isWord("NOT");
    if (isNotExists) this.#next++;
    if (this.#takeWord("EXISTS")) {
      const path = this.#path();
      return { op: "test", path, operator: "EXISTS", isNegated: isNotExists, values: [] };
    }
    if (isNotExists) throw this.#unexpected("EXISTS");
    const path = this.#path();
    const isNegated = this.#takeWord("NOT");
    return { op: "test", path, isNegated, ...this.#comparison(path) };
  }

  #comparison(path: StixPath): { operator: StixOperator; values: readonly StixLiteral[] } {
    const token = this.#take();
    const { text } = token;
    if (token.type === "name") {
      if (text === "IN") return { operator: "IN", values: this.#set() };
      if (TEXT_OPERATORS.has(text)) {
        return { operator: text as StixOperator, values: [this.#literal(["string"])] };
      }
    }
    if (token.type === "sign") {
      if (text === "=" || text === "==") {
        return { operator: "=", values: [this.#literal()] };
      }
      if (text === "!=" || text === "<>") return { operator: "!=", values: [this.#literal()] };
      if (ORDERS.has(text)) {
        const values = [this.#literal(["string", "int", "float", "hex", "binary", "timestamp"])];
        return { operator: text as StixOperator, values };
      }
    }
    this.#next--;
    throw this.#unexpected(`a comparison of ${path.key}`);
  }

  #set(): readonly StixLiteral[] {
    this.#needSign("(");
    const values: StixLiteral[] = [];
    if (this.#takeSign(")")) return values;
    do {
      const at = this.#peek().at;
      const value = this.#literal();
      if (values[0] !== undefined && values[0].type !== value.type) {
        throw patternError(`a set of ${values[0].type} values has no ${value.type}`, at);
      }
      values.push(value);
    } while (this.#takeSign(","));
    this.#needSign(")");
    return values;
  }

  #path(): StixPath {
    const type = this.#name("an object type");
    this.#needSign(":");
    const steps: StixStep[] = [this.#property()];
    for (;;) {
      if (this.#takeSign(".")) steps.push(this.#property());
      else if (this.#takeSign("[")) steps.push(this.#index());
      else return stixPath(type, steps);
    }
  }

  #property(): string {
    if (this.#peek().type === "string") return this.#take().text;
    const token = this.#peek();
    // Only types may hold a hyphen unquoted.
    if (token.text.includes("-")) throw this.#unexpected("a property name");
    return this.#name("a property name");
  }

  #index(): StixStep {
    const token = this.#take();
    const isAll = token.type === "sign" && token.text === "*";
    if (!isAll && token.type !== "int") {
      this.#next--;
      throw this.#unexpected("an index or *");
    }
    this.#needSign("]");
    return isAll ? EACH : Number(token.text);
  }

  #name(what: string): string {
    const token = this.#peek();
    if (token.type !== "name" || WORDS.has(token.text)) throw this.#unexpected(what);
    this.#next++;
    return token.text;
  }

  #literal(types?: readonly string[]): StixLiteral {
    const token = this.#peek();
    if (types !== undefined && !types.includes(token.type)) {
      throw this.#unexpected(
        types.length === 1 ? "a text in single quotes" : "a value with an order",
      );
    }
    this.#next++;
    switch (token.type) {
      case "string":
      case "timestamp":
        return { type: token.type, value: token.text };
      case "int":
      case "float":
        return { type: "number", value: Number(token.text) };
      case "hex":
        return { type: "binary", value: hexBytes(token.text) };
      case "binary":
        return { type: "binary", value: base64Bytes(token.text) };
      default:
    }
    if (token.type === "name" && (token.text === "true" || token.text === "false")) {
      return { type: "boolean", value: token.text === "true" };
    }
    this.#next--;
    throw this.#unexpected("a value");
  }

  #positive(types: readonly string[], what: string): number {
    const token = this.#peek();
    const value = Number(token.text);
    if (!types.includes(token.type) || !(value > 0)) throw this.#unexpected(what);
    this.#next++;
    return value;
  }

  // STIX 2.0 wrote these times as plain texts; so do patterns that people still have.
  #time(): string {
    const token = this.#take();
    if (token.type === "timestamp") return token.text;
    if (token.type === "string") {
      const [first] = readTime(token.text);
      if (first?.type === "timestamp") return first.text;
    }
    this.#next--;
    throw this.#unexpected("a time such as t'2026-01-31T12:00:00Z'");
  }

  #deeper<Result>(read: () => Result): Result {
    this.#depth++;
    if (this.#depth > DEPTH_MAX) throw this.#unexpected(`at most ${DEPTH_MAX} nested parentheses`);
    const result = read();
    this.#depth--;
    return result;
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? { type: "end", text: "", at: 0 };
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }

  #isWord(word: string): boolean {
    const token = this.#peek();
    return token.type === "name" && token.text === word;
  }

  #takeWord(word: string): boolean {
    const isIt = this.#isWord(word);
    if (isIt) this.#next++;
    return isIt;
  }

  #needWord(word: string): void {
    if (!this.#takeWord(word)) throw this.#unexpected(word);
  }

  #takeSign(sign: string): boolean {
    const token = this.#peek();
    const isIt = token.type === "sign" && token.text === sign;
    if (isIt) this.#next++;
    return isIt;
  }

  #needSign(sign: string): void {
    if (!this.#takeSign(sign)) throw this.#unexpected(`"${sign}"`);
  }

  #unexpected(wanted: string): Error {
    const token = this.#peek();
    const found =
      token.type === "end" ? "the pattern ends" : `there is "${token.text.slice(0, 40)}"`;
    return patternError(`${wanted} is expected, ${found}`, token.at);
  }
}

function readTime(text: string): Token[] {
  try {
    return stixTokens(`t'${text}'`);
  } catch {
    return [];
  }
}
