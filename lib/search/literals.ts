// SPDX-License-Identifier: Apache-2.0
// What a user writes as a number or a time, and how it is printed. Called by the parser and the
// printer.
import type { FieldType } from "../model/model.ts";
import type { Point } from "./syntax.ts";

/** A literal: one point, or all of a day, hour or minute up to `next`, which is not of it. */
export interface Span {
  readonly first: Point;
  readonly next: Point | undefined;
}

const UNITS_MS = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
const DURATION = /^(\d{1,10})(ms|w|d|h|m|s)$/;
const NOW = /^now(?:([+-])(.+))?$/i;
const DATE = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d)?(\.\d{1,3})?(Z|[+-]\d\d:\d\d)?)?$/i;
const BIGINT_MIN = -(2n ** 63n);
const BIGINT_MAX = 2n ** 64n - 1n;

/** Milliseconds of `15m`, `24h`, `7d`; undefined where it is no duration. */
export function durationMs(text: string): number | undefined {
  const found = DURATION.exec(text);
  if (found === null) return undefined;
  return Number(found[1]) * UNITS_MS[found[2] as keyof typeof UNITS_MS];
}

/** A duration in the largest unit that fits. */
export function durationText(ms: number): string {
  for (const [unit, size] of Object.entries(UNITS_MS)) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

/** Reads a literal for a field of that type; undefined where it is none. */
export function parseSpan(type: FieldType, text: string): Span | undefined {
  if (type === "time") return timeSpan(text);
  const point = numberPoint(type, text);
  return point === undefined ? undefined : { first: point, next: undefined };
}

function numberPoint(type: FieldType, text: string): Point | undefined {
  const isInteger = /^(-?\d{1,30}|0x[0-9a-f]{1,16})$/i.test(text);
  if (type === "bigint") {
    if (!isInteger) return undefined;
    const value = BigInt(text);
    return value >= BIGINT_MIN && value <= BIGINT_MAX ? value : undefined;
  }
  // Adding 0 makes of -0 what it equals.
  if (isInteger) {
    const value = Number(text) + 0;
    return Number.isSafeInteger(value) || type === "real" ? value : undefined;
  }
  const isReal = type === "real" && /^-?\d{1,30}(\.\d{1,30})?(e[+-]?\d{1,3})?$/i.test(text);
  const value = Number(text) + 0;
  return isReal && Number.isFinite(value) ? value : undefined;
}

function timeSpan(text: string): Span | undefined {
  const now = NOW.exec(text);
  if (now !== null) {
    const distance = now[2] === undefined ? 0 : durationMs(now[2]);
    if (distance === undefined) return undefined;
    const fromNowMs = now[1] === "-" ? 0 - distance : distance;
    return { first: { fromNowMs: fromNowMs + 0 }, next: undefined };
  }
  if (/^\d{9,15}(\.\d{1,9})?$/.test(text)) return { first: Number(text), next: undefined };
  const date = DATE.exec(text);
  if (date === null) return undefined;
  const [, day = "", minute, second, fraction, zone] = date;
  const first = Date.parse(
    `${day}T${minute ?? "00:00"}${second ?? ":00"}${fraction ?? ""}${zone ?? "Z"}`.toUpperCase(),
  );
  // 31 February is read as a day of March.
  const isReal = new Date(Date.parse(`${day}T00:00Z`)).toISOString().slice(0, 10) === day;
  if (!Number.isFinite(first) || !isReal) return undefined;
  if (fraction !== undefined) return { first, next: undefined };
  const wide = minute === undefined ? UNITS_MS.d : second === undefined ? UNITS_MS.m : UNITS_MS.s;
  return { first, next: first + wide };
}

/** A point as {@link parseSpan} reads it back. */
export function pointText(type: FieldType, point: Point): string {
  if (typeof point === "object") {
    if (point.fromNowMs === 0) return "now";
    const sign = point.fromNowMs < 0 ? "-" : "+";
    return `now${sign}${durationText(Math.abs(point.fromNowMs))}`;
  }
  if (type !== "time" || !Number.isInteger(point)) return String(point);
  const date = new Date(Number(point));
  const isPlain = Number(point) >= 0 && Number(point) < 253_402_300_800_000;
  return isPlain ? date.toISOString() : String(point);
}
