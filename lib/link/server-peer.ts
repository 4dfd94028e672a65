// SPDX-License-Identifier: Apache-2.0
// One connected server as the manager's listener holds it: takes its frames, asks it things. It
// ends the connection at the first frame that breaks the rules.
import type { WebSocket } from "ws";
import { isUndercroftError, UndercroftError } from "../errors/errors.ts";
import type { LinkAnswer, LinkHello, LinkRequest, LinkStatistics } from "../model/model.ts";
import {
  isAnswerValue,
  type LinkRows,
  type ManagerFrame,
  type NumberedReport,
  readServerFrame,
  type ServerFrame,
  writeFrame,
} from "./frames.ts";

export interface RequestOptions {
  /** Rows of an answer as they come; the next are taken when it resolves. */
  readonly onRows?: (rows: LinkRows) => Promise<void> | void;
  readonly signal?: AbortSignal;
  /** Default 30,000. */
  readonly timeoutMs?: number;
  /** More than these end the request. Default 200,000. */
  readonly rowsMax?: number;
}

/** What the manager does with what servers tell. */
export interface LinkHooks {
  /** The last report of a stream that is on disk; 0: none. */
  lastReport(server: string, stream: string): number;
  /** skewMs: the server's clock less ours. */
  online(server: string, hello: LinkHello, skewMs: number): void;
  offline(server: string, reason: string): void;
  /** In order, none twice. To be resolved when they are on disk: they are acknowledged then. */
  reports(server: string, stream: string, reports: readonly NumberedReport[]): Promise<void> | void;
  statistics(server: string, statistics: LinkStatistics): void;
}

interface Asked {
  readonly kind: LinkRequest["kind"];
  readonly options: RequestOptions;
  readonly giveUp: (message: string) => void;
  rows: number;
  readonly end: (answer: LinkAnswer) => void;
}

export interface PeerOptions {
  readonly server: string;
  readonly socket: WebSocket;
  readonly hooks: LinkHooks;
  readonly nowMs: () => number;
  /** Signs a new key of this server. */
  readonly renew: (request: string) => Promise<string>;
}

const TIMEOUT_MS = 30_000;
const ROWS_MAX = 200_000;
/** Requests of one server that run at a time. */
const ASKED_MAX = 256;
/** WebSocket close codes (RFC 6455 §7.4). */
const CLOSE_POLICY = 1008;

/** See the head of this file. */
export class ServerPeer {
  readonly #options: PeerOptions;
  readonly #asked = new Map<number, Asked>();
  #stream = "";
  #last = 0;
  #nextId = 1;
  #work: Promise<void> = Promise.resolve();
  #waiting = 0;
  #isOnline = false;
  #ended: string | undefined;

  constructor(options: PeerOptions) {
    this.#options = options;
    const { socket } = options;
    socket.on("message", (data, isBinary) => this.#take(isBinary ? "" : String(data)));
    socket.on("error", ({ message }) => this.close(message));
    socket.on("close", () => this.close("the connection ended"));
  }

  get server(): string {
    return this.#options.server;
  }

  get isOnline(): boolean {
    return this.#isOnline;
  }

  /**
   * Asks the server; what it cannot do, or did not do in time, is an answer, too.
   */
  request(request: LinkRequest, options: RequestOptions = {}): Promise<LinkAnswer> {
    if (!this.#isOnline || this.#ended !== undefined) {
      return Promise.resolve(failure("ERR_UC_LINK", "the server is not connected"));
    }
    if (this.#asked.size >= ASKED_MAX) {
      return Promise.resolve(failure("ERR_UC_LINK", "the server is asked too much at a time"));
    }
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<LinkAnswer>();
    const giveUp = (message: string): void => {
      this.#send({ type: "cancel", id });
      end(failure("ERR_UC_LINK", message));
    };
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    const timer = setTimeout(() => giveUp("no answer in time"), timeoutMs);
    const cancel = (): void => giveUp("cancelled");
    const end = (answer: LinkAnswer): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", cancel);
      this.#asked.delete(id);
      resolve(answer);
    };
    this.#asked.set(id, { kind: request.kind, options, giveUp, end, rows: 0 });
    if (options.signal?.aborted === true) cancel();
    else {
      options.signal?.addEventListener("abort", cancel, { once: true });
      this.#send({ type: "ask", id, request });
    }
    return promise;
  }

