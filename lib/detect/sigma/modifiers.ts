// SPDX-License-Identifier: Apache-2.0
// From a field with its modifiers and values to tests (modifiers appendix 2.1.0). Called by the
// detection parser. Modifiers work in the order written; what makes no sense together is refused.
import { RE2JS } from "re2js";
import { parseAddressRange } from "../../wire/wire.ts";
import { subjectText } from "./fold.ts";
import { expandPlaceholders, type Placeholders } from "./placeholders.ts";
import type { Expression, Leaf, NumberOperator, Test, TimePart } from "./rule.ts";
import {
  ANY,
  mapTexts,
  parsePattern,
  plainPattern,
  plainText,
  type TextPattern,
} from "./text-pattern.ts";
import { type EncodingModifier, encodePatterns, isEncoding } from "./value-encoding.ts";
import { YamlFault, type YamlScalar } from "./yaml-node.ts";

/** A regular expression of a rule, in characters. */
const REGEX_LENGTH_MAX = 8192;

type Place = "contains" | "startswith" | "endswith";

const PLACES: ReadonlySet<string> = new Set(["contains", "startswith", "endswith"]);
const OPERATORS: ReadonlySet<string> = new Set(["lt", "lte", "gt", "gte"]);
const TIME_PARTS: ReadonlySet<string> = new Set([
  ...["minute", "hour", "day", "week", "month", "year"],
]);
/** What decides how a value is compared; a chain may hold one, a time part and an operator two. */
const KINDS: ReadonlySet<string> = new Set(["re", "cidr", "exists", "fieldref"]);
const OTHERS: ReadonlySet<string> = new Set([
  ...["all", "cased", "neq", "windash", "expand"],
  ...["i", "m", "s"],
]);

/** What a key with its modifiers asks for, apart from the changes to the text. */
export interface Chain {
  readonly field: string | undefined;
  readonly key: string;
  readonly modifiers: readonly string[];
  readonly kind: "text" | "re" | "cidr" | "exists" | "fieldref" | "number";
  readonly operator: NumberOperator;
  readonly part: TimePart | undefined;
  readonly flags: string;
  readonly cased: boolean;
  readonly all: boolean;
  readonly neq: boolean;
  /** Has contains, startswith or endswith. */
  readonly isPlaced: boolean;
}

/** What the values of a field may need from outside the rule, and where warnings go. */
export interface ValueContext {
  readonly placeholders: Placeholders;
  /** Keys read before: many rules use the same few hundred. */
  readonly chains: Map<string, Chain>;
  readonly warn: (message: string, at: number) => void;
}

/**
 * The condition that a key such as `CommandLine|contains|all` makes with its values.
 * @throws {YamlFault} naming the modifier or value that is wrong
 */
export function fieldExpression(
  key: YamlScalar,
  values: readonly YamlScalar[],
  isList: boolean,
  context: ValueContext,
): Expression {
  const chain = context.chains.get(key.text) ?? readChain(key);
  context.chains.set(key.text, chain);
  if (values.length === 0) throw new YamlFault(`"${key.text}" has an empty list`, key.at);
  if (chain.all && values.length === 1) context.warn("all with a single value", key.at);
  if (isList && values.some(({ value }) => value === null)) {
    context.warn("null in a list: give it a selection of its own", key.at);
  }
  const items = values.map((value) => valueExpression(chain, value, context));
  return linked(chain, items);
}

function linked(chain: Chain, items: readonly Expression[]): Expression {
  const { all, neq, key } = chain;
  const [first] = items;
  const together: Expression =
    items.length === 1 && first !== undefined
      ? first
      : { kind: all && !neq ? "and" : "or", items, name: key };
  return neq ? { kind: "not", item: together } : together;
}

