// SPDX-License-Identifier: Apache-2.0
// All indicators of a server or manager, a million and more: look-ups by value, change by source,
// expiry. Filled by the importers, asked by detection and by `undercroft intel`. A change is one
// synchronous call, so no look-up sees half of it; a whole new set is loaded into a second store
// and put in place of the first by its owner.
import type { Indicator, IndicatorKind } from "../../model/model.ts";
import { AddressKey } from "./address-key.ts";
import { HashTable, hashEnd, hashStart, hashStep } from "./hash-table.ts";
import { canonicalValue, INDICATOR_KINDS, kindOfListName, valueId } from "./indicator-kinds.ts";
import { IndicatorRows, kindCode } from "./indicator-rows.ts";
import { PrefixTable } from "./prefix-table.ts";
import { SubstringTable } from "./substring-table.ts";
import { TextTable } from "./text-table.ts";
import { pathStartOf, urlKey } from "./url-key.ts";

/** What one source has new and no longer. */
export interface IndicatorChange {
  readonly source: string;
  /** All that the source had goes first: this is its whole content. */
  readonly isWhole?: boolean;
  /** Ids; of an indicator made of several parts, all. */
  readonly removed?: readonly string[];
  readonly added?: Iterable<Indicator>;
}

const NONE: readonly Indicator[] = [];
const DOMAIN = kindCode("domain");
const URL_KIND = kindCode("url");
const LINE = kindCode("command-line");
const ID_SALT = 1000;
const NO_LIMIT = 1000;

/** The store. What it is told as `validFromMs` counts once {@link advance} has told that time. */
export class IndicatorStore {
  readonly #rows = new IndicatorRows();
  readonly #texts = new TextTable(this.#rows);
  readonly #domains = new TextTable(this.#rows);
  readonly #urls = new TextTable(this.#rows);
  readonly #lines = new SubstringTable(this.#rows);
  readonly #ipv4 = new PrefixTable(4);
  readonly #ipv6 = new PrefixTable(6);
  readonly #ids = new HashTable();
  readonly #address = new AddressKey();
  readonly #counts: number[] = INDICATOR_KINDS.map(() => 0);
  /** How often something of a kind came or went. */
  readonly #changes: number[] = INDICATOR_KINDS.map(() => 0);
  #nowSeconds = 0;
  /** The first second at which something begins or ends to be valid. */
  #nextSeconds = Number.POSITIVE_INFINITY;
  /** Some row may be valid only later than the time last told. */
  #hasLater = false;
  readonly #accept = (row: number): boolean => this.#live(row) >= 0;
  // A name that is a public suffix belongs to many: as an indicator it stands for itself only.
  readonly #acceptDomain = (row: number, isWhole: boolean): boolean =>
    this.#live(row) >= 0 && (isWhole || !this.#rows.isPublicSuffix(row));

  /** Indicators held. */
  get size(): number {
    return this.#rows.size;
  }

