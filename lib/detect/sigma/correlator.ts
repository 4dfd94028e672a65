// SPDX-License-Identifier: Apache-2.0
// Correlations at work: matches of their rules in, matches of their own out, group by group, by the
// time of the events. What it keeps is bounded; what it had to forget is counted. Called by the
// engine.
import type { EvidenceEvent } from "../../model/model.ts";
import {
  Window,
  type WindowFigure,
  type WindowPlan,
  type WindowState,
  windowPlan,
} from "./correlation-window.ts";
import { type Ending, EndQueue } from "./end-queue.ts";
import { FieldsEvent, type SigmaEvent, type SigmaValue } from "./event.ts";
import { foldText } from "./fold.ts";
import { numberOf } from "./modifiers.ts";
import type { SigmaCorrelation } from "./rule.ts";
import type { LinkedCorrelation } from "./rule-set.ts";
import { type Touched, TouchList } from "./touch-list.ts";

export interface CorrelatorOptions {
  /** Groups of all correlations together; those not touched for longest make room. */
  readonly groupsMax?: number;
  /** Events and values kept in all groups together. */
  readonly samplesMax?: number;
  /** How late an event may come, by its own time, before windows close without it. */
  readonly latenessMs?: number;
  /**
   * Who says what time it is: the events, as in a replay, or only {@link Correlator.advance}. A
   * live stream takes the latter, or one event with a wrong time would close everybody's windows;
   * events of the future then count as of now.
   */
  readonly timeFrom?: "events" | "advance";
}

/** A correlation that holds. */
export interface CorrelationMatch {
  readonly correlation: SigmaCorrelation;
  /** Time of the event that made it hold, or the end of a window that had to be over. */
  readonly timeMs: number;
  /** Time of the first event that counts. */
  readonly firstMs: number;
  /** Fields that it groups by, and their values. */
  readonly group: ReadonlyMap<string, string>;
  /** The count, sum and so on that fulfilled the condition. */
  readonly figure: number;
  /** Of a share of values: the value. */
  readonly value?: string;
  /** The event that made it hold; of a window that closed, what is still known of its last. */
  readonly event: SigmaEvent;
}

export interface CorrelatorStats {
  readonly groups: number;
  readonly samples: number;
  /** Groups that had to make room while they still counted. */
  readonly evictedGroups: number;
  /** Samples that went with them, or that a window had no room for. */
  readonly evictedSamples: number;
  /** Events that came after their window. */
  readonly late: number;
  /** Events without a field that is grouped by, or without the value that is counted. */
  readonly incomplete: number;
}

/** Groups as plain data that survive a restart. */
export interface CorrelatorState {
  readonly version: 1;
  readonly newestMs: number;
  readonly groups: readonly GroupState[];
}

interface GroupState {
  readonly correlation: string;
  /** What the correlation asked for: a changed one must not go on with old figures. */
  readonly meaning: string;
  readonly values: readonly string[];
  readonly carried: ReadonlyArray<readonly [string, SigmaValue]>;
  readonly window: WindowState;
  /** What the last event that counted is a view of. */
  readonly origin?: EvidenceEvent;
}

interface Group extends Ending, Touched<Group> {
  readonly node: Node;
  readonly key: string;
  readonly values: readonly string[];
  readonly window: Window;
  /** Fields of the last event that correlations of this one ask for. */
  carried: ReadonlyArray<readonly [string, SigmaValue]>;
  /** What the last event is a view of, for a window that is judged when it is over. */
  origin: SigmaEvent["origin"];
}

/** A correlation and its place among the others. */
interface Node {
  readonly correlation: SigmaCorrelation;
  readonly plan: WindowPlan;
  readonly meaning: string;
  /** Names that aliases give a rule's fields, by input. */
  readonly fieldOf: ReadonlyArray<(name: string) => string>;
  readonly carriedFields: readonly string[];
}

interface Feed {
  readonly node: Node;
  readonly input: number;
}

