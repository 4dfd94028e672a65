// SPDX-License-Identifier: Apache-2.0
// The part of YAML in which nearly all rules are written: block maps and lists, scalars on one
// line, literal blocks. Four times as fast as the whole grammar, and exact: at anything else it
// gives up, and the whole grammar is asked. Tests hold the two equal.
import {
  DEPTH_MAX,
  type YamlList,
  type YamlMap,
  type YamlNode,
  type YamlScalar,
} from "./yaml-node.ts";

const SPACE = 0x20;
const NEWLINE = 0x0a;
const DASH = 0x2d;
const HASH = 0x23;
const COLON = 0x3a;
const SINGLE_QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;
/** Longer keys need another form. */
const KEY_LENGTH_MAX = 1000;
/** Not at the start of a plain scalar, or not without a look at what follows. */
const INDICATORS = new Set([..."?:,[]{}#&*!|>'\"%@`"].map((one) => one.charCodeAt(0)));
/** Line breaks of other systems, tabs and control characters have rules of their own. */
const UNUSUAL = /[^\P{Cc}\n]|\uFEFF/u;
const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\",
  '"': '"',
  "/": "/",
  n: "\n",
  t: "\t",
};

/** What this does not understand. Made once: it carries nothing, and costs much to make. */
const GIVE_UP: unique symbol = Symbol("beyond plain YAML");

/** The document's root, or undefined where only the whole grammar can tell. */
export function readPlainYaml(text: string): YamlNode | undefined {
  if (UNUSUAL.test(text)) return undefined;
  try {
    return new PlainReader(text).document();
  } catch (cause) {
    if (cause === GIVE_UP) return undefined;
    throw cause;
  }
}

class PlainReader {
  readonly #text: string;
  /** First character of the line at hand that is no blank; the text's length at its end. */
  #at = 0;
  #indent = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): YamlNode {
    // What a marker leaves of its line may be a comment, and nothing else.
    this.#nextLine(0);
    const root = this.#block();
    if (this.#at < this.#text.length) throw GIVE_UP;
    return root;
  }

