// SPDX-License-Identifier: Apache-2.0
// OpenIOC 1.0 and 1.1 (Mandiant), reading only: the trees of OR and AND become alternatives of
// values that hold together. Terms without a kind of ours, and conditions other than equality, are
// told and leave out the alternative that needs them.
import type { IndicatorKind, Observable } from "../../model/model.ts";
import type { Importer, ImportSink } from "./importer.ts";
import { fileObservable, kindTitle, observable } from "./indicator-kinds.ts";
import { ID_LENGTH_MAX, titleText } from "./json-fields.ts";
import { type Conjunction, strongestFirst } from "./stix-compile.ts";
import { readXml } from "./xml-reader.ts";

const FILE_BYTES_MAX = 16 << 20;
const ALTERNATIVES_MAX = 1000;

/** The terms of a search, in lower case. */
const TERMS: Readonly<Record<string, IndicatorKind>> = {
  "fileitem/md5sum": "md5",
  "fileitem/sha1sum": "sha1",
  "fileitem/sha256sum": "sha256",
  "fileitem/filename": "name",
  "fileitem/fullpath": "path",
  "fileitem/filepath": "path",
  "fileitem/sizeinbytes": "size",
  "fileitem/peinfo/importhash": "imphash",
  "processitem/name": "name",
  "processitem/path": "path",
  "processitem/arguments": "command-line",
  "processitem/handlelist/handle/name": "mutex",
  "serviceitem/name": "service",
  "serviceitem/path": "path",
  "registryitem/path": "registry-key",
  "registryitem/keypath": "registry-key",
  "network/dns": "domain",
  "network/uri": "url",
  "network/useragent": "user-agent",
  "dnsentryitem/recordname": "domain",
  "dnsentryitem/host": "domain",
  "portitem/remoteip": "address",
  "portitem/remoteport": "port",
  "routeentryitem/destination": "address",
  "urlhistoryitem/url": "url",
  "email/from": "email",
  "email/subject": "email-subject",
  "email/attachment/name": "email-attachment",
};
/** Terms of which a part is enough. */
const PARTS: ReadonlySet<IndicatorKind> = new Set(["command-line"]);

interface Item {
  search: string;
  content: string;
  readonly condition: string;
  readonly isNegated: boolean;
}

interface Group {
  readonly isAnd: boolean;
  readonly id: string;
  readonly members: Array<Group | Item>;
}

/** Reads one file. */
export class OpeniocImporter implements Importer {
  readonly #source: string;
  readonly #sink: ImportSink;
  readonly #decoder = new TextDecoder("utf-8");
  #text = "";
  #isTooLarge = false;
  #id = "";
  #title = "";
  #name = "";
  #item: Item | undefined;
  readonly #roots: Group[] = [];
  readonly #groups: Group[] = [];

  constructor(source: string, sink: ImportSink) {
    this.#source = source;
    this.#sink = sink;
  }

  push(chunk: Uint8Array): void {
    if (this.#text.length + chunk.length > FILE_BYTES_MAX) this.#isTooLarge = true;
    this.#text = this.#isTooLarge ? "" : this.#text + this.#decoder.decode(chunk, { stream: true });
  }

  end(): void {
    if (this.#isTooLarge) {
      this.#problem("line 1", `the file is larger than ${FILE_BYTES_MAX} bytes`);
      return;
    }
    const fault = readXml(this.#text, {
      start: (name, attributes) => this.#start(name, attributes),
      text: (text) => this.#take(text),
      end: (name) => this.#end(name),
    });
    this.#text = "";
    if (fault !== undefined) this.#problem(`line ${fault.line}`, fault.reason);
    if (fault === undefined && this.#id === "") this.#problem("line 1", "is no OpenIOC file");
    for (const root of this.#roots) this.#emit(root);
  }

  #start(name: string, attributes: ReadonlyMap<string, string>): void {
    this.#name = name;
    if (name === "ioc" || name === "OpenIOC") {
      this.#id = (attributes.get("id") ?? "").slice(0, ID_LENGTH_MAX - 8) || "openioc";
    } else if (name === "Indicator") {
      const isAnd = attributes.get("operator")?.toUpperCase() === "AND";
      const group = { isAnd, id: attributes.get("id") ?? "", members: [] };
      const outer = this.#groups.at(-1);
      if (outer === undefined) this.#roots.push(group);
      else outer.members.push(group);
      this.#groups.push(group);
    } else if (name === "IndicatorItem") {
      const condition = attributes.get("condition") ?? "is";
      const isNegated = condition.startsWith("isnot") || attributes.get("negate") === "true";
      this.#item = { search: "", content: "", condition, isNegated };
      this.#groups.at(-1)?.members.push(this.#item);
    } else if (name === "Context" && this.#item !== undefined) {
      this.#item.search = attributes.get("search") ?? "";
    }
  }

  #take(text: string): void {
    if (this.#name === "Content" && this.#item !== undefined) this.#item.content += text;
    if (this.#name === "short_description") this.#title += text;
  }

  #end(name: string): void {
    this.#name = "";
    if (name === "IndicatorItem") this.#item = undefined;
    if (name === "Indicator") this.#groups.pop();
  }

  #emit(root: Group): void {
    const found = this.#alternatives(root);
    if (found === undefined) {
      this.#problem(`Indicator ${root.id}`, `has more than ${ALTERNATIVES_MAX} alternatives`);
      return;
    }
    for (const [index, values] of found.entries()) {
      const [first, ...rest] = strongestFirst(values);
      if (first === undefined) continue;
      const title = titleText(this.#title);
      this.#sink.indicator({
        id: index === 0 ? this.#id : `${this.#id}#${index + 1}`,
        ...first,
        title: title === "" ? kindTitle(first.kind) : title,
        severity: "high",
        source: this.#source,
        ...(rest.length === 0 ? {} : { with: rest }),
      });
    }
  }

  #alternatives(group: Group): Conjunction[] | undefined {
    let found: Conjunction[] | undefined = group.isAnd ? [[]] : [];
    for (const member of group.members) {
      const more = "members" in member ? this.#alternatives(member) : this.#values(member);
      if (more === undefined || found === undefined) return undefined;
      if (!group.isAnd) found.push(...more);
      else if (found.length * more.length > ALTERNATIVES_MAX) return undefined;
      else found = found.flatMap((one) => more.map((other) => [...one, ...other]));
      if (found.length > ALTERNATIVES_MAX) return undefined;
    }
    // An empty group would be true of everything.
    return group.members.length === 0 ? [] : found;
  }

  // None: an alternative that needs this item can never be met by us, and is left out.
  #values({ search, content, condition, isNegated }: Item): Conjunction[] {
    const term = search.toLowerCase();
    const kind = Object.hasOwn(TERMS, term) ? TERMS[term] : undefined;
    const isEqual = condition === "is" || (condition === "contains" && isPart(kind));
    if (kind === undefined || isNegated || !isEqual) {
      const what = kind === undefined ? `term ${search.slice(0, 60)}` : `condition ${condition}`;
      this.#sink.skipped(`OpenIOC ${what.slice(0, 80)}`);
      return [];
    }
    const value = content.trim();
    const found: Observable | string =
      kind === "name" || kind === "path" ? fileObservable(value) : observable(kind, value);
    if (typeof found !== "string") return [[found]];
    this.#problem(search.slice(0, 80), found);
    return [];
  }

  #problem(place: string, reason: string): void {
    this.#sink.problem({ source: this.#source, place, reason });
  }
}

function isPart(kind: IndicatorKind | undefined): boolean {
  return kind !== undefined && PARTS.has(kind);
}