const DEFAULTS: Required<CorrelatorOptions> = {
  groupsMax: 100_000,
  samplesMax: 1_000_000,
  latenessMs: 5000,
  timeFrom: "events",
};
const NONE: readonly CorrelationMatch[] = [];
/** Between the parts of a key: a character that no log has in its values. */
const SEPARATOR = "\u001f";

export class Correlator {
  readonly #options: Required<CorrelatorOptions>;
  readonly #nodes: ReadonlyMap<string, Node>;
  /** By a rule's key: the correlations that it feeds. */
  readonly #feeds = new Map<string, Feed[]>();
  readonly #groups = new Map<string, Group>();
  readonly #touched = new TouchList<Group>();
  readonly #ends = new EndQueue<Group>();
  #samples = 0;
  /** 0 before the first event. */
  #newestMs = 0;
  #evictedGroups = 0;
  #evictedSamples = 0;
  #late = 0;
  #incomplete = 0;

  constructor(linked: readonly LinkedCorrelation[], options: CorrelatorOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
    this.#nodes = new Map(linked.map((one) => [one.correlation.key, nodeOf(one, linked)]));
    for (const { correlation, inputs } of linked) {
      const node = this.#nodes.get(correlation.key);
      if (node === undefined) continue;
      for (const [input, { key }] of inputs.entries()) {
        const feeds = this.#feeds.get(key) ?? [];
        this.#feeds.set(key, feeds);
        feeds.push({ node, input });
      }
    }
  }

