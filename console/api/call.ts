// SPDX-License-Identifier: Apache-2.0
// One call of the manager's API. Every request of the console goes through here, so that none
// forgets the session's CSRF text.
import { API_ROUTES, type ApiError, type ApiSession } from "../../lib/model/model.ts";
import type { ApiResults } from "./results.ts";

export interface CallOptions {
  readonly id?: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: object;
  readonly signal?: AbortSignal;
}

/** A call that did not do what was asked. status 0: the manager was not reached. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;
  readonly place: string | undefined;

  constructor(status: number, { code, message, place }: ApiError) {
    super(message);
    this.status = status;
    this.code = code;
    this.place = place;
  }
}

let csrf = "";
let whenSignedOut: () => void = () => {};

/** Remembers what every changing call must carry. */
export function setCsrf(session: ApiSession | undefined): void {
  csrf = session?.csrf ?? "";
}

/** Called where the manager no longer knows the session. */
export function onSignedOut(listener: () => void): void {
  whenSignedOut = listener;
}

/** @throws {ApiFailure} and whatever an aborted request throws. */
export async function callApi<Name extends keyof ApiResults>(
  name: Name,
  options: CallOptions = {},
): Promise<ApiResults[Name]> {
  const [method, , role] = API_ROUTES[name];
  const { body, signal } = options;
  const headers: Record<string, string> = {};
  if (method !== "GET") headers["x-csrf-token"] = csrf;
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await send(addressOf(name, options), {
    ...{ method, headers, credentials: "same-origin" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.ok) return (await response.json()) as ApiResults[Name];
  if (response.status === 401 && role !== "anyone") whenSignedOut();
  throw new ApiFailure(response.status, await errorOf(response));
}

/** Where a route is, with its id and query in place. */
export function addressOf(
  name: keyof typeof API_ROUTES,
  { id = "", query = {} }: CallOptions = {},
): string {
  const path = API_ROUTES[name][1].replace(":id", encodeURIComponent(id));
  const asked = Object.entries(query).filter((entry): entry is [string, string] => {
    return entry[1] !== undefined && entry[1] !== "";
  });
  const text = new URLSearchParams(asked).toString();
  return `/api/v1${path}${text === "" ? "" : `?${text}`}`;
}

async function send(address: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(address, request);
  } catch (error) {
    if (request.signal?.aborted) throw error;
    throw new ApiFailure(0, { code: "", message: "" });
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  const nothing = { code: "", message: `HTTP ${response.status}` };
  try {
    return { ...nothing, ...((await response.json()) as Partial<ApiError>) };
  } catch {
    return nothing;
  }
}
