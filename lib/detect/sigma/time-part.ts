// SPDX-License-Identifier: Apache-2.0
// The time modifiers: a number out of a date (modifiers appendix 2.1.0, "Time Modifiers"). They
// take a date as it is written and convert no time zones, as the text says.
import type { TimePart } from "./rule.ts";

const DATE = /^\s*(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2}))?/;
/** Numbers above are milliseconds, others seconds since 1970: the year 5138 in seconds. */
const SECONDS_MAX = 1e11;
const DAY_MS = 86_400_000;

/** The part of a date, in text or as seconds or milliseconds since 1970; undefined for others. */
export function timePart(value: string | number, part: TimePart): number | undefined {
  const date = typeof value === "number" ? fromNumber(value) : fromText(value);
  if (date === undefined) return undefined;
  switch (part) {
    case "minute":
      return date.getUTCMinutes();
    case "hour":
      return date.getUTCHours();
    case "day":
      return date.getUTCDate();
    case "week":
      return isoWeek(date);
    case "month":
      return date.getUTCMonth() + 1;
    case "year":
      return date.getUTCFullYear();
  }
}

function fromNumber(value: number): Date | undefined {
  const date = new Date(value > SECONDS_MAX ? value : value * 1000);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function fromText(text: string): Date | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = match
    .slice(1)
    .map((part) => Number(part ?? 0));
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute));
  // A 31st of February would roll over into March.
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date : undefined;
}

/** The week that holds the year's first Thursday is week 1 (ISO 8601). */
function isoWeek(date: Date): number {
  const midnight = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate());
  const thursday = midnight + (4 - (date.getUTCDay() || 7)) * DAY_MS;
  const yearStart = Date.UTC(new Date(thursday).getUTCFullYear(), 0, 1);
  return Math.floor((thursday - yearStart) / DAY_MS / 7) + 1;
}