  /** Bytes of the tables and texts; what JavaScript itself takes is not in it. */
  get bytes(): number {
    const tables = [this.#texts, this.#domains, this.#urls, this.#lines, this.#ipv4, this.#ipv6];
    return tables.reduce((sum, table) => sum + table.bytes, this.#rows.bytes + this.#ids.bytes);
  }

  /** How many of a kind. */
  count(kind: IndicatorKind): number {
    return this.#counts[kindCode(kind)] ?? 0;
  }

  /** Grows whenever something of one of these kinds comes, goes, begins or ends. */
  changesOf(kinds: readonly IndicatorKind[]): number {
    return kinds.reduce((sum, kind) => sum + (this.#changes[kindCode(kind)] ?? 0), 0);
  }

  /** The first time, in ms since 1970, at which {@link advance} has anything to do. */
  get nextChangeMs(): number {
    return this.#nextSeconds * 1000;
  }

  /**
   * Adds an indicator whose value is in its written form; one of the same source and id goes.
   * @throws {UndercroftError} ERR_UC_INDICATORS when a limit of the store is met
   */
  add(indicator: Indicator): void {
    const { kind, value, source } = indicator;
    const isDerived = indicator.id === valueId(kind, value);
    const code = kindCode(kind);
    const head = this.#headOf(code, value);
    if (isDerived) {
      const same = this.#derivedIn(head, source);
      if (same >= 0) this.#removeRow(same);
    } else {
      this.remove(source, indicator.id);
    }
    const row = this.#rows.add(indicator, isDerived ? "" : indicator.id);
    this.#counts[code] = (this.#counts[code] ?? 0) + 1;
    this.#changed(code);
    this.#noteTimes(row);
    if (!isDerived) this.#ids.add(this.#idHash(this.#rows.sources[row] ?? 0, indicator.id), row);
    // What was removed may have been the first one itself.
    const first = this.#headOf(code, value);
    if (first < 0) this.#setHead(code, value, -1, row);
    else this.#rows.linkAfter(first, row);
  }

  /** Removes what a source had under an id, all parts of it; the number of indicators gone. */
  remove(source: string, id: string): number {
    const code = this.#rows.sourceCode(source);
    if (code < 0) return 0;
    let removed = 0;
    for (let part = 1; ; part++) {
      const row = this.#rowOfId(code, part === 1 ? id : `${id}#${part}`);
      if (row < 0) return removed;
      this.#removeRow(row);
      removed++;
    }
  }

  /** Removes all of a source; the number of indicators gone. */
  removeSource(source: string): number {
    const code = this.#rows.sourceCode(source);
    if (code < 0) return 0;
    return this.#removeWhere((row) => this.#rows.sources[row] === code);
  }

  /** Takes a source's change over as a whole. */
  apply(change: IndicatorChange): void {
    if (change.isWhole === true) this.removeSource(change.source);
    for (const id of change.removed ?? []) this.remove(change.source, id);
    for (const indicator of change.added ?? []) this.add(indicator);
    this.#rows.compact();
  }

  /** Tells the time: what is no longer valid goes, and its number comes back. */
  advance(nowMs: number): number {
    const beforeSeconds = this.#nowSeconds;
    const nowSeconds = Math.floor(nowMs / 1000);
    const isDue = nowSeconds >= this.#nextSeconds || nowSeconds < beforeSeconds;
    this.#nowSeconds = nowSeconds;
    // The first time that is told may be before the beginning of some.
    if (!isDue && beforeSeconds !== 0) return 0;
    this.#hasLater = false;
    this.#nextSeconds = Number.POSITIVE_INFINITY;
    const { from, until, kinds } = this.#rows;
    return this.#removeWhere((row) => {
      const begins = from[row] ?? 0;
      const ends = until[row] ?? 0;
      if (ends !== 0 && ends <= nowSeconds) return true;
      this.#noteTimes(row);
      if (begins > beforeSeconds && begins <= nowSeconds) this.#changed(kinds[row] ?? 0);
      return false;
    });
  }

  /** Every indicator, in no special order. */
  *[Symbol.iterator](): IterableIterator<Indicator> {
    for (let row = 0; row < this.#rows.end; row++) {
      if (this.#rows.isUsed(row)) yield this.#rows.read(row);
    }
  }

  /** Those of some kinds that are valid by now, in no special order. */
  *ofKinds(kinds: readonly IndicatorKind[]): IterableIterator<Indicator> {
    const codes = new Set(kinds.map(kindCode));
    for (let row = 0; row < this.#rows.end; row++) {
      const isWanted = this.#rows.isUsed(row) && codes.has(this.#rows.kinds[row] ?? 0);
      if (isWanted && this.#isLive(row)) yield this.#rows.read(row);
    }
  }

  /** The indicator of a row that a look-up gave. */
  at(row: number): Indicator {
    return this.#rows.read(row);
  }

  /** The row of the narrowest address or range that holds an address, or -1. */
  findAddress(text: string): number {
    if (this.count("address") === 0 || !this.#address.read(text)) return -1;
    return this.#findRange();
  }

  /** The row of a name or of the nearest domain above it, or -1. */
  findDomain(name: string): number {
    return this.#domains.findDomain(DOMAIN, name, this.#acceptDomain);
  }

  /** The row of the URL, or of the nearest one that it lies under, or -1. */
  findUrl(url: string): number {
    const key = this.#urls.size === 0 ? undefined : urlKey(url);
    if (key === undefined) return -1;
    return this.#urls.findUrl(URL_KIND, key, pathStartOf(key), this.#accept);
  }

  /** The row of exactly this value, in its written form, of a kind looked up as it is; or -1. */
  findExact(kind: IndicatorKind, value: string): number {
    const row = this.#texts.get(kindCode(kind), value);
    return row < 0 ? -1 : this.#live(row);
  }

  /** Whether {@link find} would give anything; makes no object. */
  has(kind: IndicatorKind, text: string): boolean {
    switch (kind) {
      case "address":
        return this.findAddress(text) >= 0;
      case "domain":
        return this.findDomain(text) >= 0;
      case "url":
        return this.findUrl(text) >= 0;
      default: {
        if (this.count(kind) === 0) return false;
        const value = canonicalValue(kind, text);
        return value !== undefined && this.findExact(kind, value) >= 0;
      }
    }
  }

  /** Calls back with the row of each command line that is part of this one. */
  findLines(line: string, found: (row: number) => void): void {
    this.#lines.find(line, (row) => {
      const live = this.#live(row);
      if (live >= 0) found(live);
    });
  }

  /**
   * All indicators that a value of a kind meets, the nearest first: of every source, and those of
   * the ranges, domains and URLs above it.
   */
  find(kind: IndicatorKind, text: string): readonly Indicator[] {
    const rows: number[] = [];
    const take = (head: number): boolean => {
      for (let row = head; row >= 0; row = this.#rows.next[row] ?? -1) {
        if (this.#isLive(row)) rows.push(row);
      }
      return false;
    };
    this.#findAll(kind, text, take);
    return rows.length === 0 ? NONE : rows.map((row) => this.#rows.read(row));
  }

  #findAll(kind: IndicatorKind, text: string, take: (head: number) => boolean): void {
    if (kind === "command-line") {
      this.#lines.find(text, take);
      return;
    }
    const value = canonicalValue(kind, text);
    if (value === undefined) return;
    if (kind === "address") {
      this.#eachRange(value, take);
    } else if (kind === "domain") {
      const heads: number[] = [];
      this.#domains.findDomain(DOMAIN, value, (row, isWhole) => {
        if (isWhole || !this.#rows.isPublicSuffix(row)) heads.unshift(row);
        return false;
      });
      for (const head of heads) take(head);
    } else if (kind === "url") {
      const heads: number[] = [];
      const key = urlKey(value) ?? "";
      this.#urls.findUrl(URL_KIND, key, pathStartOf(key), (row) => {
        heads.unshift(row);
        return false;
      });
      for (const head of heads) take(head);
    } else {
      take(this.#texts.get(kindCode(kind), value));
    }
  }

  #eachRange(value: string, take: (head: number) => boolean): void {
    if (!this.#address.read(value)) return;
    const { words, bits } = this.#address;
    const table = this.#address.family === 4 ? this.#ipv4 : this.#ipv6;
    let row = table.find(words, bits, NO_LIMIT);
    while (row >= 0) {
      take(row);
      row = table.find(words, bits, table.foundBits);
    }
  }

  #findRange(): number {
    const { words, bits, family } = this.#address;
    const table = family === 4 ? this.#ipv4 : this.#ipv6;
    let head = table.find(words, bits, NO_LIMIT);
    while (head >= 0) {
      const row = this.#live(head);
      if (row >= 0) return row;
      head = table.find(words, bits, table.foundBits);
    }
    return -1;
  }

  // Before any time was told, all are valid.
  #isLive(row: number): boolean {
    if (!this.#hasLater || this.#nowSeconds === 0) return true;
    return (this.#rows.from[row] ?? 0) <= this.#nowSeconds;
  }

  // The first of a chain that is valid by now.
  #live(head: number): number {
    if (!this.#hasLater) return head;
    for (let row = head; row >= 0; row = this.#rows.next[row] ?? -1) {
      if (this.#isLive(row)) return row;
    }
    return -1;
  }

  #headOf(code: number, value: string): number {
    switch (INDICATOR_KINDS[code]) {
      case "pattern":
        return -1;
      case "address":
        return this.#address.read(value)
          ? this.#prefixes().get(this.#address.words, this.#address.bits)
          : -1;
      case "domain":
        return this.#domains.get(code, value);
      case "url":
        return this.#urls.getUrl(code, urlKey(value) ?? "");
      default:
        return this.#texts.get(code, value);
    }
  }

  // Puts a row, or none (-1), where another, or none, was the first of its value.
  #setHead(code: number, value: string, before: number, row: number): void {
    switch (INDICATOR_KINDS[code]) {
      case "pattern":
        return;
      case "address":
        if (this.#address.read(value)) {
          this.#prefixes().set(this.#address.words, this.#address.bits, row);
        }
        return;
      case "domain":
        this.#domains.set(code, value, row);
        return;
      case "url":
        this.#urls.setUrl(code, urlKey(value) ?? "", row);
        return;
      default:
        this.#texts.set(code, value, row);
    }
    if (code !== LINE) return;
    if (before >= 0) this.#lines.replace(before, row);
    else this.#lines.add(row, value);
  }

  #changed(code: number): void {
    this.#changes[code] = (this.#changes[code] ?? 0) + 1;
  }

