// SPDX-License-Identifier: Apache-2.0
// Reads the files of a running server again when SIGHUP comes: policy and indicators. A file that
// is wrong changes nothing and is told. Made by serve.ts.
import process from "node:process";
import { isUndercroftError } from "../errors/errors.ts";
import type { Server } from "../server/server.ts";
import { readIndicators, readPolicy } from "./indicators.ts";

/** Files as the command line named them. */
export interface ReloadedFiles {
  readonly policy: string | undefined;
  readonly indicators: string | undefined;
}

/** Waits for SIGHUP. */
export class Reload {
  readonly #server: Server;
  readonly #files: ReloadedFiles;
  readonly #log: (line: string) => void;
  // One after the other, so that the newest reading is the one that counts.
  #last: Promise<void> = Promise.resolve();
  readonly #take = (): void => {
    this.#last = this.#last.then(() => this.#read());
  };

  constructor(server: Server, files: ReloadedFiles, log: (line: string) => void) {
    this.#server = server;
    this.#files = files;
    this.#log = log;
    process.on("SIGHUP", this.#take);
  }

  close(): void {
    process.off("SIGHUP", this.#take);
  }

  async #read(): Promise<void> {
    const { policy, indicators } = this.#files;
    try {
      // Both before either is used: half of a change would be none that anybody wanted.
      const newPolicy = policy === undefined ? undefined : await readPolicy(policy);
      const newIndicators = indicators === undefined ? undefined : await readIndicators(indicators);
      if (newPolicy !== undefined) this.#server.usePolicy(newPolicy);
      if (newIndicators !== undefined) this.#server.useIndicators(newIndicators);
      this.#log("policy and indicators were read again");
    } catch (cause) {
      if (!isUndercroftError(cause)) throw cause;
      this.#log(`reload refused, what was in use stays: ${cause.message} (${cause.code})`);
    }
  }
}
