// SPDX-License-Identifier: Apache-2.0
// `undercroft search`: what the stores of servers hold, by the search
// language; several stores are merged. The stores must not be open elsewhere.
import process from "node:process";
import { UndercroftError } from "../errors/errors.ts";
import { FIELD_TABLE, type FieldName, fieldOf } from "../model/model.ts";
import {
  eventSchema,
  parseSearch,
  type Row,
  runSearch,
  type Search,
  searchPeriod,
} from "../search/search.ts";
import { type EventStore, type StoredRow, searchConditions } from "../store/store.ts";
import { printable } from "../wire/wire.ts";
import { openNamedStore, STORE_OPTIONS } from "./event-store.ts";
import { Interrupt } from "./interrupt.ts";
import { toJson } from "./json.ts";
import { type Arguments, readArguments, usageError } from "./usage.ts";

/** Rows that are shown where the search sets no limit. */
const ROWS_SHOWN = 100;
/** Events that stages may work on. */
const EVENTS_MAX = 1_000_000;
const TIE_BREAKERS = ["guest", "boot", "seq", "kind"];

/** What a line of an event begins with; the rest is named. */
const LEADING: ReadonlySet<string> = new Set(["time", "guest", "kind"]);
/** Fields that tell little to a person. */
const QUIET =
  /^(boot|seq|tid|start_ns|.*_start_ns|.*generation|cgroup.*|mount_ns|cpu|inode|device)$/;

/** Runs the command. */
export async function search(args: readonly string[]): Promise<number> {
  const parsed = readArguments(
    "search",
    args,
    { ...STORE_OPTIONS, store: { type: "string", multiple: true }, json: { type: "boolean" } },
    ["QUERY"],
  );
  const query = parseSearch(parsed.operands[0] ?? "", eventSchema);
  const stores = await openStores(parsed);
  const interrupt = new Interrupt();
  try {
    const { rows, isComplete, isCut } = await find(query, stores, interrupt);
    const isJson = parsed.values.json === true;
    for (const row of rows) process.stdout.write(`${isJson ? toJson(row) : rowText(row, query)}\n`);
    if (isCut) tell(`the newest ${rows.length} are shown; "| limit N" shows more`);
    if (!isComplete) tell("the search was ended early: older events were not looked at");
    return isComplete ? 0 : 1;
  } finally {
    interrupt.close();
    await Promise.all(stores.map((store) => store.close()));
  }
}

interface Found {
  readonly rows: readonly Row[];
  /** False where a time limit or Ctrl-C ended it. */
  readonly isComplete: boolean;
  /** There is more than is shown. */
  readonly isCut: boolean;
}

async function find(
  query: Search,
  stores: readonly EventStore[],
  interrupt: Interrupt,
): Promise<Found> {
  const nowMs = Date.now();
  // Stages that make other rows, or another order, need all events; else the newest are enough.
  const [first] = query.stages;
  const isNewest = first === undefined || first.kind === "limit" || first.kind === "fields";
  const shown = first?.kind === "limit" ? first.count : ROWS_SHOWN;
  const limit = isNewest ? Math.min(shown + 1, EVENTS_MAX) : EVENTS_MAX;
  const answers = await Promise.all(
    stores.map((store) => rowsOf(store, query, nowMs, limit, interrupt)),
  );
  const rows = answers.flatMap((answer) => answer.rows);
  const isComplete = answers.every((answer) => answer.isComplete);
  if (!isNewest && answers.some((answer) => answer.rows.length === EVENTS_MAX)) {
    throw new UndercroftError(
      "ERR_UC_SEARCH",
      `the search finds more than ${EVENTS_MAX} events in one store; narrow it by time or field`,
    );
  }
  const staged = { ...query, where: { kind: "all" } as const };
  const made = runSearch(staged, rows, eventSchema, nowMs, TIE_BREAKERS);
  const isBounded = query.stages.some(({ kind }) => kind === "limit" || kind === "stats");
  const isCut = !isBounded && made.length > ROWS_SHOWN;
  return { rows: isCut ? made.slice(0, ROWS_SHOWN) : made, isComplete, isCut };
}

async function rowsOf(
  store: EventStore,
  query: Search,
  nowMs: number,
  limit: number,
  interrupt: Interrupt,
): Promise<{ readonly rows: Row[]; readonly isComplete: boolean }> {
  const compiled = searchConditions(query.where, eventSchema, nowMs);
  const found = store.search({ compiled, limit, ...searchPeriod(query.where, nowMs) });
  void interrupt.wait().then(() => found.cancel());
  const rows: Row[] = [];
  for await (const row of found) rows.push(flatRow(row));
  return { rows, isComplete: found.complete };
}

/** An event by the names of its fields, those that it has. */
function flatRow({ event, count, lastMs }: StoredRow): Row {
  const row: Record<string, unknown> = { kind: event.kind };
  for (const name of Object.keys(FIELD_TABLE) as FieldName[]) {
    const value = fieldOf(event, name);
    if (value !== undefined) row[name] = value;
  }
  if (count > 1) Object.assign(row, { count, last: lastMs });
  return row;
}

async function openStores(parsed: Arguments): Promise<readonly EventStore[]> {
  const folders = parsed.values.store;
  if (!Array.isArray(folders)) throw usageError("search", "--store DIR is missing");
  const stores: EventStore[] = [];
  try {
    for (const folder of folders) {
      stores.push(await openNamedStore("search", parsed, String(folder)));
    }
    return stores;
  } catch (cause) {
    await Promise.all(stores.map((store) => store.close()));
    throw cause;
  }
}

function rowText(row: Row, { stages }: Search): string {
  const isMade = stages.some(({ kind }) => kind === "stats" || kind === "fields");
  if (isMade) {
    return Object.entries(row)
      .map(([name, value]) => `${name}=${valueText(name, value)}`)
      .join("  ");
  }
  const lead = [...LEADING].map((name) => valueText(name, row[name] ?? ""));
  const rest = Object.entries(row)
    .filter(([name, value]) => !LEADING.has(name) && !QUIET.test(name) && !isEmpty(value))
    .map(([name, value]) => `${name}=${valueText(name, value)}`);
  return [...lead, ...rest].join("  ");
}

const isEmpty = (value: unknown): boolean => value === "" || value === false || value === null;

// TRUST: guests write these texts; nothing of them may steer a terminal.
function valueText(name: string, value: unknown): string {
  const type = FIELD_TABLE[name as FieldName]?.[0];
  if (type === "time" && typeof value === "number") return new Date(value).toISOString();
  if (typeof value !== "string") return printable(toJson(value ?? null));
  return /^[^\s"=]+$/.test(value) ? printable(value) : printable(JSON.stringify(value));
}

function tell(text: string): void {
  process.stderr.write(`undercroft: ${text}\n`);
}
