// SPDX-License-Identifier: Apache-2.0
// Indicators as rows of numbers, their texts in a pool: a million take about 100 bytes each, and
// an object is made only of one that was found. Used by the indicator store.
import { UndercroftError } from "../../errors/errors.ts";
import type {
  Indicator,
  IndicatorKind,
  Observable,
  Severity,
  TlpMarking,
} from "../../model/model.ts";
import { INDICATOR_KINDS, isPublicSuffix, valueId } from "./indicator-kinds.ts";
import { TextPool } from "./text-pool.ts";

const SEVERITIES: readonly Severity[] = ["informational", "low", "medium", "high", "critical"];
const MARKINGS: readonly TlpMarking[] = ["clear", "green", "amber", "amber+strict", "red"];
const KIND_CODES = new Map<string, number>(INDICATOR_KINDS.map((kind, code) => [kind, code]));

const NO_CONFIDENCE = 255;
const SOURCES_MAX = 65_535;
const SECONDS_MAX = 2 ** 32 - 1;
const CAPACITY_MIN = 256;
/** What all columns take for one row. */
const ROW_BYTES = 44;
/** Titles and labels repeat; so many are remembered to be stored once. */
const SHARED_MAX = 16_384;
/** A pool is worth copying when this much of it, and half of it, is dead. */
const DEAD_BYTES_MIN = 4 << 20;

/** Code of a kind, as the rows hold it. */
export function kindCode(kind: IndicatorKind): number {
  return KIND_CODES.get(kind) ?? 0;
}

/** The table of all indicators of a store; a row's number stays its own until it is freed. */
export class IndicatorRows {
  pool: TextPool = new TextPool();
  /** Next and previous row of the same kind and value, or -1. */
  next: Int32Array = new Int32Array(CAPACITY_MIN);
  previous: Int32Array = new Int32Array(CAPACITY_MIN);
  kinds: Uint8Array = new Uint8Array(CAPACITY_MIN);
  sources: Uint16Array = new Uint16Array(CAPACITY_MIN);
  /** Offsets in the pool; an id of 0 is made of kind and value. */
  values: Uint32Array = new Uint32Array(CAPACITY_MIN);
  ids: Uint32Array = new Uint32Array(CAPACITY_MIN);
  /** Seconds since 1970; until when: 0 is for ever. */
  from: Uint32Array = new Uint32Array(CAPACITY_MIN);
  until: Uint32Array = new Uint32Array(CAPACITY_MIN);
  #severities = new Uint8Array(CAPACITY_MIN);
  #confidences = new Uint8Array(CAPACITY_MIN);
  #markings = new Uint8Array(CAPACITY_MIN);
  #isUsed = new Uint8Array(CAPACITY_MIN);
  /** Whether a domain is a public suffix: 0 not asked yet, 1 no, 2 yes. */
  #suffixes = new Uint8Array(CAPACITY_MIN);
  #titles = new Uint32Array(CAPACITY_MIN);
  #labels = new Uint32Array(CAPACITY_MIN);
  #conditions = new Uint32Array(CAPACITY_MIN);
  readonly #sourceNames: string[] = [];
  readonly #sourceCodes = new Map<string, number>();
  #shared = new Map<string, number>();
  #free: number[] = [];
  #end = 0;
  #dead = 0;

  /** Rows in use. */
  get size(): number {
    return this.#end - this.#free.length;
  }

  /** One more than the highest row that was ever used. */
  get end(): number {
    return this.#end;
  }

  get bytes(): number {
    return this.pool.bytes + this.next.length * ROW_BYTES;
  }

  isUsed(row: number): boolean {
    return this.#isUsed[row] === 1;
  }

  /** The source's code, or -1 where nothing came from it. */
  sourceCode(source: string): number {
    return this.#sourceCodes.get(source) ?? -1;
  }

