// SPDX-License-Identifier: Apache-2.0
// What a correlation keeps of one group's events, and the figure that it makes of them
// (correlation rules specification 2.1.0, "Correlation Types"). Called by the correlator.
//
// Conditions with lower bounds alone are judged at every event, over the time up to the newest one.
// All others can only be judged when a window is over, since what comes may undo them: their window
// opens with the first event of a group.
import type { SigmaCorrelation, Threshold } from "./rule.ts";

/** Samples, and distinct values, of one window, unless its condition asks for more. */
const KEPT_MAX = 10_000;

/** An event as a window keeps it. */
export interface Sample {
  readonly timeMs: number;
  /** Which of the correlation's rules it matched. */
  readonly input: number;
  /** What is counted; undefined where the type counts events. */
  readonly value: string | number | undefined;
}

/** Plain data of a window, for a saved state. */
export interface WindowState {
  readonly openMs: number;
  readonly newestMs: number;
  readonly count: number;
  readonly sum: number;
  readonly samples: ReadonlyArray<readonly [number, number, string | number | null]>;
  readonly values: ReadonlyArray<readonly [string, number]>;
}

/** A figure that fulfils the condition; of shares also the value that has it. */
export interface WindowFigure {
  readonly figure: number;
  readonly value?: string;
}

/** How a correlation's windows work. */
export interface WindowPlan {
  readonly correlation: SigmaCorrelation;
  /** Judged when the window is over. */
  readonly closes: boolean;
  readonly keepsSamples: boolean;
  readonly keepsValues: boolean;
  /** Values that are no numbers have no place in it. */
  readonly needsNumbers: boolean;
  /** Samples kept, the oldest make room; and values, further ones are not counted. */
  readonly keptMax: number;
}

/** How the windows of a correlation work. */
export function windowPlan(correlation: SigmaCorrelation): WindowPlan {
  const { type, thresholds, percentile } = correlation;
  const isRising = thresholds.every(
    ({ comparison }) => comparison === "gt" || comparison === "gte",
  );
  const closes = !isRising || type === "value_avg" || type === "value_percentile";
  const isCount = type === "event_count" || type === "value_count";
  const isOrdered = type === "temporal_ordered";
  return {
    correlation,
    closes,
    keepsSamples: !closes || isOrdered || percentile !== undefined,
    keepsValues: ["value_count", "temporal", "value_percentile"].includes(type),
    needsNumbers: type === "value_sum" || type === "value_avg" || percentile !== undefined,
    keptMax: isCount ? Math.max(KEPT_MAX, ...thresholds.map(({ value }) => value + 1)) : KEPT_MAX,
  };
}

export class Window {
  readonly #plan: WindowPlan;
  #openMs = Number.POSITIVE_INFINITY;
  #newestMs = Number.NEGATIVE_INFINITY;
  #count = 0;
  #sum = 0;
  /** In the order of time, then of arrival. */
  #samples: Sample[] = [];
  readonly #values: Map<string, number>;
  /** Samples that its limits made it forget. */
  forgotten = 0;

