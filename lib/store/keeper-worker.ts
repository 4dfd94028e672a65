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

const tell = (message: FromKeeper): void => parentPort?.postMessage(message);

function fail(cause: unknown, id?: number): void {
  const message = cause instanceof Error ? cause.message : String(cause);
  const code = isUndercroftError(cause) ? cause.code : "ERR_UC_STORE";
  tell({ kind: "failed", code, message, ...(id === undefined ? {} : { id }) });
}

async function search(id: number, one: Search): Promise<void> {
  searches.set(id, one);
  try {
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
      return search(message.id, new Search(keeper, message.query));
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
      if (message.kind === "settle") await keeper.settle();
      if (message.kind === "compact") await keeper.compact();
      tell({ kind: "stats", id: message.id, stats: keeper.stats });
  }
}

function hear(keeper: Keeper, message: LogToKeeper): void {
  if (message.kind === "batch") keeper.add(message.log, readBatch(message.batch));
  else if (message.kind === "complete") keeper.complete(message.log);
  else {
    const reply: KeeperToLog = { kind: "room", made: keeper.dropOldest() };
    start.port.postMessage(reply);
  }
}

try {
  const keeper = await Keeper.open(start);
  start.port.on("message", (message: LogToKeeper) => hear(keeper, message));
  parentPort?.on("message", (message: ToKeeper) => void answer(keeper, message));
  tell({ kind: "ready", nextLog: keeper.nextLog });
} catch (cause) {
  fail(cause);
}
