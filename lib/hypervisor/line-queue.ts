// SPDX-License-Identifier: Apache-2.0
// Keeps the lines of a guest's serial port until somebody reads them, so that none is lost between
// the start of a guest and its first reader. Called by qemu.ts; one reader at a time.
import { createInterface, type Interface } from "node:readline";
import type { Readable } from "node:stream";

// A full queue stops reading the port, and so the guest's writes to it, rather than grow: the guest
// decides how much it writes.
const linesMax = 20_000;

/** The lines of one port, in order. Iterating again continues where the last reader stopped. */
export class LineQueue implements AsyncIterable<string> {
  readonly #lines: string[] = [];
  readonly #source: Interface;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(port: Readable) {
    const source = createInterface({ input: port });
    this.#source = source;
    // A port that QEMU dropped when it was ended is an end like any other.
    source.on("error", () => {});
    source.on("line", (line) => {
      this.#lines.push(line);
      if (this.#lines.length >= linesMax) source.pause();
      this.#wake?.();
    });
    port.once("close", () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) {
        if (this.#lines.length === 0 && !this.#ended) this.#source.resume();
        yield line;
        continue;
      }
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
