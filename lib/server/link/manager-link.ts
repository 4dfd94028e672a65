// SPDX-License-Identifier: Apache-2.0
// A server's place at its manager: tells what happens, answers what is asked, takes its content
// over. Made by whoever runs a server; the server protects its guests the same without it, and
// while the manager is away.
import { hostname } from "node:os";
import { join } from "node:path";
import { LinkClient, ReportQueue, readIdentity } from "../../link/link.ts";
import { LINK_VERSION, type LinkHello, type LinkReport } from "../../model/model.ts";
import type { EventStore } from "../../store/store.ts";
import type { Server } from "../composition.ts";
import { LinkAnswers } from "./answers.ts";
import { LinkContent } from "./content.ts";
import { GuestNames } from "./guest-names.ts";
import { LinkReporter } from "./reporter.ts";
import { LinkStatisticsDesk } from "./statistics.ts";

export interface ManagerLinkOptions {
  readonly server: Server;
  /** What its events are searched in; absent: they are not kept. Stays the caller's. */
  readonly store?: EventStore;
  /** With the identity that `enrol` wrote; queue and content are kept beside it. */
  readonly folder: string;
  /** Name and version of the program. */
  readonly software: string;
  readonly log: (line: string) => void;
  /** Between two looks at what changes by itself, and two statistics. Default 10,000. */
  readonly everyMs?: number;
  /** Longest wait before the next try to connect. Default 30,000. */
  readonly retryMsMax?: number;
}

const EVERY_MS = 10_000;

/** See the head of this file. */
export class ManagerLink {
  readonly #options: ManagerLinkOptions;
  readonly #queue: ReportQueue;
  readonly #content: LinkContent;
  readonly #names: GuestNames;
  readonly #reporter: LinkReporter;
  readonly #statistics: LinkStatisticsDesk;
  readonly #client: LinkClient;
  readonly #timer: NodeJS.Timeout;
  #hasFailed = false;

  private constructor(options: ManagerLinkOptions) {
    this.#options = options;
    const { server, store, folder, everyMs = EVERY_MS, retryMsMax } = options;
    const identity = readIdentity(folder);
    this.#queue = new ReportQueue(join(folder, "queue.sqlite"));
    this.#content = new LinkContent(server, join(folder, "content.sqlite"));
    this.#names = new GuestNames(join(folder, "guests.sqlite"));
    this.#reporter = new LinkReporter(server, this.#names, (report) => this.#tell(report));
    this.#statistics = new LinkStatisticsDesk(server, store);
    const answers = new LinkAnswers({
      ...{ server, store, reporter: this.#reporter, content: this.#content },
    });
    this.#client = new LinkClient({
      ...{ identity, folder, queue: this.#queue, statisticsMs: everyMs },
      ...(retryMsMax === undefined ? {} : { retryMsMax }),
      hooks: {
        hello: () => this.#hello(),
        statistics: () => this.#statistics.read(this.#queue.count),
        request: (request, context) => answers.answer(request, context),
        state: (isConnected, reason) => {
          options.log(`manager ${isConnected ? "connected" : "away"}: ${reason}`);
        },
      },
    });
    this.#timer = setInterval(() => this.#reporter.refresh(), everyMs);
    this.#timer.unref();
  }

  /**
   * Puts the manager's content into use and connects; the manager may be away.
   * @throws {UndercroftError} ERR_UC_LINK where the folder has no identity or cannot be used
   */
  static async open(options: ManagerLinkOptions): Promise<ManagerLink> {
    const link = new ManagerLink(options);
    await link.restoreContent();
    link.#client.start();
    return link;
  }

  /** Puts the manager's content over what the server has just read from its own files. */
  async restoreContent(): Promise<void> {
    for (const problem of await this.#content.restore()) this.#options.log(problem);
  }

  get isConnected(): boolean {
    return this.#client.isConnected;
  }

  /** Ends the link; what was not told yet is told at the next start. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#reporter.close();
    this.#statistics.close();
    this.#client.close();
    this.#queue.close();
    this.#names.close();
    await this.#content.close();
  }

  #hello(): LinkHello {
    const { server, software } = this.#options;
    return {
      ...{ version: LINK_VERSION, software, machine: hostname() },
      ...{ instance: server.stats.serverInstance, guests: this.#reporter.guests },
      content: this.#content.versions,
    };
  }

  // A queue that a full disk stops must not stop the server: it protects, and says so once.
  #tell(report: LinkReport): void {
    try {
      this.#client.report(report);
      this.#hasFailed = false;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      if (!this.#hasFailed) this.#options.log(`reports to the manager are lost: ${reason}`);
      this.#hasFailed = true;
    }
  }
}
