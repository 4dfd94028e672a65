// SPDX-License-Identifier: Apache-2.0
// Reads the files of a running server again when SIGHUP comes: policy, indicators, Sigma rules. A
// file that is wrong changes nothing and is told. Made by serve.ts.
import process from "node:process";
import { isUndercroftError } from "../errors/errors.ts";
import type { Server } from "../server/server.ts";
import { contentSummary, readContent } from "./live-content.ts";
import type { Arguments } from "./usage.ts";

/** Waits for SIGHUP. */
export class Reload {
  readonly #server: Server;
  readonly #args: Arguments;
  readonly #log: (line: string) => void;
  readonly #after: () => Promise<void> | undefined;
  // One after the other, so that the newest reading is the one that counts.
  #last: Promise<void> = Promise.resolve();
  readonly #take = (): void => {
    this.#last = this.#last.then(() => this.#read());
  };

  /** after: lays over the files what comes from elsewhere. */
  constructor(
    server: Server,
    args: Arguments,
    log: (line: string) => void,
    after: () => Promise<void> | undefined,
  ) {
    this.#server = server;
    this.#args = args;
    this.#log = log;
    this.#after = after;
    process.on("SIGHUP", this.#take);
  }

  close(): void {
    process.off("SIGHUP", this.#take);
  }

  async #read(): Promise<void> {
    try {
      // All before any is used: half of a change would be none that anybody wanted.
      const content = await readContent(this.#args);
      const { policy, indicators, sigma } = content;
      this.#server.usePolicy(policy);
      this.#server.useIndicators(indicators);
      if (sigma !== undefined) this.#server.useSigma(sigma);
      await this.#after();
      this.#log(`read again: ${contentSummary(content)}`);
    } catch (cause) {
      if (!isUndercroftError(cause)) throw cause;
      this.#log(`reload refused, what was in use stays: ${cause.message} (${cause.code})`);
    }
  }
}
