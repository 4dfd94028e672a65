// SPDX-License-Identifier: Apache-2.0
// Lines out of chunks of bytes in UTF-8, for the importers of plain lists and CSV. A line that is
// too long is told and left out, not held.

/** Longest line in UTF-16 units. */
export const LINE_LENGTH_MAX = 65_536;

/** Calls back with each line and its number from 1. */
export class LineReader {
  readonly #decoder = new TextDecoder("utf-8");
  readonly #take: (line: string, number: number) => void;
  readonly #tooLong: (number: number) => void;
  #rest = "";
  #number = 0;
  #isSkipping = false;

  constructor(take: (line: string, number: number) => void, tooLong: (number: number) => void) {
    this.#take = take;
    this.#tooLong = tooLong;
  }

  push(chunk: Uint8Array): void {
    // The decoder drops a byte order mark.
    this.#split(this.#decoder.decode(chunk, { stream: true }));
  }

  end(): void {
    this.#split(this.#decoder.decode());
    if (this.#rest !== "" || this.#isSkipping) this.#line(this.#rest);
    this.#rest = "";
  }

  #split(text: string): void {
    let start = 0;
    let at = text.indexOf("\n");
    while (at >= 0) {
      this.#line(this.#rest + text.slice(start, at));
      this.#rest = "";
      start = at + 1;
      at = text.indexOf("\n", start);
    }
    if (this.#rest.length + text.length - start > LINE_LENGTH_MAX) {
      this.#rest = "";
      this.#isSkipping = true;
    } else if (!this.#isSkipping) {
      this.#rest += text.slice(start);
    }
  }

  #line(text: string): void {
    this.#number++;
    if (this.#isSkipping || text.length > LINE_LENGTH_MAX) {
      this.#isSkipping = false;
      this.#tooLong(this.#number);
      return;
    }
    this.#take(text.endsWith("\r") ? text.slice(0, -1) : text, this.#number);
  }
}