  // A time that has passed is of no interest any more.
  #noteTimes(row: number): void {
    const begins = this.#rows.from[row] ?? 0;
    const ends = this.#rows.until[row] ?? 0;
    if (begins > this.#nowSeconds) {
      this.#hasLater = true;
      this.#nextSeconds = Math.min(this.#nextSeconds, begins);
    }
    if (ends !== 0) this.#nextSeconds = Math.min(this.#nextSeconds, ends);
  }

  #prefixes(): PrefixTable {
    return this.#address.family === 4 ? this.#ipv4 : this.#ipv6;
  }

  #derivedIn(head: number, source: string): number {
    const code = this.#rows.sourceCode(source);
    for (let row = head; row >= 0; row = this.#rows.next[row] ?? -1) {
      if (this.#rows.sources[row] === code && this.#rows.ids[row] === 0) return row;
    }
    return -1;
  }

  #rowOfId(source: number, id: string): number {
    const { ids, sources, pool } = this.#rows;
    const hash = this.#idHash(source, id);
    for (let at = this.#ids.first(hash); at >= 0; at = this.#ids.next(hash, at)) {
      const row = this.#ids.rowAt(at);
      const isSame = pool.equals(ids[row] ?? 0, id, 0, id.length, false);
      if (isSame && sources[row] === source) return row;
    }
    return this.#derivedRow(source, id);
  }

  // An id made of the value is not kept: the value's own table finds it.
  #derivedRow(source: number, id: string): number {
    const colon = id.indexOf(":");
    const kind = kindOfListName(id.slice(0, Math.max(0, colon)));
    if (kind === undefined) return -1;
    const head = this.#headOf(kindCode(kind), id.slice(colon + 1));
    for (let row = head; row >= 0; row = this.#rows.next[row] ?? -1) {
      if (this.#rows.sources[row] === source && this.#rows.ids[row] === 0) return row;
    }
    return -1;
  }

  #idHash(source: number, id: string): number {
    let hash = hashStart(ID_SALT + source);
    for (let at = 0; at < id.length; at++) hash = hashStep(hash, id.charCodeAt(at));
    return hashEnd(hash);
  }

  #removeWhere(isGone: (row: number) => boolean): number {
    let removed = 0;
    for (let row = 0; row < this.#rows.end; row++) {
      if (!this.#rows.isUsed(row) || !isGone(row)) continue;
      this.#removeRow(row);
      removed++;
    }
    if (removed > 0) this.#rows.compact();
    return removed;
  }

  #removeRow(row: number): void {
    const rows = this.#rows;
    const code = rows.kinds[row] ?? 0;
    const isFirst = (rows.previous[row] ?? -1) < 0;
    if (isFirst) this.#setHead(code, rows.value(row), row, rows.next[row] ?? -1);
    rows.unlink(row);
    if (rows.ids[row] !== 0) this.#removeId(row);
    this.#counts[code] = (this.#counts[code] ?? 0) - 1;
    this.#changed(code);
    rows.free(row);
  }

  #removeId(row: number): void {
    const hash = this.#idHash(this.#rows.sources[row] ?? 0, this.#rows.id(row));
    let place = this.#ids.first(hash);
    while (place >= 0 && this.#ids.rowAt(place) !== row) place = this.#ids.next(hash, place);
    if (place >= 0) this.#ids.removeAt(place);
  }
}
