// SPDX-License-Identifier: Apache-2.0
// One GET of a feed: with a limit on time and size, and again after a while where the server or
// the network says that this may help. Used by the TAXII client and the MISP feeds.
import { setTimeout as sleep } from "node:timers/promises";
import { UndercroftError } from "../errors/errors.ts";

/** How a feed's server is asked. */
export interface FeedOptions {
  /** Sent with every request, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Largest answer in bytes after decompression, default 256 MiB. */
  readonly bytesMax?: number;
  /** Longest time of one request in ms, its answer included, default 120,000. */
  readonly timeoutMs?: number;
  /** Attempts for one answer, default 4. */
  readonly attempts?: number;
  /** Waits between attempts; tests give their own. */
  readonly wait?: (ms: number) => Promise<unknown>;
}

const BYTES_MAX = 256 << 20;
const TIMEOUT_MS = 120_000;
const ATTEMPTS = 4;
const WAIT_MS = 1000;
/** Longest wait that a server may ask for. */
const WAIT_MS_MAX = 300_000;
const STATUS_AGAIN: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Reads one answer; called anew for every attempt. `push` gets the body, `end` its end. */
export interface AnswerReader {
  /** @throws {UndercroftError} where the headers are not those of a usable answer */
  readonly start?: (headers: Headers) => void;
  readonly push: (chunk: Uint8Array) => void;
}

/** A failure after which another attempt may help, in so many ms at the soonest. */
class AgainError extends Error {
  readonly waitMs: number;

  constructor(message: string, waitMs: number, options?: ErrorOptions) {
    super(message, options);
    this.waitMs = waitMs;
  }
}

/**
 * Gets an answer and hands it to a reader.
 * @throws {UndercroftError} ERR_UC_FEED when the last attempt failed, or no other would help
 */
export async function requestFeed(
  url: string,
  accept: string,
  options: FeedOptions,
  makeReader: () => AnswerReader,
): Promise<void> {
  const { username = "", password = "" } = URL.parse(url) ?? {};
  if (username !== "" || password !== "") {
    throw feedError(url, "holds credentials in its address; send them in an authorization header");
  }
  const attempts = options.attempts ?? ATTEMPTS;
  const wait = options.wait ?? ((ms: number) => sleep(ms));
  for (let attempt = 1; ; attempt++) {
    try {
      await requestOnce(url, accept, options, makeReader());
      return;
    } catch (cause) {
      if (!(cause instanceof AgainError)) throw cause;
      if (attempt >= attempts) {
        const tried = attempts === 1 ? "" : `, ${attempts} times`;
        throw feedError(url, `${cause.message}${tried}`, cause);
      }
      await wait(Math.min(WAIT_MS_MAX, Math.max(cause.waitMs, WAIT_MS * 2 ** (attempt - 1))));
    }
  }
}

async function requestOnce(
  url: string,
  accept: string,
  options: FeedOptions,
  reader: AnswerReader,
): Promise<void> {
  const signal = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
  let response: Response;
  try {
    // A redirection could carry the credentials elsewhere.
    const headers = { ...options.headers, accept };
    response = await fetch(url, { headers, redirect: "error", signal });
  } catch (cause) {
    throw new AgainError(`cannot be asked: ${reasonOf(cause)}`, 0, { cause });
  }
  if (!response.ok) await refuse(url, response);
  reader.start?.(response.headers);
  await readBody(url, response, options.bytesMax ?? BYTES_MAX, reader);
}

async function refuse(url: string, response: Response): Promise<never> {
  const { status, statusText } = response;
  await response.body?.cancel();
  const what = `answers ${status} ${statusText.slice(0, 60)}`.trimEnd();
  if (!STATUS_AGAIN.has(status)) throw feedError(url, `${what}${hint(status)}`);
  throw new AgainError(what, retryAfterMs(response.headers.get("retry-after")));
}

function hint(status: number): string {
  if (status === 401 || status === 403) return "; check the credentials";
  return status === 404 ? "; check the address and the collection" : "";
}

// Seconds or a date (RFC 9110 §10.2.3).
function retryAfterMs(value: string | null): number {
  if (value === null) return 0;
  const seconds = /^\d{1,6}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}

async function readBody(
  url: string,
  response: Response,
  bytesMax: number,
  reader: AnswerReader,
): Promise<void> {
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > bytesMax) throw feedError(url, `answers with more than ${bytesMax} bytes`);
      reader.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof UndercroftError) throw cause;
    throw new AgainError(`breaks off its answer: ${reasonOf(cause)}`, 0, { cause });
  }
}

/** An error that names the feed, without what its address may hold of credentials. */
export function feedError(url: string, what: string, cause?: unknown): UndercroftError {
  const shown = withoutSecrets(url);
  const options = cause === undefined ? {} : { cause };
  return new UndercroftError("ERR_UC_FEED", `${shown} ${what}`, { url: shown }, options);
}

function withoutSecrets(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? "the feed" : parsed.origin + parsed.pathname;
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  // fetch() tells the reason in the cause only.
  return cause.cause instanceof Error ? cause.cause.message : cause.message;
}
