// SPDX-License-Identifier: Apache-2.0
// How the hook and the commands speak to the running server of this hypervisor host: one JSON
// object a line over a UNIX socket that only its owner may open, one answer a request.
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { type ErrorCode, isUndercroftError, UndercroftError } from "../errors/errors.ts";

/** Where the service listens unless it is told otherwise. */
export const SERVICE_SOCKET = "/run/undercroft/service.sock";

/** A guest as the hook and the service name it. */
export interface ServiceGuest {
  readonly name: string;
  readonly uuid: string;
  /** The region's file, or the holder's socket for its QEMU. */
  readonly regionPath: string;
  /** Its name at the holder, where it has doorbells. */
  readonly held?: string;
  readonly regionBytes: number;
  /** User that the region's file must belong to. */
  readonly regionUid: number;
  readonly taps: readonly string[];
}

/** What may be asked of the service. */
export type ServiceRequest =
  | { readonly ask: "attach"; readonly guest: ServiceGuest }
  | { readonly ask: "stopped"; readonly uuid: string }
  | { readonly ask: "release"; readonly uuid: string }
  | { readonly ask: "status" }
  | {
      readonly ask: "respond";
      readonly domain: string;
      readonly action: BelowAction;
      readonly reason: string;
      readonly requestedBy: string;
    };

/** What can be done to a guest from below, whatever its driver does. */
export const BELOW_ACTIONS = ["pause", "resume", "snapshot", "detach-nic", "dump-memory"] as const;
export type BelowAction = (typeof BELOW_ACTIONS)[number];

/** Answers one request; what it throws goes back to who asked. */
export type ServiceHandler = (request: ServiceRequest) => Promise<object>;

const lineBytesMax = 64 * 1024;

/**
 * Listens until the returned function is called.
 * @throws {UndercroftError} ERR_UC_SERVICE
 */
export async function listenService(
  path: string,
  handler: ServiceHandler,
): Promise<() => Promise<void>> {
  if (await isAnswered(path)) {
    throw serviceError(`another service listens at ${path}; stop it first`);
  }
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    serveSocket(socket, handler);
  });
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      // TRUST: whoever can open it commands the service.
      const mask = process.umask(0o177);
      server.listen(path, resolve);
      process.umask(mask);
    });
    chmodSync(path, 0o600);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw serviceError(`cannot listen at ${path}: ${reason}`, cause);
  }
  return () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
}

/**
 * Asks the service and waits for its answer.
 * @throws {UndercroftError} ERR_UC_SERVICE, and what the service answered
 */
export async function askService(
  path: string,
  request: ServiceRequest,
  timeoutMs = 5000,
): Promise<Record<string, unknown>> {
  const socket = connect(path);
  const answer = new Promise<string>((resolve, reject) => {
    socket.setTimeout(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs} ms`)));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("it closed the connection")));
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.endsWith("\n")) resolve(text);
    });
  });
  let reply: { readonly error?: { readonly code: ErrorCode; readonly message: string } };
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    reply = JSON.parse(await answer) as typeof reply;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const hint = "is it running (systemctl status undercroft), and are you root?";
    throw serviceError(`the service at ${path} does not answer: ${reason}; ${hint}`, cause);
  } finally {
    socket.destroy();
  }
  if (reply.error === undefined) return reply;
  throw new UndercroftError(reply.error.code, reply.error.message);
}

function serveSocket(socket: Socket, handler: ServiceHandler): void {
  let pending = "";
  let last: Promise<void> = Promise.resolve();
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    pending += chunk;
    if (pending.length > lineBytesMax) {
      socket.destroy();
      return;
    }
    const lines = pending.split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) {
      last = last.then(async () => {
        const reply = await answerLine(line, handler);
        socket.write(`${JSON.stringify(reply, plain)}\n`);
      });
    }
  });
}

/** JSON has no 64-bit numbers: they go as text. */
function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

async function answerLine(line: string, handler: ServiceHandler): Promise<object> {
  try {
    return await handler(parseRequest(line));
  } catch (cause) {
    const code = isUndercroftError(cause) ? cause.code : "ERR_UC_SERVICE";
    return { error: { code, message: cause instanceof Error ? cause.message : String(cause) } };
  }
}

function parseRequest(line: string): ServiceRequest {
  let request: ServiceRequest | undefined;
  try {
    request = JSON.parse(line) as ServiceRequest;
  } catch {
    // Told below, as anything else that is no request.
  }
  const asks: readonly unknown[] = ["attach", "stopped", "release", "status", "respond"];
  if (typeof request === "object" && asks.includes(request?.ask)) return request;
  throw new UndercroftError("ERR_UC_ARGUMENT", "this is no request to the service");
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

function serviceError(message: string, cause?: unknown): UndercroftError {
  return new UndercroftError("ERR_UC_SERVICE", message, {}, { cause });
}
