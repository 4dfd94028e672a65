// SPDX-License-Identifier: Apache-2.0
// HTTP/1 of one flow: requests and the responses to them, one event each pair. Made by protocol
// detection. Bodies are counted and skipped; header blocks are bounded.
import { latin1 } from "./bytes.ts";
import type { FlowParser } from "./flow.ts";
import { type HeadVerdict, HttpSide } from "./http-side.ts";
import type { ParserContext } from "./parser-context.ts";

/** A request that waits for its response. */
interface Exchange {
  method: string;
  uri: string;
  version: string;
  headers: ReadonlyMap<string, string>;
  bodyBytes: number;
  /** Characters of its head, which it keeps until it is told. */
  readonly heldBytes: number;
}

interface Answer {
  readonly code: number;
  readonly message: string;
  readonly version: string;
  readonly encoding: string;
}

const waitingMax = 128;

/** Reads HTTP/1 of a flow. */
export class HttpParser implements FlowParser {
  readonly service = "http";
  readonly isConfirmed = true;
  isDone = false;
  readonly #context: ParserContext;
  readonly #waiting: Exchange[] = [];
  readonly #request: HttpSide;
  readonly #response: HttpSide;
  #asking: Exchange | undefined;
  #answer: Answer | undefined;
  #depth = 0;
  /** The flow was taken up in its middle, and who asks is not who was taken for the source. */
  #isTurned: boolean | undefined;

  constructor(context: ParserContext) {
    this.#context = context;
    this.#request = new HttpSide(
      {
        onHead: (line, headers) => this.#requestHead(line, headers),
        onBodyEnd: (bytes) => this.#requestEnd(bytes),
      },
      context,
    );
    this.#response = new HttpSide(
      {
        onHead: (line, headers) => this.#responseHead(line, headers),
        onBodyEnd: (bytes) => this.#responseEnd(bytes),
      },
      context,
    );
  }

  data(isFromSource: boolean, bytes: Uint8Array, start: number, end: number): void {
    this.#isTurned ??= isFromSource !== beginsLikeRequest(bytes, start, end);
    const side = this.#sideOf(isFromSource);
    if (side.isLost && !this.#resumes(side, bytes, start, end)) return;
    const fault = side.data(bytes, start, end);
    if (fault !== undefined) this.#stop(fault);
  }

  gap(isFromSource: boolean, bytes: number): void {
    const side = this.#sideOf(isFromSource);
    if (side.skip(bytes)) return;
    this.#context.anomaly("http_gap");
    if (side === this.#request) this.#requestEnd(side.bodyBytes);
    else if (this.#answer !== undefined) this.#tell(side.bodyBytes);
    side.lose();
  }

  end(): void {
    this.#request.close();
    this.#response.close();
    if (this.#answer !== undefined) this.#tell(this.#response.bodyBytes);
    while (this.#waiting.length > 0) this.#tell(0);
  }

  #sideOf(isFromSource: boolean): HttpSide {
    return isFromSource === (this.#isTurned === true) ? this.#response : this.#request;
  }

  #resumes(side: HttpSide, bytes: Uint8Array, start: number, end: number): boolean {
    if (!looksLikeHttp(bytes, start, end)) return false;
    side.resume();
    // A response after a hole most likely answers the newest request.
    while (side === this.#response && this.#waiting.length > 1) this.#tell(0);
    return true;
  }

  #stop(name: string): void {
    this.#context.anomaly(name);
    this.isDone = true;
  }

  #requestHead(line: string, headers: ReadonlyMap<string, string>): HeadVerdict {
    const match = /^([!-~]+)[ \t]+(.*?)(?:[ \t]+HTTP\/(\d+\.\d+))?[ \t]*$/.exec(line);
    if (match === null) return "bad";
    const [, method = "", uri = "", version = ""] = match;
    let heldBytes = line.length;
    for (const [name, value] of headers) heldBytes += name.length + value.length;
    this.#asking = { method, uri, version, headers, bodyBytes: 0, heldBytes };
    this.#waiting.push(this.#asking);
    this.#context.hold(heldBytes);
    if (this.#waiting.length > waitingMax) this.#tell(0);
    return "body";
  }

  #requestEnd(bytes: number): void {
    if (this.#asking !== undefined) this.#asking.bodyBytes = bytes;
    this.#asking = undefined;
  }

  #responseHead(line: string, headers: ReadonlyMap<string, string>): HeadVerdict {
    const match = /^HTTP\/(\d+\.\d+)[ \t]+(\d{3})[ \t]*(.*)$/.exec(line);
    if (match === null) return "bad";
    const [, version = "", code = "", message = ""] = match;
    const status = Number(code);
    if (status >= 100 && status < 200 && status !== 101) return "again";
    const encoding = headers.get("content-encoding") ?? "";
    this.#answer = { code: status, message, version, encoding };
    const method = this.#waiting[0]?.method ?? "";
    if (status === 101 || (method === "CONNECT" && status < 300)) {
      this.#tell(0);
      this.isDone = true;
      return "stop";
    }
    return method === "HEAD" || status === 204 || status === 304 ? "none" : "until-close";
  }

  #responseEnd(bytes: number): void {
    if (this.#answer !== undefined) this.#tell(bytes);
  }

  #tell(responseBodyBytes: number): void {
    const exchange = this.#waiting.shift();
    this.#context.hold(-(exchange?.heldBytes ?? 0));
    const answer = this.#answer;
    this.#answer = undefined;
    this.#depth += 1;
    const header = (name: string): string => exchange?.headers.get(name) ?? "";
    this.#context.emit({
      ...this.#context.base(),
      kind: "http",
      depth: this.#depth,
      method: exchange?.method ?? "",
      authority: header("host"),
      uri: exchange?.uri ?? "",
      referrer: header("referer"),
      userAgent: header("user-agent"),
      origin: header("origin"),
      version: answer?.version ?? exchange?.version ?? "",
      requestBodyBytes: exchange?.bodyBytes ?? 0,
      responseBodyBytes,
      responseEncoding: answer?.encoding ?? "",
      statusCode: answer?.code ?? 0,
      statusMessage: answer?.message ?? "",
    });
  }
}

const methods =
  "GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PROPFIND|SEARCH|QUERY|REPORT|LOCK|MKCOL" +
  "|M-SEARCH|NOTIFY|SUBSCRIBE|BCOPY";
const requestStart = new RegExp(`^(${methods}) \\S`);

function beginsLikeRequest(bytes: Uint8Array, start: number, end: number): boolean {
  return requestStart.test(latin1(bytes, start, Math.min(end, start + 32)));
}

/** Whether bytes begin like HTTP/1, of either side. */
export function looksLikeHttp(bytes: Uint8Array, start: number, end: number): boolean {
  const first = bytes[start] as number;
  if (first < 0x41 || first > 0x5a || end - start < 8) return false;
  const text = latin1(bytes, start, Math.min(end, start + 32));
  return /^HTTP\/\d\.\d \d/.test(text) || requestStart.test(text);
}