  /** Goes to the next line that says something; `from` is in a line's start or in its rest. */
  #nextLine(from: number): void {
    const text = this.#text;
    let start = from;
    for (;;) {
      let at = start;
      while (text.charCodeAt(at) === SPACE) at += 1;
      if (at >= text.length) {
        this.#at = text.length;
        this.#indent = -1;
        return;
      }
      const code = text.charCodeAt(at);
      if (code !== NEWLINE && code !== HASH) {
        this.#at = at;
        this.#indent = at - start;
        return;
      }
      const end = code === NEWLINE ? at : this.#lineEnd(at);
      start = Math.min(end + 1, text.length);
    }
  }

  #lineEnd(from: number): number {
    const end = this.#text.indexOf("\n", from);
    return end < 0 ? this.#text.length : end;
  }

  /** After a value: only blanks or a comment may follow in its line. */
  #endLine(from: number): void {
    const text = this.#text;
    let at = from;
    while (text.charCodeAt(at) === SPACE) at += 1;
    const code = text.charCodeAt(at);
    if (at < text.length && code !== NEWLINE && !(code === HASH && at > from)) throw GIVE_UP;
    const end = this.#lineEnd(at);
    this.#nextLine(Math.min(end + 1, text.length));
  }

  /** A map or list at the indentation of the line at hand. */
  #block(): YamlNode {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX || this.#at >= this.#text.length) throw GIVE_UP;
    const node = this.#isItem(this.#at) ? this.#list(this.#indent) : this.#map(this.#indent);
    this.#depth -= 1;
    return node;
  }

  #isItem(at: number): boolean {
    if (this.#text.charCodeAt(at) !== DASH) return false;
    const next = this.#text.charCodeAt(at + 1);
    return next === SPACE || next === NEWLINE || at + 1 >= this.#text.length;
  }

  #list(indent: number): YamlList {
    const items: YamlNode[] = [];
    const at = this.#at;
    while (this.#indent === indent && this.#isItem(this.#at)) {
      let value = this.#at + 1;
      while (this.#text.charCodeAt(value) === SPACE) value += 1;
      const code = this.#text.charCodeAt(value);
      if (value >= this.#text.length || code === NEWLINE || code === HASH || this.#isItem(value)) {
        throw GIVE_UP;
      }
      if (this.#isKey(value)) {
        // A map that begins beside the dash: its indentation is that of its first key.
        this.#indent = value - (this.#at - indent);
        this.#at = value;
        items.push(this.#block());
      } else items.push(this.#scalar(value, indent));
    }
    if (this.#indent > indent) throw GIVE_UP;
    return { kind: "list", items, at };
  }

  #map(indent: number): YamlMap {
    const entries: Array<{ key: YamlScalar; value: YamlNode }> = [];
    const seen = new Set<string>();
    const at = this.#at;
    while (this.#indent === indent && !this.#isItem(this.#at)) {
      const key = this.#keyAt(this.#at);
      // Said twice: the whole grammar has the words for it.
      if (seen.has(key.scalar.text)) throw GIVE_UP;
      seen.add(key.scalar.text);
      entries.push({ key: key.scalar, value: this.#value(key.end + 1, indent) });
    }
    if (this.#indent > indent) throw GIVE_UP;
    return { kind: "map", entries, at };
  }

  /** What follows a key's colon. */
  #value(from: number, indent: number): YamlNode {
    let at = from;
    while (this.#text.charCodeAt(at) === SPACE) at += 1;
    const code = this.#text.charCodeAt(at);
    const isEmpty = at >= this.#text.length || code === NEWLINE;
    if (!isEmpty && !(code === HASH && at > from)) return this.#scalar(at, indent);
    this.#endLine(from);
    const isNested = this.#indent > indent || (this.#indent === indent && this.#isItem(this.#at));
    return isNested ? this.#block() : { kind: "scalar", value: null, text: "", at: from };
  }

  /** A scalar that begins at `at` within a block of this indentation. */
  #scalar(at: number, indent: number): YamlScalar {
    const code = this.#text.charCodeAt(at);
    if (code === 0x7c) return this.#literal(at, indent);
    if (code === SINGLE_QUOTE || code === DOUBLE_QUOTE) {
      const { scalar, end } = this.#quoted(at);
      this.#endLine(end);
      return scalar;
    }
    const end = this.#plainEnd(at);
    if (this.#text.charCodeAt(end) === COLON) throw GIVE_UP;
    this.#endLine(end);
    return resolved(this.#text.slice(at, end), at);
  }

  /** Where a plain scalar ends: before its trailing blanks, a comment, or a colon with a blank. */
  #plainEnd(at: number): number {
    const text = this.#text;
    if (INDICATORS.has(text.charCodeAt(at)) || this.#isItem(at)) throw GIVE_UP;
    let end = at;
    for (let place = at; place < text.length; place++) {
      const code = text.charCodeAt(place);
      if (code === NEWLINE) break;
      if (code === SPACE) {
        if (text.charCodeAt(place + 1) === HASH) break;
        continue;
      }
      if (code === COLON) {
        const next = text.charCodeAt(place + 1);
        if (next === SPACE || next === NEWLINE || place + 1 >= text.length) {
          return place;
        }
      }
      end = place + 1;
    }
    return end;
  }

  #quoted(at: number): { scalar: YamlScalar; end: number } {
    const isSingle = this.#text.charCodeAt(at) === SINGLE_QUOTE;
    const lineEnd = this.#lineEnd(at);
    let value = "";
    let from = at + 1;
    for (let place = at + 1; place < lineEnd; place++) {
      const code = this.#text.charCodeAt(place);
      if (isSingle && code === SINGLE_QUOTE) {
        if (this.#text.charCodeAt(place + 1) !== SINGLE_QUOTE) {
          value += this.#text.slice(from, place);
          return { scalar: { kind: "scalar", value, text: value, at }, end: place + 1 };
        }
        value += this.#text.slice(from, place + 1);
        place += 1;
        from = place + 1;
      } else if (!isSingle && code === DOUBLE_QUOTE) {
        value += this.#text.slice(from, place);
        return { scalar: { kind: "scalar", value, text: value, at }, end: place + 1 };
      } else if (!isSingle && code === 0x5c) {
        const escaped = ESCAPES[this.#text[place + 1] ?? ""];
        if (escaped === undefined) throw GIVE_UP;
        value += this.#text.slice(from, place) + escaped;
        place += 1;
        from = place + 1;
      }
    }
    throw GIVE_UP;
  }

  /** Whether a map's key begins here. */
  #isKey(at: number): boolean {
    const code = this.#text.charCodeAt(at);
    if (code === SINGLE_QUOTE || code === DOUBLE_QUOTE) {
      let { end } = this.#quoted(at);
      while (this.#text.charCodeAt(end) === SPACE) end += 1;
      return this.#text.charCodeAt(end) === COLON;
    }
    if (INDICATORS.has(code)) return false;
    return this.#text.charCodeAt(this.#plainEnd(at)) === COLON;
  }

  /** A key, and where its colon is. */
  #keyAt(at: number): { scalar: YamlScalar; end: number } {
    const code = this.#text.charCodeAt(at);
    const isQuoted = code === SINGLE_QUOTE || code === DOUBLE_QUOTE;
    const quoted = isQuoted ? this.#quoted(at) : undefined;
    let end = quoted?.end ?? this.#plainEnd(at);
    if (quoted !== undefined) while (this.#text.charCodeAt(end) === SPACE) end += 1;
    const next = this.#text.charCodeAt(end + 1);
    const isColon = this.#text.charCodeAt(end) === COLON;
    const isEnded = next === SPACE || next === NEWLINE || end + 1 >= this.#text.length;
    if (!isColon || !isEnded || end - at > KEY_LENGTH_MAX) throw GIVE_UP;
    const scalar = quoted?.scalar ?? resolved(this.#text.slice(at, end).trimEnd(), at);
    return { scalar, end };
  }

  /** A literal block; its header is at `at`. */
  #literal(at: number, indent: number): YamlScalar {
    const headerEnd = this.#lineEnd(at);
    const header = /^\|(-?)(?: +#.*| *)$/.exec(this.#text.slice(at, headerEnd));
    if (header === null) throw GIVE_UP;
    const lines: string[] = [];
    let contentIndent = 0;
    let start = headerEnd + 1;
    while (start < this.#text.length) {
      const end = this.#lineEnd(start);
      let first = start;
      while (this.#text.charCodeAt(first) === SPACE) first += 1;
      const own = Math.min(first, end) - start;
      if (first >= end) {
        // A blank line may not be longer than the text's indentation before that is known.
        if (contentIndent === 0 && own > 0) throw GIVE_UP;
        lines.push(this.#text.slice(Math.min(start + contentIndent, end), end));
      } else {
        if (own <= indent) break;
        if (contentIndent === 0) contentIndent = own;
        if (own < contentIndent) throw GIVE_UP;
        lines.push(this.#text.slice(start + contentIndent, end));
      }
      start = end + 1;
    }
    if (contentIndent === 0) throw GIVE_UP;
    while (lines.at(-1) === "") lines.pop();
    const hasNewline = header[1] === "" && this.#text[start - 1] === "\n";
    const value = lines.join("\n") + (hasNewline ? "\n" : "");
    this.#nextLine(Math.min(start, this.#text.length));
    return { kind: "scalar", value, text: value, at };
  }
}

const CONSTANT = /^(~|[Nn]ull|NULL|[Tt]rue|TRUE|[Ff]alse|FALSE)$/;
const SMALL_INTEGER = /^-?(0|[1-9]\d{0,14})$/;
const OTHER_NUMBER =
  /^([-+]?(\d+|\.\d+|\d+\.\d*)(e[-+]?\d+)?|0o[0-7]+|0x[\da-f]+|[-+]?\.inf|\.nan)$/i;

/** A plain scalar by the core schema (YAML 1.2.2, section 10.3). */
function resolved(text: string, at: number): YamlScalar {
  if (SMALL_INTEGER.test(text)) return { kind: "scalar", value: Number(text), text, at };
  if (CONSTANT.test(text)) {
    const isTruth = /^[tf]/i.test(text);
    const value = isTruth ? /^t/i.test(text) : null;
    return { kind: "scalar", value, text: isTruth ? String(value) : text, at };
  }
  if (OTHER_NUMBER.test(text)) throw GIVE_UP;
  return { kind: "scalar", value: text, text, at };
}
