// SPDX-License-Identifier: Apache-2.0
// MISP warning lists: values that feeds hold by mistake and that would cry wolf all day, such as
// public resolvers, content networks and private addresses. Importers' output is held against them
// before it is stored.
import { RE2JS } from "re2js";
import { UndercroftError } from "../../errors/errors.ts";
import type { Indicator, IndicatorKind } from "../../model/model.ts";
import { AddressKey } from "./address-key.ts";
import { canonicalValue, ownedDomain } from "./indicator-kinds.ts";
import { type Fields, fieldsOf, listField, plainText, textField } from "./json-fields.ts";
import { mispKinds } from "./misp-types.ts";
import { PrefixTable } from "./prefix-table.ts";
import { pathStartOf, urlKey } from "./url-key.ts";

const ENTRIES_MAX = 2_000_000;

/** One list: its name, and the kinds that it speaks of; none named is all. */
interface WarningList {
  readonly name: string;
  readonly kinds: ReadonlySet<IndicatorKind> | undefined;
}

/** Addresses that never leave a network, or name nobody (RFC 6890 and its registries). */
const RESERVED: readonly string[] = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"],
  ...["172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15"],
  ...["198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"],
  ...["::/128", "::1/128", "100::/64", "2001:db8::/32", "fc00::/7", "fe80::/10", "ff00::/8"],
];

/** A set of warning lists, asked as one. */
export class WarningLists {
  readonly #texts = new Map<string, WarningList[]>();
  readonly #names = new Map<string, WarningList[]>();
  readonly #ranges = { 4: new PrefixTable(4), 6: new PrefixTable(6) };
  /** Lists by the row of the range tables. */
  readonly #rangeLists: WarningList[][] = [];
  readonly #parts: Array<{ readonly part: string; readonly list: WarningList }> = [];
  readonly #regexes: Array<{ readonly regex: RE2JS; readonly list: WarningList }> = [];
  readonly #address = new AddressKey();
  #entries = 0;

  /** Entries in all lists. */
  get size(): number {
    return this.#entries;
  }

  /**
   * Adds a list in MISP's format.
   * @throws {UndercroftError} ERR_UC_INDICATORS where the text is none; no entry of it is used then
   */
  add(text: string, source: string): void {
    const fields = parseList(text, source);
    const attributes = listField(fields, "matching_attributes");
    const kinds = new Set(attributes.flatMap((type) => mispKinds(plainText(type))));
    const list: WarningList = {
      name: textField(fields, "name") ?? source,
      kinds: attributes.length === 0 ? undefined : kinds,
    };
    const type = textField(fields, "type") ?? "string";
    const entries = listField(fields, "list").filter((one): one is string => {
      return typeof one === "string" && one !== "";
    });
    if (this.#entries + entries.length > ENTRIES_MAX) {
      throw listError(source, `all lists together have more than ${ENTRIES_MAX} entries`);
    }
    if (type === "regex") this.#addRegexes(entries, list, source);
    else for (const entry of entries) this.#addEntry(type, entry, list);
    this.#entries += entries.length;
  }

  /** Adds the addresses that never leave a network. */
  addReserved(): void {
    const list: WarningList = { name: "reserved addresses", kinds: undefined };
    for (const range of RESERVED) this.#addRange(range, list);
    this.#entries += RESERVED.length;
  }

  /** The name of a list that an indicator is on, or undefined. */
  nameOf({ kind, value }: Indicator): string | undefined {
    if (this.#entries === 0) return undefined;
    const server = serverOf(kind, value);
    const isFor = ({ kinds }: WarningList): boolean => kinds === undefined || kinds.has(kind);
    const found =
      this.#texts.get(value.toLowerCase())?.find(isFor) ??
      (server === "" ? undefined : this.#ofServer(server, isFor)) ??
      this.#parts.find(({ part, list }) => isFor(list) && value.includes(part))?.list ??
      this.#regexes.find(({ regex, list }) => isFor(list) && regex.matcher(value).find())?.list;
    return found?.name;
  }

  #ofServer(server: string, isFor: (list: WarningList) => boolean): WarningList | undefined {
    if (this.#address.read(server)) {
      const { words, bits, family } = this.#address;
      const table = this.#ranges[family];
      for (let below = 1000; ; below = table.foundBits) {
        const row = table.find(words, bits, below);
        if (row < 0) return undefined;
        const list = this.#rangeLists[row]?.find(isFor);
        if (list !== undefined) return list;
      }
    }
    // What lies below a listed name is its owner's, but not below one that gives names to others.
    for (let name = server; name !== ""; name = parentOf(name)) {
      const list = this.#names.get(name)?.find(isFor);
      if (list === undefined) continue;
      if (name === server) return list;
      return name.length >= ownedDomain(server).length ? list : undefined;
    }
    return undefined;
  }

  #addEntry(type: string, entry: string, list: WarningList): void {
    if (type === "cidr") {
      this.#addRange(entry, list);
    } else if (type === "hostname") {
      const name = canonicalValue("domain", entry);
      if (name === undefined) put(this.#texts, entry.toLowerCase(), list);
      else put(this.#names, name, list);
    } else if (type === "substring") {
      this.#parts.push({ part: entry, list });
    } else {
      const address = canonicalValue("address", entry);
      put(this.#texts, address ?? entry.toLowerCase(), list);
    }
  }

  #addRange(entry: string, list: WarningList): void {
    if (!this.#address.read(entry)) {
      put(this.#texts, entry.toLowerCase(), list);
      return;
    }
    const { words, bits, family } = this.#address;
    const known = this.#ranges[family].get(words, bits);
    if (known >= 0) this.#rangeLists[known]?.push(list);
    else this.#ranges[family].set(words, bits, this.#rangeLists.push([list]) - 1);
  }

  #addRegexes(entries: readonly string[], list: WarningList, source: string): void {
    const made = entries.map((entry) => {
      const [, body = entry, flags = ""] = /^\/(.*)\/([a-z]*)$/s.exec(entry) ?? [];
      try {
        return {
          regex: RE2JS.compile(body, flags.includes("i") ? RE2JS.CASE_INSENSITIVE : 0),
          list,
        };
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw listError(source, `a regular expression cannot be used: ${reason.slice(0, 200)}`);
      }
    });
    this.#regexes.push(...made);
  }
}

function parseList(text: string, source: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw listError(source, `it is no JSON: ${reason.slice(0, 200)}`);
  }
  const fields = fieldsOf(value);
  if (fields === undefined || !Array.isArray(fields.list)) {
    throw listError(source, "it is no MISP warning list: it has no list");
  }
  return fields;
}

function listError(source: string, what: string): UndercroftError {
  const message = `warning list ${source} cannot be used: ${what}`;
  return new UndercroftError("ERR_UC_INDICATORS", message, { path: source });
}

function put(map: Map<string, WarningList[]>, key: string, list: WarningList): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [list]);
  else known.push(list);
}

function parentOf(name: string): string {
  const dot = name.indexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1);
}

// The address or name that a value is about. A URL with a path of its own names one thing on a
// server that may hold many.
function serverOf(kind: IndicatorKind, value: string): string {
  if (kind === "address" || kind === "domain") return value;
  if (kind === "email") return value.slice(value.lastIndexOf("@") + 1);
  const key = kind === "url" ? urlKey(value) : undefined;
  if (key === undefined || !key.endsWith("/") || pathStartOf(key) !== key.length - 1) return "";
  return key
    .slice(0, -1)
    .replace(/:\d+$/, "")
    .replace(/^\[(.*)\]$/, "$1");
}