  constructor(plan: WindowPlan, state?: WindowState) {
    this.#plan = plan;
    this.#values = new Map(state?.values);
    if (state === undefined) return;
    this.#openMs = state.openMs;
    this.#newestMs = state.newestMs;
    this.#count = state.count;
    this.#sum = state.sum;
    this.#samples = state.samples.map(([timeMs, input, value]) => {
      return { timeMs, input, value: value ?? undefined };
    });
  }

  get state(): WindowState {
    return {
      ...{ openMs: this.#openMs, newestMs: this.#newestMs, count: this.#count, sum: this.#sum },
      samples: this.#samples.map(({ timeMs, input, value }) => [timeMs, input, value ?? null]),
      values: [...this.#values],
    };
  }

  /** Things kept, as the memory limit counts them. */
  get size(): number {
    return this.#samples.length + this.#values.size;
  }

  /** Time of the first event; of a sliding window the first that still counts. */
  get firstMs(): number {
    return this.#plan.closes ? this.#openMs : (this.#samples[0]?.timeMs ?? this.#newestMs);
  }

  get newestMs(): number {
    return this.#newestMs;
  }

  /** When nothing can come of it any more. */
  get endMs(): number {
    const from = this.#plan.closes ? this.#openMs : this.#newestMs;
    return from + this.#plan.correlation.timespanMs;
  }

  /** Takes an event; false where it is older than the window reaches. */
  add(sample: Sample): boolean {
    const { timespanMs } = this.#plan.correlation;
    const newestMs = Math.max(this.#newestMs, sample.timeMs);
    if (!this.#plan.closes && sample.timeMs <= newestMs - timespanMs) return false;
    this.#newestMs = newestMs;
    this.#openMs = Math.min(this.#openMs, sample.timeMs);
    this.#count += 1;
    if (typeof sample.value === "number") this.#sum += sample.value;
    if (this.#plan.keepsValues) this.#addValue(sample);
    if (this.#plan.keepsSamples) this.#addSample(sample);
    if (!this.#plan.closes) this.#forgetBefore(newestMs - timespanMs);
    return true;
  }

  #keyOf(input: number, value: Sample["value"]): string {
    return String(this.#plan.correlation.type === "temporal" ? input : value);
  }

  #addValue({ input, value }: Sample): void {
    const key = this.#keyOf(input, value);
    const before = this.#values.get(key);
    if (before === undefined && this.#values.size >= this.#plan.keptMax) this.forgotten += 1;
    else this.#values.set(key, (before ?? 0) + 1);
  }

  #addSample(sample: Sample): void {
    const samples = this.#samples;
    let at = samples.length;
    while (at > 0 && (samples[at - 1]?.timeMs ?? 0) > sample.timeMs) at -= 1;
    if (at === samples.length) samples.push(sample);
    else samples.splice(at, 0, sample);
    if (samples.length <= this.#plan.keptMax) return;
    this.#drop(samples.length - this.#plan.keptMax);
    this.forgotten += 1;
  }

  /** Forgets what lies before the window, its first moment included. */
  #forgetBefore(timeMs: number): void {
    let count = 0;
    while (count < this.#samples.length && (this.#samples[count]?.timeMs ?? 0) <= timeMs)
      count += 1;
    if (count > 0) this.#drop(count);
  }

  #drop(count: number): void {
    for (const { input, value } of this.#samples.splice(0, count)) {
      if (typeof value === "number") this.#sum -= value;
      if (this.#plan.keepsValues) this.#dropValue(this.#keyOf(input, value));
    }
    // So that rounding does not add up.
    if (this.#samples.length === 0) this.#sum = 0;
  }

  #dropValue(key: string): void {
    const count = this.#values.get(key) ?? 0;
    if (count > 1) this.#values.set(key, count - 1);
    else this.#values.delete(key);
  }

  /** Figures that fulfil the condition: one, or of shares one for each value. */
  figures(): readonly WindowFigure[] {
    const { correlation, closes } = this.#plan;
    const { thresholds, type, percentile } = correlation;
    if (type === "value_percentile" && percentile === undefined) return this.#shares(thresholds);
    const figure = this.#figure();
    const needed = thresholds.length > 0 ? thresholds : [allOf(correlation)];
    const isEmpty = closes && this.#count === 0;
    return !isEmpty && needed.every((one) => compares(figure, one)) ? [{ figure }] : NOTHING;
  }

  #figure(): number {
    const { closes, correlation } = this.#plan;
    switch (correlation.type) {
      case "event_count":
        return closes ? this.#count : this.#samples.length;
      case "value_count":
      case "temporal":
        return this.#values.size;
      case "temporal_ordered":
        return longestChain(this.#samples, correlation.rules.length);
      case "value_sum":
        return this.#sum;
      case "value_avg":
        return this.#sum / this.#count;
      case "value_percentile":
        return this.#percentile(correlation.percentile ?? 50);
    }
  }

  /** The value below which so many percent of the values lie, between neighbours in proportion. */
  #percentile(percent: number): number {
    const numbers = this.#samples.map(({ value }) => Number(value)).sort((one, two) => one - two);
    const place = ((numbers.length - 1) * percent) / 100;
    const below = numbers[Math.floor(place)] ?? Number.NaN;
    const above = numbers[Math.ceil(place)] ?? Number.NaN;
    return below + (above - below) * (place - Math.floor(place));
  }

  /** Values whose share of all, in percent, fulfils the condition. */
  #shares(thresholds: readonly Threshold[]): readonly WindowFigure[] {
    return [...this.#values].flatMap(([value, count]) => {
      const figure = (100 * count) / this.#count;
      return thresholds.every((one) => compares(figure, one)) ? [{ figure, value }] : [];
    });
  }
}

const NOTHING: readonly WindowFigure[] = [];

/** Without a condition every rule must have matched. */
function allOf({ rules }: SigmaCorrelation): Threshold {
  return { comparison: "gte", value: rules.length };
}

/** The longest row of different inputs that follow each other in the order of the rules. */
function longestChain(samples: readonly Sample[], inputs: number): number {
  const lengths = new Array<number>(inputs).fill(0);
  for (const { input } of samples) {
    let before = 0;
    for (let other = 0; other < input; other++) before = Math.max(before, lengths[other] ?? 0);
    lengths[input] = Math.max(lengths[input] ?? 0, before + 1);
  }
  return Math.max(...lengths);
}

function compares(figure: number, { comparison, value }: Threshold): boolean {
  switch (comparison) {
    case "gt":
      return figure > value;
    case "gte":
      return figure >= value;
    case "lt":
      return figure < value;
    case "lte":
      return figure <= value;
    case "eq":
      return figure === value;
    case "neq":
      return figure !== value;
  }
}