function readChain(key: YamlScalar): Chain {
  const [name = "", ...modifiers] = key.text.split("|").map((word) => word.trim());
  const wrong = (message: string): YamlFault => new YamlFault(`"${key.text}": ${message}`, key.at);
  for (const [index, word] of modifiers.entries()) {
    if (!isKnown(word)) throw wrong(`no modifier "${word}"`);
    if (modifiers.indexOf(word) !== index) throw wrong(`"${word}" comes twice`);
  }
  const kinds = modifiers.filter((word) => KINDS.has(word));
  const operators = modifiers.filter((word) => OPERATORS.has(word));
  const parts = modifiers.filter((word) => TIME_PARTS.has(word));
  const isNumber = operators.length + parts.length > 0;
  if (kinds.length + (isNumber ? 1 : 0) > 1 || operators.length > 1 || parts.length > 1) {
    throw wrong(`${[...kinds, ...parts, ...operators].join(" and ")} exclude each other`);
  }
  const kind = isNumber ? "number" : ((kinds[0] ?? "text") as Chain["kind"]);
  checkCompany(kind, modifiers, wrong);
  if (name === "" && !["text", "re"].includes(kind)) throw wrong("needs a field");
  return {
    field: name === "" ? undefined : name,
    key: key.text,
    modifiers,
    kind,
    operator: (operators[0] ?? "eq") as NumberOperator,
    part: parts[0] as TimePart | undefined,
    flags: modifiers.filter((word) => word.length === 1).join(""),
    cased: modifiers.includes("cased"),
    all: modifiers.includes("all"),
    neq: modifiers.includes("neq"),
    isPlaced: modifiers.some((word) => PLACES.has(word)),
  };
}

function isKnown(word: string): boolean {
  if (PLACES.has(word) || OPERATORS.has(word) || TIME_PARTS.has(word)) return true;
  return KINDS.has(word) || OTHERS.has(word) || isEncoding(word);
}

/** Which modifiers may stand beside one that decides the kind; a text may have any but flags. */
const COMPANY: Readonly<Record<Chain["kind"], readonly string[]>> = {
  text: [],
  re: ["i", "m", "s", "cased", "contains", "expand"],
  cidr: ["expand"],
  exists: [],
  fieldref: ["cased", ...PLACES],
  number: [...OPERATORS, ...TIME_PARTS],
};

function checkCompany(
  kind: Chain["kind"],
  modifiers: readonly string[],
  wrong: (message: string) => YamlFault,
): void {
  const places = modifiers.filter((word) => PLACES.has(word));
  if (places.length > 1) throw wrong(`${places.join(" and ")} exclude each other`);
  const flags = modifiers.filter((word) => word.length === 1);
  if (kind === "text") {
    if (flags.length > 0) throw wrong(`"${flags[0]}" goes with re only`);
    return;
  }
  const allowed = ["all", "neq", kind, ...COMPANY[kind]];
  const odd = modifiers.find((word) => !allowed.includes(word));
  if (odd !== undefined) throw wrong(`"${odd}" does not go with ${kind}`);
  if (kind === "exists" && modifiers.length > 1) throw wrong("exists stands alone");
}

function valueExpression(chain: Chain, value: YamlScalar, context: ValueContext): Expression {
  const leaf = (test: Test): Leaf => {
    return { kind: "leaf", field: chain.field, key: chain.key, test };
  };
  switch (chain.kind) {
    case "exists":
      return leaf({ kind: "exists", wanted: truth(value) });
    case "number":
      return leaf(numberTest(chain, value));
    case "fieldref":
      return leaf(fieldTest(chain, value));
    case "re":
      return either(
        chain,
        texts(chain, value, context).map((text) => leaf(regexTest(chain, text, value.at))),
      );
    case "cidr":
      return either(
        chain,
        texts(chain, value, context).map((text) => leaf(rangeTest(text, value.at))),
      );
    default:
      return textExpression(chain, value, context, leaf);
  }
}

function either(chain: Chain, leaves: readonly Leaf[]): Expression {
  const [first] = leaves;
  if (leaves.length === 1 && first !== undefined) return first;
  return { kind: "or", items: leaves, name: chain.key };
}

function textExpression(
  chain: Chain,
  value: YamlScalar,
  context: ValueContext,
  leaf: (test: Test) => Leaf,
): Expression {
  if (value.value === null) {
    if (chain.field === undefined) throw new YamlFault("a keyword cannot be null", value.at);
    if (chain.modifiers.some((word) => word !== "all" && word !== "neq")) {
      throw new YamlFault(`"${chain.key}": null cannot be changed by a modifier`, value.at);
    }
    return leaf({ kind: "null" });
  }
  const { patterns, dashes } = changedPatterns(chain, value, context);
  const isKeyword = chain.field === undefined;
  const { cased } = chain;
  const leaves = patterns.map((pattern) => {
    // A keyword is searched for in the whole event.
    const searched = isKeyword && !chain.isPlaced ? placed(pattern, "contains") : pattern;
    const folded = mapTexts(searched, (text) => subjectText(text, cased, dashes));
    return leaf({ kind: "text", pattern: folded, written: value.text, cased, dashes });
  });
  return either(chain, leaves);
}

