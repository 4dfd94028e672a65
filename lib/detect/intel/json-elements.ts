// SPDX-License-Identifier: Apache-2.0
// Takes chosen elements out of a JSON text (RFC 8259) that arrives in chunks, one at a time, so
// that a bundle of any size needs the memory of its largest element. An element that is damaged
// inside is told and the next one read; damage between elements ends the reading.

/** Where a value is: keys of objects, indexes of arrays. */
export type JsonPath = ReadonlyArray<string | number>;

/** What to take, and what to tell. */
export interface JsonWish {
  /** Whether the value at a path is to be taken as a whole; asked of none inside it. */
  readonly wanted: (path: JsonPath) => boolean;
  readonly take: (value: unknown, path: JsonPath) => void;
  /** An object or array that was not taken has ended. */
  readonly closed?: (path: JsonPath) => void;
  readonly problem: (place: string, reason: string) => void;
  /** Largest element in bytes, and how deep one may be nested. */
  readonly elementBytesMax?: number;
  readonly depthMax?: number;
}

const ELEMENT_BYTES_MAX = 16 << 20;
const DEPTH_MAX = 64;
const KEY_BYTES_MAX = 256;

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const COLON = 58;
const ARRAY_START = 91;
const ARRAY_END = 93;
const OBJECT_START = 123;
const OBJECT_END = 125;

type State = "value" | "first" | "key" | "first-key" | "colon" | "after" | "done" | "failed";

/** Reads one JSON text. */
export class JsonElements {
  readonly #wish: JsonWish;
  readonly #decoder = new TextDecoder("utf-8");
  readonly #path: Array<string | number> = [];
  /** For each open container, whether it is an array; the path has its place in it. */
  readonly #isArray: boolean[] = [];
  #state: State = "value";
  #offset = 0;
  #line = 1;
  // A string, number or literal, or an element to be taken, that has begun.
  #isInString = false;
  #isEscaped = false;
  #isInWord = false;
  #isKey = false;
  #key: number[] = [];
  #capture: Capture | undefined;

  constructor(wish: JsonWish) {
    this.#wish = wish;
  }

