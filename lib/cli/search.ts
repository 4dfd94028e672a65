// SPDX-License-Identifier: Apache-2.0
// `undercroft search`: what the stores of servers hold, by the search
// language; several stores are merged. The stores must not be open elsewhere.
import process from "node:process";
import { FIELD_TABLE, type FieldName } from "../model/model.ts";
import {
  eventSchema,
  type MergedRows,
  mergeRows,
  parseSearch,
  type Row,
  type Search,
  searchShare,
} from "../search/search.ts";
import { searchStore } from "../server/server.ts";
import type { EventStore } from "../store/store.ts";
import { printable } from "../wire/wire.ts";
import { openNamedStore, STORE_OPTIONS } from "./event-store.ts";
import { Interrupt } from "./interrupt.ts";
import { toJson } from "./json.ts";
import { type Arguments, readArguments, usageError } from "./usage.ts";

/** Rows that are shown where the search sets no limit. */
const ROWS_SHOWN = 100;

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

interface Found extends MergedRows {
  /** False where a time limit or Ctrl-C ended it. */
  readonly isComplete: boolean;
}

async function find(
  query: Search,
  stores: readonly EventStore[],
  interrupt: Interrupt,
): Promise<Found> {
  const nowMs = Date.now();
  const { limit, fields } = searchShare(query, { shown: ROWS_SHOWN });
  const ending = new AbortController();
  void interrupt.wait().then(() => ending.abort());
  const { where } = query;
  const wanted = { where, nowMs, limit, signal: ending.signal };
  let isComplete = true;
  const shares = await Promise.all(
    stores.map(async (store) => {
      const share: Row[] = [];
      const options = fields === undefined ? wanted : { ...wanted, fields };
      if (!(await searchStore(store, options, (rows) => void share.push(...rows)))) {
        isComplete = false;
      }
      return share;
    }),
  );
  const options = { nowMs, shown: ROWS_SHOWN };
  return { ...mergeRows(query, shares, eventSchema, options), isComplete };
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
