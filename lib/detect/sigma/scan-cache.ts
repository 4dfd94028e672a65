// SPDX-License-Identifier: Apache-2.0
// What the scans of the last values found. Programs, paths and whole command lines come again and
// again; to look a value up costs a fraction of scanning it. Bounded for all fields together.
import { type Automaton, addHit, type ScanHits } from "./automaton.ts";
import { Scratch } from "./literal-trie.ts";

/** Characters of values kept in one generation; there are two. */
const GENERATION_LENGTH_MAX = 1 << 22;
/** What an entry costs besides its text, in characters. */
const ENTRY_LENGTH = 64;
/** Longer values are scanned each time. */
const VALUE_LENGTH_MAX = 1 << 13;

/** Look-ups after which a cache judges whether they pay. */
const TRIAL_LOOKS = 512;
/** Fewer of these found, and the next values are scanned without a look. */
const TRIAL_FOUND_MIN = 128;
const UNLOOKED_VALUES = 8 * TRIAL_LOOKS;

/** Scans until the count begins anew. */
const EPOCHS_MAX = 2 ** 30;

type Found = readonly number[];

/** What all caches of a matcher share: together they forget what was not used of late. */
export class ScanMemory {
  /** A scan's finds, apart from those of the event. */
  readonly fresh: ScanHits;
  /** What their automata are built with. */
  readonly scratch: Scratch = new Scratch();
  readonly #caches: ScanCache[] = [];
  #length = 0;

  constructor(triggers: number) {
    const table = (): Int32Array => new Int32Array(triggers);
    this.fresh = { stamps: table(), ids: table(), epoch: 0, count: 0 };
  }

  join(cache: ScanCache): void {
    this.#caches.push(cache);
  }

  /** Counts a new entry, before it is kept. */
  spend(length: number): void {
    this.#length += length + ENTRY_LENGTH;
    if (this.#length <= GENERATION_LENGTH_MAX) return;
    for (const cache of this.#caches) cache.age();
    this.#length = 0;
  }
}

/** An automaton with a memory. */
export class ScanCache {
  readonly automaton: Automaton;
  readonly #memory: ScanMemory;
  #young = new Map<string, Found>();
  #old: Map<string, Found> = new Map();
  /** Look-ups of this trial, those that found something new, and values to pass without one. */
  #looks = 0;
  #misses = 0;
  #unlooked = 0;

  constructor(automaton: Automaton, memory: ScanMemory) {
    this.automaton = automaton;
    this.#memory = memory;
    memory.join(this);
  }

  /** Reports as {@link Automaton.scan} does. */
  scan(text: string, hits: ScanHits): void {
    if (text.length > VALUE_LENGTH_MAX || this.#unlooked > 0) {
      if (this.#unlooked > 0) this.#unlooked -= 1;
      this.automaton.scan(text, hits);
      return;
    }
    const found = this.#young.get(text) ?? this.#fromOld(text) ?? this.#scanNew(text);
    for (let at = 0; at < found.length; at++) addHit(found[at] ?? 0, hits);
    this.#looks += 1;
    if (this.#looks === TRIAL_LOOKS) this.#judge();
  }

  /** Where values seldom come again, as command lines may, remembering them costs the most. */
  #judge(): void {
    if (TRIAL_LOOKS - this.#misses < TRIAL_FOUND_MIN) this.#unlooked = UNLOOKED_VALUES;
    this.#looks = 0;
    this.#misses = 0;
  }

  /** Forgets what was not used since the last time. */
  age(): void {
    this.#old = this.#young;
    this.#young = new Map();
  }

  #fromOld(text: string): Found | undefined {
    const found = this.#old.get(text);
    if (found !== undefined) this.#keep(text, found);
    return found;
  }

  #scanNew(text: string): Found {
    this.#misses += 1;
    const { fresh } = this.#memory;
    fresh.epoch += 1;
    if (fresh.epoch === EPOCHS_MAX) {
      fresh.stamps.fill(0);
      fresh.epoch = 1;
    }
    fresh.count = 0;
    this.automaton.scan(text, fresh);
    const found = fresh.count === 0 ? NOTHING : Array.from(fresh.ids.subarray(0, fresh.count));
    this.#keep(text, found);
    return found;
  }

  #keep(text: string, found: Found): void {
    this.#memory.spend(text.length);
    this.#young.set(text, found);
  }
}

const NOTHING: Found = [];
