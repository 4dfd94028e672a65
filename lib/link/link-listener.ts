// SPDX-License-Identifier: Apache-2.0
// The manager's end of the link: one TLS port where servers enrol and then connect. It knows who
// is connected and hands what they tell to the manager's hooks; it keeps nothing itself.
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { type WebSocket, WebSocketServer } from "ws";
import { isUndercroftError, UndercroftError } from "../errors/errors.ts";
import type { LinkAnswer, LinkRequest } from "../model/model.ts";
import type { Authority } from "./authority.ts";
import { type KeyedCertificate, serialText } from "./certificate.ts";
import { SERVER_FRAME_BYTES_MAX } from "./frames.ts";
import { type LinkHooks, type RequestOptions, ServerPeer } from "./server-peer.ts";

export interface ListenerOptions {
  readonly authority: Authority;
  readonly hooks: LinkHooks;
  readonly address: string;
  readonly port: number;
  readonly nowMs?: () => number;
  /** A server that does not answer for this long is away. Default 30,000. */
  readonly silenceMs?: number;
}

const BODY_BYTES_MAX = 16 << 10;
const SILENCE_MS = 30_000;
/** Before hello nobody may hold a connection for longer. */
const HELLO_MS = 10_000;
/** Tries to enrol a minute, of all together: a token has 192 bits, this is for our sleep only. */
const ENROLMENTS_A_MINUTE = 120;

