// SPDX-License-Identifier: Apache-2.0
// Which rules of a set match an event. Knows nothing of correlations or time: the engine adds both.
import { CompiledRules } from "./compiler.ts";
import type { EventSource, SigmaEvent } from "./event.ts";
import { EventState } from "./event-state.ts";
import { sourceMatches } from "./interpreter.ts";
import { Route } from "./route.ts";
import type { LogSource, SigmaRule } from "./rule.ts";
import { ScanMemory } from "./scan-cache.ts";

const NONE: readonly SigmaRule[] = [];
/** Sources that a stream of foreign events may name before the memory of them begins anew. */
const SOURCES_MAX = 1024;

/** Rules of one log source. */
interface RuleGroup {
  readonly source: LogSource;
  readonly rules: number[];
}

/** Rules that triggers wake. */
interface Postings {
  /** By trigger: where its rules begin; those of the next one begin where they end. */
  readonly from: Int32Array;
  readonly rules: Int32Array;
}

export interface MatcherStats {
  readonly rules: number;
  readonly triggers: number;
  readonly routes: number;
  /** Bytes of all automata. */
  readonly bytes: number;
}

export class Matcher {
  readonly #compiled: CompiledRules;
  readonly #state: EventState;
  readonly #memory: ScanMemory;
  readonly #groups: RuleGroup[] = [];
  readonly #postings: Postings;
  readonly #routes = new Map<string, Route>();
  readonly #routesBySource = new Map<EventSource, Route>();

  constructor(rules: readonly SigmaRule[]) {
    this.#compiled = new CompiledRules(rules);
    const { fields, table, leafCount } = this.#compiled;
    for (const { field } of table.triggers) {
      if (field !== undefined) this.#compiled.fieldNumber(field);
    }
    this.#state = new EventState(fields, table.triggers.length, leafCount, rules.length);
    this.#memory = new ScanMemory(table.triggers.length);
    this.#postings = postingsOf(this.#compiled);
    const groups = new Map<string, RuleGroup>();
    for (const [number, { source }] of rules.entries()) {
      const { category = "", product = "", service = "" } = source;
      const key = `${category}\0${product}\0${service}`;
      const group = groups.get(key) ?? { source, rules: [] };
      groups.set(key, group);
      group.rules.push(number);
    }
    this.#groups.push(...groups.values());
  }

  get stats(): MatcherStats {
    let bytes = 0;
    for (const route of this.#routes.values()) bytes += route.bytes;
    const { rules, table } = this.#compiled;
    return {
      ...{ rules: rules.length, triggers: table.triggers.length },
      ...{ routes: this.#routes.size, bytes },
    };
  }

  /** Log sources that rules name. */
  get sources(): readonly LogSource[] {
    return this.#groups.map(({ source }) => source);
  }

  /** Makes ready for events of a source; returns how many rules they will meet. */
  prepare(source: EventSource): number {
    return this.#routeOf(source).rules.length;
  }

  /** Rules that match an event. One without a match costs no allocation. */
  match(event: SigmaEvent): readonly SigmaRule[] {
    const route = this.#routeOf(event.source);
    if (route.rules.length === 0) return NONE;
    const state = this.#state;
    state.begin(event);
    route.scan(state);
    let found: number[] | undefined;
    const { ids, count, asked, epoch } = state;
    const { from, rules: woken } = this.#postings;
    const { members } = route;
    for (let at = 0; at < count; at++) {
      const id = ids[at] ?? 0;
      const end = from[id + 1] ?? 0;
      for (let index = from[id] ?? 0; index < end; index++) {
        const number = woken[index] ?? 0;
        if (members[number] === 0 || asked[number] === epoch) continue;
        asked[number] = epoch;
        found = this.#ask(number, found);
      }
    }
    const { always } = route;
    for (let at = 0; at < always.length; at++) found = this.#ask(always[at] ?? 0, found);
    state.end();
    if (found === undefined) return NONE;
    // In the order of the rule set, whatever woke them first.
    found.sort((one, two) => one - two);
    return found.flatMap((number) => this.#compiled.rules[number]?.rule ?? []);
  }

  #ask(number: number, found: number[] | undefined): number[] | undefined {
    if (this.#compiled.rules[number]?.check(this.#state) !== true) return found;
    if (found === undefined) return [number];
    found.push(number);
    return found;
  }

  #routeOf(source: EventSource): Route {
    const known = this.#routesBySource.get(source);
    if (known !== undefined) return known;
    const groups: number[] = [];
    for (const [number, group] of this.#groups.entries()) {
      if (sourceMatches(group.source, source)) groups.push(number);
    }
    const key = groups.join();
    const rules = groups.flatMap((number) => this.#groups[number]?.rules ?? []);
    const route = this.#routes.get(key) ?? new Route(rules, this.#compiled, this.#memory);
    this.#routes.set(key, route);
    if (this.#routesBySource.size >= SOURCES_MAX) this.#routesBySource.clear();
    this.#routesBySource.set(source, route);
    return route;
  }
}

function postingsOf({ table, rules }: CompiledRules): Postings {
  const from = new Int32Array(table.triggers.length + 1);
  for (const { witness } of rules) for (const id of witness ?? []) from[id] = (from[id] ?? 0) + 1;
  // Ends, which become starts as they are filled downwards.
  for (let id = 1; id < from.length; id++) from[id] = (from[id] ?? 0) + (from[id - 1] ?? 0);
  const woken = new Int32Array(from.at(-1) ?? 0);
  for (let number = rules.length - 1; number >= 0; number--) {
    for (const id of rules[number]?.witness ?? []) {
      const place = (from[id] ?? 0) - 1;
      from[id] = place;
      woken[place] = number;
    }
  }
  return { from, rules: woken };
}
