// SPDX-License-Identifier: Apache-2.0
// `undercroft trace`: the history of one process out of a store, back to what it came from or on
// to what came of it.
import process from "node:process";
import { UndercroftError } from "../errors/errors.ts";
import type { StoredEvent } from "../model/model.ts";
import {
  ancestorsOf,
  imageOf,
  type ProcessLife,
  type ProvenanceDocument,
  provenanceDot,
} from "../provenance/provenance.ts";
import { eventSchema, parseSearch, searchPeriod } from "../search/search.ts";
import { traceStore } from "../server/server.ts";
import { type EventStore, searchConditions } from "../store/store.ts";
import { printable } from "../wire/wire.ts";
import { openNamedStore, STORE_OPTIONS } from "./event-store.ts";
import { toJson } from "./json.ts";
import { type Arguments, choiceOption, readArguments, textOption, usageError } from "./usage.ts";

const DEFAULT_HOURS = 24;

/** Runs the command. */
export async function trace(args: readonly string[]): Promise<number> {
  const parsed = readArguments(
    "trace",
    args,
    {
      ...STORE_OPTIONS,
      store: { type: "string" },
      direction: { type: "string" },
      hours: { type: "string" },
      dot: { type: "boolean" },
      json: { type: "boolean" },
    },
    ["QUERY"],
  );
  const folder = textOption(parsed, "store");
  if (folder === undefined) throw usageError("trace", "--store DIR is missing");
  const direction = choiceOption("trace", parsed, "direction", ["backward", "forward"]);
  const spanMs = hoursOf(parsed) * 3_600_000;
  const text = parsed.operands[0] ?? "";
  parseSearch(text, eventSchema);
  const store = await openNamedStore("trace", parsed, folder);
  try {
    const event = await newest(store, text);
    const { document, start } = await traceStore(store, event, { direction, spanMs });
    write(parsed, document, start);
    return 0;
  } finally {
    await store.close();
  }
}

/** The newest event of a process that the search finds. */
async function newest(store: EventStore, text: string): Promise<StoredEvent> {
  const nowMs = Date.now();
  const { where } = parseSearch(text, eventSchema);
  const ofProcess = {
    kind: "and" as const,
    items: [where, parseSearch("pid:>0", eventSchema).where],
  };
  const compiled = searchConditions(ofProcess, eventSchema, nowMs);
  const period = searchPeriod(where, nowMs);
  for await (const { event } of store.search({ compiled, limit: 1, ...period })) return event;
  throw new UndercroftError("ERR_UC_SEARCH", `no process of the store has an event "${text}"`);
}

function hoursOf(parsed: Arguments): number {
  const hours = Number(textOption(parsed, "hours") ?? DEFAULT_HOURS);
  if (hours > 0 && Number.isFinite(hours)) return hours;
  throw usageError("trace", "--hours: must be a number above 0");
}

function write(
  parsed: Arguments,
  document: ProvenanceDocument,
  start: ProcessLife | undefined,
): void {
  if (parsed.values.json === true) process.stdout.write(`${toJson(document)}\n`);
  else if (parsed.values.dot === true) process.stdout.write(provenanceDot(document));
  else process.stdout.write(`${[...lineageOf(start), ...deedsOf(document)].join("\n")}\n`);
}

/** The line of processes down to the one that was asked for. */
function lineageOf(start: ProcessLife | undefined): readonly string[] {
  if (start === undefined) return [];
  const { ancestors, end } = ancestorsOf(start);
  const line = [...ancestors].reverse().map(({ process: life, program, doubts }) => {
    const image = program?.image ?? imageOf(life);
    const words = program?.commandLine ?? "";
    const doubt = doubts.length === 0 ? "" : `  (${doubts.join(", ")})`;
    return `${image === "" ? "?" : image}[${life.pid}] ${words}${doubt}`;
  });
  const own = start.programs.map(
    ({ image, commandLine }) => `${image}[${start.pid}] ${commandLine}`,
  );
  const above = end === "unknown" ? ["? (its maker was not told of)"] : [];
  return [...above, ...line, ...own].map(
    (text, depth) => `${"  ".repeat(depth)}${printable(text)}`,
  );
}

function deedsOf({ nodes, edges, cuts, gaps }: ProvenanceDocument): readonly string[] {
  const labels = new Map(nodes.map(({ id, label }) => [id, label]));
  const deeds = edges
    .filter(({ kind }) => kind !== "fork" && kind !== "parent")
    .sort((one, other) => one.firstMs - other.firstMs)
    .map(({ kind, source, target, firstMs, count }) => {
      const times = count > 1 ? ` x${count}` : "";
      const ends = `${labels.get(source) ?? "?"} -> ${labels.get(target) ?? "?"}`;
      return printable(`${new Date(firstMs).toISOString()}  ${kind}${times}  ${ends}`);
    });
  const told = [
    ...cuts.map(({ entity, reason, edges: left }) => {
      const many = left < 0 ? "" : `, ${left} edges left out`;
      return printable(`cut at ${labels.get(entity) ?? entity}: ${reason}${many}`);
    }),
    ...gaps.map(({ guest, count, reason, timeMs }) => {
      const noticed = new Date(timeMs).toISOString();
      return printable(`${noticed}  ${count} records of ${guest} are missing (${reason})`);
    }),
  ];
  return [
    ...(deeds.length === 0 ? [] : ["", ...deeds]),
    ...(told.length === 0 ? [] : ["", ...told]),
  ];
}