/** The value's patterns after each modifier in turn. */
function changedPatterns(
  chain: Chain,
  value: YamlScalar,
  context: ValueContext,
): { patterns: readonly TextPattern[]; dashes: boolean } {
  const isText = typeof value.value === "string";
  let patterns: readonly TextPattern[] = [
    isText ? parsePattern(value.text) : plainPattern(value.text),
  ];
  let dashes = false;
  let isBytes = false;
  for (const word of chain.modifiers) {
    if (word === "windash") dashes = true;
    else if (PLACES.has(word)) patterns = patterns.map((one) => placed(one, word as Place));
    else if (word === "expand") {
      patterns = patterns.flatMap((one) => expandPlaceholders(one, context.placeholders, value.at));
    } else if (isEncoding(word)) {
      const encoding = word as EncodingModifier;
      patterns = encodePatterns(patterns, encoding, { dashes, isBytes }, value.at);
      dashes = false;
      isBytes = true;
    }
  }
  return { patterns, dashes };
}

function placed(pattern: TextPattern, place: Place): TextPattern {
  const before = place === "startswith" || pattern[0] === ANY ? [] : [ANY];
  const after = place === "endswith" || pattern.at(-1) === ANY ? [] : [ANY];
  const parts = [...before, ...pattern, ...after];
  return pattern.length === 0 ? [ANY] : parts;
}

/** The values as plain texts, without wildcards; several where placeholders make them so. */
function texts(chain: Chain, value: YamlScalar, context: ValueContext): string[] {
  if (typeof value.value !== "string" && typeof value.value !== "number") {
    throw new YamlFault(`"${chain.key}" needs text`, value.at);
  }
  if (!chain.modifiers.includes("expand")) return [value.text];
  const expanded = expandPlaceholders(plainPattern(value.text), context.placeholders, value.at);
  return expanded.map((pattern) => {
    const text = plainText(pattern);
    if (text === undefined) {
      throw new YamlFault("a placeholder with wildcards does not go here", value.at);
    }
    return text;
  });
}

function regexTest(chain: Chain, source: string, at: number): Test {
  if (source.length > REGEX_LENGTH_MAX) {
    throw new YamlFault(`a regular expression of more than ${REGEX_LENGTH_MAX} characters`, at);
  }
  try {
    RE2JS.compile(source, regexFlags(chain.flags));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new YamlFault(`${reason.split("\n")[0]}: only what runs in linear time is allowed`, at);
  }
  return { kind: "regex", source, flags: chain.flags };
}

/** RE2's flags for the sub-modifiers of `re`. */
export function regexFlags(flags: string): number {
  let bits = 0;
  if (flags.includes("i")) bits |= RE2JS.CASE_INSENSITIVE;
  if (flags.includes("m")) bits |= RE2JS.MULTILINE;
  if (flags.includes("s")) bits |= RE2JS.DOTALL;
  return bits;
}

function rangeTest(text: string, at: number): Test {
  const range = parseAddressRange(text);
  if (range === undefined) throw new YamlFault(`"${text}" is no address range`, at);
  return { kind: "cidr", range, text };
}

function truth(value: YamlScalar): boolean {
  const text = value.text.toLowerCase();
  if (text !== "true" && text !== "false") {
    throw new YamlFault("exists takes true or false", value.at);
  }
  return text === "true";
}

function numberTest(chain: Chain, value: YamlScalar): Test {
  const { operator, part } = chain;
  const number = numberOf(value.text);
  if (number === undefined || typeof value.value === "boolean") {
    throw new YamlFault(`"${chain.key}" needs a number`, value.at);
  }
  return { kind: "number", operator, value: number, ...(part === undefined ? {} : { part }) };
}

/** A decimal number as logs and rules write it; undefined for any other text. */
export function numberOf(text: string): number | undefined {
  return /^\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) ? Number(text) : undefined;
}

function fieldTest(chain: Chain, value: YamlScalar): Test {
  if (typeof value.value !== "string" || value.text === "") {
    throw new YamlFault(`"${chain.key}" needs the name of a field`, value.at);
  }
  const place = (chain.modifiers.find((word) => PLACES.has(word)) ?? "equals") as "equals" | Place;
  return { kind: "field", field: value.text, place, cased: chain.cased };
}
