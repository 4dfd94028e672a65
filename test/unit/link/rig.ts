// SPDX-License-Identifier: Apache-2.0
// A manager's listener and servers' clients on loopback, with real TLS, for the tests beside it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Authority,
  type ClientHooks,
  enrol,
  LinkClient,
  type LinkIdentity,
  LinkListener,
  type NumberedReport,
  ReportQueue,
} from "../../../lib/link/link.ts";
import {
  LINK_VERSION,
  type LinkHello,
  type LinkReport,
  type LinkStatistics,
} from "../../../lib/model/model.ts";

export const HELLO: LinkHello = {
  ...{ version: LINK_VERSION, software: "0.1.0", machine: "hv1", instance: "i", guests: [] },
  content: { indicators: 0, rules: 0, policy: 0 },
};

export const STATISTICS: LinkStatistics = {
  ...{ timeMs: 1, uptimeMs: 1, cpuSeconds: 0.5, memoryBytes: 1, storeEvents: 0, storeBytes: 0 },
  ...{ queued: 0, guests: [] },
};

/** A report that can be told from others. */
export function faultReport(number: number): LinkReport {
  return {
    kind: "fault",
    guest: "web",
    fault: "E_TAIL_RANGE",
    reason: `${number}`,
    timeMs: number,
  };
}

/** What a manager heard; reports are kept as a database would. */
export class Heard {
  readonly reports: NumberedReport[] = [];
  readonly events: string[] = [];
  readonly last: Map<string, number> = new Map();
  statistics = 0;
  newest: LinkStatistics | undefined;
  /** Waited for before reports count as being on disk. */
  commit: () => Promise<void> = async () => {};

  lastReport(server: string, stream: string): number {
    return this.last.get(`${server} ${stream}`) ?? 0;
  }

  online(server: string, _hello: LinkHello, skewMs: number): void {
    this.events.push(`online ${server} ${Math.round(skewMs / 1000)}`);
  }

  offline(server: string, reason: string): void {
    this.events.push(`offline ${server} ${reason}`);
  }

  async commitReports(
    server: string,
    stream: string,
    all: readonly NumberedReport[],
  ): Promise<void> {
    await this.commit();
    this.reports.push(...all);
    this.last.set(`${server} ${stream}`, all.at(-1)?.number ?? 0);
  }
}

/** Everything of one test; `close` takes it all away. */
export class LinkRig {
  readonly folder: string = mkdtempSync(join(tmpdir(), "undercroft-link-"));
  readonly heard: Heard = new Heard();
  readonly #clients: LinkClient[] = [];
  readonly #queues: ReportQueue[] = [];
  authority!: Authority;
  listener!: LinkListener;

  static async open(port = 0): Promise<LinkRig> {
    const rig = new LinkRig();
    rig.authority = await Authority.open(join(rig.folder, "authority"));
    await rig.listen(port);
    return rig;
  }

  async listen(port: number): Promise<void> {
    const { heard, authority } = this;
    this.listener = await LinkListener.open({
      ...{ authority, address: "127.0.0.1", port },
      hooks: {
        lastReport: (server, stream) => heard.lastReport(server, stream),
        online: (server, hello, skewMs) => heard.online(server, hello, skewMs),
        offline: (server, reason) => heard.offline(server, reason),
        reports: (server, stream, all) => heard.commitReports(server, stream, all),
        statistics: (_, statistics) => {
          heard.statistics += 1;
          heard.newest = statistics;
        },
      },
    });
  }

  /** The port, to listen on again. */
  get port(): number {
    return Number(new URL(this.listener.url).port);
  }

  enrol(name: string): Promise<LinkIdentity> {
    const token = this.authority.makeToken(name, 60_000);
    const folder = join(this.folder, name);
    return enrol({ manager: this.listener.url, token, name, folder });
  }

  queue(path = ":memory:", limits = {}): ReportQueue {
    const queue = new ReportQueue(path, limits);
    this.#queues.push(queue);
    return queue;
  }

  connect(
    identity: LinkIdentity,
    queue: ReportQueue,
    hooks: Partial<ClientHooks> = {},
    nowMs: () => number = Date.now,
  ): LinkClient {
    const client = new LinkClient({
      ...{ identity, queue, retryMsMax: 50, nowMs, folder: join(this.folder, "renewed") },
      hooks: {
        ...{ hello: () => HELLO, statistics: () => STATISTICS, state: () => {} },
        request: async () => undefined,
        ...hooks,
      },
    });
    this.#clients.push(client);
    client.start();
    return client;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.listener.close();
    this.authority.close();
    for (const queue of this.#queues) queue.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** Waits for something that must come. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error("it did not come within 10 s");
}
