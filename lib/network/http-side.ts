// SPDX-License-Identifier: Apache-2.0
// One direction of HTTP/1: splits heads from bodies by length, chunks or the connection's end.
// Called by the HTTP parser. It keeps header lines only, at most 64 KiB; bodies are counted.
import { ByteStore, latin1, type MemoryLedger } from "./bytes.ts";

/** What a head says about the body after it. */
export type HeadVerdict = "body" | "until-close" | "none" | "again" | "stop" | "bad";

/** Who takes heads and the ends of bodies. */
export interface HttpTaker {
  onHead(line: string, headers: ReadonlyMap<string, string>): HeadVerdict;
  onBodyEnd(bytes: number): void;
}

type State =
  | "line"
  | "headers"
  | "counted"
  | "chunk-size"
  | "chunk"
  | "trailer"
  | "rest"
  | "lost"
  | "stop";

const headBytesMax = 65_536;

/** State of one direction. */
export class HttpSide {
  bodyBytes = 0;
  readonly #taker: HttpTaker;
  readonly #line: ByteStore;
  readonly #ledger: MemoryLedger;
  #state: State = "line";
  #first = "";
  #headers = new Map<string, string>();
  #headBytes = 0;
  /** Characters that the header map keeps. */
  #headerBytes = 0;
  #left = 0;

  constructor(taker: HttpTaker, ledger: MemoryLedger) {
    this.#taker = taker;
    this.#ledger = ledger;
    this.#line = new ByteStore(headBytesMax, ledger);
  }

  /** Takes bytes; returns the name of an anomaly where it cannot go on. */
  data(bytes: Uint8Array, start: number, end: number): string | undefined {
    let at = start;
    while (at < end) {
      if (this.#state === "stop") return undefined;
      if (this.#state === "rest") {
        this.bodyBytes += end - at;
        return undefined;
      }
      if (this.#state === "counted" || this.#state === "chunk") {
        const taken = Math.min(this.#left, end - at);
        this.#take(taken);
        at += taken;
        continue;
      }
      const newline = bytes.indexOf(10, at);
      const isWhole = newline >= 0 && newline < end;
      if (!this.#line.append(bytes, at, isWhole ? newline : end)) return "http_head_too_long";
      if (!isWhole) return undefined;
      at = newline + 1;
      const fault = this.#takeLine();
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** Skips bytes that were not seen; false where what follows cannot be understood. */
  skip(count: number): boolean {
    if (this.#state === "stop" || this.#state === "rest" || this.isLost) return true;
    const isBody = this.#state === "counted" || this.#state === "chunk";
    if (!isBody || count > this.#left) return false;
    this.#take(count);
    this.bodyBytes -= count;
    return true;
  }

  /** What follows cannot be told from a head or a body until a head begins a segment. */
  lose(): void {
    this.#line.consume(this.#line.length);
    this.#headers = new Map();
    this.#ledger.hold(-this.#headerBytes);
    this.#headerBytes = 0;
    this.bodyBytes = 0;
    this.#headBytes = 0;
    this.#state = "lost";
  }

  get isLost(): boolean {
    return this.#state === "lost";
  }

  /** A head begins here. */
  resume(): void {
    this.#state = "line";
  }

  /** The connection ended. */
  close(): void {
    if (this.#state === "headers") this.#endHead();
    if (this.#state === "rest") this.#endBody();
    this.#state = "stop";
  }

  #take(count: number): void {
    this.bodyBytes += count;
    this.#left -= count;
    if (this.#left > 0) return;
    if (this.#state === "counted") this.#endBody();
    else this.#state = "chunk-size";
  }

  #endBody(): void {
    const bytes = this.bodyBytes;
    this.bodyBytes = 0;
    this.#state = "line";
    this.#headBytes = 0;
    this.#taker.onBodyEnd(bytes);
  }

  #takeLine(): string | undefined {
    const text = latin1(this.#line.bytes, 0, this.#line.length).replace(/\r$/, "");
    this.#headBytes += this.#line.length + 1;
    this.#line.consume(this.#line.length);
    if (this.#headBytes > headBytesMax) return "http_head_too_long";
    switch (this.#state) {
      case "line":
        // Some end a body with a line too many.
        if (text === "") return undefined;
        this.#first = text;
        this.#headers = new Map();
        this.#ledger.hold(-this.#headerBytes);
        this.#headerBytes = 0;
        this.#state = "headers";
        return undefined;
      case "headers":
        return text === "" ? this.#endHead() : this.#takeHeader(text);
      case "chunk-size":
        return this.#takeChunkSize(text);
      default:
        if (text === "") this.#endBody();
        return undefined;
    }
  }

  #takeHeader(text: string): undefined {
    const colon = text.indexOf(":");
    if (colon <= 0) return;
    const name = text.slice(0, colon).trim().toLowerCase();
    if (this.#headers.has(name)) return;
    this.#headers.set(name, text.slice(colon + 1).trim());
    this.#headerBytes += text.length;
    this.#ledger.hold(text.length);
  }

  #takeChunkSize(text: string): string | undefined {
    if (text === "") return undefined;
    const digits = /^[0-9a-fA-F]+/.exec(text)?.[0] ?? "";
    if (digits === "" || digits.replace(/^0+/, "").length > 12) return "http_chunk_size";
    this.#headBytes = 0;
    this.#left = Number.parseInt(digits, 16);
    this.#state = this.#left === 0 ? "trailer" : "chunk";
    return undefined;
  }

  #endHead(): string | undefined {
    const verdict = this.#taker.onHead(this.#first, this.#headers);
    this.#headBytes = 0;
    if (verdict === "bad") return "http_start_line";
    if (verdict === "stop") {
      this.#state = "stop";
      return undefined;
    }
    if (verdict === "again") {
      this.#state = "line";
      return undefined;
    }
    this.#startBody(verdict);
    return undefined;
  }

  #startBody(verdict: HeadVerdict): void {
    const length = this.#headers.get("content-length");
    if (verdict === "none") {
      this.#endBody();
      return;
    }
    if (/\bchunked\b/i.test(this.#headers.get("transfer-encoding") ?? "")) {
      this.#state = "chunk-size";
      return;
    }
    if (length !== undefined && /^\d{1,15}$/.test(length)) {
      this.#left = Number(length);
      this.#state = "counted";
      if (this.#left === 0) this.#endBody();
      return;
    }
    if (verdict === "until-close") this.#state = "rest";
    else this.#endBody();
  }
}
