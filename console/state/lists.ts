// SPDX-License-Identifier: Apache-2.0
// Filters, orders and foldings of guests and findings, and the tree of processes. Pure: the pages
// show what comes out.
import type { ApiFinding, ApiGuest, Severity, TriageState } from "../../lib/model/model.ts";
import type { Row } from "../api/results.ts";

export const SEVERITIES: readonly Severity[] = [
  ...(["critical", "high", "medium", "low", "informational"] as const),
];
export const TRIAGES: readonly TriageState[] = [
  ...(["open", "in-work", "true-positive", "false-positive", "closed"] as const),
];
export const GUEST_STATES: ReadonlyArray<ApiGuest["state"]> = [
  ...(["silent", "quarantined", "paused", "offline", "registered", "monitored", "left"] as const),
];

export type GuestOrder =
  | "name"
  | "state"
  | "server"
  | "group"
  | "rate"
  | "lost"
  | "findings"
  | "since";

/** Guests in an order; equal ones by name, then by id, so that no update makes rows jump. */
export function orderGuests(
  guests: readonly ApiGuest[],
  order: GuestOrder,
  isDown: boolean,
): readonly ApiGuest[] {
  const turn = isDown ? -1 : 1;
  const compare = GUEST_ORDERS[order];
  return [...guests].sort((a, b) => {
    return turn * compare(a, b) || compareText(a.name, b.name) || compareText(a.id, b.id);
  });
}

const GUEST_ORDERS: Readonly<Record<GuestOrder, (a: ApiGuest, b: ApiGuest) => number>> = {
  name: (a, b) => compareText(a.name, b.name),
  state: (a, b) => GUEST_STATES.indexOf(a.state) - GUEST_STATES.indexOf(b.state),
  server: (a, b) => compareText(a.serverName, b.serverName),
  group: (a, b) => compareText(a.group, b.group),
  rate: (a, b) => a.eventsPerSecond - b.eventsPerSecond,
  lost: (a, b) => a.lost - b.lost,
  findings: (a, b) => a.openFindings - b.openFindings,
  since: (a, b) => a.sinceMs - b.sinceMs,
};

/** Guests of a state that hold each word of a text somewhere. */
export function filterGuests(
  guests: readonly ApiGuest[],
  text: string,
  state: string,
): readonly ApiGuest[] {
  const words = wordsOf(text);
  return guests.filter((guest) => {
    if (state !== "" && guest.state !== state) return false;
    const { name, id, serverName, group, tags } = guest;
    return words.length === 0 || holdsAll([name, id, serverName, group, ...tags], words);
  });
}

export interface FindingFilter {
  readonly text: string;
  readonly triage: string;
  readonly severity: string;
  readonly rule: string;
}

/** Findings that fit, the worst and newest first. */
export function filterFindings(
  findings: readonly ApiFinding[],
  { text, triage, severity, rule }: FindingFilter,
): readonly ApiFinding[] {
  const words = wordsOf(text);
  const fitting = findings.filter((finding) => {
    if (triage !== "" && finding.triage !== triage) return false;
    if (severity !== "" && finding.severity !== severity) return false;
    if (rule !== "" && finding.rule !== rule) return false;
    const { title, guest, value, tags, id } = finding;
    return words.length === 0 || holdsAll([title, guest, value, finding.rule, id, ...tags], words);
  });
  return fitting.sort(
    (a, b) => rankOf(a) - rankOf(b) || b.lastMs - a.lastMs || compareText(a.id, b.id),
  );
}

/** Findings of one rule, as one line. */
export interface FindingFold {
  readonly rule: string;
  readonly newest: ApiFinding;
  readonly findings: number;
  readonly guests: number;
  readonly count: number;
}

/** One line a rule, in the order of the findings. */
export function foldFindings(findings: readonly ApiFinding[]): readonly FindingFold[] {
  const folds = new Map<string, ApiFinding[]>();
  for (const finding of findings) {
    const fold = folds.get(finding.rule);
    if (fold === undefined) folds.set(finding.rule, [finding]);
    else fold.push(finding);
  }
  return [...folds].flatMap(([rule, all]) => {
    const [first] = all;
    if (first === undefined) return [];
    const newest = all.reduce((a, b) => (b.lastMs > a.lastMs ? b : a), first);
    const guests = new Set(all.map(({ guestId }) => guestId)).size;
    const count = all.reduce((sum, finding) => sum + finding.count, 0);
    return [{ rule, newest, findings: all.length, guests, count }];
  });
}

export interface ProcessLine {
  readonly pid: number;
  readonly startNs: string;
  readonly program: string;
  readonly user: string;
  readonly depth: number;
}

const DEPTH_MAX = 12;

/** Processes as a tree: children after their parent, by pid. A circle, which only a guest that lies
 * can tell, ends where it closes. */
export function processTree(rows: readonly Row[]): readonly ProcessLine[] {
  const byParent = new Map<number, Row[]>();
  const pids = new Set(rows.map((row) => numberOf(row.pid)));
  for (const row of rows) {
    const parent = numberOf(row.ppid);
    const place = pids.has(parent) && parent !== numberOf(row.pid) ? parent : -1;
    const siblings = byParent.get(place);
    if (siblings === undefined) byParent.set(place, [row]);
    else siblings.push(row);
  }
  const lines: ProcessLine[] = [];
  const done = new Set<Row>();
  // A stack of our own: a guest may tell of a line of processes deeper than ours is.
  const walk = (roots: readonly Row[]): void => {
    const stack = [...sortRows(roots)].reverse().map((row) => ({ row, depth: 0 }));
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      if (done.has(top.row)) continue;
      done.add(top.row);
      lines.push(lineOf(top.row, Math.min(top.depth, DEPTH_MAX)));
      const children = sortRows(byParent.get(numberOf(top.row.pid)) ?? []);
      for (const row of [...children].reverse()) stack.push({ row, depth: top.depth + 1 });
    }
  };
  walk(byParent.get(-1) ?? []);
  for (const row of rows) if (!done.has(row)) walk([row]);
  return lines;
}

function sortRows(rows: readonly Row[]): readonly Row[] {
  return [...rows].sort((a, b) => numberOf(a.pid) - numberOf(b.pid));
}

function lineOf(row: Row, depth: number): ProcessLine {
  const { command_line: line, image, command_name: name, start_ns: start, user, uid } = row;
  const program = [line, image, name].find((text) => typeof text === "string" && text !== "");
  return {
    ...{ pid: numberOf(row.pid), startNs: String(start ?? ""), depth },
    program: String(program ?? ""),
    user: typeof user === "string" && user !== "" ? user : String(uid ?? ""),
  };
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : -1;
}

function rankOf({ severity }: ApiFinding): number {
  return SEVERITIES.indexOf(severity);
}

function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

function holdsAll(texts: readonly string[], words: readonly string[]): boolean {
  const all = texts.join("\n").toLowerCase();
  return words.every((word) => all.includes(word));
}

// Far quicker than localeCompare, and names of guests are mostly ASCII.
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
