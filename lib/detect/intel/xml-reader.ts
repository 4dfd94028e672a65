// SPDX-License-Identifier: Apache-2.0
// The little of XML that an OpenIOC file needs: elements, attributes and text, as calls in their
// order. No document type, so no entity but the five of XML itself; nothing is ever fetched.

/** What the reader tells. Names come without their namespace prefix. */
export interface XmlEvents {
  readonly start: (name: string, attributes: ReadonlyMap<string, string>) => void;
  readonly text: (text: string) => void;
  readonly end: (name: string) => void;
}

const DEPTH_MAX = 64;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};
const MARKUP = String.raw`!--[\s\S]*?--|!\[CDATA\[([\s\S]*?)\]\]|\?[\s\S]*?\?`;
const ELEMENT = String.raw`(\/?)([^\s<>/!?]+)((?:[^<>"']|"[^"]*"|'[^']*')*?)(\/?)`;
const TAG = new RegExp(`<(?:${MARKUP}|${ELEMENT})>`, "y");
const ATTRIBUTE = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

/** Reads a whole text; returns what is wrong with it and the line, or undefined. */
export function readXml(
  text: string,
  events: XmlEvents,
): { reason: string; line: number } | undefined {
  const open: string[] = [];
  let at = text.startsWith("\uFEFF") ? 1 : 0;
  const fault = (reason: string): { reason: string; line: number } => ({
    reason,
    line: text.slice(0, at).split("\n").length,
  });
  while (at < text.length) {
    const next = text.indexOf("<", at);
    if (next !== at) {
      const plain = text.slice(at, next < 0 ? undefined : next);
      if (open.length > 0) events.text(decoded(plain));
      else if (plain.trim() !== "") return fault("there is text outside of the root element");
      if (next < 0) break;
      at = next;
    }
    if (text.startsWith("<!DOCTYPE", at)) return fault("a document type is not read");
    TAG.lastIndex = at;
    const match = TAG.exec(text);
    if (match === null) return fault("a tag has no end or is none");
    const [whole, cdata, slash, name = "", attributes = "", isEmpty] = match;
    at += whole.length;
    if (cdata !== undefined) events.text(cdata);
    if (name === "") continue;
    const bare = name.slice(name.indexOf(":") + 1);
    if (slash === "/") {
      if (open.pop() !== name) return fault(`</${name.slice(0, 40)}> ends no element`);
      events.end(bare);
      continue;
    }
    if (open.length >= DEPTH_MAX) return fault(`elements are nested deeper than ${DEPTH_MAX}`);
    events.start(bare, readAttributes(attributes));
    if (isEmpty === "/") events.end(bare);
    else open.push(name);
  }
  return open.length === 0 ? undefined : fault(`<${open.at(-1)?.slice(0, 40)}> has no end`);
}

function readAttributes(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name = "", double, single] of text.matchAll(ATTRIBUTE)) {
    found.set(name.slice(name.indexOf(":") + 1), decoded(double ?? single ?? ""));
  }
  return found;
}

function decoded(text: string): string {
  if (!text.includes("&")) return text;
  return text.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{1,8}));/gi, (whole, ...found) => {
    const [decimal, hex, name] = found as Array<string | undefined>;
    const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
    if (name !== undefined) return Object.hasOwn(ENTITIES, name) ? (ENTITIES[name] ?? "") : whole;
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