  push(chunk: Uint8Array): void {
    let at = this.#offset === 0 && isMarked(chunk) ? 3 : 0;
    while (at < chunk.length && this.#state !== "failed") {
      if (this.#capture !== undefined) at = this.#captureFrom(chunk, at);
      else if (this.#isInString) at = this.#string(chunk, at);
      else at = this.#structure(chunk, at);
    }
    this.#offset += chunk.length;
  }

  /** The text is complete; tells of one that is cut short. */
  end(): void {
    if (this.#state === "failed") return;
    if (this.#isInWord) this.#endWord();
    if (this.#capture?.kind === "word") this.#finish();
    if (this.#state === "done") return;
    this.#wish.problem(pathText(this.#path), "the text ends here; it is cut short or no JSON");
    this.#state = "failed";
  }

  // One byte of what holds the elements together.
  #structure(chunk: Uint8Array, at: number): number {
    const byte = chunk[at] ?? 0;
    if (byte === 10) this.#line++;
    if (this.#isInWord) {
      if (isWordByte(byte)) return at + 1;
      this.#endWord();
    }
    if (byte === 32 || byte === 10 || byte === 13 || byte === 9) return at + 1;
    switch (this.#state) {
      case "first":
        if (byte === ARRAY_END) return this.#close(at);
        return this.#startElement(byte, at);
      case "value":
        return this.#startElement(byte, at);
      case "first-key":
        if (byte === OBJECT_END) return this.#close(at);
        return this.#startKey(byte, at);
      case "key":
        return this.#startKey(byte, at);
      case "colon":
        if (byte !== COLON) return this.#fail(byte, at);
        this.#state = "value";
        return at + 1;
      case "after":
        return this.#afterValue(byte, at);
      default:
        return this.#fail(byte, at);
    }
  }

  #startElement(byte: number, at: number): number {
    if (this.#isArray.at(-1) === true) {
      const last = this.#path.length - 1;
      this.#path[last] = Number(this.#path[last]) + 1;
    }
    const isNested = byte === OBJECT_START || byte === ARRAY_START;
    if (!isNested && byte !== QUOTE && !isWordByte(byte)) return this.#fail(byte, at);
    if (this.#wish.wanted(this.#path)) {
      const bytesMax = this.#wish.elementBytesMax ?? ELEMENT_BYTES_MAX;
      const depthMax = this.#wish.depthMax ?? DEPTH_MAX;
      this.#capture = new Capture(byte, bytesMax, depthMax);
      return at;
    }
    if (isNested) return this.#open(byte, at);
    this.#isInString = byte === QUOTE;
    this.#isInWord = !this.#isInString;
    this.#isKey = false;
    return at + 1;
  }

  #open(byte: number, at: number): number {
    if (this.#isArray.length >= (this.#wish.depthMax ?? DEPTH_MAX)) {
      this.#wish.problem(pathText(this.#path), `is nested deeper than ${this.#isArray.length}`);
      this.#state = "failed";
      return at;
    }
    const isArray = byte === ARRAY_START;
    this.#isArray.push(isArray);
    this.#path.push(isArray ? -1 : "");
    this.#state = isArray ? "first" : "first-key";
    return at + 1;
  }

  #close(at: number): number {
    this.#isArray.pop();
    this.#path.pop();
    this.#wish.closed?.(this.#path);
    this.#state = this.#isArray.length === 0 ? "done" : "after";
    return at + 1;
  }

  #startKey(byte: number, at: number): number {
    if (byte !== QUOTE) return this.#fail(byte, at);
    this.#isInString = true;
    this.#isKey = true;
    this.#key = [];
    return at + 1;
  }

  #afterValue(byte: number, at: number): number {
    const isArray = this.#isArray.at(-1) === true;
    if (byte === COMMA) {
      this.#state = isArray ? "value" : "key";
      return at + 1;
    }
    if (byte !== (isArray ? ARRAY_END : OBJECT_END)) return this.#fail(byte, at);
    return this.#close(at);
  }

  #string(chunk: Uint8Array, start: number): number {
    for (let at = start; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (byte === 10) this.#line++;
      if (byte === QUOTE && !this.#isEscaped) {
        this.#isInString = false;
        if (this.#isKey) this.#endKey();
        else this.#endValue();
        return at + 1;
      }
      this.#isEscaped = byte === BACKSLASH && !this.#isEscaped;
      if (this.#isKey && this.#key.length < KEY_BYTES_MAX) this.#key.push(byte);
    }
    return chunk.length;
  }

  #endKey(): void {
    this.#path[this.#path.length - 1] = this.#decoder.decode(Uint8Array.from(this.#key));
    this.#state = "colon";
  }

  #endWord(): void {
    this.#isInWord = false;
    this.#endValue();
  }

  #endValue(): void {
    this.#state = this.#isArray.length === 0 ? "done" : "after";
  }

  #captureFrom(chunk: Uint8Array, start: number): number {
    const capture = this.#capture;
    if (capture === undefined) return start;
    const end = capture.scan(chunk, start);
    this.#line += capture.takeLines();
    if (capture.isComplete) this.#finish();
    return end;
  }

  #finish(): void {
    const capture = this.#capture;
    this.#capture = undefined;
    this.#endValue();
    if (capture === undefined) return;
    if (capture.fault !== "") {
      this.#wish.problem(pathText(this.#path), capture.fault);
      return;
    }
    let value: unknown;
    try {
      value = JSON.parse(this.#decoder.decode(capture.bytes()));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#wish.problem(pathText(this.#path), `is no JSON: ${reason.slice(0, 200)}`);
      return;
    }
    this.#wish.take(value, this.#path);
  }

  #fail(byte: number, at: number): number {
    const sign = byte > 32 && byte < 127 ? `"${String.fromCharCode(byte)}"` : `byte ${byte}`;
    const where = `line ${this.#line}, byte ${this.#offset + at}`;
    const reason = `${sign} is not expected there (${where}); the rest is not read`;
    this.#wish.problem(pathText(this.#path), reason);
    this.#state = "failed";
    return at;
  }
}

