// SPDX-License-Identifier: Apache-2.0
// The server's end of the link: keeps one connection to the manager, sends what the queue holds
// until it is acknowledged, answers what is asked. A manager that is away is no error: the server
// goes on and the queue fills.
import { WebSocket } from "ws";
import { isUndercroftError } from "../errors/errors.ts";
import type {
  LinkAnswer,
  LinkHello,
  LinkReport,
  LinkRequest,
  LinkStatistics,
} from "../model/model.ts";
import { certificateFacts, MANAGER_NAME, makeRequest } from "./certificate.ts";
import {
  type LinkRows,
  MANAGER_FRAME_BYTES_MAX,
  type ManagerFrame,
  REPORTS_MAX,
  readManagerFrame,
  SERVER_FRAME_BYTES_MAX,
  type ServerFrame,
  writeFrame,
} from "./frames.ts";
import { type LinkIdentity, writeIdentity } from "./identity.ts";
import type { ReportQueue } from "./report-queue.ts";

/** What goes with a request while it is worked on. */
export interface RequestContext {
  /** The manager no longer wants it, or is gone. */
  readonly signal: AbortSignal;
  /** Sends rows of the answer; resolves when there is room for more. */
  readonly rows: (rows: LinkRows) => Promise<void>;
}

export interface ClientHooks {
  hello(): LinkHello;
  statistics(): LinkStatistics;
  /** The result is the answer's value; what it throws is the answer's failure. */
  request(request: LinkRequest, context: RequestContext): Promise<unknown>;
  /** Connected or not, and why; for the log. */
  state(isConnected: boolean, reason: string): void;
}

export interface ClientOptions {
  readonly identity: LinkIdentity;
  /** Where renewed certificates are kept; absent: they are not. */
  readonly folder?: string;
  readonly queue: ReportQueue;
  readonly hooks: ClientHooks;
  readonly nowMs?: () => number;
  /** Between two statistics. Default 10,000. */
  readonly statisticsMs?: number;
  /** Longest wait before the next try to connect. Default 30,000. */
  readonly retryMsMax?: number;
}

const STATISTICS_MS = 10_000;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 30_000;
const CONNECT_MS = 10_000;
const SILENCE_MS = 60_000;
const DAY_MS = 24 * 3600 * 1000;
/** A certificate with less left is renewed. */
const RENEW_MS = 30 * DAY_MS;
/** Frames with reports that are on their way and not acknowledged. */
const FRAMES_MAX = 4;
/** Bytes that wait for the network before rows have to wait. */
const BUFFERED_MAX = 1 << 20;
const ROWS_A_FRAME = 200;
/** With room for the rest of the frame. */
const ANSWER_BYTES_MAX = SERVER_FRAME_BYTES_MAX - 4096;

