// SPDX-License-Identifier: Apache-2.0
// The rules that events of one log source meet, with an automaton for each field that they look
// into. Made by the matcher when the first event of a source comes.
import { Automaton } from "./automaton.ts";
import type { CompiledRules } from "./compiler.ts";
import type { SigmaEvent, SigmaValue } from "./event.ts";
import type { EventState } from "./event-state.ts";
import type { Literal } from "./literal-trie.ts";
import { ScanCache, type ScanMemory } from "./scan-cache.ts";

/** Shorter values are scanned as fast as they are looked up. */
const CACHED_LENGTH_MIN = 24;

const NO_TRIGGERS = new Int32Array(0);

interface ScannedField {
  readonly number: number;
  readonly cache: ScanCache;
}

export class Route {
  /** Rules by number. */
  readonly rules: readonly number[];
  /** Rules that no trigger wakes. */
  readonly always: readonly number[];
  /** By rule: 1 for those of this route. */
  readonly members: Uint8Array;
  readonly #fields: readonly ScannedField[];
  readonly #keywords: ScanCache | undefined;
  /** Fields whose own automata look for the keywords too. */
  readonly #searched = new Set<string>();
  /** Shorter texts hold no keyword. */
  readonly #keywordLength: number;

  constructor(rules: readonly number[], compiled: CompiledRules, memory: ScanMemory) {
    this.rules = rules;
    this.members = new Uint8Array(compiled.rules.length);
    for (const rule of rules) this.members[rule] = 1;
    this.always = rules.filter((rule) => compiled.rules[rule]?.witness === undefined);
    const literals = new Map<string | undefined, Literal[]>();
    const seen = new Uint8Array(compiled.table.triggers.length);
    for (const rule of rules) {
      const triggers = compiled.rules[rule]?.triggers ?? NO_TRIGGERS;
      for (let at = 0; at < triggers.length; at++) {
        const id = triggers[at] ?? 0;
        const trigger = compiled.table.triggers[id];
        if (trigger === undefined || seen[id] === 1) continue;
        seen[id] = 1;
        const list = literals.get(trigger.field);
        const literal = { place: trigger.place, text: trigger.text, id };
        if (list === undefined) literals.set(trigger.field, [literal]);
        else list.push(literal);
      }
    }
    const keywords = literals.get(undefined) ?? [];
    const scanOf = (list: readonly Literal[]): ScanCache =>
      new ScanCache(new Automaton(list, memory.scratch), memory);
    const fields: ScannedField[] = [];
    for (const [field, list] of literals) {
      if (field === undefined) continue;
      const isSearched = keywords.length > 0 && canHold(list, keywords);
      if (isSearched) this.#searched.add(field);
      const cache = scanOf(isSearched ? [...list, ...keywords] : list);
      fields.push({ number: compiled.fieldNumber(field), cache });
    }
    this.#fields = fields;
    this.#keywords = keywords.length === 0 ? undefined : scanOf(keywords);
    this.#keywordLength = Math.min(...keywords.map(({ text }) => text.length));
  }

  /** Bytes of its tables. */
  get bytes(): number {
    let bytes = this.#keywords?.automaton.bytes ?? 0;
    for (const { cache } of this.#fields) bytes += cache.automaton.bytes;
    return bytes;
  }

  /** Looks for the triggers of all rules in the event. */
  scan(state: EventState): void {
    const fields = this.#fields;
    for (let at = 0; at < fields.length; at++) {
      const field = fields[at];
      if (field === undefined) continue;
      const value = state.value(field.number);
      if (value !== undefined) scanValue(field.cache, value, state);
    }
    if (this.#keywords !== undefined) this.#scanKeywords(this.#keywords, state.event, state);
  }

  #scanKeywords(keywords: ScanCache, event: SigmaEvent, state: EventState): void {
    for (const name of event.fieldNames()) {
      if (this.#searched.has(name)) continue;
      const value = event.get(name);
      if (typeof value === "string" && value.length < this.#keywordLength) continue;
      scanValue(keywords, value, state);
    }
  }
}

/** Few keywords join the literals of a field, unless a literal would then stand for two. */
function canHold(list: readonly Literal[], keywords: readonly Literal[]): boolean {
  if (keywords.length > list.length) return false;
  const texts = new Set(keywords.map(({ text }) => text));
  return !list.some(({ text }) => texts.has(text));
}

function scanValue(cache: ScanCache, value: SigmaValue, state: EventState): void {
  if (typeof value === "string") scanText(cache, value, state);
  else if (typeof value === "number") scanText(cache, String(value), state);
  else if (value !== undefined && value !== null) {
    for (const item of value) scanText(cache, String(item), state);
  }
}

function scanText(cache: ScanCache, text: string, state: EventState): void {
  if (text.length < CACHED_LENGTH_MIN) cache.automaton.scan(text, state);
  else cache.scan(text, state);
}
