// SPDX-License-Identifier: Apache-2.0
// A manager in a folder of its own, servers that are clients of the real link, and calls of its
// API over real TLS, for the tests beside it.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClientHooks, enrol, LinkClient, ReportQueue } from "../../../lib/link/link.ts";
import { Manager, ManagerState, Users } from "../../../lib/manager/manager.ts";
import {
  API_ROUTES,
  type ApiRouteName,
  LINK_VERSION,
  type LinkGuest,
  type LinkReport,
  type Role,
} from "../../../lib/model/model.ts";

export const PASSWORD = "a long enough password";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Whatever the test says it is. */
  readonly body: ReturnType<typeof JSON.parse>;
}

export interface CallOptions {
  readonly id?: string;
  readonly query?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A guest as a server tells of it. */
export function guestNamed(name: string, change: Partial<LinkGuest> = {}): LinkGuest {
  return {
    ...{ id: `id-${name}`, name, state: "monitored", sinceMs: 1000, reason: "hello", boot: "b" },
    isIsolated: false,
    ...change,
  };
}

/** A finding about a guest. */
export function findingOf(guest: string, id: string, value = "/tmp/x"): LinkReport {
  return {
    ...{ kind: "finding", guest: `id-${guest}` },
    finding: {
      ...{ id, guest, rule: "r-1", title: "A miner", severity: "high", firstMs: 10, lastMs: 20 },
      ...{ count: 2, field: "Image", value, evidence: [], commands: [], disposition: "killed" },
      process: { guest, boot: "b", pid: 7, processStartNs: "70", execGeneration: 1 },
      tags: [],
    },
  };
}

/** See the head of this file. */
export class ManagerRig {
  readonly folder: string = mkdtempSync(join(tmpdir(), "undercroft-manager-"));
  manager!: Manager;
  nowMs: () => number = Date.now;
  readonly #clients: Array<readonly [LinkClient, ReportQueue]> = [];

  static async open(): Promise<ManagerRig> {
    const rig = new ManagerRig();
    await rig.start();
    return rig;
  }

  async start(linkPort = 0): Promise<void> {
    this.manager = await Manager.open({
      ...{ folder: this.folder, address: "127.0.0.1", port: 0, nowMs: () => this.nowMs() },
      ...{ linkAddress: "127.0.0.1", linkPort },
    });
  }

  /** A token of a role, for the header. */
  bearer(role: Role, groups: readonly string[] = []): Record<string, string> {
    const state = new ManagerState(this.folder);
    const { secret } = new Users(state, this.nowMs).addToken(role, role, groups, 1);
    state.close();
    return { authorization: `Bearer ${secret}` };
  }

  call(name: ApiRouteName, options: CallOptions = {}): Promise<Answer> {
    const [method, path] = API_ROUTES[name];
    const place = `${path.replace(":id", options.id ?? "none")}${options.query ?? ""}`;
    return this.ask(method, `/api/v1${place}`, options);
  }

  ask(method: string, path: string, { body, headers }: CallOptions = {}): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const ca = readFileSync(join(this.folder, "authority", "authority.crt"));
    const text = body === undefined ? undefined : JSON.stringify(body);
    const all = {
      ...(text === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    };
    const sent = request(`${this.manager.url}${path}`, { method, ca, headers: all }, (response) => {
      let answer = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        answer += chunk;
      });
      response.on("end", () => {
        const { statusCode: status = 0, headers: got } = response;
        resolve({ status, headers: got, body: answer === "" ? undefined : JSON.parse(answer) });
      });
    });
    sent.on("error", reject);
    sent.end(text);
    return promise;
  }

  /** A server that joins and connects. */
  async server(
    name: string,
    guests: readonly LinkGuest[],
    hooks: Partial<ClientHooks> = {},
  ): Promise<{ id: string; client: LinkClient }> {
    const { body } = await this.call("makeEnrolment", {
      ...{ body: { name }, headers: this.bearer("admin") },
    });
    const folder = join(this.folder, name);
    const { token } = body as { token: string };
    const identity = await enrol({ manager: this.manager.linkUrl, token, name, folder });
    const queue = new ReportQueue(":memory:");
    const client = new LinkClient({
      ...{ identity, queue, retryMsMax: 50 },
      hooks: {
        hello: () => ({
          ...{ version: LINK_VERSION, software: "0.1.0", machine: name, instance: "i", guests },
          content: { indicators: 0, rules: 0, policy: 0 },
        }),
        statistics: () => ({
          ...{ timeMs: 1, uptimeMs: 1, cpuSeconds: 1, memoryBytes: 1, storeEvents: 5 },
          ...{ storeBytes: 1, queued: 0, guests: [] },
        }),
        request: async () => undefined,
        state: () => {},
        ...hooks,
      },
    });
    this.#clients.push([client, queue]);
    client.start();
    await this.until(async () => client.isConnected);
    return { id: identity.id, client };
  }

  async until(condition: () => Promise<boolean>): Promise<void> {
    for (let turn = 0; turn < 1000; turn++) {
      if (await condition()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error("it did not come within 10 s");
  }

  async close(): Promise<void> {
    for (const [client] of this.#clients) client.close();
    await this.manager.close();
    for (const [, queue] of this.#clients) queue.close();
    rmSync(this.folder, { recursive: true });
  }
}
