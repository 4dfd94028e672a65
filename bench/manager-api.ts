// SPDX-License-Identifier: Apache-2.0
// A program that calls the manager's API, for the manager bench: calls over one kept connection,
// and the stream of updates.
import type { ClientRequest } from "node:http";
import { type RequestOptions, request } from "node:https";
import type { LiveUpdate } from "../lib/model/model.ts";

/** See the head of this file. */
export class ApiCaller {
  readonly #url: string;
  readonly #options: RequestOptions;
  #stream: ClientRequest | undefined;

  constructor(url: string, authority: string, token: string) {
    this.#url = url;
    // Node's own pool keeps connections.
    this.#options = { ca: authority, headers: { authorization: `Bearer ${token}` } };
  }

  /** Its answer, whole and parsed; anything but 200 is an error. */
  call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const type = body === undefined ? {} : { "content-type": "application/json" };
    const headers = { ...type, ...(this.#options.headers as Record<string, string>) };
    const place = `${this.#url}/api/v1${path}`;
    const sent = request(place, { ...this.#options, method, headers }, async (response) => {
      const chunks = await response.toArray();
      const text = Buffer.concat(chunks as Buffer[]).toString();
      if (response.statusCode === 200) resolve(JSON.parse(text) as T);
      else reject(new Error(`${method} ${path}: ${response.statusCode} ${text.slice(0, 200)}`));
    });
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }

  /** Resolves when the stream is open. */
  updates(listener: (update: LiveUpdate) => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sent = request(`${this.#url}/api/v1/updates`, this.#options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        const events = `${text}${chunk}`.split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) {
          if (event.startsWith("data: ")) listener(JSON.parse(event.slice(6)) as LiveUpdate);
        }
        resolve();
      });
      // Its end is the bench's.
      response.on("error", () => {});
    });
    sent.on("error", reject);
    sent.end();
    this.#stream = sent;
    return promise;
  }

  /** Ends the stream of updates. */
  close(): void {
    this.#stream?.destroy();
  }
}