  /** Fills a free row. The value is in its written form. */
  add(indicator: Indicator, id: string): number {
    const row = this.#free.pop() ?? this.#end++;
    if (row >= this.next.length) this.#grow();
    this.#isUsed[row] = 1;
    this.#suffixes[row] = 0;
    this.next[row] = -1;
    this.previous[row] = -1;
    this.kinds[row] = kindCode(indicator.kind);
    this.sources[row] = this.#codeOf(indicator.source);
    this.values[row] = this.pool.add(indicator.value);
    this.ids[row] = this.pool.add(id);
    this.from[row] = seconds(indicator.validFromMs, Math.floor);
    this.until[row] = seconds(indicator.validUntilMs, Math.ceil);
    this.#severities[row] = SEVERITIES.indexOf(indicator.severity);
    this.#confidences[row] = indicator.confidence ?? NO_CONFIDENCE;
    this.#markings[row] = indicator.tlp === undefined ? 0 : MARKINGS.indexOf(indicator.tlp) + 1;
    this.#titles[row] = this.#share(indicator.title);
    this.#labels[row] = this.#share(labelsText(indicator.labels));
    this.#conditions[row] = this.#share(conditionsText(indicator.with));
    return row;
  }

  free(row: number): void {
    this.#dead += this.value(row).length + this.pool.text(this.ids[row] ?? 0).length + 2;
    this.#isUsed[row] = 0;
    this.#free.push(row);
  }

  /** Whether the value is a domain below which names belong to others. Asked once, kept. */
  isPublicSuffix(row: number): boolean {
    const known = this.#suffixes[row] ?? 0;
    if (known !== 0) return known === 2;
    const isSuffix = isPublicSuffix(this.value(row));
    this.#suffixes[row] = isSuffix ? 2 : 1;
    return isSuffix;
  }

  /** Puts a row behind one of the same kind and value. */
  linkAfter(first: number, row: number): void {
    const second = this.next[first] ?? -1;
    this.next[first] = row;
    this.previous[row] = first;
    this.next[row] = second;
    if (second >= 0) this.previous[second] = row;
  }

  /** Takes a row out from between its neighbours. */
  unlink(row: number): void {
    const before = this.previous[row] ?? -1;
    const after = this.next[row] ?? -1;
    if (before >= 0) this.next[before] = after;
    if (after >= 0) this.previous[after] = before;
  }

  kind(row: number): IndicatorKind {
    return INDICATOR_KINDS[this.kinds[row] ?? 0] ?? "pattern";
  }

  value(row: number): string {
    return this.pool.text(this.values[row] ?? 0);
  }

  id(row: number): string {
    const offset = this.ids[row] ?? 0;
    return offset === 0 ? valueId(this.kind(row), this.value(row)) : this.pool.text(offset);
  }

  source(row: number): string {
    return this.#sourceNames[this.sources[row] ?? 0] ?? "";
  }

