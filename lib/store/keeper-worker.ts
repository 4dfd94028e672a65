// SPDX-License-Identifier: Apache-2.0
// The store's second thread: folding and searches, so that neither stands in the way of storing.
// Started by event-store.ts.
import { parentPort, workerData } from "node:worker_threads";
import { isUndercroftError } from "../errors/errors.ts";
import { readBatch } from "./column-batch.ts";
import { Keeper } from "./keeper.ts";
import { Search } from "./keeper-search.ts";
import type {
  FromKeeper,
  KeeperToLog,
  LogToKeeper,
  ToKeeper,
  WorkerStart,
} from "./store-messages.ts";

const start = workerData as WorkerStart;
const searches = new Map<number, Search>();
/** The newest batch that came, and searches that wait for a newer one. */
let newest = 0;
let waiting: Array<{ readonly after: number; begin(): void }> = [];

function arrived(after: number): Promise<void> {
  if (after <= newest) return Promise.resolve();
  return new Promise((begin) => waiting.push({ after, begin }));
}

function take(keeper: Keeper, { id, log, batch }: Extract<LogToKeeper, { kind: "batch" }>): void {
  keeper.add(log, readBatch(batch));
  newest = id;
  const ready = waiting.filter(({ after }) => after <= newest);
  waiting = waiting.filter(({ after }) => after > newest);
  for (const { begin } of ready) begin();
}

const tell = (message: FromKeeper): void => parentPort?.postMessage(message);

function fail(cause: unknown, id?: number): void {
  const message = cause instanceof Error ? cause.message : String(cause);
  const code = isUndercroftError(cause) ? cause.code : "ERR_UC_STORE";
  tell({ kind: "failed", code, message, ...(id === undefined ? {} : { id }) });
}

async function search(id: number, one: Search, after: number): Promise<void> {
  searches.set(id, one);
  try {
    await arrived(after);
    const complete = await one.run((rows) => tell({ kind: "rows", id, rows }));
    tell({ kind: "end", id, complete });
  } catch (cause) {
    fail(cause, id);
  } finally {
    searches.delete(id);
  }
}

async function answer(keeper: Keeper, message: ToKeeper): Promise<void> {
  switch (message.kind) {
    case "query":
      return search(message.id, new Search(keeper, message.query), message.after);
    case "cancel":
      searches.get(message.id)?.cancel();
      return;
    case "close":
      await keeper.settle();
      keeper.close();
      start.port.close();
      tell({ kind: "closed" });
      parentPort?.close();
      return;
    default:
      tell({ kind: "stats", id: message.id, stats: keeper.stats });
  }
}

async function hear(keeper: Keeper, message: LogToKeeper): Promise<void> {
  if (message.kind === "batch") take(keeper, message);
  else if (message.kind === "complete") keeper.complete(message.log);
  else if (message.kind !== "room") {
    await keeper[message.kind]();
    tell({ kind: "stats", id: message.id, stats: keeper.stats });
  } else {
    const reply: KeeperToLog = { kind: "room", made: keeper.dropOldest() };
    start.port.postMessage(reply);
  }
}

try {
  const keeper = await Keeper.open(start);
  start.port.on("message", (message: LogToKeeper) => void hear(keeper, message));
  parentPort?.on("message", (message: ToKeeper) => void answer(keeper, message));
  tell({ kind: "ready", nextLog: keeper.nextLog });
} catch (cause) {
  fail(cause);
}
