// SPDX-License-Identifier: Apache-2.0
// Numbers, sizes and times as people read them, in the language of the page. Pure.
import { LANGUAGES, type Language } from "./words/words.ts";

/** How one language writes figures. */
export interface Format {
  readonly count: (value: number) => string;
  /** Three digits: 12.3k. */
  readonly short: (value: number) => string;
  readonly bytes: (value: number) => string;
  /** Day and time, without the day where it is today. */
  readonly time: (ms: number, nowMs?: number) => string;
  readonly clock: (ms: number) => string;
  readonly span: (ms: number) => string;
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** The format of a language. */
export function formatIn(language: Language): Format {
  const { tag } = LANGUAGES[language];
  const whole = new Intl.NumberFormat(tag, { maximumFractionDigits: 0 });
  const brief = new Intl.NumberFormat(tag, { notation: "compact", maximumSignificantDigits: 3 });
  const clock = new Intl.DateTimeFormat(tag, { timeStyle: "medium" });
  const full = new Intl.DateTimeFormat(tag, {
    ...({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" } as const),
  });
  const old = new Intl.DateTimeFormat(tag, { dateStyle: "medium" });
  const spans = (["day", "hour", "minute", "second"] as const).map((unit) => {
    return new Intl.NumberFormat(tag, { style: "unit", unit, unitDisplay: "narrow" });
  });
  return {
    count: (value) => whole.format(value),
    short: (value) => brief.format(value),
    bytes: (value) => {
      const step = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, value)) / 10));
      const unit = UNITS[step] ?? "byte";
      return new Intl.NumberFormat(tag, {
        ...({ style: "unit", unit, unitDisplay: "short", maximumSignificantDigits: 3 } as const),
      }).format(value / 1024 ** step);
    },
    time: (ms, nowMs = Date.now()) => {
      if (new Date(ms).toDateString() === new Date(nowMs).toDateString()) return clock.format(ms);
      return nowMs - ms > 300 * 24 * 3600 * 1000 ? old.format(ms) : full.format(ms);
    },
    clock: (ms) => clock.format(ms),
    span: (ms) => {
      const seconds = Math.max(0, Math.round(ms / 1000));
      const parts = [
        Math.floor(seconds / 86_400),
        ...[Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60],
      ];
      const first = Math.max(
        0,
        parts.findIndex((part) => part > 0),
      );
      const shown = seconds === 0 ? [3] : [first, first + 1].filter((at) => (parts[at] ?? 0) > 0);
      return shown.map((at) => spans[at]?.format(parts[at] ?? 0)).join(" ");
    },
  };
}

/** A time for machines and for a hint: UTC. */
export function utcText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}
