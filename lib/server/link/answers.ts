// SPDX-License-Identifier: Apache-2.0
// What a server answers to its manager. Made by manager-link.ts; each answer is a value of
// LinkAnswerValues, each failure an UndercroftError.
import { UndercroftError } from "../../errors/errors.ts";
import type { RequestContext } from "../../link/link.ts";
import {
  type LinkAnswerValues,
  type LinkRequest,
  type ProcessExecEvent,
  toPlain,
} from "../../model/model.ts";
import type { DocumentNode } from "../../provenance/provenance.ts";
import { eventSchema, parseSearch, searchShare } from "../../search/search.ts";
import type { EventStore } from "../../store/store.ts";
import type { Server } from "../composition.ts";
import type { ProcessEntry } from "../process-table.ts";
import { type EventRow, eventRow, searchStore } from "../store-search.ts";
import { findProcess, traceStore } from "../store-trace.ts";
import { actOnGuest } from "./acts.ts";
import type { LinkContent } from "./content.ts";
import type { LinkReporter } from "./reporter.ts";
import { checkRequest } from "./requests.ts";
import { sendInParts, sendLive } from "./rows-out.ts";

export interface AnswerParts {
  readonly server: Server;
  /** Absent: this server keeps no events. */
  readonly store: EventStore | undefined;
  readonly reporter: LinkReporter;
  readonly content: LinkContent;
}

type Asked<Kind extends LinkRequest["kind"]> = Extract<LinkRequest, { readonly kind: Kind }>;
type Value<Kind extends keyof LinkAnswerValues> = Promise<LinkAnswerValues[Kind]>;

/** Searches of one server that run at a time, and rows of each, which wait in memory. */
const SEARCHES_MAX = 4;
const ROWS_MAX = 200_000;
const SEARCH_MS_MAX = 120_000;
/** Characters of a command line in a trace. */
const LINE_MAX = 1000;

/** See the head of this file. */
export class LinkAnswers {
  readonly #parts: AnswerParts;
  #searches = 0;

  constructor(parts: AnswerParts) {
    this.#parts = parts;
  }

  /** @throws {UndercroftError} what the manager is told in place of an answer */
  async answer(request: LinkRequest, context: RequestContext): Promise<unknown> {
    checkRequest(request);
    switch (request.kind) {
      case "search":
        return this.#search(request, context);
      case "trace":
        return this.#trace(request);
      case "processes":
        return this.#processes(request, context);
      case "live":
        return this.#live(request, context);
      case "act":
        return this.#act(request, context);
      case "approval":
        return this.#approval(request);
      case "indicators":
      case "rules":
      case "policy":
        return this.#parts.content.take(request);
      case "retro":
        throw new UndercroftError("ERR_UC_LINK", "this server does not look back for indicators");
    }
  }

  async #search(request: Asked<"search">, { signal, rows: send }: RequestContext): Value<"search"> {
    const query = parseSearch(request.query, eventSchema);
    const { where } = query;
    const { nowMs, server } = request;
    const limit = Math.min(request.limit, ROWS_MAX);
    const guests = this.#names(request.guests);
    const { fields } = searchShare(query, { shown: limit });
    if (this.#searches >= SEARCHES_MAX) {
      throw new UndercroftError("ERR_UC_SEARCH", `${SEARCHES_MAX} searches run here already`);
    }
    this.#searches += 1;
    try {
      let rows = 0;
      const isComplete = await searchStore(
        this.#store,
        {
          ...{ where, nowMs, limit, signal, timeLimitMs: SEARCH_MS_MAX },
          ...(guests === undefined ? {} : { guests }),
          ...(server === undefined ? {} : { server }),
          ...(fields === undefined ? {} : { fields }),
        },
        async (found) => {
          rows += await sendInParts(found, send);
        },
      );
      const isCut = rows >= ROWS_MAX && rows < request.limit;
      return { rows, isComplete: isComplete && !isCut };
    } finally {
      this.#searches -= 1;
    }
  }

  async #trace(request: Asked<"trace">): Value<"trace"> {
    const { boot, pid, startNs, timeMs, direction, spanMs } = request;
    const guest = this.#name(request.guest);
    const event = await findProcess(this.#store, {
      ...{ guest, pid, timeMs },
      ...(boot === undefined ? {} : { boot }),
      ...(startNs === undefined ? {} : { startNs: BigInt(startNs) }),
    });
    const guests = this.#names(request.guests);
    const options = { direction, spanMs, ...(guests === undefined ? {} : { guests }) };
    const { document } = await traceStore(this.#store, event, options);
    return { ...toPlain({ ...document, nodes: document.nodes.map(shortNode) }) };
  }

  async #processes(request: Asked<"processes">, context: RequestContext): Value<"processes"> {
    const running = this.#parts.server.processesOf(this.#name(request.guest));
    return { rows: await sendInParts(running.map(processRow), context.rows) };
  }

  #live(request: Asked<"live">, { signal, rows: send }: RequestContext): Value<"live"> {
    const guest = this.#name(request.guest);
    // The manager's wish to end is an end like the other: nothing is left to answer then.
    const ending = AbortSignal.any([signal, AbortSignal.timeout(request.seconds * 1000)]);
    return sendLive(this.#parts.server, guest, ending, send);
  }

  async #act(request: Asked<"act">, { signal }: RequestContext): Value<"act"> {
    const { action, requestedBy, reason } = request;
    const act = { guest: this.#name(request.guest), action, requestedBy, reason };
    return { outcome: await actOnGuest(this.#parts.server, act, signal) };
  }

  async #approval({ id, isApproved, requestedBy }: Asked<"approval">): Value<"approval"> {
    this.#parts.server.answerApproval(id, isApproved, requestedBy);
    return { outcome: isApproved ? "approved" : "rejected" };
  }

  get #store(): EventStore {
    const { store } = this.#parts;
    if (store !== undefined) return store;
    const message = "this server keeps no events; start it with --store DIR";
    throw new UndercroftError("ERR_UC_STORE", message);
  }

  #name(id: string): string {
    const name = this.#parts.reporter.nameOf(id);
    if (name !== undefined) return name;
    throw new UndercroftError("ERR_UC_GUEST_UNKNOWN", `no guest ${id} is known here`, {
      guest: id,
    });
  }

  // What was never served under this manager has no id here: such guests are nobody's to see.
  #names(ids: readonly string[] | undefined): readonly string[] | undefined {
    return ids?.flatMap((id) => this.#parts.reporter.nameOf(id) ?? []);
  }
}

// TRUST: guests choose how long command lines are; a graph of a thousand must pass the link.
function shortNode(node: DocumentNode): DocumentNode {
  const { process } = node;
  if (process === undefined) return node;
  return { ...node, process: { ...process, commandLine: process.commandLine.slice(0, LINE_MAX) } };
}

function processRow(entry: ProcessEntry): EventRow {
  const { pid, processStartNs, parentPid, parentStartNs, exec } = entry;
  return {
    ...(exec === undefined ? {} : programFields(exec)),
    ...{ pid, start_ns: processStartNs, ppid: parentPid, parent_start_ns: parentStartNs },
  };
}

function programFields(exec: ProcessExecEvent): EventRow {
  return eventRow(exec, [
    ...(["time", "image", "command_line", "command_name", "directory"] as const),
    ...(["uid", "euid", "user", "generation"] as const),
  ]);
}