  get stats(): CorrelatorStats {
    return {
      ...{ groups: this.#groups.size, samples: this.#samples, late: this.#late },
      ...{ evictedGroups: this.#evictedGroups, evictedSamples: this.#evictedSamples },
      incomplete: this.#incomplete,
    };
  }

  /** Whether a rule's matches matter to any correlation. */
  isFed(rule: string): boolean {
    return this.#feeds.has(rule);
  }

  /**
   * Takes a match of a rule; returns correlations that hold now, and those that follow of them. A
   * match of a correlation is `isChained`: its time is past, and not late.
   */
  feed(rule: string, event: SigmaEvent, isChained = false): readonly CorrelationMatch[] {
    const feeds = this.#feeds.get(rule);
    if (feeds === undefined) return NONE;
    let found = NONE;
    for (const feed of feeds) found = joined(found, this.#feedOne(feed, event, isChained));
    return found;
  }

  /** Says what time it is: windows that are over by then close. Time never goes back. */
  advance(timeMs: number): readonly CorrelationMatch[] {
    this.#newestMs = Math.max(this.#newestMs, timeMs);
    const nowMs = this.#newestMs - this.#options.latenessMs;
    let found = NONE;
    for (;;) {
      const { first } = this.#ends;
      if (first === undefined || first.dueMs > nowMs) return found;
      const { endMs } = first.window;
      // Events since have moved its end.
      if (endMs > nowMs) this.#ends.postponeFirst(endMs);
      else found = joined(found, this.#end(first));
    }
  }

  /** The groups as plain data. */
  exportState(): CorrelatorState {
    const groups: GroupState[] = [];
    // In this order, so that whoever imports them knows whom to evict first.
    for (let group = this.#touched.oldest; group !== undefined; group = group.newer) {
      const { node, values, carried, window, origin } = group;
      const { correlation, meaning } = node;
      groups.push({
        ...{ correlation: correlation.key, meaning, values, carried, window: window.state },
        ...(origin === undefined ? {} : { origin }),
      });
    }
    return { version: 1, newestMs: this.#newestMs, groups };
  }

  /** Goes on with saved groups; returns how many were of correlations that are gone or changed. */
  importState(state: CorrelatorState): number {
    if (state.version !== 1) return state.groups.length;
    let dropped = 0;
    for (const saved of state.groups) {
      const node = this.#nodes.get(saved.correlation);
      if (node === undefined || node.meaning !== saved.meaning) {
        dropped += 1;
        continue;
      }
      const { values, carried } = saved;
      const group = this.#add(node, values, new Window(node.plan, saved.window));
      group.carried = carried;
      group.origin = saved.origin;
      this.#samples += group.window.size;
      this.#ends.add(group, group.window.endMs);
    }
    this.#newestMs = Math.max(this.#newestMs, state.newestMs);
    this.#makeRoom();
    return dropped;
  }

  #feedOne(
    { node, input }: Feed,
    event: SigmaEvent,
    isChained: boolean,
  ): readonly CorrelationMatch[] {
    const { correlation, plan } = node;
    const fieldOf = node.fieldOf[input] ?? ((name: string) => name);
    const values = groupValues(correlation, event, fieldOf);
    const value = countedValue(plan, event, fieldOf);
    if (values === undefined || (value === undefined && correlation.fields.length > 0)) {
      this.#incomplete += 1;
      return NONE;
    }
    const timeMs = this.#timeOf(event);
    const isLate = timeMs <= this.#newestMs - this.#options.latenessMs - correlation.timespanMs;
    if (isLate && !isChained) {
      this.#late += 1;
      return NONE;
    }
    const isClock = !isChained && this.#options.timeFrom === "events";
    let found = isClock ? this.advance(timeMs) : NONE;
    const known = this.#groups.get(groupKey(node, values));
    const isOver = known !== undefined && plan.closes && timeMs >= known.window.endMs;
    // The next window of the group begins; late events of this one would be too late.
    if (isOver) found = joined(found, this.#end(known));
    const isNew = known === undefined || isOver;
    const group = isNew ? this.#add(node, values, new Window(plan)) : known;
    this.#touched.touch(group);
    const before = group.window.size;
    if (!group.window.add({ timeMs, input, value })) this.#late += 1;
    this.#samples += group.window.size - before;
    this.#evictedSamples += group.window.forgotten;
    group.window.forgotten = 0;
    group.carried = carriedOf(node, event);
    if (plan.closes) group.origin = event.origin;
    if (isNew) this.#ends.add(group, group.window.endMs);
    if (!plan.closes) found = joined(found, this.#judge(group, event, timeMs));
    this.#makeRoom();
    return found;
  }

  #timeOf({ timeMs }: SigmaEvent): number {
    const isHeld = this.#options.timeFrom === "advance" && this.#newestMs > 0;
    return isHeld ? Math.min(timeMs, this.#newestMs) : timeMs;
  }

  /** Asks a sliding window, which begins anew when it holds. */
  #judge(group: Group, event: SigmaEvent, timeMs: number): readonly CorrelationMatch[] {
    const [figure] = group.window.figures();
    if (figure === undefined) return NONE;
    const match = matchOf(group, figure, event, timeMs);
    this.#remove(group);
    return [match, ...this.#chain(match)];
  }

  /** Takes a window out that is over; one that had to be over may hold now. */
  #end(group: Group): readonly CorrelationMatch[] {
    this.#remove(group);
    if (!group.node.plan.closes) return NONE;
    const { endMs } = group.window;
    const carried = new Map(group.carried);
    return group.window.figures().flatMap((figure) => {
      const event = new FieldsEvent(NO_SOURCE, endMs, carried, group.origin);
      const match = matchOf(group, figure, event, endMs);
      return [match, ...this.#chain(match)];
    });
  }

  /** Feeds a match to the correlations of this correlation. */
  #chain({ correlation, group, event, timeMs }: CorrelationMatch): readonly CorrelationMatch[] {
    if (!this.#feeds.has(correlation.key)) return NONE;
    const fields = new Map<string, SigmaValue>();
    for (const name of event.fieldNames()) fields.set(name, event.get(name));
    for (const [name, value] of group) fields.set(name, value);
    const view = new FieldsEvent(event.source, timeMs, fields, event.origin);
    return this.feed(correlation.key, view, true);
  }

  #add(node: Node, values: readonly string[], window: Window): Group {
    const key = groupKey(node, values);
    const places = { dueMs: 0, place: 0, older: undefined, newer: undefined };
    const group: Group = { node, key, values, window, carried: [], origin: undefined, ...places };
    this.#groups.set(key, group);
    this.#touched.add(group);
    return group;
  }

  #remove(group: Group): void {
    this.#groups.delete(group.key);
    this.#touched.remove(group);
    this.#ends.remove(group);
    this.#samples -= group.window.size;
  }

  #makeRoom(): void {
    const { groupsMax, samplesMax } = this.#options;
    while (this.#groups.size > groupsMax || this.#samples > samplesMax) {
      const { oldest } = this.#touched;
      if (oldest === undefined) return;
      this.#evictedGroups += 1;
      this.#evictedSamples += oldest.window.size;
      this.#remove(oldest);
    }
  }
}

const NO_SOURCE = { categories: [] };

function joined(
  one: readonly CorrelationMatch[],
  two: readonly CorrelationMatch[],
): readonly CorrelationMatch[] {
  if (two.length === 0) return one;
  return one.length === 0 ? two : [...one, ...two];
}

function nodeOf(
  { correlation, inputs }: LinkedCorrelation,
  linked: readonly LinkedCorrelation[],
): Node {
  const { type, rules, groupBy, timespanMs, thresholds, fields, percentile, aliases } = correlation;
  const aliased = [...aliases].map(([alias, byRule]) => [alias, [...byRule]]);
  const meaning = [type, rules, groupBy, timespanMs, thresholds, fields, percentile, aliased];
  return {
    correlation,
    plan: windowPlan(correlation),
    meaning: JSON.stringify(meaning),
    fieldOf: inputs.map((_, input) => {
      const rule = rules[input] ?? "";
      return (name) => aliases.get(name)?.get(rule) ?? name;
    }),
    carriedFields: [...askedOf(correlation.key, linked)],
  };
}

/** Fields that correlations of a correlation read, and those of theirs. */
function askedOf(key: string, linked: readonly LinkedCorrelation[]): Set<string> {
  const asked = new Set<string>();
  for (const { correlation, inputs } of linked) {
    const input = inputs.findIndex((one) => one.key === key);
    if (input < 0) continue;
    const rule = correlation.rules[input] ?? "";
    const names = [...correlation.groupBy, ...correlation.fields];
    for (const name of names) asked.add(correlation.aliases.get(name)?.get(rule) ?? name);
    for (const name of askedOf(correlation.key, linked)) asked.add(name);
  }
  return asked;
}

function carriedOf(
  { carriedFields }: Node,
  event: SigmaEvent,
): ReadonlyArray<readonly [string, SigmaValue]> {
  return carriedFields.map((name) => [name, event.get(name)] as const);
}

function matchOf(
  { node, values, window }: Group,
  { figure, value }: WindowFigure,
  event: SigmaEvent,
  timeMs: number,
): CorrelationMatch {
  const { correlation } = node;
  const pairs = correlation.groupBy.map((name, index) => [name, values[index] ?? ""] as const);
  const base = {
    correlation,
    timeMs,
    firstMs: window.firstMs,
    group: new Map(pairs),
    figure,
    event,
  };
  return value === undefined ? base : { ...base, value };
}

function groupKey({ correlation }: Node, values: readonly string[]): string {
  return [correlation.key, ...values.map(foldText)].join(SEPARATOR);
}

/** Values of the fields that are grouped by; undefined where one is missing. */
function groupValues(
  { groupBy }: SigmaCorrelation,
  event: SigmaEvent,
  fieldOf: (name: string) => string,
): readonly string[] | undefined {
  const values: string[] = [];
  for (const name of groupBy) {
    const text = textOf(event.get(fieldOf(name)));
    if (text === undefined) return undefined;
    values.push(text);
  }
  return values;
}

function countedValue(
  { correlation: { fields }, needsNumbers }: WindowPlan,
  event: SigmaEvent,
  fieldOf: (name: string) => string,
): string | number | undefined {
  if (fields.length === 0) return undefined;
  const texts = fields.map((name) => textOf(event.get(fieldOf(name))));
  if (texts.some((text) => text === undefined)) return undefined;
  const text = texts.join(SEPARATOR);
  return needsNumbers ? numberOf(text) : foldText(text);
}

function textOf(value: SigmaValue): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === "object" ? value.join(", ") : String(value);
}