/** See the head of this file. */
export class LinkListener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({
    ...{ noServer: true, maxPayload: SERVER_FRAME_BYTES_MAX, perMessageDeflate: false },
  });
  readonly #peers = new Map<string, ServerPeer>();
  readonly #connections = new Set<Duplex>();
  readonly #heard = new WeakMap<WebSocket, boolean>();
  readonly #beat: NodeJS.Timeout;
  #enrolments = 0;
  #minute = 0;

  private constructor(options: ListenerOptions, keyed: KeyedCertificate) {
    this.#options = options;
    const ca = options.authority.certificate;
    // rejectUnauthorized: who enrols has no certificate yet; #admit looks at those who connect.
    this.#server = createServer(
      {
        ...{ key: keyed.key, cert: keyed.certificate, ca, minVersion: "TLSv1.3" },
        ...{ requestCert: true, rejectUnauthorized: false, requestTimeout: HELLO_MS },
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.on("secureConnection", (socket) => {
      this.#connections.add(socket);
      socket.on("close", () => this.#connections.delete(socket));
    });
    this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#beat = setInterval(() => this.#turn(), (options.silenceMs ?? SILENCE_MS) / 2);
    this.#beat.unref();
  }

  /** @throws {UndercroftError} ERR_UC_LINK where the address cannot be listened on */
  static async open(options: ListenerOptions): Promise<LinkListener> {
    const { authority, address, port } = options;
    const listener = new LinkListener(options, await authority.managerCertificate([address]));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    listener.#server.once("error", (cause) => {
      const message = `the link cannot listen on ${address}:${port}: ${cause.message}`;
      reject(new UndercroftError("ERR_UC_LINK", message, { address, port }, { cause }));
    });
    listener.#server.listen(port, address, resolve);
    await promise;
    return listener;
  }

  /** Where servers connect. */
  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `https://${address.includes(":") ? `[${address}]` : address}:${port}`;
  }

  /** Ids of the servers that are connected. */
  get online(): readonly string[] {
    return [...this.#peers.values()].filter(({ isOnline }) => isOnline).map(({ server }) => server);
  }

  /** Asks a server; that it is away is an answer, too. */
  request(server: string, request: LinkRequest, options?: RequestOptions): Promise<LinkAnswer> {
    const peer = this.#peers.get(server);
    if (peer !== undefined) return peer.request(request, options);
    const message = "the server is not connected";
    return Promise.resolve({ ok: false, code: "ERR_UC_LINK", message });
  }

  /** Puts a server out and cuts its connection at once. False: it is unknown. */
  revoke(server: string): boolean {
    const isKnown = this.#options.authority.revoke(server);
    this.#peers.get(server)?.close("the certificate was revoked");
    return isKnown;
  }

  async close(): Promise<void> {
    clearInterval(this.#beat);
    for (const peer of this.#peers.values()) peer.close("the manager ends");
    this.#sockets.close();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#connections) socket.destroy();
    await promise;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { authority } = this.#options;
    const reply = (status: number, body: string): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(body);
    };
    if (request.method === "GET" && request.url === "/authority") {
      reply(200, authority.certificate);
      return;
    }
    if (request.method !== "POST" || request.url !== "/enrol") {
      reply(404, JSON.stringify({ message: "there is nothing here" }));
      return;
    }
    try {
      this.#countEnrolment();
      const { secret, request: csr, name } = await readEnrolment(request);
      reply(200, JSON.stringify(await authority.enrol(secret, csr, name)));
    } catch (cause) {
      const isOurs = isUndercroftError(cause);
      reply(isOurs ? 403 : 500, JSON.stringify({ message: isOurs ? cause.message : "it failed" }));
    }
  }

  #countEnrolment(): void {
    const minute = Math.floor(this.#nowMs() / 60_000);
    if (minute !== this.#minute) this.#enrolments = 0;
    this.#minute = minute;
    this.#enrolments += 1;
    if (this.#enrolments > ENROLMENTS_A_MINUTE) {
      throw new UndercroftError("ERR_UC_LINK_REFUSED", "too many try to enrol; come back later");
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const admitted = request.url === "/link" ? this.#admit(socket) : undefined;
    if (admitted === undefined) {
      socket.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#meet(admitted, opened));
  }

  // TRUST: our own authority signed the certificate, it is not past its end (TLS checked both),
  // and the authority still counts it among those that are in.
  #admit(socket: Duplex): string | undefined {
    if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
    const { serialNumber = "" } = socket.getPeerCertificate();
    return this.#options.authority.serverOf(serialText(serialNumber))?.id;
  }

  #meet(server: string, socket: WebSocket): void {
    const { authority, hooks } = this.#options;
    // The newest wins: a server that lost its line comes again before we notice.
    this.#peers.get(server)?.close("the server connected anew");
    const peer = new ServerPeer({
      ...{ server, socket, hooks, nowMs: () => this.#nowMs() },
      renew: (request) => authority.renew(server, request),
    });
    this.#peers.set(server, peer);
    this.#heard.set(socket, true);
    socket.on("pong", () => this.#heard.set(socket, true));
    socket.on("message", () => this.#heard.set(socket, true));
    const timer = setTimeout(() => {
      if (!peer.isOnline) peer.close("hello did not come in time");
    }, HELLO_MS);
    socket.on("close", () => {
      clearTimeout(timer);
      if (this.#peers.get(server) === peer) this.#peers.delete(server);
    });
  }

  #turn(): void {
    for (const socket of this.#sockets.clients) {
      if (this.#heard.get(socket) === true) socket.ping();
      else socket.terminate();
      this.#heard.set(socket, false);
    }
  }

  #nowMs(): number {
    return (this.#options.nowMs ?? Date.now)();
  }
}

interface EnrolmentRequest {
  readonly secret: string;
  readonly request: string;
  readonly name: string;
}

async function readEnrolment(request: IncomingMessage): Promise<EnrolmentRequest> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > BODY_BYTES_MAX) {
      throw new UndercroftError("ERR_UC_LINK_REFUSED", "the request is too long");
    }
  }
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch (cause) {
    throw new UndercroftError("ERR_UC_LINK_REFUSED", "the request is no JSON", {}, { cause });
  }
  const { secret, request: csr, name } = (fields ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof secret === "string" && typeof csr === "string" && typeof name === "string") {
    return { secret, request: csr, name: name.slice(0, 200) };
  }
  throw new UndercroftError("ERR_UC_LINK_REFUSED", "the request lacks secret, request or name");
}
