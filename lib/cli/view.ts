// SPDX-License-Identifier: Apache-2.0
// Draws the live view: one state in, terminal lines out. Pure, so that it is tested without a
// terminal. TRUST: every text of a guest passes printable() before it becomes part of a line.
import type { CommandRecord, Finding, GuestDriver, GuestState } from "../model/model.ts";
import { printable } from "../wire/wire.ts";

/** How full one ring is. */
export interface RingUse {
  readonly name: string;
  /** 0 to 1. */
  readonly used: number;
}

/** Records that are missing: named ones say which, unaccounted ones must be none. */
export interface LossTotals {
  readonly named: number;
  readonly unaccounted: number;
}

/** Everything that the view shows. */
export interface ViewState {
  readonly heading: string;
  readonly elapsedMs: number;
  readonly guest: string;
  readonly state: GuestState;
  readonly driver?: GuestDriver;
  readonly events: number;
  /** Events a second by class of record. */
  readonly rates: ReadonlyMap<string, number>;
  readonly rings: readonly RingUse[];
  readonly loss: LossTotals;
  readonly findings: readonly Finding[];
  readonly commands: readonly CommandRecord[];
  readonly recent: readonly string[];
  readonly hint: string;
}

/** Colour of a terminal line's part; `plain` where no colours are wanted. */
export type Paint = (style: Style, text: string) => string;
export type Style = "title" | "good" | "bad" | "dim";

/** Paints nothing: for files, pipes and NO_COLOR. */
export const plainPaint: Paint = (_style, text) => text;

const CODES: Readonly<Record<Style, string>> = { title: "1", good: "32", bad: "31", dim: "2" };

/** Paints with the eight old colours, which every terminal has. */
export const colourPaint: Paint = (style, text) => `\x1b[${CODES[style]}m${text}\x1b[0m`;

/** Renders the state in at most `rows` lines of at most `columns` characters, colours aside. */
export function renderView(
  state: ViewState,
  size: { readonly rows: number; readonly columns: number },
  paint: Paint = plainPaint,
): string[] {
  const cut = (text: string): string => cutText(text, size.columns);
  const lines = [
    paint("title", cut(`${state.heading}   ${duration(state.elapsedMs)}`)),
    paint(stateStyle(state.state), cut(guestLine(state))),
    cut(rateLine(state)),
    cut(`  rings     ${state.rings.map(ringText).join("  ") || "-"}`),
    paint(state.loss.unaccounted === 0 ? "dim" : "bad", cut(`  loss      ${lossText(state.loss)}`)),
  ];
  const left = Math.max(size.rows - lines.length - 5, 3);
  const share = Math.max(Math.floor(left / 3), 1);
  const findings = state.findings.slice(-share).map((finding) => cut(`  ${findingText(finding)}`));
  const commands = state.commands.slice(-share).map((command) => cut(`  ${commandText(command)}`));
  const recent = state.recent.slice(-Math.max(left - findings.length - commands.length, 1));
  lines.push(paint("title", cut(`findings (${state.findings.length})`)));
  lines.push(...findings.map((line) => paint("bad", line)));
  lines.push(paint("title", cut(`commands (${state.commands.length})`)), ...commands);
  lines.push(paint("title", "last events"));
  lines.push(...recent.map((line) => paint("dim", cut(`  ${line}`))));
  lines.push("", paint("dim", cut(state.hint)));
  return lines.slice(0, size.rows);
}

/** One finding in one line. */
export function findingText(finding: Finding): string {
  const { disposition, severity, title, field, value, process, count } = finding;
  const times = count > 1 ? ` x${count}` : "";
  return printable(
    `${clock(finding.firstMs)} ${disposition.padEnd(7)} ${severity.padEnd(8)} ${title}: ` +
      `${field} ${shortened(value)} (pid ${process.pid})${times}`,
  );
}

/** One command with what became of it in one line. */
export function commandText(record: CommandRecord): string {
  const { command, outcome } = record;
  const about =
    command.kind === "kill-process"
      ? ` pid ${command.pid}`
      : command.kind === "set-rules"
        ? ` ${command.rules.length} rules`
        : "";
  const took = record.endedMs === undefined ? "" : ` in ${record.endedMs - record.createdMs} ms`;
  const errno = record.detail === 0 ? "" : ` (errno ${record.detail})`;
  return printable(
    `${clock(record.createdMs)} ${outcome.padEnd(9)} #${record.id} ${command.kind}${about} ` +
      `by ${record.requestedBy}${took}${errno}`,
  );
}

function lossText(loss: LossTotals): string {
  return `${loss.named} named, ${loss.unaccounted} unaccounted`;
}

/** Minutes and seconds. */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const digits = (value: number): string => String(value).padStart(2, "0");
  return `${digits(Math.floor(seconds / 60))}:${digits(seconds % 60)}`;
}

function guestLine(state: ViewState): string {
  const { driver } = state;
  const about =
    driver === undefined
      ? "no driver yet"
      : `driver ${driver.version} on ${driver.osVersion || driver.os}, ${driver.cpuCount} CPUs`;
  return printable(`  guest     ${state.guest}: ${state.state}   ${about}`);
}

function rateLine(state: ViewState): string {
  const rates = [...state.rates].map(([name, rate]) => `${name} ${Math.round(rate)}`);
  return `  events/s  ${rates.join("  ") || "-"}   total ${state.events}`;
}

function ringText(ring: RingUse): string {
  return `${ring.name} ${(ring.used * 100).toFixed(1)} %`;
}

function stateStyle(state: GuestState): Style {
  if (state === "monitored") return "good";
  return state === "silent" || state === "quarantined" ? "bad" : "dim";
}

function clock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

function shortened(value: string): string {
  return value.length <= 48 ? value : `${value.slice(0, 45)}...`;
}

function cutText(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(columns - 1, 0))}…`;
}