/** See the head of this file. */
export class LinkClient {
  readonly #options: ClientOptions;
  #identity: LinkIdentity;
  readonly #running = new Map<number, AbortController>();
  #socket: WebSocket | undefined;
  #isWelcome = false;
  #isClosed = false;
  #sent = 0;
  #framesOut = 0;
  #failures = 0;
  #heardMs = 0;
  #renewalKey: string | undefined;
  #timers: NodeJS.Timeout[] = [];
  #retry: NodeJS.Timeout | undefined;
  #pumping: NodeJS.Immediate | undefined;
  /** Why the queue could not be used on this connection. */
  #queueFault: string | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#identity = options.identity;
  }

  get isConnected(): boolean {
    return this.#isWelcome;
  }

  /** Connects, and again whenever the line is lost, until {@link close}. */
  start(): void {
    this.#connect();
  }

  /** Tells the manager something that must not be lost. */
  report(report: LinkReport): void {
    this.#options.queue.add(report, this.#nowMs());
    // Once for all that one turn of the server tells.
    this.#pumping ??= setImmediate(() => {
      this.#pumping = undefined;
      this.#pump();
    });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    clearImmediate(this.#pumping);
    this.#socket?.close(1000);
    this.#lost("the server ends");
  }

  #connect(): void {
    const { manager, key, certificate, authority } = this.#identity;
    const url = `${manager.replace(/^http/, "ws")}/link`;
    // TRUST: whoever answers must have a certificate of the authority that enrolled us; the name
    // is a fixed one, so that managers may move.
    const socket = new WebSocket(url, {
      ...{ key, cert: certificate, ca: authority, servername: MANAGER_NAME },
      ...{ minVersion: "TLSv1.3", handshakeTimeout: CONNECT_MS, perMessageDeflate: false },
      ...{ maxPayload: MANAGER_FRAME_BYTES_MAX, followRedirects: false },
    });
    this.#socket = socket;
    let reason = "the manager ended the connection";
    socket.on("open", () => this.#opened(socket));
    socket.on("message", (data, isBinary) => this.#take(isBinary ? "" : String(data)));
    socket.on("ping", () => {
      this.#heardMs = performance.now();
    });
    socket.on("error", (cause) => {
      reason = cause.message;
    });
    socket.on("close", (_, why) => {
      const said = why.length === 0 ? reason : String(why);
      if (this.#socket === socket) this.#lost(this.#queueFault ?? said);
    });
  }

  #opened(socket: WebSocket): void {
    const { hooks, queue } = this.#options;
    this.#heardMs = performance.now();
    const { stream } = queue;
    socket.send(writeFrame({ type: "hello", nowMs: this.#nowMs(), stream, hello: hooks.hello() }));
    const everyMs = this.#options.statisticsMs ?? STATISTICS_MS;
    this.#timers = [
      setInterval(() => this.#sendStatistics(), everyMs),
      setInterval(() => void this.#renew(), DAY_MS / 4),
      setInterval(() => {
        if (performance.now() - this.#heardMs > SILENCE_MS) socket.terminate();
      }, SILENCE_MS / 4),
    ];
  }

  #lost(reason: string): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    for (const ending of this.#running.values()) ending.abort();
    this.#running.clear();
    const wasWelcome = this.#isWelcome;
    this.#isWelcome = false;
    this.#socket = undefined;
    if (wasWelcome || this.#failures === 0) this.#options.hooks.state(false, reason);
    if (this.#isClosed) return;
    const isFresh = wasWelcome && this.#queueFault === undefined;
    this.#failures = isFresh ? 1 : this.#failures + 1;
    this.#queueFault = undefined;
    const longestMs = this.#options.retryMsMax ?? RETRY_MS_MAX;
    const waitMs = Math.min(longestMs, RETRY_MS_MIN * 2 ** Math.min(this.#failures - 1, 12));
    // A manager that comes back must not meet all its servers in one moment.
    this.#retry = setTimeout(() => this.#connect(), waitMs * (0.5 + Math.random() / 2));
  }

  #take(json: string): void {
    // What still comes while the connection closes meets a queue that its owner may have closed.
    if (this.#isClosed) return;
    this.#heardMs = performance.now();
    let frame: ManagerFrame;
    try {
      frame = readManagerFrame(json);
    } catch (cause) {
      if (!isUndercroftError(cause)) throw cause;
      this.#socket?.close(1008, cause.message.slice(0, 100));
      return;
    }
    switch (frame.type) {
      case "welcome":
        this.#welcome(frame.acknowledged);
        break;
      case "acknowledged":
        this.#acknowledged(frame.number);
        break;
      case "ask":
        void this.#work(frame.id, frame.request);
        break;
      case "cancel":
        this.#running.get(frame.id)?.abort();
        break;
      case "renewed":
        this.#renewed(frame.certificate);
        break;
    }
  }

  // A disk that is full must not end the server, which protects without its manager: the
  // connection ends, and is tried again later.
  #onQueue<T>(work: (queue: ReportQueue) => T): T | undefined {
    try {
      return work(this.#options.queue);
    } catch (cause) {
      if (!isUndercroftError(cause)) throw cause;
      this.#queueFault = cause.message;
      this.#socket?.close(1011);
      return undefined;
    }
  }

  #acknowledged(number: number): void {
    this.#onQueue((queue) => queue.acknowledge(number));
    this.#framesOut = Math.max(0, this.#framesOut - 1);
    this.#pump();
  }

  #welcome(acknowledged: number): void {
    this.#onQueue((queue) => queue.acknowledge(acknowledged));
    if (this.#queueFault !== undefined) return;
    this.#sent = acknowledged;
    this.#framesOut = 0;
    this.#isWelcome = true;
    this.#options.hooks.state(true, "the manager has taken us in");
    this.#sendStatistics();
    void this.#renew();
    this.#pump();
  }

  #pump(): void {
    while (this.#isWelcome && this.#framesOut < FRAMES_MAX) {
      const reports = this.#onQueue((queue) => queue.after(this.#sent, REPORTS_MAX, this.#nowMs()));
      const last = reports?.at(-1);
      if (reports === undefined || last === undefined) return;
      this.#sent = last.number;
      this.#framesOut += 1;
      this.#send({ type: "reports", reports });
    }
  }

  #sendStatistics(): void {
    if (!this.#isWelcome) return;
    this.#send({ type: "statistics", statistics: this.#options.hooks.statistics() });
  }

  async #work(id: number, request: LinkRequest): Promise<void> {
    const ending = new AbortController();
    this.#running.set(id, ending);
    const { signal } = ending;
    let answer: LinkAnswer;
    try {
      const rows = (all: LinkRows): Promise<void> => this.#sendRows(id, all, signal);
      const value = await this.#options.hooks.request(request, { signal, rows });
      answer = { ok: true, value: value ?? null };
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      const code = isUndercroftError(cause) ? cause.code : "ERR_UC_LINK";
      answer = { ok: false, code, message: message.slice(0, 4000) };
    }
    if (this.#running.get(id) !== ending) return;
    this.#running.delete(id);
    this.#send({ type: "answer", id, answer: fitting(answer) });
  }

  async #sendRows(id: number, rows: LinkRows, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < rows.length; at += ROWS_A_FRAME) {
      while (!signal.aborted && (this.#socket?.bufferedAmount ?? 0) > BUFFERED_MAX) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      signal.throwIfAborted();
      this.#send({ type: "part", id, rows: rows.slice(at, at + ROWS_A_FRAME) });
    }
  }

  async #renew(): Promise<void> {
    const { endsMs } = certificateFacts(this.#identity.certificate);
    if (endsMs - this.#nowMs() > RENEW_MS || this.#renewalKey !== undefined) return;
    this.#renewalKey = "";
    const { key, request } = await makeRequest();
    this.#renewalKey = this.#isWelcome ? key : undefined;
    if (this.#isWelcome) this.#send({ type: "renew", request });
  }

  #renewed(certificate: string): void {
    const key = this.#renewalKey;
    this.#renewalKey = undefined;
    if (key === undefined || key === "") return;
    this.#identity = { ...this.#identity, key, certificate };
    const { folder } = this.#options;
    if (folder !== undefined) writeIdentity(folder, this.#identity);
  }

  #send(frame: ServerFrame): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(writeFrame(frame));
  }

  #nowMs(): number {
    return (this.#options.nowMs ?? Date.now)();
  }
}

// One too large would end the connection for all others.
function fitting(answer: LinkAnswer): LinkAnswer {
  const bytes = Buffer.byteLength(writeFrame({ type: "answer", id: 0, answer }));
  if (bytes <= ANSWER_BYTES_MAX) return answer;
  const message = `the answer has ${bytes} bytes, more than the link carries; ask for less`;
  return { ok: false, code: "ERR_UC_LINK", message };
}
