// SPDX-License-Identifier: Apache-2.0
// The manager: composes state, users, the link's listener and the API in one process.
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { UndercroftError } from "../errors/errors.ts";
import { Authority, LinkListener } from "../link/link.ts";
import type { LiveUpdate } from "../model/model.ts";
import { makeApi } from "./api/api.ts";
import { CONTENT_MS, ContentCentre } from "./content.ts";
import { Fleet } from "./fleet.ts";
import { Searches } from "./searches.ts";
import { ManagerState } from "./state.ts";
import { Users } from "./users.ts";

export interface ManagerOptions {
  /** State, authority and keys; made where it is missing. */
  readonly folder: string;
  /** Where browsers and programs connect. */
  readonly address: string;
  readonly port: number;
  /** Where servers connect. */
  readonly linkAddress: string;
  readonly linkPort: number;
  readonly nowMs?: () => number;
}

/** A running manager. */
export class Manager {
  /** `https://address:port` of the API. */
  readonly url: string;
  /** Where servers connect. */
  readonly linkUrl: string;
  /** Secret of the one-time link with which the first admin sets a password; until that is done. */
  readonly invitation: string | undefined;
  readonly #close: () => Promise<void>;

  private constructor(options: {
    readonly url: string;
    readonly linkUrl: string;
    readonly invitation: string | undefined;
    readonly close: () => Promise<void>;
  }) {
    this.url = options.url;
    this.linkUrl = options.linkUrl;
    this.invitation = options.invitation;
    this.#close = options.close;
  }

  /** @throws {UndercroftError} ERR_UC_MANAGER, ERR_UC_LINK */
  static async open(options: ManagerOptions): Promise<Manager> {
    const { folder, address, port, nowMs = Date.now } = options;
    const state = new ManagerState(folder);
    const authority = await Authority.open(join(folder, "authority"), nowMs);
    const listeners = new Set<(update: LiveUpdate) => void>();
    const changed = (update: LiveUpdate): void => {
      for (const listener of listeners) listener(update);
    };
    const users = new Users(state, nowMs);
    const fleet = new Fleet({ state, nowMs, changed, servers: () => authority.servers });
    const at = { address: options.linkAddress, port: options.linkPort };
    const content: ContentCentre = new ContentCentre({
      ...{ state, nowMs, online: () => link.online },
      request: (server, request, how) => link.request(server, request, how),
    });
    fleet.onHello = (server, hello) => content.online(server, hello.content);
    const link = await LinkListener.open({ authority, hooks: fleet, nowMs, ...at });
    const pushing = setInterval(() => content.pushAll(), CONTENT_MS);
    const searches = new Searches({
      request: (server, request, how) => link.request(server, request, how),
      nowMs,
      changed: (id) => changed({ kind: "search", id }),
    });
    const listen = (listener: (update: LiveUpdate) => void): (() => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    };
    const parts = {
      ...{ state, users, fleet, searches, content, authority, link, nowMs, changed, listen },
    };
    const app = await makeApi(parts, await authority.managerCertificate([address, "localhost"]));
    const close = async (): Promise<void> => {
      clearInterval(pushing);
      await app.close();
      await link.close();
      authority.close();
      state.close();
    };
    try {
      await app.listen({ host: address, port });
    } catch (cause) {
      await close();
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `the API cannot listen on ${address}:${port}: ${reason}`;
      throw new UndercroftError("ERR_UC_MANAGER", message, { address, port }, { cause });
    }
    const { port: bound } = app.server.address() as AddressInfo;
    const name = address.includes(":") ? `[${address}]` : address;
    const url = `https://${name}:${bound}`;
    return new Manager({ url, linkUrl: link.url, invitation: firstInvitation(users), close });
  }

  close(): Promise<void> {
    return this.#close();
  }
}

// There is no default password: until somebody has set one, each start makes a new one-time link.
function firstInvitation(users: Users): string | undefined {
  const [first, ...others] = users.all;
  if (first === undefined) return users.add("admin", "admin", []).invitation;
  return others.length === 0 && first.lastSeenMs === undefined ? users.invite(first.id) : undefined;
}
