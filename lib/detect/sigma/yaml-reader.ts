// SPDX-License-Identifier: Apache-2.0
// YAML text as small nodes that know their place. Called by the rule set's loader. Everything that
// YAML allows and a rule does not need is bounded or refused here: size, depth, aliases, tags.
import { Composer, type CST, isAlias, isMap, isNode, isScalar, isSeq, Lexer, Parser } from "yaml";

import { readPlainYaml } from "./plain-yaml.ts";
import { DEPTH_MAX, YamlFault, type YamlMap, type YamlNode, type YamlScalar } from "./yaml-node.ts";

/** Characters of one YAML document. */
const DOCUMENT_LENGTH_MAX = 1_048_576;
/** Nodes of one document, each alias counted as often as it is used. */
const NODES_MAX = 100_000;
/** Tags that only say what a value is anyway. */
const PLAIN_TAG = /^(!|tag:yaml\.org,2002:(str|int|float|bool|null|map|seq))$/;

/** One document of a file: its text and where in the file it begins. */
export interface DocumentText {
  readonly text: string;
  /** Lines before it. */
  readonly lines: number;
}

/**
 * Cuts a file at its `---` lines. YAML lets no other text begin a line so, hence a document that
 * does not parse cannot swallow the next.
 */
export function splitDocuments(file: string): DocumentText[] {
  const text = file.startsWith("\uFEFF") ? file.slice(1) : file;
  const documents: DocumentText[] = [];
  const marker = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm;
  let start = 0;
  let lines = 0;
  const add = (end: number): void => {
    const part = text.slice(start, end);
    // Comments and directives alone are no document.
    if (/^[ \t]*[^#%\s]/m.test(part)) documents.push({ text: part, lines });
    lines += countLines(part);
  };
  for (const match of text.matchAll(marker)) {
    add(match.index);
    start = match.index + match[0].length;
  }
  add(text.length);
  return documents;
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}

/** Line and column of an offset, from 1. */
export function placeIn(document: DocumentText, at: number): { line: number; column: number } {
  const before = document.text.slice(0, at);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { line: document.lines + countLines(before) + 1, column: at - lineStart + 1 };
}

/**
 * Reads one document.
 * @throws {YamlFault} where it is no YAML, or more than a rule needs
 */
export function readDocument(text: string): YamlNode {
  if (text.length > DOCUMENT_LENGTH_MAX) {
    throw new YamlFault(`a rule of more than ${DOCUMENT_LENGTH_MAX} characters`, 0);
  }
  return readPlainYaml(text) ?? readAnyYaml(text);
}

/**
 * Reads a document with all of YAML's grammar.
 * @throws {YamlFault}
 */
export function readAnyYaml(text: string): YamlNode {
  const [document] = new Composer(composerOptions).compose(tokens(text), true, text.length);
  const [error] = document?.errors ?? [];
  if (error !== undefined) throw new YamlFault(reasonOf(error.message), error.pos[0]);
  if (document === undefined) throw new YamlFault("holds nothing", 0);
  const walk: Walk = { anchors: new Map(), nodes: 0 };
  return nodeOf(document.contents, walk, 0, 0);
}

const composerOptions = {
  // The library compares each key with all others of its map; nodeOf() uses a set.
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: "silent",
} as const;

/** The parser's tokens; ends early where brackets nest deeper than any rule. */
function* tokens(text: string): Generator<CST.Token> {
  const parser = new Parser();
  let depth = 0;
  let at = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (lexeme === "[" || lexeme === "{") depth += 1;
    else if (lexeme === "]" || lexeme === "}") depth -= 1;
    if (depth > DEPTH_MAX) throw new YamlFault(`nested deeper than ${DEPTH_MAX}`, at);
    at += lexeme.length;
    yield* parser.next(lexeme);
  }
  yield* parser.end();
}

function reasonOf(message: string): string {
  // The composer goes down with each level; what it says then speaks of itself.
  if (message.startsWith("Maximum call stack")) return `nested deeper than ${DEPTH_MAX}`;
  return (message.split("\n")[0] ?? message).replace(/:$/, "");
}

interface Walk {
  /** What an alias stands for: the last node before it that has the name. */
  readonly anchors: Map<string, unknown>;
  nodes: number;
}

function nodeOf(node: unknown, walk: Walk, depth: number, near: number): YamlNode {
  const at = offsetOf(node) ?? near;
  walk.nodes += 1;
  if (walk.nodes > NODES_MAX) {
    throw new YamlFault(`more than ${NODES_MAX} values, aliases counted as often as used`, at);
  }
  if (depth > DEPTH_MAX) throw new YamlFault(`nested deeper than ${DEPTH_MAX}`, at);
  if (isNode(node) && !isAlias(node)) {
    if (node.anchor !== undefined) walk.anchors.set(node.anchor, node);
    if (node.tag !== undefined && !PLAIN_TAG.test(node.tag)) {
      throw new YamlFault(`the tag ${node.tag} has no meaning in a rule`, at);
    }
  }
  if (isScalar(node)) return scalarOf(node.value, node.source, at);
  if (isSeq(node)) {
    const items = node.items.map((item) => nodeOf(item, walk, depth + 1, at));
    return { kind: "list", items, at };
  }
  if (isMap(node)) return mapOf(node.items, walk, depth, at);
  if (isAlias(node)) {
    const target = walk.anchors.get(node.source);
    if (target === undefined) throw new YamlFault(`no anchor "${node.source}"`, at);
    return nodeOf(target, walk, depth + 1, at);
  }
  return { kind: "scalar", value: null, text: "", at };
}

function mapOf(
  pairs: ReadonlyArray<{ readonly key: unknown; readonly value: unknown }>,
  walk: Walk,
  depth: number,
  at: number,
): YamlMap {
  const seen = new Set<string>();
  const entries = pairs.map((pair) => {
    const key = nodeOf(pair.key, walk, depth + 1, at);
    if (key.kind !== "scalar") throw new YamlFault("a key must be plain text", key.at);
    if (seen.has(key.text)) throw new YamlFault(`the key "${key.text}" comes twice`, key.at);
    seen.add(key.text);
    return { key, value: nodeOf(pair.value, walk, depth + 1, key.at) };
  });
  return { kind: "map", entries, at };
}

function scalarOf(value: unknown, source: string | undefined, at: number): YamlScalar {
  if (typeof value === "number" || typeof value === "bigint") {
    const isPlain = source !== undefined && /^-?\d+(\.\d+)?$/.test(source);
    return { kind: "scalar", value: Number(value), text: isPlain ? source : String(value), at };
  }
  if (typeof value === "string") return { kind: "scalar", value, text: value, at };
  if (typeof value === "boolean") return { kind: "scalar", value, text: String(value), at };
  if (value === null || value === undefined) {
    return { kind: "scalar", value: null, text: source ?? "", at };
  }
  throw new YamlFault("neither text, number, boolean nor null", at);
}

function offsetOf(node: unknown): number | undefined {
  const range = (node as { readonly range?: readonly number[] | null } | null)?.range;
  return range?.[0];
}
