// SPDX-License-Identifier: Apache-2.0
// Search jobs: one search goes to all servers that are connected, their rows are merged in order,
// and who failed or was away is said. The newest jobs are kept in memory, with their rows.
import { randomBytes } from "node:crypto";
import { isUndercroftError, UndercroftError } from "../errors/errors.ts";
import type { RequestOptions } from "../link/link.ts";
import type {
  ApiSearch,
  ApiSearchServer,
  ApiServer,
  LinkAnswer,
  LinkAnswerValues,
  LinkRequest,
} from "../model/model.ts";
import { eventSchema, mergeRows, parseSearch, type Row, searchShare } from "../search/search.ts";

export interface SearchesOptions {
  readonly request: (
    server: string,
    request: LinkRequest,
    options: RequestOptions,
  ) => Promise<LinkAnswer>;
  readonly nowMs: () => number;
  readonly changed: (id: string) => void;
}

export interface SearchStart {
  readonly query: string;
  readonly servers: readonly ApiServer[];
  /** Guests by id that the asking user may see; absent: all. */
  readonly guests?: readonly string[];
  readonly user: string;
}

interface Job {
  search: ApiSearch;
  readonly user: string;
  readonly ending: AbortController;
}

const JOBS_MAX = 50;
const RUNNING_MAX = 16;
/** Rows that are shown where the search sets no limit. */
const SHOWN = 1000;
/** Rows of one server that stages may work on. */
const ROWS_MAX = 200_000;
const BOUNDS = { shown: SHOWN, rowsMax: ROWS_MAX };
/** Rows of all servers of one job. */
const ROWS_OF_ALL_MAX = 1_000_000;
const TIMEOUT_MS = 60_000;
const SHOW_EVERY_MS = 500;
/** More than these are merged once, at the end. */
const ROWS_SHOWN_EARLY_MAX = 50_000;

/** See the head of this file. */
export class Searches {
  readonly #options: SearchesOptions;
  readonly #jobs = new Map<string, Job>();

  constructor(options: SearchesOptions) {
    this.#options = options;
  }

  /** @throws {UndercroftError} ERR_UC_SEARCH for a search that is not valid, or too many at once */
  start({ query, servers, guests, user }: SearchStart): ApiSearch {
    const parsed = parseSearch(query, eventSchema);
    const running = [...this.#jobs.values()].filter(({ search }) => search.state === "running");
    if (running.length >= RUNNING_MAX) {
      throw new UndercroftError("ERR_UC_SEARCH", "too many searches run; wait or cancel one");
    }
    const id = randomBytes(8).toString("hex");
    const startedMs = this.#options.nowMs();
    const asked = servers.map(({ id: server, name, state }): ApiSearchServer => {
      const isThere = state === "online";
      const away = { state: "away", message: "the server is not connected" } as const;
      return { server, name, rows: 0, ...(isThere ? { state: "running" } : away) };
    });
    const job: Job = {
      ...{ user, ending: new AbortController() },
      search: {
        ...{ id, query, state: "running", isComplete: false, isCut: false, servers: asked },
        ...{ rows: [], startedMs, tookMs: 0 },
      },
    };
    this.#jobs.set(id, job);
    this.#forget();
    void this.#run(job, parsed, guests);
    return job.search;
  }

  /** A job of a user. */
  read(id: string, user: string): ApiSearch | undefined {
    const job = this.#jobs.get(id);
    return job?.user === user ? job.search : undefined;
  }

  cancel(id: string, user: string): boolean {
    const job = this.#jobs.get(id);
    if (job?.user !== user) return false;
    job.ending.abort();
    return true;
  }

  async #run(
    job: Job,
    parsed: ReturnType<typeof parseSearch>,
    guests: readonly string[] | undefined,
  ): Promise<void> {
    const { startedMs: nowMs, query } = job.search;
    const { limit } = searchShare(parsed, BOUNDS);
    let all = 0;
    const shares = job.search.servers.map((): Row[] => []);
    // Rows of those who answered are shown while others are waited for.
    let isChanged = false;
    const showing = setInterval(() => {
      if (!isChanged || all > ROWS_SHOWN_EARLY_MAX) return;
      isChanged = false;
      const early = merge(parsed, shares, nowMs);
      if (!(early instanceof UndercroftError)) job.search = { ...job.search, ...early };
    }, SHOW_EVERY_MS);
    const shareOf = async (server: ApiSearchServer, at: number): Promise<void> => {
      if (server.state === "away") return;
      const rows: Row[] = [];
      const one = new AbortController();
      const request: LinkRequest = {
        ...{ kind: "search", query, limit, nowMs, server: server.name },
        ...(guests === undefined ? {} : { guests }),
      };
      const answer = await this.#options.request(server.server, request, {
        signal: AbortSignal.any([job.ending.signal, one.signal]),
        timeoutMs: TIMEOUT_MS,
        rowsMax: limit,
        onRows: (part) => {
          if (all + part.length > ROWS_OF_ALL_MAX) one.abort();
          else {
            rows.push(...part);
            all += part.length;
          }
        },
      });
      shares[at] = rows;
      isChanged = true;
      this.#note(job, endOf(server, rows.length, answer, job.ending.signal.aborted));
    };
    await Promise.all(job.search.servers.map(shareOf)).finally(() => clearInterval(showing));
    const { servers } = job.search;
    const tookMs = this.#options.nowMs() - nowMs;
    const state = job.ending.signal.aborted ? "cancelled" : "done";
    let isComplete = servers.every(({ state: end, message }) => end === "done" && !message);
    const merged = merge(parsed, shares, nowMs);
    if (merged instanceof UndercroftError) {
      isComplete = false;
      const { message } = merged;
      for (const server of servers) this.#note(job, { ...server, state: "failed", message });
    }
    const rows = merged instanceof UndercroftError ? { rows: [], isCut: false } : merged;
    job.search = { ...job.search, ...rows, state, isComplete, tookMs };
    this.#options.changed(job.search.id);
  }

  #note(job: Job, server: ApiSearchServer): void {
    const servers = job.search.servers.map((one) => (one.server === server.server ? server : one));
    job.search = { ...job.search, servers };
    this.#options.changed(job.search.id);
  }

  #forget(): void {
    for (const [id, { search }] of this.#jobs) {
      if (this.#jobs.size <= JOBS_MAX) return;
      if (search.state !== "running") this.#jobs.delete(id);
    }
  }
}

/** All rows in order, or why they cannot be: more than stages may work on. */
function merge(
  parsed: ReturnType<typeof parseSearch>,
  shares: ReadonlyArray<readonly Row[]>,
  nowMs: number,
): ReturnType<typeof mergeRows> | UndercroftError {
  try {
    return mergeRows(parsed, shares, eventSchema, { ...BOUNDS, nowMs });
  } catch (cause) {
    if (isUndercroftError(cause)) return cause;
    throw cause;
  }
}

function endOf(
  server: ApiSearchServer,
  rows: number,
  answer: LinkAnswer,
  isCancelled: boolean,
): ApiSearchServer {
  if (!answer.ok) {
    return {
      ...server,
      rows,
      state: isCancelled ? "cancelled" : "failed",
      message: answer.message,
    };
  }
  const { isComplete } = answer.value as LinkAnswerValues["search"];
  const cut = { message: "older events were not looked at" };
  return { ...server, rows, state: "done", ...(isComplete ? {} : cut) };
}