  /** Ends the connection; what is asked fails with the reason. */
  close(reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#options.socket.close(CLOSE_POLICY, reason.slice(0, 100));
    for (const { end } of [...this.#asked.values()]) end(failure("ERR_UC_LINK", reason));
    if (this.#isOnline) this.#options.hooks.offline(this.server, reason);
    this.#isOnline = false;
  }

  // One at a time and in order. While one is worked on, no more is read from the socket than it
  // had at hand.
  #take(json: string): void {
    if (this.#ended !== undefined) return;
    this.#waiting += 1;
    this.#options.socket.pause();
    this.#work = this.#work.then(async () => {
      try {
        if (this.#ended === undefined) await this.#frame(readServerFrame(json));
      } catch (cause) {
        if (!isUndercroftError(cause)) throw cause;
        this.close(cause.message);
      } finally {
        this.#waiting -= 1;
        if (this.#waiting === 0) this.#options.socket.resume();
      }
    });
  }

  async #frame(frame: ServerFrame): Promise<void> {
    if (frame.type === "hello") {
      this.#hello(frame);
      return;
    }
    if (!this.#isOnline) throw new UndercroftError("ERR_UC_LINK_FRAME", "hello must come first");
    switch (frame.type) {
      case "reports":
        await this.#reports(frame.reports);
        break;
      case "statistics":
        this.#options.hooks.statistics(this.server, frame.statistics);
        break;
      case "part":
        await this.#part(frame.id, frame.rows);
        break;
      case "answer":
        this.#answer(frame.id, frame.answer);
        break;
      case "renew": {
        const certificate = await this.#options.renew(frame.request);
        this.#send({ type: "renewed", certificate });
        break;
      }
    }
  }

  async #part(id: number, rows: LinkRows): Promise<void> {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    asked.rows += rows.length;
    const { onRows, rowsMax = ROWS_MAX } = asked.options;
    if (asked.rows > rowsMax) asked.giveUp(`the server sends more than ${rowsMax} rows`);
    else await onRows?.(rows);
  }

  // TRUST: whoever asked believes the value to be of its kind.
  #answer(id: number, answer: LinkAnswer): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    const isSound = !answer.ok || isAnswerValue(asked.kind, answer.value);
    const code = "ERR_UC_LINK_FRAME";
    asked.end(isSound ? answer : failure(code, `the server's answer is no ${asked.kind}`));
  }

  #hello(frame: ServerFrame & { readonly type: "hello" }): void {
    if (this.#isOnline) throw new UndercroftError("ERR_UC_LINK_FRAME", "hello came twice");
    const { hooks, nowMs } = this.#options;
    this.#stream = frame.stream;
    this.#last = hooks.lastReport(this.server, frame.stream);
    this.#isOnline = true;
    this.#send({ type: "welcome", acknowledged: this.#last, nowMs: nowMs() });
    hooks.online(this.server, frame.hello, frame.nowMs - nowMs());
  }

  // TRUST: numbers decide what is new: what was sent again is left out, what goes back within one
  // frame breaks the rules. Gaps are what the server's queue dropped, and it names them.
  async #reports(all: readonly NumberedReport[]): Promise<void> {
    all.forEach(({ number }, at) => {
      if (at > 0 && number <= (all[at - 1]?.number ?? 0)) {
        throw new UndercroftError("ERR_UC_LINK_FRAME", "reports came out of order");
      }
    });
    const fresh = all.filter(({ number }) => number > this.#last);
    if (fresh.length > 0) {
      await this.#options.hooks.reports(this.server, this.#stream, fresh);
      this.#last = fresh.at(-1)?.number ?? this.#last;
    }
    this.#send({ type: "acknowledged", number: this.#last });
  }

  #send(frame: ManagerFrame): void {
    if (this.#options.socket.readyState === this.#options.socket.OPEN) {
      this.#options.socket.send(writeFrame(frame));
    }
  }
}

function failure(code: string, message: string): LinkAnswer {
  return { ok: false, code, message };
}