  /** The indicator of a row. */
  read(row: number): Indicator {
    const confidence = this.#confidences[row] ?? NO_CONFIDENCE;
    const tlp = MARKINGS[(this.#markings[row] ?? 0) - 1];
    const fromSeconds = this.from[row] ?? 0;
    const untilSeconds = this.until[row] ?? 0;
    const labels = this.pool.text(this.#labels[row] ?? 0);
    const conditions = this.pool.text(this.#conditions[row] ?? 0);
    return {
      id: this.id(row),
      kind: this.kind(row),
      value: this.value(row),
      title: this.pool.text(this.#titles[row] ?? 0),
      severity: SEVERITIES[this.#severities[row] ?? 0] ?? "high",
      source: this.source(row),
      ...(confidence === NO_CONFIDENCE ? {} : { confidence }),
      ...(tlp === undefined ? {} : { tlp }),
      ...(fromSeconds === 0 ? {} : { validFromMs: fromSeconds * 1000 }),
      ...(untilSeconds === 0 ? {} : { validUntilMs: untilSeconds * 1000 }),
      ...(labels === "" ? {} : { labels: labels.split("\n") }),
      ...(conditions === "" ? {} : { with: conditions.split("\n").map(conditionOf) }),
    };
  }

  /** Copies the living texts to a new pool when enough of this one is dead. */
  compact(): void {
    if (this.#dead < DEAD_BYTES_MIN || this.#dead * 2 < this.pool.used) return;
    const old = this.pool;
    this.pool = new TextPool();
    this.#shared = new Map();
    this.#dead = 0;
    for (let row = 0; row < this.#end; row++) {
      if (!this.isUsed(row)) continue;
      this.values[row] = this.pool.add(old.text(this.values[row] ?? 0));
      this.ids[row] = this.pool.add(old.text(this.ids[row] ?? 0));
      for (const column of [this.#titles, this.#labels, this.#conditions]) {
        column[row] = this.#share(old.text(column[row] ?? 0));
      }
    }
  }

  #codeOf(source: string): number {
    const known = this.#sourceCodes.get(source);
    if (known !== undefined) return known;
    if (this.#sourceNames.length > SOURCES_MAX) {
      const what = `more than ${SOURCES_MAX} sources; give all files of one feed one name`;
      throw new UndercroftError("ERR_UC_INDICATORS", what);
    }
    const code = this.#sourceNames.push(source) - 1;
    this.#sourceCodes.set(source, code);
    return code;
  }

  #share(text: string): number {
    if (text === "") return 0;
    const known = this.#shared.get(text);
    if (known !== undefined) return known;
    if (this.#shared.size >= SHARED_MAX) this.#shared.clear();
    const offset = this.pool.add(text);
    this.#shared.set(text, offset);
    return offset;
  }

  #grow(): void {
    const capacity = this.next.length * 2;
    const words = (old: Uint32Array): Uint32Array<ArrayBuffer> => {
      const grown = new Uint32Array(capacity);
      grown.set(old);
      return grown;
    };
    const bytes = (old: Uint8Array): Uint8Array<ArrayBuffer> => {
      const grown = new Uint8Array(capacity);
      grown.set(old);
      return grown;
    };
    const links = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const grown = new Int32Array(capacity);
      grown.set(old);
      return grown;
    };
    const sources = new Uint16Array(capacity);
    sources.set(this.sources);
    this.sources = sources;
    this.next = links(this.next);
    this.previous = links(this.previous);
    this.kinds = bytes(this.kinds);
    this.values = words(this.values);
    this.ids = words(this.ids);
    this.from = words(this.from);
    this.until = words(this.until);
    this.#severities = bytes(this.#severities);
    this.#confidences = bytes(this.#confidences);
    this.#markings = bytes(this.#markings);
    this.#isUsed = bytes(this.#isUsed);
    this.#suffixes = bytes(this.#suffixes);
    this.#titles = words(this.#titles);
    this.#labels = words(this.#labels);
    this.#conditions = words(this.#conditions);
  }
}

function seconds(ms: number | undefined, round: (value: number) => number): number {
  if (ms === undefined) return 0;
  return Math.min(SECONDS_MAX, Math.max(1, round(ms / 1000)));
}

function labelsText(labels: readonly string[] | undefined): string {
  if (labels === undefined || labels.length === 0) return "";
  const [first = ""] = labels;
  if (labels.length === 1 && !first.includes("\n")) return first;
  return labels.map((label) => label.replaceAll("\n", " ")).join("\n");
}

function conditionsText(conditions: readonly Observable[] | undefined): string {
  if (conditions === undefined || conditions.length === 0) return "";
  return conditions.map(({ kind, value }) => `${kind} ${value.replaceAll("\n", " ")}`).join("\n");
}

function conditionOf(line: string): Observable {
  const space = line.indexOf(" ");
  return { kind: line.slice(0, space) as IndicatorKind, value: line.slice(space + 1) };
}
