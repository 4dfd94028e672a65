// SPDX-License-Identifier: Apache-2.0
// The demo's own manager: joined by the demo's server over the real link, with an event store that
// is thrown away, and asked over its API what it knows. Made by demo-run.ts.
import { createSecretKey, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import { Authority, enrol } from "../link/link.ts";
import { Manager, ManagerState, Users } from "../manager/manager.ts";
import type { ApiFinding, ApiGuest, ApiPage, ApiSearch } from "../model/model.ts";
import { EventRecorder, ManagerLink, type Server } from "../server/server.ts";
import { type EventStore, openEventStore } from "../store/store.ts";
import { version } from "./version.ts";

/** What the manager knows, as its API tells it. */
export interface ManagerKnowledge {
  readonly url: string;
  readonly guests: ReadonlyArray<Pick<ApiGuest, "name" | "state" | "serverName" | "isCurrent">>;
  readonly findings: ReadonlyArray<Pick<ApiFinding, "id" | "title" | "disposition">>;
  /** Executions that a search over its servers finds. */
  readonly executions: number;
}

const ADDRESS = "127.0.0.1";
const SERVER_NAME = "demo-server";
const HOUR_MS = 3600 * 1000;
/** A demo is looked at: changes are told sooner than a fleet needs. */
const EVERY_MS = 2000;
const LOOK_EVERY_MS = 200;

/** See the head of this file. */
export class DemoManager {
  readonly #folder: string;
  readonly #manager: Manager;
  readonly #token: string;
  readonly #store: EventStore;
  readonly #recorder: EventRecorder;
  readonly #link: ManagerLink;

  private constructor(parts: {
    readonly folder: string;
    readonly manager: Manager;
    readonly token: string;
    readonly store: EventStore;
    readonly recorder: EventRecorder;
    readonly link: ManagerLink;
  }) {
    this.#folder = parts.folder;
    this.#manager = parts.manager;
    this.#token = parts.token;
    this.#store = parts.store;
    this.#recorder = parts.recorder;
    this.#link = parts.link;
  }

  /**
   * Starts a manager on this machine only and has the server join it.
   * @throws {UndercroftError} ERR_UC_MANAGER, ERR_UC_LINK, ERR_UC_STORE
   */
  static async open(server: Server, log: (line: string) => void): Promise<DemoManager> {
    const folder = mkdtempSync(join(tmpdir(), "undercroft-demo-"));
    const ends: Array<() => Promise<void> | void> = [() => rmSync(folder, { recursive: true })];
    try {
      const home = join(folder, "manager");
      const anyPort = { port: 0, linkAddress: ADDRESS, linkPort: 0 };
      const manager = await Manager.open({ folder: home, address: ADDRESS, ...anyPort });
      ends.unshift(() => manager.close());
      const identity = join(folder, "link");
      const invited = { manager: manager.linkUrl, token: await enrolment(home), name: SERVER_NAME };
      await enrol({ ...invited, folder: identity });
      const store = await openEventStore({
        ...{ folder: join(folder, "store"), key: createSecretKey(randomBytes(32)) },
        onLoss: (reason) => log(`event store: ${reason}`),
      });
      ends.unshift(() => store.close());
      const recorder = new EventRecorder(server, store);
      const link = await ManagerLink.open({
        ...{ server, store, folder: identity, software: `undercroft ${version()}`, log },
        ...{ everyMs: EVERY_MS, retryMsMax: EVERY_MS },
      });
      log(`console: ${manager.url}/#/invitation/${manager.invitation}`);
      log("console: this link sets your password, once; the certificate is the demo's own");
      return new DemoManager({ folder, manager, token: tokenFor(home), store, recorder, link });
    } catch (cause) {
      for (const end of ends) await end();
      throw cause;
    }
  }

  /** Asks until the manager has so many findings, or for so long. */
  async learn(findings: number, msMax: number): Promise<ManagerKnowledge> {
    const endMs = performance.now() + msMax;
    for (;;) {
      const known = await this.#ask();
      const knows = known.findings.length >= findings && known.executions > 0;
      if (knows || performance.now() > endMs) return known;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /** Ends it all and leaves nothing behind. */
  async close(): Promise<void> {
    this.#recorder.close();
    await this.#link.close();
    await this.#store.close();
    await this.#manager.close();
    rmSync(this.#folder, { recursive: true });
  }

  async #ask(): Promise<ManagerKnowledge> {
    const guests = await this.#call<ApiPage<ApiGuest>>("GET", "/guests");
    const findings = await this.#call<ApiPage<ApiFinding>>("GET", "/findings?limit=1000");
    return {
      url: this.#manager.url,
      guests: guests.items.map(({ name, state, serverName, isCurrent }) => {
        return { name, state, serverName, isCurrent };
      }),
      findings: findings.items.map(({ id, title, disposition }) => ({ id, title, disposition })),
      executions: await this.#executions(),
    };
  }

  async #executions(): Promise<number> {
    const query = "kind:process.exec | stats count()";
    let search = await this.#call<ApiSearch>("POST", "/searches", { query });
    while (search.state === "running") {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      search = await this.#call<ApiSearch>("GET", `/searches/${search.id}`);
    }
    const [count = 0] = Object.values(search.rows[0] ?? {});
    return Number(count);
  }

  #call<T>(method: string, path: string, body?: object): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const ca = readFileSync(join(this.#folder, "manager/authority/authority.crt"));
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${this.#token}`,
      ...(text === undefined ? {} : { "content-type": "application/json" }),
    };
    const call = request(`${this.#manager.url}/api/v1${path}`, { method, ca, headers });
    call.on("response", (response) => {
      let answer = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        answer += part;
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(answer) as T);
        else reject(new UndercroftError("ERR_UC_MANAGER", `${method} ${path}: ${answer}`));
      });
    });
    call.on("error", reject);
    call.end(text);
    return promise;
  }
}

async function enrolment(folder: string): Promise<string> {
  const authority = await Authority.open(join(folder, "authority"));
  const token = authority.makeToken(SERVER_NAME, HOUR_MS);
  authority.close();
  return token;
}

function tokenFor(folder: string): string {
  const state = new ManagerState(folder);
  const { secret } = new Users(state, Date.now).addToken("demo", "analyst", [], 1);
  state.close();
  return secret;
}