/** The bytes of one element, gathered over chunks. */
class Capture {
  readonly kind: "nested" | "string" | "word";
  /** Why the element cannot be used; it is scanned to its end all the same. */
  fault = "";
  isComplete = false;
  readonly #bytesMax: number;
  readonly #depthMax: number;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #lines = 0;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(first: number, bytesMax: number, depthMax: number) {
    const isNested = first === OBJECT_START || first === ARRAY_START;
    this.kind = isNested ? "nested" : first === QUOTE ? "string" : "word";
    this.#bytesMax = bytesMax;
    this.#depthMax = depthMax;
  }

  /** Reads on; returns where the element, or the chunk, ends. */
  scan(chunk: Uint8Array, start: number): number {
    const end = this.kind === "word" ? this.#wordEnd(chunk, start) : this.#nestedEnd(chunk, start);
    this.#keep(chunk.subarray(start, end));
    return end;
  }

  /** Line ends since last asked. */
  takeLines(): number {
    const lines = this.#lines;
    this.#lines = 0;
    return lines;
  }

  bytes(): Uint8Array {
    const [only] = this.#parts;
    if (only !== undefined && this.#parts.length === 1) return only;
    const all = new Uint8Array(this.#size);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  #wordEnd(chunk: Uint8Array, start: number): number {
    let at = start;
    while (at < chunk.length && isWordByte(chunk[at] ?? 0)) at++;
    this.isComplete = at < chunk.length;
    return at;
  }

  #nestedEnd(chunk: Uint8Array, start: number): number {
    for (let at = start; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (byte === 10) this.#lines++;
      if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#isInString = false;
        if (this.#isInString || this.#depth > 0) continue;
      } else if (byte === QUOTE) {
        this.#isInString = true;
        continue;
      } else if (byte === OBJECT_START || byte === ARRAY_START) {
        this.#depth++;
        if (this.#depth > this.#depthMax) this.fault = `is nested deeper than ${this.#depthMax}`;
        continue;
      } else if (byte === OBJECT_END || byte === ARRAY_END) {
        this.#depth--;
        if (this.#depth > 0) continue;
      } else {
        continue;
      }
      this.isComplete = true;
      return at + 1;
    }
    return chunk.length;
  }

  #keep(part: Uint8Array): void {
    if (this.fault !== "") {
      this.#parts = [];
      return;
    }
    this.#size += part.length;
    if (this.#size > this.#bytesMax) {
      this.fault = `is larger than ${this.#bytesMax} bytes`;
      this.#parts = [];
      return;
    }
    // Whoever pushes may use the chunk again.
    this.#parts.push(this.isComplete && this.#parts.length === 0 ? part : part.slice());
  }
}

function isMarked(chunk: Uint8Array): boolean {
  return chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf;
}

function isWordByte(byte: number): boolean {
  const isDigit = byte >= 48 && byte <= 57;
  const lower = byte | 32;
  return isDigit || (lower >= 97 && lower <= 122) || byte === 43 || byte === 45 || byte === 46;
}

/** Steps of a path that are written out; more would be nobody's help. */
const STEPS_SHOWN = 12;

/** A path as people write it: `$.objects[3].pattern`. */
export function pathText(path: JsonPath): string {
  let text = "$";
  for (const step of path.slice(0, STEPS_SHOWN)) {
    if (typeof step === "number") text += `[${Math.max(0, step)}]`;
    else if (/^[A-Za-z_][\w-]{0,30}$/.test(step)) text += `.${step}`;
    else text += `[${JSON.stringify(step.slice(0, 20))}]`;
  }
  return path.length > STEPS_SHOWN ? `${text}...` : text;
}
